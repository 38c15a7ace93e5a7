"""What was heard of an order, in our terms, before it is known whether it is news."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an order asks for, as the server states it; the values that a replace can change."""

    order_qty: Decimal
    price: Decimal | None = None
    stop_px: Decimal | None = None
    peg_offset_value: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One thing that the server said of one order.

    Attributes:
        exec_id: IB's for an execution; else made of PermId and what is said, so that who hears it again knows it.
        order_id: PermId; empty where there is none yet.
        at: IB's time of an execution (whole seconds); else when we heard it, since IB does not say.
        heard_at: when we heard it.
        commission: None while IB has not said it.
        multiplier: cash value of a price of 1 for a quantity of 1.
        terms: what the order asks for; None where this says nothing of it.
    """

    account: str
    cl_ord_id: str
    order_id: str
    exec_id: str
    exec_type: ExecType
    ord_status: OrdStatus
    symbol: str
    side: Side
    at: datetime
    heard_at: datetime
    cum_qty: Decimal = Decimal(0)
    last_qty: Decimal = Decimal(0)
    last_px: Decimal | None = None
    commission: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    text: str = ""
    terms: Terms | None = None
