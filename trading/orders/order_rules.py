"""Which values of an order go together; each rule refuses with the value, the rule and the way out."""

from typing import TYPE_CHECKING

from trading.errors import InvalidValue
from trading.orders.order_types import (
    ContingencyType,
    OrdType,
    PegOffsetType,
    TimeInForce,
    combo_symbol,
    is_combo,
    require_aware,
    require_positive,
)

if TYPE_CHECKING:
    from trading.orders.orders import NewOrderSingle

_PLAIN = (OrdType.MARKET, OrdType.LIMIT)
_AUCTIONS = (TimeInForce.OPG, TimeInForce.CLS)


def require_valid(order: "NewOrderSingle") -> None:
    """Require that the values of an order go together.

    Raises:
        InvalidValue: the first that do not.
    """
    for rule in (_quantity_and_times, _prices, _trail, _time_in_force, _legs, _contingency, _algo):
        rule(order, f"order {order.cl_ord_id}")


def _quantity_and_times(order: "NewOrderSingle", name: str) -> None:
    require_positive(f"order_qty of {name}", order.order_qty)
    for field in ("expire_time", "transact_time"):
        require_aware(f"{field} of {name}", getattr(order, field))


def _prices(order: "NewOrderSingle", name: str) -> None:
    limited = order.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT)
    stopped = order.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT)
    kind = f" for a {order.ord_type} order"
    for field, wanted in (("price", limited), ("stop_px", stopped)):
        value = getattr(order, field)
        if not wanted and value is not None:
            raise InvalidValue(f"{field} of {name}", value, f"absent{kind}")
        if wanted and field == "price" and order.legs:
            if value is None or not value.is_finite():
                raise InvalidValue(f"price of {name}", value, f"a finite net price per unit{kind} in legs")
        elif wanted:
            require_positive(f"{field} of {name}", value, kind)


def _trail(order: "NewOrderSingle", name: str) -> None:
    value, unit = order.peg_offset_value, order.peg_offset_type
    if order.ord_type is not OrdType.TRAILING_STOP:
        for field, given in (("peg_offset_value", value), ("peg_offset_type", unit)):
            if given is not None:
                raise InvalidValue(f"{field} of {name}", given, f"absent for a {order.ord_type} order")
        return
    require_positive(f"peg_offset_value of {name}", value, " for a trailing stop: how far behind the price it stays")
    if unit is None:
        raise InvalidValue(f"peg_offset_type of {name}", unit, "PRICE or PERCENT for a trailing stop")
    if unit is PegOffsetType.PERCENT and value is not None and value >= 100:
        raise InvalidValue(f"peg_offset_value of {name}", value, "less than 100 when it is PERCENT")


def _time_in_force(order: "NewOrderSingle", name: str) -> None:
    if order.time_in_force in _AUCTIONS:
        if order.ord_type not in _PLAIN:
            rule = f"MARKET or LIMIT with time_in_force {order.time_in_force.name}, or use DAY"
            raise InvalidValue(f"ord_type of {name}", order.ord_type, rule)
        if order.outside_regular_hours:
            rule = f"False with time_in_force {order.time_in_force.name}: the auctions are in regular hours"
            raise InvalidValue(f"outside_regular_hours of {name}", True, rule)
    if order.time_in_force is not TimeInForce.GTD:
        if order.good_till is not None:
            raise InvalidValue(f"good_till of {name}", order.good_till, "absent unless time_in_force is GTD")
        return
    if order.good_till is None:
        raise InvalidValue(f"good_till of {name}", None, "given when time_in_force is GTD, or use GTC")
    require_aware(f"good_till of {name}", order.good_till)
    if order.good_till <= order.transact_time:
        raise InvalidValue(f"good_till of {name}", order.good_till, f"after its transact_time {order.transact_time}")


def _legs(order: "NewOrderSingle", name: str) -> None:
    if not order.legs:
        if is_combo(order.symbol):
            raise InvalidValue(f"legs of {name}", order.legs, f"those of {order.symbol}, or name one instrument")
        return
    symbols = [leg.symbol for leg in order.legs]
    if len(set(symbols)) < 2 or len(set(symbols)) < len(symbols):
        raise InvalidValue(f"legs of {name}", symbols, "two or more different symbols; put equal ones together")
    if order.symbol != combo_symbol(order.legs):
        raise InvalidValue(f"symbol of {name}", order.symbol, f"{combo_symbol(order.legs)!r}, made by combo_symbol()")
    if order.ord_type not in _PLAIN:
        raise InvalidValue(f"ord_type of {name}", order.ord_type, "MARKET or LIMIT for an order in legs")
    if order.order_qty != int(order.order_qty):
        raise InvalidValue(f"order_qty of {name}", order.order_qty, "whole units for an order in legs")


def _contingency(order: "NewOrderSingle", name: str) -> None:
    linked = order.contingency_type is not None
    if linked != bool(order.list_id):
        rule = "given together with contingency_type, or both left out"
        raise InvalidValue(f"list_id of {name}", order.list_id, rule)
    if order.parent_cl_ord_id is None:
        return
    if not linked:
        rule = f"absent without contingency_type: {ContingencyType.OTO.name} for one child, OCO for several"
        raise InvalidValue(f"parent_cl_ord_id of {name}", order.parent_cl_ord_id, rule)
    if order.parent_cl_ord_id == order.cl_ord_id:
        raise InvalidValue(f"parent_cl_ord_id of {name}", order.parent_cl_ord_id, "that of another order")


def _algo(order: "NewOrderSingle", name: str) -> None:
    if order.algo is None:
        return
    what = f"of {name}, which is worked by {order.algo.target_strategy.name}"
    if order.ord_type not in _PLAIN or order.legs:
        raise InvalidValue(f"ord_type {what}", order.ord_type, "MARKET or LIMIT in one instrument")
    if order.time_in_force is not TimeInForce.DAY:
        raise InvalidValue(f"time_in_force {what}", order.time_in_force, "DAY")
