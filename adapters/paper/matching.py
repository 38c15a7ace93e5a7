"""Matching: at which price and in which pieces an order trades against a daily bar.

A daily bar knows two moments, the open and the close, and that its high and low lie somewhere between:

* Active before the open, a MARKET order trades at the open. A LIMIT order trades at the open when that is at or
  better than its limit, else at its limit when the low (or, selling, the high) reached it. A STOP is triggered at the
  open, or by the high (or low), and pays the worse of stop and open. A STOP_LIMIT triggered at the open is a LIMIT from
  then on; one triggered later trades, at its limit, only if the close is at or better: no other price is surely later.
* Active after the open, or where the source has closes only, the close is the only price there is.
* IOC, FOK and OPG trade at the open or not at all, CLS at the close or not at all; FOK all of it or nothing.
* GTD is GTC until its time. One that ends before the close knows the open only: when in the session the low was, a
  daily bar does not say.
* A TRAILING_STOP is told in `trailing`, an order in legs in `combos`, triggers and linked orders in `timeline`.
* There are regular hours only, so that an order may also trade outside of them changes nothing.
* Market and stop orders pay half the spread and the slippage on top, rounded to the next tick against us. Limits never.
* An account trades at most its share of the session's volume in a symbol, all its orders together; unlimited where the
  source has no volume. It is the whole session's volume even at the open, when nobody knows it yet: only sizes use it.
"""

import math
import random
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from adapters.paper.paper_settings import PaperSettings
from trading.market.instruments import Instrument
from trading.orders.order_types import ContingencyType, OrderLeg, PegOffsetType, PriceTrigger
from trading.orders.orders import OrdStatus, OrdType, Side, TimeInForce


class Moment(StrEnum):
    """When an order is looked at."""

    ARRIVAL = "arrival"  # of an IOC, FOK or OPG order after the open: too late
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A daily bar on the tick grid; what the source does not have is None."""

    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal | None = None


@dataclass(slots=True, kw_only=True)
class WorkingOrder:
    """An order at the exchange, while it is being matched.

    Attributes:
        stop_px: of a TRAILING_STOP where the trail is now; None before it has seen a price.
        first_session: the one it was meant for.
        active_at: from when on it may trade.
        session: the one it works in now.
        triggered: whether its stop has been reached.
        reports: how many it has so far.
        triggers: those that have not happened yet.
        waits: for its parent to fill.
        tied: other symbols or orders have a say in when it trades.
    """

    cl_ord_id: str
    symbol: str
    side: Side
    order_qty: Decimal
    ord_type: OrdType
    time_in_force: TimeInForce
    price: Decimal | None
    stop_px: Decimal | None
    first_session: date
    accepted_at: datetime
    active_at: datetime
    session: date
    moment: Moment
    triggered: bool = False
    cum_qty: Decimal = Decimal(0)
    ord_status: OrdStatus = OrdStatus.NEW
    reports: int = 0
    due_at: datetime | None = None
    good_till: datetime | None = None
    peg_offset_value: Decimal | None = None
    peg_offset_type: PegOffsetType | None = None
    triggers: tuple[PriceTrigger, ...] = ()
    legs: tuple[OrderLeg, ...] = ()
    list_id: str | None = None
    contingency_type: ContingencyType | None = None
    parent_cl_ord_id: str | None = None
    waits: bool = False
    tied: bool = False

    @property
    def traded_symbols(self) -> tuple[str, ...]:
        """Return what it buys or sells: its legs, or its one symbol."""
        return tuple(leg.symbol for leg in self.legs) or (self.symbol,)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols whose bars it needs."""
        return (*self.traded_symbols, *(trigger.symbol for trigger in self.triggers))

    @property
    def leaves_qty(self) -> Decimal:
        """Return what has not traded."""
        return self.order_qty - self.cum_qty


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The outcome of one moment: a price to trade at or none, and whether the stop has been reached by then."""

    px: Decimal | None
    triggered: bool


def bar_of(instrument: Instrument, open_: float, high: float, low: float, close: float, volume: float) -> Bar:
    """Return a row of bars as exact prices on the tick grid."""

    def px(value: float) -> Decimal | None:
        return instrument.round_to_tick(Decimal(repr(float(value)))) if math.isfinite(value) else None

    known = Decimal(repr(float(volume))) if math.isfinite(volume) else None
    return Bar(open=px(open_), high=px(high), low=px(low), close=px(close), volume=known)


def match_price(order: WorkingOrder, px: Decimal, tick_size: Decimal, settings: PaperSettings) -> Match:
    """Match the order against the one price of an auction."""
    triggered = order.triggered or (order.stop_px is not None and _reached(order.side, px, order.stop_px))
    if order.stop_px is not None and not triggered:
        return Match(px=None, triggered=False)
    if order.price is None:
        return Match(px=px_with_costs(order.side, px, tick_size, settings), triggered=triggered)
    return Match(px=px if _at_or_better(order.side, px, order.price) else None, triggered=triggered)


def match_session(order: WorkingOrder, bar: Bar, tick_size: Decimal, settings: PaperSettings) -> Match:
    """Match an order that was active from the open, at the close, against all of the bar."""
    if bar.close is None:
        return Match(px=None, triggered=order.triggered)
    if bar.open is None or bar.high is None or bar.low is None:
        return match_price(order, bar.close, tick_size, settings)
    best, worst = (bar.low, bar.high) if order.side is Side.BUY else (bar.high, bar.low)
    if order.stop_px is not None and not order.triggered:
        if not _reached(order.side, worst, order.stop_px):
            return Match(px=None, triggered=False)
        if order.price is not None:
            done = _at_or_better(order.side, bar.close, order.price)
            return Match(px=order.price if done else None, triggered=True)
        worse = max if order.side is Side.BUY else min
        px = px_with_costs(order.side, worse(order.stop_px, bar.open), tick_size, settings)
        return Match(px=px, triggered=True)
    if order.price is None:
        return match_price(order, bar.close, tick_size, settings)
    done = _at_or_better(order.side, best, order.price)
    return Match(px=order.price if done else None, triggered=order.triggered)


def px_with_costs(side: Side, px: Decimal, tick_size: Decimal, settings: PaperSettings) -> Decimal:
    """Return the price after half the spread and the slippage, on the next tick against us.

    A purchase at 100.00 with a spread of 2 bp and a slippage of 1 bp pays 100.02; a sale gets 99.98.
    """
    costs = (settings.spread_bp / 2 + settings.slippage_bp) / 10_000
    ticks = px * (1 + side.sign * costs) / tick_size
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    return max(ticks.to_integral_value(rounding), Decimal(1)) * tick_size


def qty_cap(bar: Bar, lot_size: Decimal, settings: PaperSettings) -> Decimal | None:
    """Return the whole lots that the account may trade in that session; None is no limit."""
    if bar.volume is None:
        return None
    return (bar.volume * settings.max_participation_pct / 100 // lot_size) * lot_size


def cut(qty: Decimal, lot_size: Decimal, slices: int, seed: str) -> tuple[Decimal, ...]:
    """Return the quantity in at most that many pieces of whole lots; the same seed always gives the same."""
    lots = int(qty / lot_size)
    if slices == 1 or lots < 2 or qty != lots * lot_size:
        return (qty,)
    # S311: repeatable on purpose, and nothing is kept secret with it.
    generator = random.Random(seed)  # noqa: S311
    cuts = sorted(generator.sample(range(1, lots), min(slices, lots) - 1))
    return tuple((b - a) * lot_size for a, b in zip([0, *cuts], [*cuts, lots], strict=True))


def _reached(side: Side, px: Decimal, stop_px: Decimal) -> bool:
    return px >= stop_px if side is Side.BUY else px <= stop_px


def _at_or_better(side: Side, px: Decimal, limit_px: Decimal) -> bool:
    return px <= limit_px if side is Side.BUY else px >= limit_px
