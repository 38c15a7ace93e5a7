"""Orders: ours laid into IB's fields, and IB's read back.

Source: "Available Orders", "Order Conditioning" and "IB Algorithms" of the TWS API
(interactivebrokers.github.io/tws-api).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.ib.decimals import exact, exact_or_none
from adapters.ib.heard import Terms
from adapters.ib.library import Library
from trading.orders.execution_algos import Adaptive, ArrivalPrice, ExecutionAlgo, RiskAversion, Twap, TwapStyle, Vwap
from trading.orders.order_types import (
    ContingencyType,
    PegOffsetType,
    PositionEffect,
    PriceTrigger,
    TimeTrigger,
    TriggerDirection,
)
from trading.orders.orders import NewOrderSingle, OrdType, Side, TimeInForce

ORDER_TYPES: Mapping[OrdType, str] = {
    OrdType.MARKET: "MKT",
    OrdType.LIMIT: "LMT",
    OrdType.STOP: "STP",
    OrdType.STOP_LIMIT: "STP LMT",
    OrdType.TRAILING_STOP: "TRAIL",
}
AT_THE_CLOSE: Mapping[OrdType, str] = {OrdType.MARKET: "MOC", OrdType.LIMIT: "LOC"}
CANCEL_OTHERS = 1  # ocaType: a fill of any size cancels the rest, with overfill protection

_STYLES: Mapping[TwapStyle, str] = {
    TwapStyle.MARKETABLE: "Marketable",
    TwapStyle.MIDPOINT: "Matching Midpoint",
    TwapStyle.SAME_SIDE: "Matching Same Side",
    TwapStyle.LAST: "Matching Last",
}
_AVERSIONS: Mapping[RiskAversion, str] = {
    RiskAversion.GET_DONE: "Get Done",
    RiskAversion.AGGRESSIVE: "Aggressive",
    RiskAversion.NEUTRAL: "Neutral",
    RiskAversion.PASSIVE: "Passive",
}
_LIMITED = frozenset({"LMT", "LOC", "STP LMT"})
_STOPPED = frozenset({"STP", "STP LMT"})


def order_fields(order: NewOrderSingle) -> dict[str, Any]:
    """Return the order as fields of IB's; every field that a preset in TWS could fill is said explicitly."""
    closes = order.time_in_force is TimeInForce.CLS
    trails_by_percent = order.peg_offset_type is PegOffsetType.PERCENT
    fields: dict[str, Any] = {
        "action": order.side.name,
        "totalQuantity": float(order.order_qty),
        "orderType": AT_THE_CLOSE[order.ord_type] if closes else ORDER_TYPES[order.ord_type],
        "tif": "DAY" if closes else order.time_in_force.name,
        "account": order.account,
        "orderRef": order.cl_ord_id,
        "outsideRth": order.outside_regular_hours,
        "transmit": True,
    }
    if order.price is not None:
        fields["lmtPrice"] = float(order.price)
    if order.stop_px is not None:
        fields["auxPrice"] = float(order.stop_px)
    if order.peg_offset_value is not None:
        fields["trailingPercent" if trails_by_percent else "auxPrice"] = float(order.peg_offset_value)
    if order.good_till is not None:
        fields["goodTillDate"] = ib_time(order.good_till)
    if order.position_effect is not None:
        fields["openClose"] = "C" if order.position_effect is PositionEffect.CLOSE else "O"
    if order.contingency_type is ContingencyType.OCO and order.list_id is not None:
        fields |= {"ocaGroup": order.list_id, "ocaType": CANCEL_OTHERS}
    return fields


def make_order(library: Library, order: NewOrderSingle, con_ids: Mapping[str, int]) -> Any:
    """Return the order as an object of the library.

    Args:
        con_ids: IB's number of every symbol that a trigger names.
    """
    made = library.order(**order_fields(order))
    made.conditions = [_condition(library, trigger, con_ids) for trigger in order.triggers]
    if order.algo is not None:
        made.algoStrategy, parameters = algo_fields(order.algo)
        made.algoParams = [library.tag_value(tag, value) for tag, value in parameters.items()]
    if order.legs:
        # Guaranteed fills of all legs or none are not to be had for every combo; IB wants it said.
        made.smartComboRoutingParams = [library.tag_value("NonGuaranteed", "1")]
    return made


def algo_fields(algo: ExecutionAlgo) -> tuple[str, dict[str, str]]:
    """Return `algoStrategy`, and `algoParams` by their tags."""
    if isinstance(algo, Adaptive):
        return "Adaptive", {"adaptivePriority": algo.priority.capitalize()}
    said = {"allowPastEndTime": _flag(algo.may_run_over)}
    for tag, at in (("startTime", algo.starts_at), ("endTime", algo.ends_at)):
        if at is not None:  # left out, it is IB's own: at once, and the close
            said[tag] = f"{ib_time(at)} UTC"  # of these alone IB wants the zone
    match algo:
        case Twap():
            return "Twap", {**said, "strategyType": _STYLES[algo.style]}
        case Vwap():
            share = format(algo.max_share, "f")
            return "Vwap", {**said, "maxPctVol": share, "noTakeLiq": _flag(not algo.takes_liquidity)}
        case ArrivalPrice():
            said |= {"maxPctVol": format(algo.max_share, "f"), "riskAversion": _AVERSIONS[algo.risk_aversion]}
            return "ArrivalPx", {**said, "forceCompletion": _flag(algo.forces_completion)}


def apply_terms(order: Any, terms: Terms) -> None:
    """Write new values into an order of the library, as the server last stated it."""
    order.totalQuantity = float(terms.order_qty)
    if terms.price is not None:
        order.lmtPrice = float(terms.price)
    if terms.stop_px is not None:
        order.auxPrice = float(terms.stop_px)
    if terms.peg_offset_value is not None:
        percent = exact_or_none(order.trailingPercent)
        setattr(order, "trailingPercent" if percent else "auxPrice", float(terms.peg_offset_value))
    order.transmit = True


def terms_of(order: Any) -> Terms:
    """Return what an order of the library asks for; IB fills prices that a type does not use with 0."""
    kind = order.orderType
    percent = exact_or_none(order.trailingPercent) if kind == "TRAIL" else None
    return Terms(
        order_qty=exact(order.totalQuantity),
        price=exact_or_none(order.lmtPrice) if kind in _LIMITED else None,
        stop_px=exact_or_none(order.auxPrice) if kind in _STOPPED else None,
        peg_offset_value=(percent or exact_or_none(order.auxPrice)) if kind == "TRAIL" else None,
    )


def side_of(action: str) -> Side:
    """Return the side of an order's action or an execution's side: BUY and BOT, SELL, SSHORT and SLD."""
    return Side.BUY if action in ("BUY", "BOT") else Side.SELL


def ib_time(at: datetime) -> str:
    """Return a time as IB reads it without asking for a zone: 20261120-14:30:00 is UTC."""
    return at.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S")


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _condition(library: Library, trigger: PriceTrigger | TimeTrigger, con_ids: Mapping[str, int]) -> Any:
    if isinstance(trigger, TimeTrigger):
        return library.time_condition(isMore=True, time=ib_time(trigger.at), conjunction="a")
    return library.price_condition(
        isMore=trigger.direction is TriggerDirection.UP,
        price=float(trigger.price),
        conId=con_ids[trigger.symbol],
        exch="SMART",
        conjunction="a",
    )
