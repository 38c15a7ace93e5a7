"""Orders that hang together: brackets, one-cancels-all groups, and conditions that must come true first."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ib_gateway.orders import Order, Status, ib_time
from ib_gateway.trading_hours import may_start

if TYPE_CHECKING:
    from ib_gateway.exchange import Exchange

REDUCING = frozenset({"2", "3"})


def join_parent(exchange: "Exchange", order: Order) -> None:
    """Make an order the child of the one it names; the children of a parent cancel each other."""
    parent = exchange.known(order.client_id, int(order.said("parentId") or 0))
    if parent is None or parent is order:
        return
    order.parent_perm_id = parent.perm_id
    if not order.said("ocaGroup"):
        order.fields.scalars["ocaGroup"] = str(parent.perm_id)
        order.fields.scalars["ocaType"] = "3"


def released_by(exchange: "Exchange", order: Order) -> list[Order]:
    """Return what an order that is let go lets go with it: its parent and the parent's other children, then itself."""
    parent = exchange.orders.get(order.parent_perm_id)
    if parent is None:
        return [order]
    family = [parent, *children(exchange, parent)]
    return [member for member in family if (member.is_held or member is order) and not member.is_done]


def children(exchange: "Exchange", parent: Order) -> Iterator[Order]:
    """Return the orders that hang on a parent and can still change."""
    return (order for order in exchange.working() if order.parent_perm_id == parent.perm_id)


def cancel_children(exchange: "Exchange", parent: Order) -> None:
    """Cancel what waited for an order that will not fill."""
    for child in list(children(exchange, parent)):
        if not child.is_done:
            exchange.end(child, Status.CANCELLED, "Parent order was cancelled")


def after_fill(exchange: "Exchange", order: Order, quantity: Decimal) -> None:
    """Cancel or cut the others of its group, and wake its children."""
    group = order.said("ocaGroup")
    for other in [other for other in exchange.working() if group and other.said("ocaGroup") == group]:
        if other is order or other.account != order.account:
            continue
        if order.said("ocaType") in REDUCING and order.remaining:
            other.oca_cut += quantity
            exchange.gateway.teller.order(other)
        if order.remaining == 0 or other.remaining == 0 or order.said("ocaType") not in REDUCING:
            exchange.end(other, Status.CANCELLED, "OCA group order filled")
    if order.status is Status.FILLED:
        for child in list(children(exchange, order)):
            exchange.look_at(child)


def may_work(exchange: "Exchange", order: Order) -> bool:
    """Return whether parent, start time and conditions let an order work."""
    parent = exchange.orders.get(order.parent_perm_id)
    if parent is not None and parent.status is not Status.FILLED:
        return False
    return may_start(order, exchange.gateway.now()) and (order.is_triggered or conditions_met(exchange, order))


def conditions_met(exchange: "Exchange", order: Order) -> bool:
    """Return whether an order's conditions hold; each is joined to the next by its own and (`a`) or or (`o`)."""
    result, joined = True, "a"
    for row in order.fields.groups.get("conditions", []):
        holds = _holds(exchange, order, row)
        result = (result and holds) if joined == "a" else (result or holds)
        joined = row[1]
    return result


def _holds(exchange: "Exchange", order: Order, row: tuple[str, ...]) -> bool:
    """Return whether one condition holds; margin, volume and percent conditions never do here."""
    kind, more = row[0], row[2] == "1"
    if kind == "1":
        price = exchange.gateway.last_px(int(row[4]))
        level = Decimal(row[3])
        return price is not None and (price >= level if more else price <= level)
    if kind == "3":
        at = ib_time(row[3])
        now: datetime = exchange.gateway.now()
        return at is not None and (now >= at) is more
    if kind == "5":
        traded = {(e.contract.symbol, e.contract.sec_type) for e in exchange.executions() if e.at >= order.entered_at}
        return (row[4], row[2]) in traded
    return False
