"""Option symbols: what the name of a listed option says of it."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from trading.market.instruments import Option, PutOrCall

_NAME = re.compile(r"([A-Z0-9]{1,6}) *(\d{6})([CP])(\d{8})")
_ONE, _CONTRACT = Decimal(1), Decimal(100)
_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


def option_named(symbol: str, *, mic: str, currency: str = "USD") -> Option | None:
    """Return the option that a symbol names, or None when it names none.

    The name is root, expiry, right and strike in thousandths, as brokers hold positions by it, with blanks after the
    root or without: "AAPL  270115C00250000" is the call on AAPL at 250 of 15 January 2027. The root is taken for the
    underlying, and its multiplier is that of `multiplier_of`.

    Source: The Options Clearing Corporation, Options Symbology Initiative, 2010.
    """
    parts = _parts(symbol)
    if parts is None:
        return None
    root, expiry, right, strike = parts
    return Option(
        symbol=symbol,
        mic=mic,
        currency=currency,
        underlying=root,
        maturity_date=expiry,
        strike_px=strike,
        put_or_call=PutOrCall(right),
        multiplier=_CONTRACT,
    )


def is_option(symbol: str) -> bool:
    """Tell whether a symbol names an option, standard or not."""
    return _parts(symbol) is not None


def multiplier_of(symbol: str, told: Mapping[str, Decimal] = _NOTHING) -> Decimal:
    """Return the cash value of a price of 1 for a quantity of 1: 100 of what is named as an option, 1 of all else.

    An adjustment changes what a contract delivers and keeps this number, as a rule; see `is_adjusted`.

    Args:
        told: of instruments that say it themselves, which goes before the name.
    """
    known = told.get(symbol)
    if known is not None:
        return known
    return _CONTRACT if is_option(symbol) else _ONE


def is_adjusted(symbol: str) -> bool:
    """Tell whether a symbol names an option that is not a standard one: its root has a digit, as AAPL1 and 2SPX have.

    What such a contract delivers, and whether its multiplier is 100, its name does not tell.

    Source: The Options Clearing Corporation, Options Symbology Initiative 1.8, 2008, non-standard deliverables.
    """
    parts = _parts(symbol)
    return parts is not None and not parts[0].isalpha()


def _parts(symbol: str) -> tuple[str, date, str, Decimal] | None:
    """Return root, expiry, right and strike, or None when the symbol names no option."""
    found = _NAME.fullmatch(symbol)
    if found is None or not int(found[4]):
        return None
    try:
        expiry = date.fromisoformat(f"20{found[2]}")
    except ValueError:  # six digits that are no day
        return None
    return found[1], expiry, found[3], Decimal(found[4]) / 1000
