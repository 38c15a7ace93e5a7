"""Price options by the chains in store."""

from collections.abc import Iterable
from datetime import date, timedelta

from blocks.desk import Desk
from trading.market.instruments import Option
from trading.market.option_symbols import option_named
from trading.risk.priced_options import PricedOption, price_options


def options_among(desk: Desk, symbols: Iterable[str]) -> dict[str, Option]:
    """Return those of the symbols that name an option; no source of bars offers any, so the name must tell."""
    mic, currency = desk.market.settings.mic, desk.account.currency
    return {s: option for s in symbols if (option := option_named(s, mic=mic, currency=currency)) is not None}


def priced_options(desk: Desk, symbols: Iterable[str], known: date) -> dict[str, PricedOption]:
    """Return what the stored chains say of those symbols that name an option.

    Args:
        known: the last session whose closes are known: a chain from before its open is stale, and one from after the
            next open is not known yet.
    """
    options = options_among(desk, symbols)
    if not options:
        return {}
    calendar, store = desk.market.calendar, desk.storage.chain_store()
    last = calendar.previous_session(known + timedelta(days=1))  # `known` itself where it is a session
    following = calendar.next_session(last)
    since, before = calendar.open_at(last), calendar.open_at(following)
    priced: dict[str, PricedOption] = {}
    for underlying in {option.underlying for option in options.values()}:
        of = [option for option in options.values() if option.underlying == underlying]
        priced |= price_options(of, store.newest(underlying, before), since=since, session=following)
    return priced
