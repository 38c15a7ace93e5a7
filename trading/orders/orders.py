"""Orders: what we ask of a broker, and what is known of it.

Source: FIX 5.0 SP2, messages NewOrderSingle (D) and NewOrderMultileg (AB), and the tags named below.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from trading.errors import OrderNotOpen
from trading.orders.execution_algos import ExecutionAlgo
from trading.orders.order_requests import OrderCancelReplaceRequest as OrderCancelReplaceRequest
from trading.orders.order_requests import OrderCancelRequest as OrderCancelRequest
from trading.orders.order_rules import require_valid
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PositionEffect,
    PriceTrigger,
    TimeTrigger,
)
from trading.orders.order_types import OrderPurpose as OrderPurpose
from trading.orders.order_types import OrdType as OrdType
from trading.orders.order_types import Side as Side
from trading.orders.order_types import TimeInForce as TimeInForce


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
        symbol: Symbol (FIX 55); of an order in legs, what `combo_symbol` makes of them.
        side: Side (FIX 54); with legs, BUY as they are defined, SELL the opposite of each.
        order_qty: OrderQty (FIX 38); units of the instrument, > 0.
        ord_type: OrdType (FIX 40).
        time_in_force: TimeInForce (FIX 59).
        price: Price (FIX 44) per unit; required by LIMIT and STOP_LIMIT, absent otherwise. > 0, except that the net
            price of legs may be anything: what one unit costs when bought, < 0 when it pays.
        stop_px: StopPx (FIX 99) per unit; required by STOP and STOP_LIMIT, absent otherwise.
        expire_time: UTC; the order is never *sent* after it.
        transact_time: TransactTime (FIX 60); when it was decided, UTC.
        peg_offset_value: PegOffsetValue (FIX 211), > 0; how far a TRAILING_STOP stays behind the best price, above it
            when buying, below it when selling. Required by it, absent otherwise.
        peg_offset_type: PegOffsetType (FIX 836); required by TRAILING_STOP, absent otherwise.
        good_till: ExpireTime (FIX 126), UTC; when the broker ends it. Required by GTD, absent otherwise.
        outside_regular_hours: whether it may trade before the open and after the close.
        position_effect: PositionEffect (FIX 77), for options.
        triggers: all must have happened before it works.
        legs: of an order in several instruments at once.
        list_id: ListID (FIX 66) of orders that hang together; `order_lists` tells their shapes.
        contingency_type: ContingencyType (FIX 1385), with `list_id`.
        parent_cl_ord_id: the order that must have filled completely before this one works.
        algo: how the broker is to work it (FIX 847); None lays it on the exchange as it is.
        purpose: why it is made.
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
    peg_offset_value: Decimal | None = None
    peg_offset_type: PegOffsetType | None = None
    good_till: datetime | None = None
    outside_regular_hours: bool = False
    position_effect: PositionEffect | None = None
    triggers: tuple[PriceTrigger | TimeTrigger, ...] = ()
    legs: tuple[OrderLeg, ...] = ()
    list_id: str | None = None
    contingency_type: ContingencyType | None = None
    parent_cl_ord_id: str | None = None
    algo: ExecutionAlgo | None = None
    purpose: OrderPurpose = OrderPurpose.REBALANCE

    def __post_init__(self) -> None:
        require_valid(self)

    @property
    def signed_qty(self) -> Decimal:
        """Return the quantity, negative for a sell."""
        return self.order_qty * self.side.sign

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return what it buys or sells: its legs, or its one symbol."""
        return tuple(leg.symbol for leg in self.legs) or (self.symbol,)

    def ratios(self) -> tuple[int, ...]:
        """Return how many units of each of its `parts` one unit of the order is."""
        return tuple(leg.ratio for leg in self.legs) or (1,)

    def parts(self) -> "tuple[NewOrderSingle, ...]":
        """Return the order as one of each leg, at any price; itself when it has no legs."""
        if not self.legs:
            return (self,)
        buys = self.side is Side.BUY
        return tuple(
            replace(
                self,
                symbol=leg.symbol,
                side=leg.side if buys else leg.side.opposite,
                order_qty=self.order_qty * leg.ratio,
                ord_type=OrdType.MARKET,
                price=None,
                legs=(),
            )
            for leg in self.legs
        )

    def replaced(self, request: OrderCancelReplaceRequest) -> "NewOrderSingle":
        """Return the order under the values of the request.

        Raises:
            InvalidValue: they do not fit the order, such as a price for a market order.
        """
        return replace(
            self,
            order_qty=request.order_qty,
            price=request.price,
            stop_px=request.stop_px,
            peg_offset_value=request.peg_offset_value,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order and all that is known of it: a fold over its send marks and execution reports.

    Attributes:
        new_order: the order as we first meant it.
        replaced_by: the order under the values it was last replaced by; None if it never was.
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
    replaced_by: NewOrderSingle | None = None

    @property
    def in_force(self) -> NewOrderSingle:
        """Return the order under the values that hold now."""
        return self.replaced_by or self.new_order

    @property
    def cl_ord_id(self) -> str:
        """Return ClOrdID (FIX 11)."""
        return self.new_order.cl_ord_id

    @property
    def leaves_qty(self) -> Decimal:
        """Return LeavesQty (FIX 151): what may still trade; 0 once the order is final, and never negative."""
        rest = self.in_force.order_qty - self.cum_qty
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

    def replace_request(
        self,
        number: int,
        transact_time: datetime,
        *,
        order_qty: Decimal | None = None,
        price: Decimal | None = None,
        stop_px: Decimal | None = None,
        peg_offset_value: Decimal | None = None,
    ) -> OrderCancelReplaceRequest:
        """Return the request that changes the given values and keeps the others.

        Args:
            number: 1 for the first change of this order, and so on; the same number is the same request.

        Raises:
            OrderNotOpen: the order can no longer change.
            InvalidValue: the values do not fit the order.
        """
        if not self.ord_status.is_open:
            raise OrderNotOpen(self.cl_ord_id, self.ord_status.name)
        now = self.in_force
        request = OrderCancelReplaceRequest(
            cl_ord_id=f"{self.cl_ord_id}-r{number}",
            orig_cl_ord_id=self.cl_ord_id,
            account=now.account,
            transact_time=transact_time,
            order_qty=now.order_qty if order_qty is None else order_qty,
            price=now.price if price is None else price,
            stop_px=now.stop_px if stop_px is None else stop_px,
            peg_offset_value=now.peg_offset_value if peg_offset_value is None else peg_offset_value,
        )
        now.replaced(request)
        return request


def make_cl_ord_id(*, account: str, session: date, book: str, symbol: str, purpose: str) -> str:
    """Return the one ClOrdID for that purpose; the same arguments always give the same 32 characters.

    Args:
        purpose: why the order exists, such as `rebalance`; a second order for another reason needs another one.
    """
    parts = "\x1f".join((account, session.isoformat(), book, symbol, purpose))
    return f"ob-{session:%Y%m%d}-{hashlib.sha256(parts.encode()).hexdigest()[:20]}"
