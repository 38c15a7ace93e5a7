"""Orders: what we ask of a broker, and what is known of it.

Source: FIX 5.0 SP2, messages NewOrderSingle (D), OrderCancelRequest (F) and the tags named below.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from trading.errors import InvalidValue, OrderNotOpen


class Side(StrEnum):
    """Side (FIX 54)."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrdType(StrEnum):
    """OrdType (FIX 40)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """TimeInForce (FIX 59); OPG is at the opening, CLS at the close."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    OPG = "opg"
    CLS = "cls"


class OrdStatus(StrEnum):
    """OrdStatus (FIX 39), and UNKNOWN, which is ours: sent perhaps, answered never."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    PENDING_CANCEL = "pending_cancel"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    EXPIRED = "expired"
    PENDING_REPLACE = "pending_replace"
    UNKNOWN = "unknown"

    @property
    def is_open(self) -> bool:
        """Tell whether the order may still trade, and so keeps its risk reserved."""
        return self not in _FINAL


_FINAL = frozenset({OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrderSingle:
    """An order as we mean it; never changed after it is recorded.

    Attributes:
        cl_ord_id: ClOrdID (FIX 11); ours, unique for ever: what the broker is asked by before anything is sent again.
        account: Account (FIX 1).
        session: the session it is meant for; it is not sent after `expire_time`.
        book: the strategy book it belongs to.
        symbol: Symbol (FIX 55).
        side: Side (FIX 54).
        order_qty: OrderQty (FIX 38); units of the instrument, > 0.
        ord_type: OrdType (FIX 40).
        time_in_force: TimeInForce (FIX 59).
        price: Price (FIX 44) per unit; required by LIMIT and STOP_LIMIT, absent otherwise.
        stop_px: StopPx (FIX 99) per unit; required by STOP and STOP_LIMIT, absent otherwise.
        expire_time: UTC; the order is never *sent* after it.
        transact_time: TransactTime (FIX 60); when it was decided, UTC.
    """

    cl_ord_id: str
    account: str
    session: date
    book: str
    symbol: str
    side: Side
    order_qty: Decimal
    ord_type: OrdType
    time_in_force: TimeInForce
    expire_time: datetime
    transact_time: datetime
    price: Decimal | None = None
    stop_px: Decimal | None = None

    def __post_init__(self) -> None:
        name = f"order {self.cl_ord_id}"
        if not (self.order_qty.is_finite() and self.order_qty > 0):
            raise InvalidValue(f"order_qty of {name}", self.order_qty, "finite and greater than 0")
        for field, wanted in (
            ("price", self.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT)),
            ("stop_px", self.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT)),
        ):
            value = getattr(self, field)
            if wanted and not (value is not None and value.is_finite() and value > 0):
                raise InvalidValue(f"{field} of {name}", value, f"greater than 0 for a {self.ord_type} order")
            if not wanted and value is not None:
                raise InvalidValue(f"{field} of {name}", value, f"absent for a {self.ord_type} order")
        for field in ("expire_time", "transact_time"):
            if getattr(self, field).tzinfo is None:
                raise InvalidValue(f"{field} of {name}", getattr(self, field), "aware (UTC)")

    @property
    def signed_qty(self) -> Decimal:
        """Return the quantity, negative for a sell."""
        return self.order_qty * self.side.sign


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
class Order:
    """One order and all that is known of it: a fold over its send marks and execution reports.

    Attributes:
        new_order: the order as we meant it.
        ord_status: OrdStatus (FIX 39) as the broker last reported it, or ours while it has not answered.
        order_id: OrderID (FIX 37), the broker's; None until it has acknowledged.
        cum_qty: CumQty (FIX 14), net of busts and corrections.
        avg_px: AvgPx (FIX 6) over cum_qty; None while nothing is filled.
        commission: Commission (FIX 12) of all its executions, in the instrument's currency.
        sent_count: how often it was marked as sending; 0 means it was never on the wire.
        may_be_sent: proven not to be at the broker: never marked as sending, or NOT_SENT since, and never reported.
        text: Text (FIX 58), the last reason given.
        contradictions: what the broker's reports say against the order or against FIX, a sentence each.
    """

    new_order: NewOrderSingle
    ord_status: OrdStatus
    order_id: str | None = None
    cum_qty: Decimal = Decimal(0)
    avg_px: Decimal | None = None
    commission: Decimal = Decimal(0)
    sent_count: int = 0
    may_be_sent: bool = False
    text: str = ""
    contradictions: tuple[str, ...] = ()

    @property
    def cl_ord_id(self) -> str:
        """Return ClOrdID (FIX 11)."""
        return self.new_order.cl_ord_id

    @property
    def leaves_qty(self) -> Decimal:
        """Return LeavesQty (FIX 151): what may still trade; 0 once the order is final, and never negative."""
        rest = self.new_order.order_qty - self.cum_qty
        return max(rest, Decimal(0)) if self.ord_status.is_open else Decimal(0)

    def cancel_request(self, transact_time: datetime) -> OrderCancelRequest:
        """Return the request that cancels the rest; its id follows from the order's, so asking twice is one request.

        Raises:
            OrderNotOpen: the order can no longer change.
        """
        if not self.ord_status.is_open:
            raise OrderNotOpen(self.cl_ord_id, self.ord_status.name)
        return OrderCancelRequest(
            cl_ord_id=f"{self.cl_ord_id}-x",
            orig_cl_ord_id=self.cl_ord_id,
            account=self.new_order.account,
            transact_time=transact_time,
        )


def make_cl_ord_id(*, account: str, session: date, book: str, symbol: str, purpose: str) -> str:
    """Return the one ClOrdID for that purpose; the same arguments always give the same 32 characters.

    Args:
        purpose: why the order exists, such as `rebalance`; a second order for another reason needs another one.
    """
    parts = "\x1f".join((account, session.isoformat(), book, symbol, purpose))
    return f"ob-{session:%Y%m%d}-{hashlib.sha256(parts.encode()).hexdigest()[:20]}"
