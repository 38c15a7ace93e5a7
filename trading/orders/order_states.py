"""The states of an order: which report leads from which status to which.

Source: FIX 5.0 SP2, appendix D "Order State Change Matrices" (FIX 4.4, volume 4, has the same). Where two statuses hold
at once, the one of higher precedence is kept, as FIX wants it. Three things FIX leaves to its reader:

* Reports arrive late. One that only says what is already past (NEW after a trade, PENDING_CANCEL after the cancel) is
  in the table and changes nothing.
* FIX keeps a filled order PENDING_CANCEL until the cancel is refused (B.1.c). Here what is filled in full is FILLED at
  once: nothing is left that a cancel could change. A refused cancel of the rest comes as ORDER_STATUS.
* UNKNOWN is ours, and any report ends it.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum, StrEnum
from typing import NamedTuple

from trading.orders.orders import OrdStatus


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


class Transition(NamedTuple):
    """Where a report leads.

    Attributes:
        contradicts: the table has no such step; the broker's word was taken all the same.
    """

    ord_status: OrdStatus
    contradicts: bool


class _Cell(Enum):
    ILLEGAL = 1
    AS_STATED = 2  # the report carries the status it means


# Two letters each, so that the table is one look. PF stands for NEW, PARTIALLY_FILLED or FILLED, as the quantities say.
PN, NW, PF, FI = OrdStatus.PENDING_NEW, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.FILLED
DD, CX, PC, ST = OrdStatus.DONE_FOR_DAY, OrdStatus.CANCELED, OrdStatus.PENDING_CANCEL, OrdStatus.STOPPED
RJ, SU, CA, EX = OrdStatus.REJECTED, OrdStatus.SUSPENDED, OrdStatus.CALCULATED, OrdStatus.EXPIRED
PR, UN = OrdStatus.PENDING_REPLACE, OrdStatus.UNKNOWN
XX, AS = _Cell.ILLEGAL, _Cell.AS_STATED

# fmt: off
_ROWS: Mapping[OrdStatus, tuple[OrdStatus | _Cell, ...]] = {
    # report: as in ExecType, from left to right
    #   p   n   t   c   b   d   c   p   s   r   s   c   e   r   p   r   s
    #   e   e   r   o   u   o   a   e   t   e   u   a   x   e   e   e   t
    #   n   w   a   r   s   n   n   n   o   j   s   l   p   s   n   p   a
    #   d       d   r   t   e   c   d   p   e   p   c   i   t   d   l   t
    #   n       e   e       d   e   c   p   c   e       r   a   r   a   u
    #   e           c       a   l   x   e   t   n       e   t   e   c   s
    #   w           t       y   e   l   d   e   d       d   e   p   e
    PN: (PN, NW, PF, PF, PF, DD, CX, PC, ST, RJ, SU, CA, EX, AS, PR, PF, AS),
    UN: (PN, NW, PF, PF, PF, DD, CX, PC, ST, RJ, SU, CA, EX, AS, PR, PF, AS),
    NW: (PF, PF, PF, PF, PF, DD, CX, PC, ST, RJ, SU, CA, EX, AS, PR, PF, AS),
    PF: (PF, PF, PF, PF, PF, DD, CX, PC, ST, XX, SU, CA, EX, AS, PR, PF, AS),
    FI: (FI, FI, XX, AS, AS, FI, XX, FI, XX, XX, XX, FI, XX, AS, FI, FI, AS),
    DD: (DD, DD, PF, DD, DD, DD, CX, PC, ST, XX, SU, CA, EX, AS, PR, PF, AS),
    CX: (CX, CX, CX, CX, CX, CX, CX, CX, XX, XX, XX, CX, XX, AS, CX, XX, AS),
    PC: (PC, PC, PC, PC, PC, PC, CX, PC, PC, XX, PC, PC, EX, AS, PC, PC, AS),
    ST: (ST, ST, PF, ST, ST, DD, CX, PC, ST, XX, ST, CA, EX, AS, PR, PF, AS),
    RJ: (RJ, RJ, XX, XX, XX, XX, XX, RJ, XX, RJ, XX, XX, XX, XX, XX, XX, AS),
    SU: (SU, SU, PF, SU, SU, DD, CX, PC, ST, XX, SU, CA, EX, AS, PR, SU, AS),
    CA: (CA, CA, PF, CA, CA, DD, CX, PC, ST, XX, SU, CA, EX, AS, PR, PF, AS),
    EX: (EX, EX, EX, EX, EX, EX, XX, EX, XX, XX, XX, EX, EX, AS, EX, XX, AS),
    PR: (PR, PR, PR, PR, PR, PR, CX, PC, PR, XX, PR, PR, EX, AS, PR, PF, AS),
}
# fmt: on

NEXT_STATUS: Mapping[tuple[OrdStatus, ExecType], OrdStatus | None] = {
    (current, exec_type): cell if isinstance(cell, OrdStatus) else None
    for current, row in _ROWS.items()
    for exec_type, cell in zip(ExecType, row, strict=True)
    if cell is not XX
}
"""Every step that can happen; None is the status the report states. A step that is absent contradicts FIX."""


def next_status(
    current: OrdStatus, exec_type: ExecType, stated: OrdStatus, *, cum_qty: Decimal, order_qty: Decimal
) -> Transition:
    """Return where a report leads an order; a report is never refused.

    Args:
        stated: OrdStatus of the report; taken where the table has no step, for the broker knows.
        cum_qty: executed so far, this report included and net of busts and corrections.
    """
    listed = (current, exec_type) in NEXT_STATUS
    ord_status = by_quantity(NEXT_STATUS.get((current, exec_type)) or stated, cum_qty, order_qty)
    # To ask about an order changes nothing; if the answer moves a final one, our books or the broker's are wrong.
    moved = exec_type is ExecType.ORDER_STATUS and not current.is_open and ord_status is not current
    return Transition(ord_status, contradicts=not listed or moved)


def by_quantity(ord_status: OrdStatus, cum_qty: Decimal, order_qty: Decimal) -> OrdStatus:
    """Return what the executed quantity makes of a status: FILLED is nothing but cum_qty >= order_qty."""
    if cum_qty >= order_qty:
        return FI
    if ord_status in (NW, PF, FI):
        return PF if cum_qty else NW
    return ord_status
