"""The seam to a broker: five calls, and what each adapter must promise about them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from trading.money import Money
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle, OrderCancelRequest


class BrokerFence(StrEnum):
    """What at the broker keeps a process that woke up late from sending an order a second time."""

    REFUSES_KNOWN_CL_ORD_ID = "refuses_known_cl_ord_id"
    ONE_SOCKET_PER_CLIENT_ID = "one_socket_per_client_id"
    NONE = "none"  # an UNKNOWN order is then never sent again by the program


class CashMovementType(StrEnum):
    """Why cash moved, other than by an execution."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    DIVIDEND = "dividend"
    CASH_IN_LIEU = "cash_in_lieu"  # paid for a fraction of a share after a split
    FEE = "fee"
    INTEREST = "interest"


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMovement:
    """Cash that moved outside executions, as the broker booked it.

    Attributes:
        movement_id: the broker's; unique per account.
        amount: > 0 into the account.
        symbol: what it was paid for, if anything.
        value_time: when it was booked, UTC.
    """

    account: str
    movement_id: str
    movement_type: CashMovementType
    amount: Money
    value_time: datetime
    symbol: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """What the broker says we hold of one symbol; `qty` is negative when short, never 0."""

    symbol: str
    qty: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatement:
    """An account as its broker states it at one time.

    Attributes:
        cash: settled and unsettled cash.
        positions: one per symbol held.
        working: ClOrdIDs of the orders that may still trade.
        cash_movements: all that the broker has booked for the account.
    """

    account: str
    as_of: datetime
    cash: Money
    positions: tuple[BrokerPosition, ...]
    working: tuple[str, ...]
    cash_movements: tuple[CashMovement, ...]


class Broker(Protocol):
    """One account at one broker."""

    @property
    def fence(self) -> BrokerFence:
        """Return what keeps an order from being accepted twice."""
        ...

    async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
        """Send the order once and return what the broker answered at once (NEW or REJECTED, perhaps a trade).

        A broker that REFUSES_KNOWN_CL_ORD_ID answers a known one with the reports it already has of it.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: it may have been sent.
        """
        ...

    async def cancel(self, request: OrderCancelRequest) -> tuple[ExecutionReport, ...]:
        """Ask that the rest of the order be canceled and return the answer; asking twice is asking once.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: it may have been sent.
        """
        ...

    async def find(self, cl_ord_id: str) -> tuple[ExecutionReport, ...]:
        """Return every report of that order in the order they happened; empty is proof that the broker never had it.

        Raises:
            BrokerUnavailable: the broker could not be asked, so nothing is proven.
        """
        ...

    async def reports_since(self, since: datetime) -> tuple[ExecutionReport, ...]:
        """Return all reports with `transact_time` >= since, of any origin, in the order they happened."""
        ...

    async def statement(self) -> AccountStatement:
        """Return cash, positions, working orders and cash movements, all at one time."""
        ...
