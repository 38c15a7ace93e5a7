"""Execution reports: what a broker said about an order, and the fold that makes an order of them.

Source: FIX 5.0 SP2, message ExecutionReport (8).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.orders.orders import OrdStatus, Side


class ExecType(StrEnum):
    """ExecType (FIX 150)."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    TRADE = "trade"
    TRADE_CORRECT = "trade_correct"
    TRADE_CANCEL = "trade_cancel"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    PENDING_CANCEL = "pending_cancel"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    EXPIRED = "expired"
    RESTATED = "restated"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"
    ORDER_STATUS = "order_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """One fact from a broker about one order.

    Attributes:
        account: Account (FIX 1).
        cl_ord_id: ClOrdID (FIX 11), as the broker returned it; may be one that we never made.
        order_id: OrderID (FIX 37), the broker's.
        exec_id: ExecID (FIX 17); unique per account: a report with a known one is the same fact again.
        exec_ref_id: ExecRefID (FIX 19); for TRADE_CORRECT and TRADE_CANCEL, the execution superseded.
        exec_type: ExecType (FIX 150).
        ord_status: OrdStatus (FIX 39) that the broker states.
        symbol: Symbol (FIX 55).
        side: Side (FIX 54).
        last_qty: LastQty (FIX 32); > 0 for TRADE and TRADE_CORRECT, else 0.
        last_px: LastPx (FIX 31); price per unit of this execution, None unless TRADE or TRADE_CORRECT.
        cum_qty: CumQty (FIX 14) that the broker states.
        commission: Commission (FIX 12) of this execution, in the instrument's currency, >= 0 when charged.
        transact_time: TransactTime (FIX 60), UTC.
        text: Text (FIX 58).
    """

    account: str
    cl_ord_id: str
    order_id: str
    exec_id: str
    exec_type: ExecType
    ord_status: OrdStatus
    symbol: str
    side: Side
    cum_qty: Decimal
    transact_time: datetime
    last_qty: Decimal = Decimal(0)
    last_px: Decimal | None = None
    commission: Decimal = Decimal(0)
    exec_ref_id: str | None = None
    text: str = ""
