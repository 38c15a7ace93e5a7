"""The ledger's tables. Facts are only ever appended; `order_state` alone is derived, and can be rebuilt from them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import DecimalText, UtcDateTime


class LeaseRow(SQLModel, table=True):
    """Who trades an account; the token only grows."""

    __tablename__ = "lease"
    account: str = Field(primary_key=True)
    token: int = Field(sa_type=sa.BigInteger)
    holder: str
    process: str
    expires_at: datetime = Field(sa_type=UtcDateTime)


class DecisionRow(SQLModel, table=True):
    """What was decided for one session and book, and from what."""

    __tablename__ = "decision"
    __table_args__ = (sa.UniqueConstraint("account", "session", "book"),)
    decision_id: str = Field(primary_key=True)
    account: str
    session: date
    book: str
    strategy: str
    parameters: dict[str, Any] = Field(sa_type=sa.JSON)
    sizing: dict[str, Any] = Field(sa_type=sa.JSON)
    code_version: str
    source: str
    bars_hash: str
    first_session: date
    bars_session: date
    verdict_id: str
    equity: Decimal = Field(sa_type=DecimalText)
    cash: Decimal = Field(sa_type=DecimalText)
    mode: str
    decided_at: datetime = Field(sa_type=UtcDateTime)
    targets: list[dict[str, Any]] = Field(sa_type=sa.JSON)


class RiskDecisionRow(SQLModel, table=True):
    """What the gate decided about one order."""

    __tablename__ = "risk_decision"
    cl_ord_id: str = Field(primary_key=True)
    decision_id: str = Field(foreign_key="decision.decision_id", index=True)
    position: int  # place in the sequence that the gate saw
    symbol: str
    accepted: bool
    code: str | None
    limit: str
    before: str = Field(sa_column_kwargs={"server_default": sa.text("''")})
    value: str
    text: str
    asked_qty: Decimal | None = Field(sa_type=DecimalText)
    granted_qty: Decimal | None = Field(sa_type=DecimalText)
    decided_at: datetime = Field(sa_type=UtcDateTime)


class NewOrderRow(SQLModel, table=True):
    """An accepted order: the intent, never changed."""

    __tablename__ = "new_order"
    __table_args__ = (sa.Index("ix_new_order_account_session", "account", "session"),)
    cl_ord_id: str = Field(primary_key=True)
    account: str
    decision_id: str = Field(foreign_key="decision.decision_id")
    position: int  # place in the sequence in which they are sent
    token: int = Field(sa_type=sa.BigInteger)
    session: date
    book: str
    symbol: str
    side: str
    order_qty: Decimal = Field(sa_type=DecimalText)
    ord_type: str
    time_in_force: str
    price: Decimal | None = Field(sa_type=DecimalText)
    stop_px: Decimal | None = Field(sa_type=DecimalText)
    expire_time: datetime = Field(sa_type=UtcDateTime)
    transact_time: datetime = Field(sa_type=UtcDateTime)
    peg_offset_value: Decimal | None = Field(sa_type=DecimalText)
    peg_offset_type: str | None
    good_till: datetime | None = Field(sa_type=UtcDateTime)
    outside_regular_hours: bool = Field(sa_column_kwargs={"server_default": sa.false()})
    position_effect: str | None
    triggers: list[dict[str, Any]] | None = Field(sa_type=sa.JSON)
    legs: list[dict[str, Any]] | None = Field(sa_type=sa.JSON)
    list_id: str | None
    contingency_type: str | None
    parent_cl_ord_id: str | None
    algo: dict[str, Any] | None = Field(sa_type=sa.JSON)
    purpose: str = Field(sa_column_kwargs={"server_default": "rebalance"})


class OrderRequestRow(SQLModel, table=True):
    """A request to cancel or replace an order, recorded before it is sent; for a replace, with the gate's word."""

    __tablename__ = "order_request"
    cl_ord_id: str = Field(primary_key=True)
    orig_cl_ord_id: str = Field(foreign_key="new_order.cl_ord_id", index=True)
    account: str
    kind: str
    order_qty: Decimal | None = Field(sa_type=DecimalText)
    price: Decimal | None = Field(sa_type=DecimalText)
    stop_px: Decimal | None = Field(sa_type=DecimalText)
    peg_offset_value: Decimal | None = Field(sa_type=DecimalText)
    token: int | None = Field(sa_type=sa.BigInteger)  # of a replace; a cancel needs no lease
    requested_at: datetime = Field(sa_type=UtcDateTime)
    accepted: bool
    code: str | None
    limit: str
    before: str = Field(sa_column_kwargs={"server_default": sa.text("''")})
    value: str
    text: str


class SendMarkRow(SQLModel, table=True):
    """What we did, or know, about putting an order on the wire."""

    __tablename__ = "send_mark"
    id: int | None = Field(default=None, primary_key=True)
    cl_ord_id: str = Field(foreign_key="new_order.cl_ord_id", index=True)
    mark: str
    token: int = Field(sa_type=sa.BigInteger)
    marked_at: datetime = Field(sa_type=UtcDateTime)
    text: str


class ExecutionReportRow(SQLModel, table=True):
    """What a broker said; its order may be one that we never made."""

    __tablename__ = "execution_report"
    __table_args__ = (sa.UniqueConstraint("account", "exec_id"),)
    id: int | None = Field(default=None, primary_key=True)
    account: str
    cl_ord_id: str = Field(index=True)
    order_id: str
    exec_id: str
    exec_ref_id: str | None
    exec_type: str
    ord_status: str
    symbol: str
    side: str
    last_qty: Decimal = Field(sa_type=DecimalText)
    last_px: Decimal | None = Field(sa_type=DecimalText)
    cum_qty: Decimal = Field(sa_type=DecimalText)
    commission: Decimal = Field(sa_type=DecimalText)
    transact_time: datetime = Field(sa_type=UtcDateTime)
    text: str
    order_qty: Decimal | None = Field(sa_type=DecimalText)
    price: Decimal | None = Field(sa_type=DecimalText)
    stop_px: Decimal | None = Field(sa_type=DecimalText)
    peg_offset_value: Decimal | None = Field(sa_type=DecimalText)


class OrderStateRow(SQLModel, table=True):
    """Derived: the fold of an order's marks and reports, so that open orders are found by index."""

    __tablename__ = "order_state"
    __table_args__ = (sa.Index("ix_order_state_account_open", "account", "is_open"),)
    cl_ord_id: str = Field(foreign_key="new_order.cl_ord_id", primary_key=True)
    account: str
    ord_status: str
    is_open: bool


class CashMovementRow(SQLModel, table=True):
    """Cash that a broker booked outside executions."""

    __tablename__ = "cash_movement"
    __table_args__ = (sa.UniqueConstraint("account", "movement_id"),)
    id: int | None = Field(default=None, primary_key=True)
    account: str
    movement_id: str
    movement_type: str
    amount: Decimal = Field(sa_type=DecimalText)
    currency: str
    value_time: datetime = Field(sa_type=UtcDateTime)
    symbol: str | None
    text: str


class CorporateActionRow(SQLModel, table=True):
    """A corporate action as it applies to the positions of an account."""

    __tablename__ = "corporate_action"
    __table_args__ = (sa.UniqueConstraint("account", "symbol", "ex_date", "kind"),)
    id: int | None = Field(default=None, primary_key=True)
    account: str
    symbol: str
    ex_date: date
    kind: str
    value: Decimal = Field(sa_type=DecimalText)
    new_symbol: str | None = None  # of a rename
    currency: str
    effective_at: datetime = Field(sa_type=UtcDateTime)


class ReconciliationRow(SQLModel, table=True):
    """One reconciliation of an account, with what the account was worth."""

    __tablename__ = "reconciliation"
    __table_args__ = (sa.Index("ix_reconciliation_account_session", "account", "session"),)
    id: int | None = Field(default=None, primary_key=True)
    account: str
    session: date
    reconciled_at: datetime = Field(sa_type=UtcDateTime)
    equity: Decimal = Field(sa_type=DecimalText)
    cash: Decimal = Field(sa_type=DecimalText)
    marks: dict[str, str] = Field(sa_type=sa.JSON)
    breaks: list[dict[str, Any]] = Field(sa_type=sa.JSON)


class BreakClearanceRow(SQLModel, table=True):
    """A person's word that one difference from the broker is understood."""

    __tablename__ = "break_clearance"
    id: int | None = Field(default=None, primary_key=True)
    account: str = Field(index=True)
    break_type: str
    subject: str
    ours: str
    theirs: str
    actor: str
    reason: str
    cleared_at: datetime = Field(sa_type=UtcDateTime)


class ArmingRow(SQLModel, table=True):
    """A person's word that an account may trade real money until a time; the last row of an account counts."""

    __tablename__ = "arming"
    id: int | None = Field(default=None, primary_key=True)
    account: str = Field(index=True)
    armed_until: datetime = Field(sa_type=UtcDateTime)
    actor: str
    reason: str
    armed_at: datetime = Field(sa_type=UtcDateTime)


class BrokerSessionRow(SQLModel, table=True):
    """A change of state of a session with a broker."""

    __tablename__ = "broker_session"
    id: int | None = Field(default=None, primary_key=True)
    account: str = Field(index=True)
    session_name: str
    changed_at: datetime = Field(sa_type=UtcDateTime)
    before: str
    after: str
    cause: str


class HaltRow(SQLModel, table=True):
    """A halt or a resumption; the last row of a scope says whether it trades."""

    __tablename__ = "halt"
    id: int | None = Field(default=None, primary_key=True)
    scope: str = Field(index=True)
    halted: bool
    cause: str
    actor: str
    changed_at: datetime = Field(sa_type=UtcDateTime)


class AuditEntryRow(SQLModel, table=True):
    """What a person did; each entry holds the hash of the one before."""

    __tablename__ = "audit_entry"
    seq: int = Field(primary_key=True)
    entered_at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    action: str
    text: str
    previous_hash: str
    entry_hash: str
