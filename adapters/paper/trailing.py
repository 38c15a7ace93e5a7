"""Trailing stops on daily bars.

The trail starts at the first price the order sees, the offset away from it, and moves only with the price, never
back. What a bar shows is used only where its time is sure:

* The open is first. A trail from before is triggered by it, or moves with it.
* The trail as it was after the open is triggered by the low (selling; the high when buying), and pays the trail.
* If it was not, the high moves it; the close is surely later, and triggers the moved trail, which was then passed on
  the way and is paid. That a low may have come after the high is not assumed.
* Active after the open, or where there are closes only, the close alone triggers or moves it, and is paid.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from adapters.paper.matching import Bar, Match, WorkingOrder, match_price, px_with_costs
from adapters.paper.paper_settings import PaperSettings
from trading.orders.order_types import PegOffsetType
from trading.orders.orders import Side


def trail_at_price(order: WorkingOrder, px: Decimal, tick_size: Decimal, settings: PaperSettings) -> Match:
    """Match the order against the one price of an auction, else move its trail with it."""
    if order.stop_px is None and not order.triggered:
        order.stop_px = moved_trail(order, px, tick_size)
        return Match(px=None, triggered=False)
    match = match_price(order, px, tick_size, settings)
    if not match.triggered:
        order.stop_px = moved_trail(order, px, tick_size)
    return match


def trail_session(order: WorkingOrder, bar: Bar, tick_size: Decimal, settings: PaperSettings) -> Match:
    """Match an order that was active from the open, at the close, against all of the bar."""
    if bar.close is None:
        return Match(px=None, triggered=order.triggered)
    if order.triggered or bar.open is None or bar.high is None or bar.low is None:
        return trail_at_price(order, bar.close, tick_size, settings)
    best, worst = (bar.low, bar.high) if order.side is Side.BUY else (bar.high, bar.low)
    order.stop_px = moved_trail(order, bar.open, tick_size)
    for px in (worst, bar.close):
        if _reached(order.side, px, order.stop_px):
            paid = px_with_costs(order.side, order.stop_px, tick_size, settings)
            return Match(px=paid, triggered=True)
        order.stop_px = moved_trail(order, best, tick_size)
    return Match(px=None, triggered=False)


def moved_trail(order: WorkingOrder, px: Decimal, tick_size: Decimal) -> Decimal:
    """Return where the trail is after that price, on the tick away from it.

    Selling with an offset of 5 per cent: 100 puts it at 95, 110 moves it to 104.50, and 90 leaves it there.
    """
    offset = order.peg_offset_value or Decimal(0)
    if order.peg_offset_type is PegOffsetType.PERCENT:
        offset = px * offset / 100
    if order.side is Side.BUY:
        trail = ((px + offset) / tick_size).to_integral_value(ROUND_CEILING) * tick_size
        return trail if order.stop_px is None else min(order.stop_px, trail)
    trail = ((px - offset) / tick_size).to_integral_value(ROUND_FLOOR) * tick_size
    return trail if order.stop_px is None else max(order.stop_px, trail)


def _reached(side: Side, px: Decimal, trail_px: Decimal) -> bool:
    return px >= trail_px if side is Side.BUY else px <= trail_px
