"""Exposure: what an account would hold if the worst of its working orders were filled.

For the long side of a symbol every working buy counts as filled and no working sell does; for the short side the other
way round. What is held is worth its last price; what an order adds beyond closing a position is worth the highest
price that a working order of that side may pay. With `held` signed:

    long  = max(held, 0) × mark + max(buys − max(−held, 0), 0) × highest buy price
    short = max(−held, 0) × mark + max(sells − max(held, 0), 0) × highest sell price
    worst = max(long, short)
    gross = sum of worst over all symbols

The furthest that a position may go to one side is below 0 where it stays on the other, and

    net = sum of the furthest to one side over all symbols, for each side

Held 100 at 10.00, buys of 50 and sells of 20 working: long 1,500, short 0, worst 1,500, net 1,500 long and -800 short.

Of orders that never both fill only the worst counts (`trading.risk.linked_orders`).
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from trading.market.option_symbols import multiplier_of
from trading.orders.order_types import PegOffsetType
from trading.orders.orders import NewOrderSingle, Order, Side
from trading.risk.linked_orders import LinkedQuantities

_ZERO = Decimal(0)


def order_unit_value(order: NewOrderSingle, mark: Decimal, multiplier: Decimal) -> Decimal:
    """Return what one unit of an order counts for: the highest of the last price, its limit, its stop and its trail.

    A buy may pay up to its limit. One limited below the last price is worth the last price once it is held, and a
    sell limited below it will be filled near it; so the lower price never counts.
    """
    return max(mark, order.price or mark, order.stop_px or mark, mark + _trail(order, mark)) * multiplier


def _trail(order: NewOrderSingle, mark: Decimal) -> Decimal:
    """Return how far above the last price a trailing stop may buy; it only ever comes nearer."""
    if order.peg_offset_value is None or order.side is Side.SELL:
        return _ZERO
    percent = order.peg_offset_type is PegOffsetType.PERCENT
    return mark * order.peg_offset_value / 100 if percent else order.peg_offset_value


def order_notional(order: NewOrderSingle, mark: Decimal, multiplier: Decimal) -> Decimal:
    """Return the value of an order as limits count it, > 0; 10 at a limit of 9.00, last price 10.00, gives 100."""
    return order.order_qty * order_unit_value(order, mark, multiplier)


def orders_notional(
    orders: Iterable[NewOrderSingle], marks: Mapping[str, Decimal], multipliers: Mapping[str, Decimal]
) -> Decimal | None:
    """Return the value of orders together, all their legs counted; None when one has no price."""
    total = _ZERO
    for part in (part for order in orders for part in order.parts()):
        px = _price(marks, part.symbol)
        if px is None:
            return None
        total += order_notional(part, px, multiplier_of(part.symbol, multipliers))
    return total


def order_in_force_notional(order: Order, marks: Mapping[str, Decimal], multipliers: Mapping[str, Decimal]) -> Decimal:
    """Return what an order of the session counts for in the day's total, all its legs together, >= 0.

    Where there is no price now, as of what another book has ordered, what was paid for it counts or its own price.
    """
    paid = _ZERO if order.new_order.legs else order.avg_px or _ZERO
    return sum(
        (
            order_notional(part, _price(marks, part.symbol) or paid, multiplier_of(part.symbol, multipliers))
            for part in order.in_force.parts()
        ),
        _ZERO,
    )


def held_without(held: Mapping[str, Decimal], order: Order | None) -> dict[str, Decimal]:
    """Return what would be held had the order never been: without what it has filled of each leg."""
    left = dict(held)
    if order is not None:
        meant = order.new_order
        for part, ratio in zip(meant.parts(), meant.ratios(), strict=True):
            left[part.symbol] = left.get(part.symbol, _ZERO) - part.side.sign * ratio * order.cum_qty
    return left


def _price(marks: Mapping[str, Decimal], symbol: str) -> Decimal | None:
    """Return the last price, or None when there is none that can be used."""
    px = marks.get(symbol)
    return px if px is not None and px.is_finite() and px > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideExposure:
    """One side of one symbol.

    Attributes:
        held: quantity held on this side, >= 0.
        closable: quantity held on the other side, which orders of this side close first, >= 0.
        working: quantity of the working orders of this side.
        mark_value: value of one unit at the last price.
        unit_value: value of one unit at the highest price of a working order of this side; `mark_value` at least.
    """

    held: Decimal
    closable: Decimal
    mark_value: Decimal
    unit_value: Decimal
    working: Decimal = _ZERO

    @property
    def value(self) -> Decimal:
        """Return the value held when all working orders of this side are filled, >= 0."""
        return self.held * self.mark_value + self.opening * self.unit_value

    @property
    def opening(self) -> Decimal:
        """Return how much of the working orders of this side would do more than close the other, >= 0."""
        return max(self.working - self.closable, _ZERO)

    @property
    def free(self) -> Decimal:
        """Return how much of the other side may still be closed, >= 0."""
        return max(self.closable - self.working, _ZERO)

    @property
    def furthest(self) -> Decimal:
        """Return the same as `value`, or below 0 what the other side keeps."""
        return self.value - self.free * self.mark_value

    def with_order(self, qty: Decimal, unit_value: Decimal) -> "SideExposure":
        """Return the exposure with one more working order of this side."""
        return SideExposure(
            held=self.held,
            closable=self.closable,
            mark_value=self.mark_value,
            unit_value=max(self.unit_value, unit_value),
            working=self.working + qty,
        )


class _Asked(NamedTuple):
    """The order last asked about: rules ask of it again and again, and it is mostly the next one reserved."""

    order: NewOrderSingle
    qty: Decimal
    after: SideExposure
    gross: Decimal


class AccountExposure:
    """The worst case of one account, kept up to date order by order; each step costs the same however many there are.

    Attributes:
        worst: the larger side of each symbol, in account currency.
        gross: sum of `worst` over the symbols that have a price.
        net: how far long less short may go to each side.
        unpriced: symbols held or ordered without a price; while there are any, `gross` is too small.
    """

    def __init__(
        self,
        held: Mapping[str, Decimal],
        working: Iterable[Order],
        marks: Mapping[str, Decimal],
        multipliers: Mapping[str, Decimal],
    ) -> None:
        self._held, self._multipliers = held, multipliers
        self._marks = {symbol: px for symbol, px in marks.items() if px.is_finite() and px > 0}
        self._sides: dict[tuple[str, Side], SideExposure] = {}
        self._linked = LinkedQuantities()
        self._asked: _Asked | None = None
        self.unpriced = {symbol for symbol, qty in held.items() if qty and symbol not in self._marks}
        values = {s: self.mark_value(s) for s in held}
        self.worst = {s: abs(qty) * values[s] for s, qty in held.items()}
        self.gross = sum(self.worst.values(), _ZERO)
        long = sum((qty * values[s] for s, qty in held.items()), _ZERO)
        self.net = {Side.BUY: long, Side.SELL: -long}
        for order in working:
            for part, ratio in zip(order.in_force.parts(), order.in_force.ratios(), strict=True):
                self.reserve(part, order.leaves_qty * ratio)

    def copy(self) -> "AccountExposure":
        """Return an exposure that goes its own way from here."""
        twin = copy.copy(self)
        twin._sides, twin.unpriced, twin._linked = dict(self._sides), set(self.unpriced), self._linked.copy()
        twin.worst, twin.net = dict(self.worst), dict(self.net)
        return twin

    def mark(self, symbol: str) -> Decimal | None:
        """Return the last price, or None when there is none that can be used."""
        return self._marks.get(symbol)

    def unit_value(self, order: NewOrderSingle) -> Decimal:
        """Return what one unit of the order counts for; 0 when its symbol has no price."""
        mark = self.mark(order.symbol)
        return _ZERO if mark is None else order_unit_value(order, mark, self.multiplier(order.symbol))

    def before(self, order: NewOrderSingle) -> SideExposure:
        """Return the order's side of its symbol as it is without the order."""
        return self.side(order.symbol, order.side)

    def after(self, order: NewOrderSingle, qty: Decimal) -> tuple[SideExposure, Decimal]:
        """Return the order's side of its symbol, and gross exposure, as if `qty` of the order were working."""
        asked = self._asked
        if asked is None or asked.order is not order or asked.qty is not qty:
            old = self.before(order)
            new = old.with_order(self._linked.added(order, qty), self.unit_value(order))
            other = self.side(order.symbol, order.side.opposite).value
            asked = self._asked = _Asked(order, qty, new, self.gross + max(new.value, other) - max(old.value, other))
        return asked.after, asked.gross

    def reserve(self, order: NewOrderSingle, qty: Decimal) -> None:
        """Count `qty` of the order as working from now on."""
        if not qty:
            return
        symbol = order.symbol
        if self.mark(symbol) is None:
            self.unpriced.add(symbol)
        old = self.before(order)
        new, gross = self.after(order, qty)
        self._asked = None
        self.net[order.side] += new.furthest - old.furthest
        self.worst[symbol] = self.worst.get(symbol, _ZERO) + gross - self.gross
        self._sides[symbol, order.side], self.gross = new, gross
        self._linked.add(order, qty)

    def sides(self) -> Iterable[tuple[tuple[str, Side], SideExposure]]:
        """Return each symbol and side that was ever asked for; all that have working orders are among them."""
        return self._sides.items()

    def side(self, symbol: str, side: Side) -> SideExposure:
        """Return one side of one symbol."""
        found = self._sides.get((symbol, side))
        if found is None:
            qty, unit_value = self._held.get(symbol, _ZERO) * side.sign, self.mark_value(symbol)
            found = self._sides[symbol, side] = SideExposure(
                held=max(qty, _ZERO), closable=max(-qty, _ZERO), mark_value=unit_value, unit_value=unit_value
            )
        return found

    def mark_value(self, symbol: str) -> Decimal:
        """Return what one unit is worth at the last price; 0 when there is none."""
        return (self.mark(symbol) or _ZERO) * self.multiplier(symbol)

    def multiplier(self, symbol: str) -> Decimal:
        """Return the cash value of a price of 1 for a quantity of 1."""
        return multiplier_of(symbol, self._multipliers)
