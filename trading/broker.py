"""The seam to a broker: its calls, and what each adapter must promise about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from trading.money import Money
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest
from trading.risk.trading_facts import BrokerMargin


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
    MERGER = "merger"  # paid for shares that became cash
    FEE = "fee"
    INTEREST = "interest"
    ADJUSTMENT = "adjustment"  # booked by a person, with a reason, to agree with the broker


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


class MarginPreview(Protocol):
    """What some brokers can do besides: tell what an order would bind as margin, before there is one."""

    async def margin(self, orders: Sequence[NewOrderSingle], within: timedelta) -> BrokerMargin:
        """Return the initial margin of what is held, and what each order alone would add to it; nothing is placed.

        Each change is against the account as it is, so their sum is an estimate. It is too high where orders cover
        each other, as the legs of a spread do. It is too low where two orders lean on the same cover, or where margin
        grows faster than the position.

        Args:
            within: how long answers are waited for; an order without one by then is untold.

        Raises:
            BrokerUnavailable: the broker cannot be asked, or does not tell margin in the account's currency.
        """
        ...


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

    async def submit_list(self, orders: Sequence[NewOrderSingle]) -> tuple[ExecutionReport, ...]:
        """Send linked orders once and return what the broker answered at once, in the order of the list.

        A child that waits for its parent is answered with NEW like any other. One that is rejected takes the whole
        list with it, where the broker can do so; else its siblings and its parent are canceled.

        Args:
            orders: as `trading.orders.order_lists.require_list` wants them.

        Raises:
            InvalidValue: they are no list; nothing was sent.
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: some or all may have been sent; each is to be asked for.
        """
        ...

    async def cancel(self, request: OrderCancelRequest) -> tuple[ExecutionReport, ...]:
        """Ask that the rest of the order be canceled and return the answer; asking twice is asking once.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: it may have been sent.
        """
        ...

    async def replace(self, request: OrderCancelReplaceRequest) -> tuple[ExecutionReport, ...]:
        """Ask that the order go on under the request's values and return the answer; asking twice is asking once.

        REPLACED, under the order's own ClOrdID, says that they hold. A request that the broker refuses, or that came
        too late, changes nothing.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: it may have been sent.
        """
        ...

    async def cancel_all(self) -> None:
        """Ask that everything that works for the account be canceled, whoever placed it; the reports tell what was.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: some or all may have been sent; ask again, it does no harm.
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

    async def close(self) -> None:
        """Let go of the connection, if there is one; a second time does nothing."""
        ...
