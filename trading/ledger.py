"""The seam to the ledger: who may write, what is intended, what happened.

The interfaces below are what the order path needs of a ledger; what else it can be asked stands with its adapter.
It appends facts and derives the rest. Every write that could put an order on the wire carries the lease;
a report of what already happened is never refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from trading.alerts import Alert
from trading.breaks import Break
from trading.broker import CashMovement
from trading.market.corporate_actions import EffectiveAction
from trading.market.quality import QualityReport
from trading.orders.executions import ExecutionReport
from trading.orders.executions import SendMark as SendMark
from trading.orders.orders import (
    NewOrderSingle,
    Order,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderPurpose,
)
from trading.reconciliation import Reconciliation
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskDecision

FILLED_IN = "backfill"  # ends the source's name on the verdicts on what was filled in


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to trade one account until `expires_at` (database time), proven by a token that only grows."""

    account: str
    token: int
    holder: str
    expires_at: datetime


class Leases(Protocol):
    """One trader per account."""

    def acquire(self, account: str, holder: str, ttl: timedelta) -> Lease:
        """Take the lease with a higher token than any before.

        A lease whose holder process is proven dead on this machine is taken over at once, any other once it has
        expired.

        Raises:
            LeaseHeld: another holder has it.
        """
        ...

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Prolong the lease, an expired one too while nobody has taken it, or raise LeaseLost."""
        ...

    def release(self, lease: Lease) -> None:
        """Give the lease back; one already lost is left alone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a strategy wants of one symbol, and what became of it in sizing.

    Attributes:
        weight: wanted share of the book's equity.
        reference_px: raw price per unit that sizing used; None when there was no price, and so no order.
        held_qty: what the book held.
        target_qty: whole lots that the weight is worth.
        order_qty: signed difference to be ordered; 0 with a reason.
        reason: why order_qty is what it is, one phrase.
    """

    symbol: str
    weight: float
    reference_px: Decimal | None
    held_qty: Decimal
    target_qty: Decimal
    order_qty: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for one session and book, with all that it was decided from.

    Attributes:
        decision_id: follows from account, session and book.
        parameters: the strategy's, as JSON values; together with `sizing` enough to decide again.
        sizing: the sizing rules, as JSON values.
        code_version: version of Openbell and hash of the strategy's source.
        bars_hash: content hash of the exact bars the strategy saw.
        first_session: first session of those bars.
        bars_session: last session of those bars.
        verdict_id: of the quality verdict that passed them.
        equity: account equity used, in account currency.
        cash: account cash used.
        mode: `shadow`, `paper` or `live`.
        book: the strategy book; of a decision that is no rebalance a name that no other of the session has.
    """

    decision_id: str
    account: str
    session: date
    book: str
    strategy: str
    parameters: Mapping[str, object]
    sizing: Mapping[str, object]
    code_version: str
    source: str
    bars_hash: str
    first_session: date
    bars_session: date
    verdict_id: str
    equity: Decimal
    cash: Decimal
    mode: str
    decided_at: datetime
    targets: tuple[Target, ...]


class Journal(Protocol):
    """Orders: intent before sending, send marks, and what the broker said."""

    def intend(
        self,
        lease: Lease,
        decision: Decision,
        orders: Sequence[NewOrderSingle],
        inputs: RiskInputs,
    ) -> tuple[RiskDecision, ...]:
        """Run every order through the gate and record decision, verdicts and accepted orders, in one transaction.

        The same transaction records whether a person must approve them.

        When account, session and book have a decision already, its risk decisions are returned: nothing is
        decided twice.

        Raises:
            LeaseLost: nothing was written.
        """
        ...

    def abandon_forbidden(self, lease: Lease, cl_ord_ids: Sequence[str], now: datetime) -> tuple[RiskDecision, ...]:
        """Give up those of the orders that a breaker, a lock or a quarantine lets not be sent any more; return why.

        Marks, states and an alert are one transaction. What may be at the broker is left alone.

        Raises:
            LeaseLost: nothing was written.
            DeskHalted: likewise.
        """
        ...

    def mark_sending(self, lease: Lease, cl_ord_ids: Sequence[str], now: datetime) -> tuple[RiskDecision, ...]:
        """Record durably that the orders are about to go on the wire.

        What may not be sent any more is given up in the same transaction, as `abandon_forbidden` does.

        Returns:
            The refusals of what was given up, which is not to be sent; the others are marked.

        Raises:
            LeaseLost: nothing was written, so nothing may be sent.
            DeskHalted: likewise.
            NotApproved: likewise; one of them needs a person's approval, and does not have it.
        """
        ...

    def require_may_send(self, lease: Lease, now: datetime, cl_ord_id: str | None = None) -> None:
        """Look once more, just before the order goes on the wire, whether it still may.

        Args:
            cl_ord_id: which order; None for one that does not flatten.

        Raises:
            LeaseLost: the lease was taken over or has expired.
            DeskHalted: the desk or the account was halted, and the order is none that flattens it.
        """
        ...

    def mark(self, lease: Lease, cl_ord_id: str, mark: SendMark, now: datetime, text: str) -> None:
        """Record what became of a sending that brought no report."""
        ...

    def intend_cancel(self, requests: Sequence[OrderCancelRequest]) -> None:
        """Record durably that orders are about to be canceled; the same request again changes nothing.

        No lease is needed: a cancel can only lower what may still trade.

        Raises:
            OrderUnknown: one is of an order that is not in the ledger; nothing was written.
        """
        ...

    def intend_replace(
        self,
        lease: Lease,
        request: OrderCancelReplaceRequest,
        inputs: RiskInputs,
    ) -> RiskDecision:
        """Run a replace through the gate and record request and verdict, in one transaction; only then may it be sent.

        A smaller quantity alone always passes. Until the broker answers, the larger of old and new values is reserved.
        The same request again has the verdict it had.

        Raises:
            LeaseLost: nothing was written.
            DeskHalted: likewise; cancel the order instead.
            OrderUnknown: likewise; the order is not in the ledger.
            OrderNotOpen: likewise; the order has ended, or the broker has not answered for it yet.
            NotApproved: likewise; it would ask more than a person approved, or than goes without a person's word: a
                larger quantity, a price that pays more or sells for less.
            InvalidValue: likewise; the values do not fit the order, or another request was recorded under that id.
        """
        ...

    def replaces(self, cl_ord_id: str) -> tuple[OrderCancelReplaceRequest, ...]:
        """Return the replace requests of an order that passed the gate, oldest first."""
        ...

    def record(self, reports: Sequence[ExecutionReport]) -> tuple[Break, ...]:
        """Append the reports that are new, and never refuse one.

        Returns:
            A break for each new report that fits no order of ours, and for each known one that now says otherwise.
        """
        ...

    def orders(
        self,
        account: str,
        *,
        session: date | None = None,
        since: date | None = None,
        open_only: bool = False,
        purpose: OrderPurpose | None = None,
    ) -> tuple[Order, ...]:
        """Return the account's orders, oldest first.

        Args:
            since: only those of this session or later, and all that are open.
            purpose: only those of it; None: of any.
        """
        ...


class Facts(Protocol):
    """What else happened: executions, cash, corporate actions, quality, breaks."""

    def executions(self, account: str) -> tuple[ExecutionReport, ...]:
        """Return all reports of the account in the order they happened."""
        ...

    def record_cash(self, movements: Sequence[CashMovement]) -> int:
        """Append the movements that are new and return how many were."""
        ...

    def record_actions(self, account: str, actions: Sequence[EffectiveAction]) -> int:
        """Append the corporate actions that are new to the account and return how many were."""
        ...

    def record_reconciliation(self, account: str, reconciliation: Reconciliation) -> None:
        """Append the outcome of a reconciliation, with breaks or without."""
        ...

    def record_quality(self, report: QualityReport) -> None:
        """Append a quality report; the same verdict as the last of that source and session is the same report."""
        ...


class Outbox(Protocol):
    """Alerts on their way to a person."""

    def raise_alert(self, alert: Alert) -> None:
        """Put the alert into the outbox, once per fingerprint."""
        ...

    def due(self) -> tuple[Alert, ...]:
        """Return the alerts that no channel has taken yet, oldest first."""
        ...
