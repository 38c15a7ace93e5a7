"""Orders that hang together: a bracket, or several of which one cancels the others.

Source: FIX 5.0 SP2, message NewOrderList (E), with ContingencyType (1385).
"""

from collections import Counter
from collections.abc import Sequence

from trading.errors import InvalidValue
from trading.orders.order_types import ContingencyType
from trading.orders.orders import NewOrderSingle


def require_list(orders: Sequence[NewOrderSingle]) -> None:
    """Require that orders make one list.

    A list has one of two shapes: OCO orders without a parent; or a parent, which comes first and is OTO, and its
    children, which name it in `parent_cl_ord_id` and are OTO when there is one, OCO when there are several.

    Raises:
        InvalidValue: they do not.
    """
    name = f"list {orders[0].list_id if orders else None}"
    if len(orders) < 2:
        raise InvalidValue(f"orders of {name}", len(orders), "two or more; send one alone with submit()")
    for field in ("list_id", "account"):
        values = {getattr(order, field) for order in orders}
        if len(values) > 1 or None in values:
            raise InvalidValue(f"{field} of {name}", sorted(map(str, values)), "given, and the same for all its orders")
    if twice := [cl_ord_id for cl_ord_id, n in Counter(o.cl_ord_id for o in orders).items() if n > 1]:
        raise InvalidValue(f"cl_ord_id of {name}", twice, "of one order each")
    if orders[0].contingency_type is ContingencyType.OCO:
        _require_children(name, None, orders)
    else:
        _require_children(name, orders[0], orders[1:])


def _require_children(name: str, parent: NewOrderSingle | None, children: Sequence[NewOrderSingle]) -> None:
    parent_id = parent.cl_ord_id if parent else None
    wanted = ContingencyType.OTO if parent and len(children) == 1 else ContingencyType.OCO
    if parent and parent.parent_cl_ord_id is not None:
        raise InvalidValue(f"parent of {name}", parent.parent_cl_ord_id, "absent: its first order is the parent")
    for order in children:
        if order.parent_cl_ord_id != parent_id:
            rule = f"{parent_id!r}, the first order of {name}"
            raise InvalidValue(f"parent_cl_ord_id of order {order.cl_ord_id}", order.parent_cl_ord_id, rule)
        if order.contingency_type is not wanted:
            rule = f"{wanted.name} in {name}: OCO among several, OTO for the one child of a parent"
            raise InvalidValue(f"contingency_type of order {order.cl_ord_id}", order.contingency_type, rule)
