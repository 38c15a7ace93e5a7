"""Prices without a socket: the same for ever from a seed, and in agreement with each other at every scale."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_gateway.contracts import ComboLeg, Contract, UnknownContract
from ib_gateway.market import Market
from ib_gateway.market_bar_terms import BAR_SECONDS, Bar, BarRequest, parsed_duration
from ib_gateway.market_history import dividend_factor, history
from ib_gateway.market_hours import is_open, periods
from ib_gateway.market_options import black_scholes

FRIDAY_NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
MARKET = Market(seed=1)


def con_id(symbol: str, sec_type: str = "STK", market: Market = MARKET, **wanted: object) -> int:
    [contract] = market.find(Contract(symbol=symbol, sec_type=sec_type, **wanted))
    return contract.con_id


def bars_of(symbol: str, size: str, duration: str, **wanted: object) -> list[Bar]:
    request = BarRequest(
        end=wanted.pop("end", FRIDAY_NOON),
        duration=parsed_duration(duration),
        bar_seconds=BAR_SECONDS[size],
        what=wanted.pop("what", "TRADES"),
        regular_only=wanted.pop("regular_only", True),
    )
    market = wanted.pop("market", MARKET)
    return history(market, con_id(symbol, market=market, **wanted), request)


def test_a_seed_gives_the_same_quote_in_every_process():
    quote = Market(seed=7).quote(con_id("AAPL"), FRIDAY_NOON)

    assert quote == Market(seed=7).quote(con_id("AAPL"), FRIDAY_NOON)
    assert quote.last != Market(seed=8).quote(con_id("AAPL"), FRIDAY_NOON).last
    written_down = Decimal("60.81")  # once, so that no release and no Python moves the prices of a seed unseen
    assert Market(seed=1).quote(con_id("KO"), datetime(2026, 11, 20, 16, 0, tzinfo=UTC)).last == written_down


@given(seconds=st.integers(0, 7 * 86_400), symbol=st.sampled_from(["AAPL", "PNNY", "EUR", "SPX", "DUAL"]))
def test_bid_last_and_ask_are_on_the_price_ladder_and_in_order(seconds, symbol):
    for contract in MARKET.find(Contract(symbol=symbol)):
        if contract.sec_type in ("OPT", "FUT"):
            continue
        quote = MARKET.quote(contract.con_id, FRIDAY_NOON + timedelta(seconds=seconds))

        assert 0 < quote.bid < quote.last < quote.ask
        for price in (quote.bid, quote.last, quote.ask):
            assert price % MARKET.price_increment(contract, price) == 0


def test_a_day_is_made_of_its_minutes():
    days = bars_of("AAPL", "1 day", "3 D")
    minutes = bars_of("AAPL", "1 min", "3 D")

    for day in days:
        inside = [bar for bar in minutes if bar.day == day.day]
        assert day.open == inside[0].open
        assert day.high == max(bar.high for bar in inside)
        assert day.low == min(bar.low for bar in inside)
        assert day.close == inside[-1].close
        assert day.volume == sum(bar.volume for bar in inside)
    assert len([bar for bar in minutes if bar.day == days[0].day]) == 390  # 09:30 to 16:00


def test_a_bar_ends_at_the_price_that_was_quoted_then():
    newest = bars_of("MSFT", "5 secs", "60 S")[-1]

    assert newest.opens_at == FRIDAY_NOON - timedelta(seconds=5)
    assert newest.close == MARKET.quote(con_id("MSFT"), FRIDAY_NOON).last


@pytest.mark.parametrize("size", ["5 secs", "1 min", "30 mins", "1 hour", "1 day", "1 week", "1 month"])
def test_high_and_low_hold_open_and_close_in_bars_of_any_size(size):
    bars = bars_of("TSLA", size, "3600 S" if size == "5 secs" else "1 M", regular_only=False)

    assert bars
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert [bar.opens_at for bar in bars] == sorted({bar.opens_at for bar in bars})


def test_a_put_is_dear_when_its_stock_is_cheap_and_its_bars_know():
    put = {"sec_type": "OPT", "last_trade_date": "20270115", "strike": 300.0, "right": "P"}

    bars = bars_of("AAPL", "1 day", "10 D", **put)

    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert any(bar.low < min(bar.open, bar.close) for bar in bars)
    assert any(bar.high > max(bar.open, bar.close) for bar in bars)


def test_an_option_stands_still_while_its_stock_trades_in_the_evening():
    call = con_id("AAPL", "OPT", last_trade_date="20261218", strike=250.0, right="C")
    at_close = datetime(2026, 11, 19, 21, 0, tzinfo=UTC)
    evening = at_close + timedelta(hours=2)

    assert MARKET.quote(con_id("AAPL"), evening).last != MARKET.quote(con_id("AAPL"), at_close).last
    assert MARKET.quote(call, evening).last == MARKET.quote(call, at_close).last


def test_the_night_and_the_weekend_show_the_last_price():
    at_close = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)  # Friday 20:00 in New York, the end of extended hours
    aapl = con_id("AAPL")

    assert MARKET.quote(aapl, at_close + timedelta(hours=30)).last == MARKET.quote(aapl, at_close).last


def test_regular_hours_follow_new_yorks_clocks_over_the_change_of_october():
    [_, summer, _], [_, winter, _] = periods("STK", date(2026, 10, 30)), periods("STK", date(2026, 11, 2))

    assert (summer.opens.hour, summer.closes.hour) == (13, 20)  # UTC-4
    assert (winter.opens.hour, winter.closes.hour) == (14, 21)  # UTC-5


@pytest.mark.parametrize(
    ("kind", "hour", "regular", "extended"),
    [
        ("STK", 8, False, True),
        ("STK", 10, True, True),
        ("STK", 19, False, True),
        ("STK", 21, False, False),
        ("OPT", 19, False, False),
        ("FUT", 19, True, True),
        ("CASH", 17, False, False),
    ],
)
def test_each_kind_of_contract_has_its_hours(kind, hour, regular, extended):
    at = datetime(2026, 11, 18, 5, 1, tzinfo=UTC) + timedelta(hours=hour)  # a Wednesday, New York is UTC-5

    assert is_open(kind, at) == regular
    assert is_open(kind, at, extended=True) == extended


def test_an_option_is_worth_what_black_and_scholes_say():
    # Hull, Options, Futures and Other Derivatives, example 15.6
    terms = {"spot": 42.0, "strike": 40.0, "years": 0.5, "volatility": 0.2, "rate": 0.1}
    call, put = black_scholes(call=True, **terms), black_scholes(call=False, **terms)

    assert (round(call.price, 2), round(put.price, 2)) == (4.76, 0.81)
    assert round(call.delta - put.delta, 9) == 1


def test_the_greeks_of_the_textbook():
    # Hull, chapter 19: spot 49, strike 50, rate 0.05, volatility 0.2, 20 weeks
    call = black_scholes(spot=49, strike=50, years=0.3846, volatility=0.2, call=True, rate=0.05)

    assert round(call.delta, 3) == 0.522
    assert round(call.gamma, 3) == 0.066
    assert round(call.vega, 3) == 0.121
    assert round(call.theta, 4) == -0.0118  # -4.31 a year


def test_options_follow_an_underlying_whose_price_is_set():
    market = Market(seed=1)
    at = datetime(2026, 12, 18, 20, 59, tzinfo=UTC)  # a minute before it expires: nothing but its worth is left
    call = con_id("AAPL", "OPT", last_trade_date="20261218", strike=250.0, right="C")

    market.set_price("AAPL", Decimal(260))

    assert market.quote(call, at).last == Decimal(10)


def test_two_futures_on_an_index_move_together_and_the_later_one_costs_interest():
    near, far = (con_id("ES", "FUT", last_trade_date=month) for month in ("202612", "202703"))

    ratio = MARKET.quote(far, FRIDAY_NOON).last / MARKET.quote(near, FRIDAY_NOON).last

    assert round(float(ratio), 3) == 1.01  # exp(0.04 * 91/365)


def test_a_spread_is_quoted_against_its_buyer():
    market = Market(seed=1)
    bought, sold = con_id("KO"), con_id("PEP")
    market.set_price("KO", Decimal(60))
    market.set_price("PEP", Decimal(150))

    legs = [ComboLeg(con_id=bought, ratio=5, action="BUY"), ComboLeg(con_id=sold, ratio=2, action="SELL")]
    quote = market.quote_combo(legs, FRIDAY_NOON)

    assert quote.last == 0  # 5 x 60 - 2 x 150
    assert quote.bid == Decimal("-0.07")  # 5 x 59.99 - 2 x 150.01
    assert quote.ask == Decimal("0.07")


def test_adjusted_prices_lose_a_quarter_of_the_yield_at_each_ex_date_after_them():
    coke = MARKET.listing(con_id("KO"))  # 3 % a year

    assert dividend_factor(coke, date(2026, 9, 15), FRIDAY_NOON) == 1
    assert dividend_factor(coke, date(2026, 9, 14), FRIDAY_NOON) == Decimal("0.9925")
    assert dividend_factor(coke, date(2025, 11, 20), FRIDAY_NOON) == Decimal("0.9925") ** 4
    raw, adjusted = (bars_of("KO", "1 day", "1 Y", what=what)[0] for what in ("TRADES", "ADJUSTED_LAST"))
    assert adjusted.close == round(raw.close * Decimal("0.9925") ** 4, 4)


def test_a_price_is_set_for_known_symbols_only():
    with pytest.raises(UnknownContract, match="NOPE"):
        Market(seed=1).set_price("NOPE", Decimal(1))


@pytest.mark.parametrize("price", ["0", "-1", "Infinity"])
def test_a_price_is_above_zero(price):
    with pytest.raises(ValueError, match=f"KO cannot be held at {price}"):
        Market(seed=1).set_price("KO", Decimal(price))
