"""Account values as IB states them."""

from collections.abc import Mapping
from decimal import Decimal

from adapters.ib.connection import NAME
from adapters.ib.decimals import exact, exact_or_none
from trading.errors import BrokerUnavailable
from trading.money import Money

_CASH_KEYS = ("CashBalance", "TotalCashBalance", "TotalCashValue")
_MARGIN_KEY = "InitMarginReq"


def account_cash(values: Mapping[tuple[str, str], str], currency: str) -> Money:
    """Return the account's cash in that currency, settled or not.

    Args:
        values: by key and currency.

    Raises:
        BrokerUnavailable: IB did not state it.
    """
    for key in _CASH_KEYS:
        if (key, currency) in values:
            return Money(amount=exact(values[key, currency]), currency=currency)
    if not values:
        raise BrokerUnavailable(NAME, "it stated no account values")
    kept = sorted({c for key, c in values if key in _CASH_KEYS and c != "BASE"})
    raise BrokerUnavailable(NAME, f"it stated no cash in {currency}; the account keeps {', '.join(kept)}")


def initial_margin(values: Mapping[tuple[str, str], str], currency: str) -> Decimal:
    """Return the initial margin of what the account holds, in that currency.

    IB tells every margin in the account's base currency, and names it here only: what-ifs tell bare numbers.

    Args:
        values: by key and currency.

    Raises:
        BrokerUnavailable: IB did not state it, or in another currency.
    """
    stated = {
        c: px for (key, c), value in values.items() if key == _MARGIN_KEY and (px := exact_or_none(value)) is not None
    }
    if currency in stated:
        return stated[currency]
    told = f"it is told in {', '.join(sorted(stated))}" if stated else "it is not told"
    raise BrokerUnavailable(NAME, f"it stated no initial margin in {currency}; {told}")
