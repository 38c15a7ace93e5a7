"""The last prices that are known of what is held, from wherever: to close by, an old one is better than none."""

import asyncio
import math
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from adapters.ib.quote_source import IbQuoteSource
from blocks.desk import Desk, wall_clock
from tasks.value import marks
from trading.errors import MarketDataError


async def known_prices(
    desk: Desk, symbols: Iterable[str], session: date, *, quoted: bool
) -> tuple[dict[str, Decimal], list[str]]:
    """Return a price per unit of those symbols that have one, and what kept it from being a better one.

    Args:
        quoted: ask the broker for quotes, where it has them; orders with a limit are worth the seconds.
    """
    wanted, notes = sorted(set(symbols)), list[str]()
    executions = desk.ledger.facts.executions(desk.name)
    valued = desk.ledger.facts.reconciliations(desk.name)
    prices = {s: px for s, px in (valued[-1].marks if valued else {}).items() if s in wanted}
    prices |= {r.symbol: r.px for r in executions if r.last_px is not None and r.symbol in wanted}
    try:
        prices |= marks(desk, desk.market.calendar.previous_session(session), wanted, executions)
    except MarketDataError as exc:
        notes.append(f"closed by the prices last traded or valued at: {exc}")
    if quoted and wanted and not desk.account.is_simulated:
        try:
            prices |= await asyncio.to_thread(_quotes, desk, wanted)
        except MarketDataError as exc:
            notes.append(f"limits are around the last closes, not quotes: {exc}")
    return prices, notes


def _quotes(desk: Desk, symbols: list[str]) -> dict[str, Decimal]:
    frame = IbQuoteSource(settings=desk.account.ib, now=wall_clock).fetch(symbols).quotes.frame
    middle = (frame["bid_px"] + frame["ask_px"]) / 2
    px = frame["last_px"].where(frame["last_px"] > 0, middle)
    found = zip(frame["symbol"], px, strict=True)
    return {str(symbol): Decimal(repr(float(value))) for symbol, value in found if math.isfinite(value) and value > 0}
