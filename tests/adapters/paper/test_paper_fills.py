"""How orders fill against the bar 100, 110, 90, 105: at the open (9:30 and a second), at the close (16:00), or not."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.paper.paper_settings import PaperSettings
from tests.adapters.paper.paper_desk import (
    FREE,
    MONDAY,
    NAN,
    TUESDAY,
    WEDNESDAY,
    MemoryMarket,
    a_bar,
    a_broker,
    a_clock,
    a_close,
    a_limit,
    a_stop,
    an_engine,
    an_order,
    in_words,
    outcome,
)
from trading.market.corporate_actions import Split
from trading.orders.execution_algos import Twap
from trading.orders.executions import ExecType
from trading.orders.orders import OrderCancelRequest, OrdStatus, OrdType, Side, TimeInForce

OPEN, CLOSE = "Mon 09:30:01", "Mon 16:00:00"
BUY, SELL = Side.BUY, Side.SELL
DAY, GTC, GTD, IOC, FOK, OPG, CLS = TimeInForce
UNFILLED = ("expired", CLOSE, "not filled by the close of 2020-08-24")


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return an_engine(tmp_path)


@pytest.mark.parametrize(
    ("tif", "sent_at", "happens"),
    [
        (DAY, (8, 0), ("100 at 100", OPEN, "")),
        (GTC, (8, 0), ("100 at 100", OPEN, "")),
        (OPG, (8, 0), ("100 at 100", OPEN, "")),
        (IOC, (8, 0), ("100 at 100", OPEN, "")),
        (CLS, (8, 0), ("100 at 105", CLOSE, "")),
        (DAY, (12, 0), ("100 at 105", CLOSE, "")),
        (GTC, (12, 0), ("100 at 105", CLOSE, "")),
        (CLS, (12, 0), ("100 at 105", CLOSE, "")),
        (OPG, (12, 0), ("expired", "Mon 12:00:01", "it came after the open, the only moment it could have traded at")),
        (IOC, (12, 0), ("canceled", "Mon 12:00:01", "it came after the open, the only moment it could have traded at")),
        (DAY, (9, 30), ("100 at 105", CLOSE, "")),  # a second under way: too late for the open
    ],
)
async def test_a_market_order_trades_at_the_next_price_its_time_in_force_allows(engine, tif, sent_at, happens):
    order = an_order(time_in_force=tif)

    assert await outcome(order, a_bar(), engine=engine, at=sent_at) == [happens]


@pytest.mark.parametrize(
    ("tif", "happens"),
    [
        (DAY, ("100 at 105", CLOSE, "")),
        (CLS, ("100 at 105", CLOSE, "")),
        (OPG, ("expired", OPEN, "no opening price on 2020-08-24")),
        (IOC, ("canceled", OPEN, "no opening price on 2020-08-24")),
    ],
)
async def test_where_the_source_has_closes_only_the_close_is_the_price(engine, tif, happens):
    order = an_order(time_in_force=tif)

    assert await outcome(order, a_close(MONDAY, 105.0), engine=engine) == [happens]


@pytest.mark.parametrize(
    ("side", "limit_px", "happens"),
    [
        (BUY, "101", ("100 at 100", OPEN, "")),  # the open is better
        (BUY, "100", ("100 at 100", OPEN, "")),
        (BUY, "95", ("100 at 95", CLOSE, "")),  # the low went through it; when, a daily bar does not say
        (BUY, "90", ("100 at 90", CLOSE, "")),
        (BUY, "89.99", UNFILLED),
        (SELL, "99", ("100 at 100", OPEN, "")),
        (SELL, "108", ("100 at 108", CLOSE, "")),
        (SELL, "110.01", UNFILLED),
    ],
)
async def test_a_limit_order_trades_at_the_open_if_that_is_better_else_at_its_limit(engine, side, limit_px, happens):
    order = a_limit(limit_px, side=side)

    assert await outcome(order, a_bar(), engine=engine) == [happens]


@pytest.mark.parametrize(
    ("limit_px", "happens"), [("105", ("100 at 105", CLOSE, "")), ("106", ("100 at 105", CLOSE, "")), ("104", UNFILLED)]
)
async def test_a_limit_order_sent_after_the_open_knows_the_close_only(engine, limit_px, happens):
    assert await outcome(a_limit(limit_px), a_bar(), engine=engine, at=(12, 0)) == [happens]


@pytest.mark.parametrize(
    ("side", "stop_px", "happens"),
    [
        (BUY, "99", ("100 at 100", OPEN, "")),  # the open is beyond the stop, and worse
        (BUY, "108", ("100 at 108", CLOSE, "")),
        (BUY, "110.01", UNFILLED),
        (SELL, "101", ("100 at 100", OPEN, "")),
        (SELL, "95", ("100 at 95", CLOSE, "")),
        (SELL, "89.99", UNFILLED),
    ],
)
async def test_a_stop_is_triggered_by_the_range_and_pays_the_worse_of_stop_and_open(engine, side, stop_px, happens):
    assert await outcome(a_stop(stop_px, side=side), a_bar(), engine=engine) == [happens]


@pytest.mark.parametrize(
    ("stop_px", "limit_px", "happens"),
    [
        ("99", "101", ("100 at 100", OPEN, "")),  # triggered at the open, which is within the limit
        ("99", "95", ("100 at 95", CLOSE, "")),  # triggered at the open, and the low came after it
        ("106", "106", ("100 at 106", CLOSE, "")),  # triggered later; the close of 105 is surely after that
        ("102", "104", UNFILLED),  # triggered later; whether 104 was seen after that, nobody knows
        ("111", "112", UNFILLED),
    ],
)
async def test_a_stop_limit_trades_only_at_prices_that_surely_came_after_its_trigger(
    engine, stop_px, limit_px, happens
):
    order = an_order(ord_type=OrdType.STOP_LIMIT, stop_px=Decimal(stop_px), price=Decimal(limit_px))

    assert await outcome(order, a_bar(), engine=engine) == [happens]


async def test_costs_are_paid_by_market_and_stop_orders_and_never_by_limits(tmp_path: Path):
    costs = PaperSettings(spread_bp=Decimal(20), slippage_bp=Decimal(10))  # together 20 bp of 100: 0.20

    market = await outcome(an_order(), a_bar(), engine=an_engine(tmp_path), settings=costs)
    stop = await outcome(a_stop("108", "o-2"), a_bar(), engine=an_engine(tmp_path), settings=costs)
    limit = await outcome(a_limit("100", "o-3"), a_bar(), engine=an_engine(tmp_path), settings=costs)

    assert market[0][0] == "100 at 100.2"
    assert stop[0][0] == "100 at 108.22"  # 108.216, on the next tick
    assert limit[0][0] == "100 at 100"


async def test_the_rest_beyond_the_share_of_the_volume_expires_with_a_day_order(engine):
    order = an_order(qty=250)

    happened = await outcome(order, a_bar(volume=1005.0), engine=engine)

    assert happened == [("100 at 100", OPEN, ""), UNFILLED]


async def test_the_rest_of_a_gtc_order_goes_on_until_it_is_filled(engine):
    order = an_order(qty=250, time_in_force=GTC)
    bars = [a_bar(MONDAY, volume=1000.0), a_bar(TUESDAY, open=101.0, volume=1000.0), a_bar(WEDNESDAY, volume=1000.0)]

    happened = await outcome(order, *bars, engine=engine)

    assert happened == [("100 at 100", OPEN, ""), ("100 at 101", "Tue 09:30:01", ""), ("50 at 100", "Wed 09:30:01", "")]


async def test_all_orders_of_the_account_share_the_volume(engine):
    clock = a_clock()
    broker = a_broker(engine, MemoryMarket([a_bar(volume=1000.0)]), clock)
    await broker.submit(an_order("o-1", qty=80))
    await broker.submit(an_order("o-2", SELL, qty=80))
    clock.set(MONDAY, 10)
    await broker.submit(a_limit("95", "o-3", qty=80))

    clock.set(MONDAY, 17)
    reports = await broker.reports_since(datetime(2020, 1, 1, tzinfo=UTC))

    traded = {r.cl_ord_id: r.last_qty for r in reports if r.exec_type is ExecType.TRADE}
    assert traded == {"o-1": 80, "o-2": 20}  # 100 of 1,000


async def test_a_stop_that_was_triggered_stays_so(engine):
    order = a_stop("108", qty=150, time_in_force=GTC)
    bars = [a_bar(MONDAY, volume=1000.0), a_bar(TUESDAY, open=80.0, high=81.0, low=79.0, close=80.0, volume=1000.0)]

    assert await outcome(order, *bars, engine=engine) == [("100 at 108", CLOSE, ""), ("50 at 80", "Tue 09:30:01", "")]


async def test_without_known_volume_an_order_fills_in_full(engine):
    assert await outcome(an_order(qty=10**7), a_bar(volume=NAN), engine=engine) == [("10000000 at 100", OPEN, "")]


async def test_a_fill_comes_in_pieces_and_their_commissions_add_up_to_that_of_the_order(engine):
    clock = a_clock()
    settings = PaperSettings(fill_slices=5, spread_bp=0, slippage_bp=0)
    broker = a_broker(engine, MemoryMarket([a_bar(open=25.0)]), clock, settings)
    await broker.submit(an_order(qty=1000))

    clock.set(MONDAY, 10)
    trades = [r for r in await broker.find("o-1") if r.exec_type is ExecType.TRADE]

    assert len(trades) == 5
    assert trades[-1].cum_qty == sum(r.last_qty for r in trades) == 1000
    assert sum(r.commission for r in trades) == Decimal("5.00")  # 1,000 shares at 25, as published
    assert [r.ord_status for r in trades] == [OrdStatus.PARTIALLY_FILLED] * 4 + [OrdStatus.FILLED]


async def test_a_day_order_without_a_bar_expires_once_a_later_bar_is_there(engine):
    happened = await outcome(an_order(), a_bar(TUESDAY), engine=engine)

    assert happened == [("expired", CLOSE, "no bar of AAPL for 2020-08-24")]


async def test_a_day_order_without_any_bar_expires_a_week_after_the_close(engine):
    clock = a_clock()
    broker = a_broker(engine, MemoryMarket(), clock)
    await broker.submit(an_order())

    clock.set(date(2020, 8, 31), 15, 59)
    waiting = (await broker.statement()).working
    clock.set(date(2020, 8, 31), 17)

    assert waiting == ("o-1",)
    assert in_words((await broker.find("o-1"))[-1]) == ("expired", CLOSE, "no bar of AAPL for 2020-08-24")


async def test_an_order_waits_for_a_bar_that_the_source_shows_late(engine):
    clock, market = a_clock(), MemoryMarket()
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order())
    clock.set(MONDAY, 10)
    assert (await broker.statement()).working == ("o-1",)

    market.rows.append(a_bar())
    clock.set(MONDAY, 18)

    assert in_words((await broker.find("o-1"))[-1]) == (
        "100 at 100",
        OPEN,
        "",
    )  # when it happened, not when it was seen


async def test_a_bar_that_stops_at_noon_fills_at_its_open_and_not_at_a_close_yet_to_come(engine):
    clock, market = a_clock(), MemoryMarket([a_bar(low=99.0, close=101.0)])
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order("o-1"))
    await broker.submit(an_order("o-2", time_in_force=CLS))

    clock.set(MONDAY, 12)
    noon = await broker.statement()
    market.rows[0] = a_bar(close=105.0)
    clock.set(MONDAY, 16)

    assert noon.working == ("o-2",)
    assert in_words((await broker.find("o-2"))[-1]) == ("100 at 105", CLOSE, "")


async def test_the_future_of_a_source_that_knows_it_is_not_used(engine):
    clock = a_clock()
    broker = a_broker(engine, MemoryMarket([a_bar(MONDAY), a_bar(TUESDAY)]), clock)
    await broker.submit(an_order())

    clock.set(MONDAY, 9, 30)
    before = await broker.statement()
    clock.at = clock.at.replace(second=1)

    assert before.working == ("o-1",)
    assert (await broker.statement()).working == ()


async def test_the_shares_that_a_gtc_order_got_at_the_close_split_in_the_next_session(engine):
    """A tenth of 500 is traded at Monday's close; two for one makes 100 of the 50."""
    split = Split(symbol="AAPL", ex_date=TUESDAY, new_per_old=Decimal(2))
    monday = a_bar(MONDAY, open=float("nan"), high=float("nan"), low=float("nan"), volume=500.0)
    clock = a_clock()
    broker = a_broker(engine, MemoryMarket([monday, a_bar(TUESDAY)], [split]), clock)
    await broker.submit(an_order(qty=80, time_in_force=GTC))

    clock.set(TUESDAY, 16, 0)

    assert {p.symbol: p.qty for p in (await broker.statement()).positions} == {"AAPL": 100}


async def test_a_gtc_order_of_before_a_split_is_canceled_and_one_sent_for_the_ex_date_is_not(engine):
    split = Split(symbol="AAPL", ex_date=TUESDAY, new_per_old=Decimal(4))
    bars = [a_bar(MONDAY), a_bar(TUESDAY, open=25.0, high=26.0, low=24.0, close=25.0)]
    old = a_limit("50", time_in_force=GTC)
    new = a_limit("50", "o-2", session=TUESDAY, time_in_force=GTC)

    first = await outcome(old, *bars, engine=engine, actions=[split])
    second = await outcome(new, *bars, engine=engine, actions=[split])

    assert first == [("canceled", "Tue 09:30:01", "it was in shares that are no more; send it again in new ones")]
    assert second == [("100 at 25", "Tue 09:30:01", "")]


async def test_an_order_canceled_during_the_session_does_not_trade_at_its_close(engine):
    clock = a_clock(MONDAY, 12)
    broker = a_broker(engine, MemoryMarket([a_bar()]), clock)
    await broker.submit(an_order())
    clock.set(MONDAY, 15)
    request = OrderCancelRequest(cl_ord_id="o-1-x", orig_cl_ord_id="o-1", account="DU1", transact_time=clock.at)

    answer = await broker.cancel(request)
    clock.set(TUESDAY, 10)

    assert in_words(answer[-1]) == ("canceled", "Mon 15:00:00", "canceled on request")
    assert await broker.find("o-1") == answer


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"symbol": "NONE"}, "unknown symbol NONE"),
        ({"account": "DU2"}, "unknown account DU2; this is DU1"),
        ({"symbol": "SAP"}, "SAP is paid in EUR, the account holds USD"),
        ({"order_qty": Decimal("10.5")}, "order_qty 10.5 is not a multiple of 1"),
        ({"ord_type": OrdType.LIMIT, "price": Decimal("10.005")}, "price 10.005 is not a multiple of the tick 0.01"),
        ({"ord_type": OrdType.STOP, "stop_px": Decimal("9.999")}, "stop_px 9.999 is not a multiple of the tick 0.01"),
        (
            {"ord_type": OrdType.STOP, "stop_px": Decimal(9), "time_in_force": IOC},
            "a stop order cannot be IOC",
        ),
        ({"algo": Twap()}, "the paper broker has no TWAP algorithm; send it without one"),
        ({"session": date(2020, 8, 23)}, "2020-08-23 is not a session of XNYS"),
        (
            {"session": date(2020, 8, 21)},
            "session 2020-08-21 is over: it closed 2020-08-21 20:00 UTC",
        ),
    ],
)
async def test_an_order_that_cannot_trade_is_rejected_and_says_why(engine, changes, text):
    clock = a_clock()
    broker = a_broker(engine, MemoryMarket([a_bar()]), clock)

    (report,) = await broker.submit(an_order(**changes))

    assert (report.exec_type, report.ord_status, report.text) == (ExecType.REJECTED, OrdStatus.REJECTED, text)


async def test_an_order_for_a_coming_session_waits_for_it(engine):
    bars = [a_bar(MONDAY), a_bar(TUESDAY, open=101.0)]

    assert await outcome(an_order(session=TUESDAY), *bars, engine=engine) == [("100 at 101", "Tue 09:30:01", "")]


async def test_the_market_is_not_asked_while_nothing_can_happen(engine):
    clock, market = a_clock(), MemoryMarket([a_bar(MONDAY), a_bar(TUESDAY)])
    broker = a_broker(engine, market, clock, FREE)
    for number in range(5):
        await broker.submit(an_order(f"o-{number}"))
    asked_before_the_open = market.asked

    clock.set(MONDAY, 10)
    for number in range(5, 10):
        await broker.submit(an_order(f"o-{number}"))
    clock.set(MONDAY, 15)
    await broker.statement()

    assert (asked_before_the_open, market.asked) == (0, 1)
