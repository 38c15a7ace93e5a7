"""The name of an option tells its terms."""

from datetime import date
from decimal import Decimal

import pytest

from trading.market.instruments import PutOrCall
from trading.market.option_symbols import is_adjusted, multiplier_of, option_named


@pytest.mark.parametrize(
    ("symbol", "underlying", "expiry", "right", "strike"),
    [  # the OCC's own example, one without blanks as some brokers write it, and one with a fraction
        ("LAMR  150117C00052500", "LAMR", date(2015, 1, 17), PutOrCall.CALL, "52.5"),
        ("SPX   141122P00019500", "SPX", date(2014, 11, 22), PutOrCall.PUT, "19.5"),
        ("AAPL270115C00250000", "AAPL", date(2027, 1, 15), PutOrCall.CALL, "250"),
    ],
)
def test_a_listed_option_is_known_by_its_name(symbol, underlying, expiry, right, strike):
    option = option_named(symbol, mic="XNYS")

    assert option is not None
    assert (option.symbol, option.underlying, option.maturity_date) == (symbol, underlying, expiry)
    assert (option.put_or_call, option.strike_px, option.multiplier) == (right, Decimal(strike), 100)


@pytest.mark.parametrize(
    "symbol", ["AAPL", "BRK.B", "ESZ6", "EUR.USD", "AAPL  270231C00250000", "AAPL  270115C00000000", ""]
)
def test_what_is_no_option_names_none(symbol):
    assert option_named(symbol, mic="XNYS") is None


@pytest.mark.parametrize(
    ("symbol", "multiplier", "adjusted"),
    [
        ("AAPL  270115C00250000", 100, False),
        ("SPXW270115P05000000", 100, False),
        ("AAPL1 270115C00250000", 100, True),  # after a merger, or a split that is not whole
        ("AAPL7270115C00250000", 100, True),  # a mini, which was on 10 units: the name does not tell
        ("2SPX  270115C05000000", 100, True),  # flexible
        ("AAPL  270231C00250000", 1, False),  # no such day
        ("AAPL", 1, False),
        ("ESZ6", 1, False),
    ],
)
def test_a_name_tells_what_a_price_of_one_is_worth_and_whether_that_must_be_looked_up(symbol, multiplier, adjusted):
    assert (multiplier_of(symbol), is_adjusted(symbol)) == (multiplier, adjusted)


def test_what_an_instrument_says_itself_goes_before_its_name():
    assert multiplier_of("AAPL  270115C00250000", {"AAPL  270115C00250000": Decimal(10)}) == 10
    assert multiplier_of("ESZ6", {"ESZ6": Decimal(50)}) == 50
