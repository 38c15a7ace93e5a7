"""Instruments: what can be traded, where and in which steps."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.errors import InvalidValue
from trading.market.instruments import Equity, Etf, Future, FxPair, Option, PutOrCall, SecurityType


def an_equity(**changes: Any) -> Equity:
    return Equity(**{"symbol": "KO", "mic": "XNYS"} | changes)


def an_option(**changes: Any) -> Option:
    terms = {
        "symbol": "AAPL  140621C00650000",
        "mic": "XCBO",
        "underlying": "AAPL",
        "maturity_date": date(2014, 6, 21),
        "strike_px": Decimal(650),
        "put_or_call": PutOrCall.CALL,
    }
    return Option(**terms | changes)


def test_a_share_is_in_dollars_cents_and_ones_unless_told_otherwise():
    share = an_equity()

    assert (share.currency, share.tick_size, share.lot_size, share.multiplier) == ("USD", Decimal("0.01"), 1, 1)


@pytest.mark.parametrize(
    ("instrument", "security_type"),
    [
        (an_equity(), SecurityType.COMMON_STOCK),
        (Etf(symbol="SPY", mic="ARCX"), SecurityType.EXCHANGE_TRADED_FUND),
        (an_option(), SecurityType.OPTION),
        (Future(symbol="ESZ4", mic="XCME", maturity_date=date(2024, 12, 20)), SecurityType.FUTURE),
        (FxPair(symbol="EURUSD", mic="IDEA", base_currency="EUR"), SecurityType.FX_SPOT),
    ],
)
def test_every_kind_knows_its_fix_security_type(instrument, security_type: SecurityType):
    assert instrument.security_type is security_type


def test_a_us_equity_option_is_worth_a_hundred_shares():
    assert an_option().multiplier == 100


@pytest.mark.parametrize(
    ("px", "tick_size", "rounded"),
    [
        ("10.126", "0.01", "10.13"),
        ("10.125", "0.01", "10.12"),  # half to even
        ("10.135", "0.01", "10.14"),
        ("4512.30", "0.25", "4512.25"),
        ("-1.26", "0.05", "-1.25"),
        ("10", "0.01", "10"),
    ],
)
def test_a_price_is_rounded_to_the_nearest_tick_half_to_even(px: str, tick_size: str, rounded: str):
    assert an_equity(tick_size=Decimal(tick_size)).round_to_tick(Decimal(px)) == Decimal(rounded)


@given(
    px=st.decimals(Decimal(0), Decimal(10_000), places=6),
    tick_size=st.sampled_from(["0.01", "0.05", "0.25", "0.00005"]),
)
def test_a_rounded_price_lies_on_the_grid_and_at_most_half_a_tick_away(px: Decimal, tick_size: str):
    tick = Decimal(tick_size)

    rounded = an_equity(tick_size=tick).round_to_tick(px)

    assert rounded % tick == 0
    assert abs(rounded - px) <= tick / 2


@pytest.mark.parametrize("symbol", ["", " KO", "KO "])
def test_a_symbol_has_no_blanks_around_it(symbol: str):
    with pytest.raises(InvalidValue, match="symbol"):
        an_equity(symbol=symbol)


@pytest.mark.parametrize("mic", ["NYSE2", "nyse", "XN", ""])
def test_an_exchange_is_named_by_its_iso_code(mic: str):
    with pytest.raises(InvalidValue, match="mic of KO"):
        an_equity(mic=mic)


@pytest.mark.parametrize("name", ["tick_size", "lot_size", "multiplier"])
@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_steps_and_multipliers_are_greater_than_zero(name: str, value: str):
    with pytest.raises(InvalidValue, match=f"{name} of KO"):
        an_equity(**{name: Decimal(value)})


def test_an_option_needs_a_positive_strike_and_a_sound_symbol():
    with pytest.raises(InvalidValue, match="strike_px of"):
        an_option(strike_px=Decimal(0))
    with pytest.raises(InvalidValue, match="symbol"):
        an_option(symbol="")


def test_equal_instruments_are_equal_and_cannot_be_changed():
    assert an_equity() == an_equity()
    assert len({an_equity(), an_equity()}) == 1
    with pytest.raises(AttributeError):
        an_equity().symbol = "PEP"  # type: ignore[misc] # the refusal is what is tested
