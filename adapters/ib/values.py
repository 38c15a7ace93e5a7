"""Account values as IB states them."""

from collections.abc import Mapping

from adapters.ib.connection import NAME
from adapters.ib.decimals import exact
from trading.errors import BrokerUnavailable
from trading.money import Money

_CASH_KEYS = ("CashBalance", "TotalCashBalance", "TotalCashValue")


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
