"""Unprotect: take away the protective orders of what is about to be traded; both must never fill."""

from collections.abc import Sequence
from decimal import Decimal

from blocks.desk import Clock, Desk
from tasks.cancel import cancel_these
from trading.ledger import Lease
from trading.market.timetable import SessionTimes
from trading.orders.executions import SendMark
from trading.orders.orders import Order, OrderPurpose


async def unprotect(
    desk: Desk, lease: Lease, times: SessionTimes, orders: Sequence[Order], clock: Clock
) -> list[Order]:
    """Cancel the protective orders in the way of these orders, and return those that may be sent now.

    One whose protective orders are not proven canceled is left for the next run. One whose book no longer holds what it
    was sized by, because a protective order filled meanwhile, is given up.
    """
    desk.ledger.journal.require_may_send(lease, clock())  # nothing is taken away for orders that may not go
    working = await _cancel(desk, orders, clock)
    may_go: list[Order] = []
    sized_by, held = _sized_by(desk, times, orders), _held(desk, times, orders)
    for order in orders:
        key = (order.new_order.book, order.new_order.symbol)
        if key in working:
            text = f"not sent: its protective order {working[key]} is not known to be canceled"
            desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.NOT_SENT, clock(), text)
        elif key in sized_by and held.get(key, Decimal(0)) != sized_by[key]:
            text = f"not sent: it was sized by {sized_by[key]} held, and {held.get(key, Decimal(0))} are"
            desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.ABANDONED, clock(), text)
        else:
            may_go.append(order)
    return may_go


async def _cancel(desk: Desk, orders: Sequence[Order], clock: Clock) -> dict[tuple[str, str], str]:
    """Return the books and symbols whose protective orders may still trade, each with one of them."""
    keys = {(o.new_order.book, symbol) for o in orders for symbol in o.new_order.symbols}
    in_the_way = [
        o
        for o in desk.ledger.journal.orders(desk.name, open_only=True, purpose=OrderPurpose.PROTECT)
        if not o.may_be_sent and (o.new_order.book, o.new_order.symbol) in keys
    ]
    left = await cancel_these(desk, in_the_way, clock) if in_the_way else ()
    return {(o.new_order.book, o.new_order.symbol): o.cl_ord_id for o in left}


def _sized_by(desk: Desk, times: SessionTimes, orders: Sequence[Order]) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for book in {o.new_order.book for o in orders}:
        decision = desk.ledger.journal.decision(desk.name, times.session, book)
        for target in decision["targets"] if decision else ():
            found[book, target["symbol"]] = Decimal(target["held_qty"])
    return found


def _held(desk: Desk, times: SessionTimes, orders: Sequence[Order]) -> dict[tuple[str, str], Decimal]:
    return {
        (book, symbol): qty
        for book in {o.new_order.book for o in orders}
        for symbol, qty in desk.ledger.facts.held(desk.name, times.open_at, book).items()
    }
