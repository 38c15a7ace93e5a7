"""Protective orders: the pair that rests at the broker for a position, and what must change for it to be right.

A pair is a stop and a limit of which one cancels the other, good till canceled; with one price there is one order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from trading.orders.order_types import ContingencyType, PegOffsetType
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, OrdStatus, OrdType, TimeInForce, make_cl_ord_id
from trading.orders.protection import Protection


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectiveChange:
    """What makes the protective orders of a book right.

    Attributes:
        cancel: orders at the broker that do not fit.
        abandon: orders that were never sent and do not fit.
        send: orders that fit, recorded and not at the broker.
        place: what has no orders yet.
        left_alone: symbols in which nothing may be changed now, each with the reason.
    """

    cancel: tuple[Order, ...] = ()
    abandon: tuple[Order, ...] = ()
    send: tuple[Order, ...] = ()
    place: tuple[Protection, ...] = ()
    left_alone: Mapping[str, str]


_STOPS = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)


def without_stop(held: Mapping[str, Decimal], protective: Iterable[Order]) -> dict[str, Decimal]:
    """Return how much of what is held no stop at the broker closes, by symbol; signed, and 0 is left out.

    An UNKNOWN stop is none: nobody knows whether it rests there.

    Args:
        protective: the protective orders of the book that holds it.
    """
    bare = dict(held)
    for order in protective:
        new = order.in_force
        rests = not order.may_be_sent and order.ord_status is not OrdStatus.UNKNOWN and new.ord_type in _STOPS
        qty = bare.get(new.symbol, Decimal(0))
        if rests and qty * new.side.sign < 0:
            bare[new.symbol] = qty + new.side.sign * min(order.leaves_qty, abs(qty))
    return {symbol: qty for symbol, qty in bare.items() if qty}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """One placing of protective orders.

    Attributes:
        decided_in: the session it was decided in.
        session: the session its orders are for: after the close the next one.
        number: of the placing in `decided_in`, so that what is placed anew has new ids.
    """

    account: str
    decided_in: date
    session: date
    book: str
    number: int
    expire_time: datetime
    transact_time: datetime

    def resting(self, protection: Protection) -> tuple[NewOrderSingle, ...]:
        """Return the orders that rest for a position; none when it has neither price."""
        orders = []
        if protection.stop_px is not None:
            stop = self._order(protection, "stop")
            orders.append(replace(stop, ord_type=OrdType.STOP, stop_px=protection.stop_px))
        if (trail := protection.trail_pct) is not None:
            stop, kind = self._order(protection, "stop"), OrdType.TRAILING_STOP
            orders.append(replace(stop, ord_type=kind, peg_offset_value=trail, peg_offset_type=PegOffsetType.PERCENT))
        if protection.profit_px is not None:
            profit = self._order(protection, "profit")
            orders.append(replace(profit, ord_type=OrdType.LIMIT, price=protection.profit_px))
        lasting = [replace(o, time_in_force=TimeInForce.GTC) for o in orders]
        if len(lasting) == 1:
            return tuple(lasting)
        list_id = self._id(protection, "pair")
        return tuple(replace(o, list_id=list_id, contingency_type=ContingencyType.OCO) for o in lasting)

    def closing(self, protection: Protection) -> NewOrderSingle:
        """Return the order that closes a position at the market, where the desk watches its prices."""
        return self._order(protection, "close")

    def _id(self, protection: Protection, name: str) -> str:
        return make_cl_ord_id(
            account=self.account,
            session=self.decided_in,
            book=self.book,
            symbol=protection.symbol,
            purpose=f"{OrderPurpose.PROTECT} {self.number} {name}",
        )

    def _order(self, protection: Protection, name: str) -> NewOrderSingle:
        return NewOrderSingle(
            cl_ord_id=self._id(protection, name),
            account=self.account,
            session=self.session,
            book=self.book,
            symbol=protection.symbol,
            side=protection.side,
            order_qty=abs(protection.qty),
            ord_type=OrdType.MARKET,
            time_in_force=TimeInForce.DAY,
            expire_time=self.expire_time,
            transact_time=self.transact_time,
            purpose=OrderPurpose.PROTECT,
        )


def change_protection(
    wanted: Sequence[Protection], resting: Sequence[Order], left_alone: Mapping[str, str]
) -> ProtectiveChange:
    """Compare what is wanted with the protective orders that are open, and return what must change.

    A stop that has begun to trade is left to finish, and a symbol with an order whose outcome is unknown is left alone.
    While a price that is asked for cannot be told, what rests goes on.

    Args:
        resting: the open protective orders of the book.
        left_alone: other symbols in which nothing may be changed, each with the reason.
    """
    protections = {p.symbol: p for p in wanted}
    by_symbol: dict[str, list[Order]] = {}
    for order in resting:
        by_symbol.setdefault(order.new_order.symbol, []).append(order)
    alone = {s: why for s, orders in by_symbol.items() if (why := _why_alone(orders, protections.get(s)))}
    alone |= left_alone
    cancel, abandon, send, place = list[Order](), list[Order](), list[Order](), list[Protection]()
    for symbol in sorted({*protections, *by_symbol} - alone.keys()):
        orders, protection = by_symbol.get(symbol, []), protections.get(symbol)
        unsent = [o for o in orders if o.may_be_sent]
        if protection is not None and _fit(protection, orders) and len(unsent) in (0, len(orders)):
            send += unsent
            continue
        abandon += unsent
        cancel += [o for o in orders if not o.may_be_sent]
        if protection is not None:
            place.append(protection)
    return ProtectiveChange(
        cancel=tuple(cancel), abandon=tuple(abandon), send=tuple(send), place=tuple(place), left_alone=alone
    )


def traded_otherwise(orders: Iterable[Order], protections: Sequence[Protection], book: str) -> dict[str, str]:
    """Return the symbols that another order than a protective one is closing or may have traded, each with the reason.

    An UNKNOWN order of any book counts; of those that work, only what closes a position of this book.

    Args:
        orders: open ones of the account; what was never sent is no reason.
    """
    sides = {p.symbol: p.side for p in protections}
    found = dict[str, str]()
    others = [o for o in orders if o.new_order.purpose is not OrderPurpose.PROTECT and not o.may_be_sent]
    for order in (o for o in others if o.ord_status is OrdStatus.UNKNOWN):
        found |= dict.fromkeys(order.new_order.symbols, f"order {order.cl_ord_id} is UNKNOWN")
    for order in (o for o in others if o.new_order.book == book):
        for part in order.new_order.parts():
            if sides.get(part.symbol) is part.side:
                found[part.symbol] = f"order {order.cl_ord_id} is closing it"
    return found


def _why_alone(orders: Sequence[Order], protection: Protection | None) -> str | None:
    """Return why these open orders of one symbol may not be touched now, or None."""
    for order in orders:
        if order.ord_status is OrdStatus.UNKNOWN:
            return f"what became of its order {order.cl_ord_id} is unknown"
        begun = order.cum_qty and order.new_order.ord_type is not OrdType.LIMIT
        if begun or (order.new_order.ord_type is OrdType.MARKET and not order.may_be_sent):
            return f"its order {order.cl_ord_id} is closing it"
    if protection is not None and protection.faults:
        return f"its orders stay as they are: {'; '.join(protection.faults)}"
    return None


def _fit(protection: Protection, orders: Sequence[Order]) -> bool:
    """Tell whether the orders are just those that protect the position."""
    wanted = (
        (OrdType.STOP, None, protection.stop_px, None),
        (OrdType.TRAILING_STOP, None, None, protection.trail_pct),
        (OrdType.LIMIT, protection.profit_px, None, None),
    )
    there = [
        (protection.side, abs(protection.qty), *terms) for terms in wanted if any(px is not None for px in terms[1:])
    ]
    return Counter(there) == Counter(_terms(o) for o in orders)


def _terms(order: Order) -> tuple[object, ...]:
    now = order.in_force
    return now.side, order.leaves_qty, now.ord_type, now.price, now.stop_px, now.peg_offset_value
