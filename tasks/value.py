"""Value positions at the last closes that are known."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from blocks.desk import Desk
from trading.market.adjustments import Split

LOOK_BACK_SESSIONS = 30  # a symbol may be quarantined or halted for a while, and is then worth its last good close


def prices_at_open(desk: Desk, session: date, symbols: Iterable[str]) -> dict[str, Decimal]:
    """Return the last closes before the session, in the shares of its open, each on its tick grid."""
    before = last_prices(desk, desk.market.calendar.previous_session(session), symbols)
    instruments = desk.market.instruments()
    after = after_splits(desk, before, session)
    return {s: instruments[s].round_to_tick(px) if s in instruments else px for s, px in after.items()}


def after_splits(desk: Desk, prices: Mapping[str, Decimal], session: date) -> dict[str, Decimal]:
    """Return prices from before the session's open in the shares of after it."""
    actions = desk.market.store.actions(desk.market.settings.name, session, session)
    ratios = {a.symbol: a.new_per_old for a in actions if isinstance(a, Split)}
    return {symbol: px / ratios[symbol] if symbol in ratios else px for symbol, px in prices.items()}


def last_prices(desk: Desk, session: date, symbols: Iterable[str]) -> dict[str, Decimal]:
    """Return the last stored close on or before the session of each symbol, every digit of it, as it was stored."""
    wanted = sorted(set(symbols))
    if not wanted:
        return {}
    first = desk.market.calendar.sessions_before(session, LOOK_BACK_SESSIONS)
    frame = desk.market.store.read(desk.market.settings.name, wanted, first, session).frame
    closes = frame.dropna(subset=["close"]).groupby("symbol")["close"].last()
    return {str(symbol): Decimal(repr(float(close))) for symbol, close in closes.items()}
