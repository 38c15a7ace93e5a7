"""What a new or changed order is refused for, with the broker's own codes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ib_gateway.margins import equity, margin_after, margin_now
from ib_gateway.matching import KINDS, LIMIT_KINDS, STOPS, TIMES_IN_FORCE, TRAILS, limit_of
from ib_gateway.order_layout import CONDITION_WIDTHS
from ib_gateway.orders import Order, ib_time

if TYPE_CHECKING:
    from ib_gateway.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error code and its words."""

    code: int
    text: str


def refusal_of(gateway: "Gateway", order: Order) -> Refusal | None:
    """Return why an order cannot be accepted, or None."""
    checks = (_conditions, _price_steps, _account, _broker_rules)
    refusals = (refusal for check in checks if (refusal := check(gateway, order)) is not None)
    return _terms(order) or next(refusals, None)


def _conditions(gateway: "Gateway", order: Order) -> Refusal | None:
    for row in order.fields.groups.get("conditions", []):
        con_id = {"1": 4, "6": 4, "7": 4}.get(row[0])
        if row[0] not in CONDITION_WIDTHS:
            return _invalid(f"Invalid condition type: {row[0]}")
        if con_id is not None and not gateway.knows(row[con_id]):
            return Refusal(200, f"No security definition has been found for the condition on contract {row[con_id]}")
    return None


def _terms(order: Order) -> Refusal | None:
    if order.side not in {"BUY", "SELL"}:
        return _invalid(f"Invalid side {order.side!r}, BUY or SELL is expected")
    if order.qty <= 0:
        return Refusal(434, "The order size cannot be zero.")
    if order.kind not in KINDS:
        return Refusal(387, f"Unsupported order type for this exchange and security type: {order.kind}")
    if order.tif not in TIMES_IN_FORCE:
        return _invalid(f"Invalid time in force: {order.tif}")
    if order.contract.sec_type == "STK" and order.qty != order.qty.to_integral_value():
        return Refusal(
            10243, "Fractional-sized order cannot be placed via API. Please use desktop version to place it."
        )
    return _missing_number(order) or _good_till(order)


def _missing_number(order: Order) -> Refusal | None:
    if order.kind in LIMIT_KINDS and order.kind != "TRAIL LIMIT" and order.number("lmtPrice") is None:
        return _invalid(f"{order.kind} needs a limit price")
    if order.kind in STOPS - TRAILS and order.number("auxPrice") is None:
        return _invalid(f"{order.kind} needs a stop price")
    if order.kind in TRAILS and not order.number("auxPrice") and order.number("trailingPercent") is None:
        return _invalid(f"{order.kind} needs a trailing amount or percent")
    return None


def _good_till(order: Order) -> Refusal | None:
    if order.tif != "GTD":
        return None
    till = ib_time(order.said("goodTillDate"))
    if till is None:
        return _invalid(f"Invalid good till date: {order.said('goodTillDate')!r}")
    if till <= order.entered_at:
        return Refusal(201, "Order rejected - reason:The good till date is in the past.")
    return None


def _invalid(cause: str) -> Refusal:
    return Refusal(321, f"Error validating request.-'bN' : cause - {cause}")


def _price_steps(gateway: "Gateway", order: Order) -> Refusal | None:
    if order.contract.sec_type == "BAG":
        return None
    names = ("lmtPrice",) if order.kind in TRAILS else ("lmtPrice", "auxPrice")
    used = [order.number(name) for name in names if limit_of(order) is not None or name == "auxPrice"]
    for price in used:
        if price and price % gateway.market.price_increment(order.contract, price):
            return Refusal(110, "The price does not conform to the minimum price variation for this contract.")
    return None


def _account(gateway: "Gateway", order: Order) -> Refusal | None:
    if not order.account:
        return Refusal(435, "You must specify an account.")
    if order.account not in gateway.accounts:
        return _invalid("Invalid account code")
    return None


def _broker_rules(gateway: "Gateway", order: Order) -> Refusal | None:
    parent = int(order.said("parentId") or 0)
    if parent and gateway.exchange.known(order.client_id, parent) is None:
        return Refusal(135, f"Can't find order with id ={parent}")
    most = gateway.settings.working_orders
    if gateway.exchange.working_like(order) >= most:
        words = f"You already have {most} working orders for this contract on the {order.side} side in this account."
        return Refusal(201, f"Order rejected - reason:{words}")
    needed, own = margin_after(gateway, order), equity(gateway, order.account)
    if needed > own and needed > margin_now(gateway, order.account):
        words = "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE"
        numbers = f"[{_usd(own)}] MUST EXCEED THE INITIAL MARGIN [{_usd(needed)}]"
        return Refusal(201, f"Order rejected - reason:{words} {numbers}")
    return None


def _usd(amount: Decimal) -> str:
    return f"{amount:.2f} USD"


def refusal_of_change(old: Order, new: Order) -> Refusal | None:
    """Return why a working order cannot be changed into this one, or None."""
    if new.kind != old.kind:
        return Refusal(329, f"Order modify failed. Cannot change to the new order type {new.kind}.")
    if (new.contract.con_id, new.side, new.account) != (old.contract.con_id, old.side, old.account):
        return Refusal(105, "Order being modified does not match original order")
    if new.qty < old.filled:
        return Refusal(201, f"Order rejected - reason:The size {new.qty} is below the {old.filled} already filled.")
    return None
