"""Requests to change an order that a broker has: cancel what is left of it, or replace its values.

Source: FIX 5.0 SP2, messages OrderCancelRequest (F) and OrderCancelReplaceRequest (G).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.errors import InvalidValue
from trading.orders.order_types import require_aware, require_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelRequest:
    """A request to cancel what is left of an order.

    Attributes:
        cl_ord_id: ClOrdID (FIX 11) of this request.
        orig_cl_ord_id: OrigClOrdID (FIX 41), the order meant.
        account: Account (FIX 1).
        transact_time: TransactTime (FIX 60), UTC.
    """

    cl_ord_id: str
    orig_cl_ord_id: str
    account: str
    transact_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelReplaceRequest:
    """A request to go on with an order under other values; each is the full new value, not a difference.

    Unlike in FIX, the order keeps its first ClOrdID for ever: this request's is only its own.

    Attributes:
        cl_ord_id: ClOrdID (FIX 11) of this request; `Order.replace_request` makes it.
        orig_cl_ord_id: OrigClOrdID (FIX 41), the order meant, by its first id.
        account: Account (FIX 1).
        transact_time: TransactTime (FIX 60), UTC.
        order_qty: OrderQty (FIX 38), > 0, with what has already traded.
        price: Price (FIX 44), where the order has one.
        stop_px: StopPx (FIX 99), where the order has one.
        peg_offset_value: PegOffsetValue (FIX 211), where the order has one.
    """

    cl_ord_id: str
    orig_cl_ord_id: str
    account: str
    transact_time: datetime
    order_qty: Decimal
    price: Decimal | None = None
    stop_px: Decimal | None = None
    peg_offset_value: Decimal | None = None

    def __post_init__(self) -> None:
        name = f"replace request {self.cl_ord_id}"
        require_aware(f"transact_time of {name}", self.transact_time)
        require_positive(f"order_qty of {name}", self.order_qty)
        if self.price is not None and not self.price.is_finite():
            raise InvalidValue(f"price of {name}", self.price, "finite")
        for field in ("stop_px", "peg_offset_value"):
            if (value := getattr(self, field)) is not None:
                require_positive(f"{field} of {name}", value)
        if self.cl_ord_id == self.orig_cl_ord_id:
            raise InvalidValue(f"cl_ord_id of {name}", self.cl_ord_id, "its own, not that of the order it changes")
