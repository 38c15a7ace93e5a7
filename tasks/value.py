"""Value positions at the last closes that are known."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from blocks.desk import Desk

LOOK_BACK_SESSIONS = 30  # a symbol may be quarantined or halted for a while, and is then worth its last good close


def last_prices(desk: Desk, session: date, symbols: Iterable[str]) -> dict[str, Decimal]:
    """Return the last stored close on or before the session of each symbol, every digit of it, as it was stored."""
    wanted = sorted(set(symbols))
    if not wanted:
        return {}
    first = desk.market.calendar.sessions_before(session, LOOK_BACK_SESSIONS)
    frame = desk.market.store.read(desk.market.settings.name, wanted, first, session).frame
    closes = frame.dropna(subset=["close"]).groupby("symbol")["close"].last()
    return {str(symbol): Decimal(repr(float(close))) for symbol, close in closes.items()}
