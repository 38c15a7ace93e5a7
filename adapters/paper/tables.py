"""The paper broker's tables. Reports and cash movements are only ever appended; the rest is where they have led to."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import DecimalText, UtcDateTime


class PaperAccountRow(SQLModel, table=True):
    """An account, and when its broker next has something to do for it."""

    __tablename__ = "paper_account"
    account: str = Field(primary_key=True)
    currency: str
    cash: Decimal = Field(sa_type=DecimalText)
    due_at: datetime | None = Field(sa_type=UtcDateTime)  # least of those of its orders and positions


class PaperOrderRow(SQLModel, table=True):
    """An order as the exchange sees it; it works as long as it has a `due_at`."""

    __tablename__ = "paper_order"
    __table_args__ = (sa.Index("ix_paper_order_account_due_at", "account", "due_at"),)
    account: str = Field(primary_key=True)
    cl_ord_id: str = Field(primary_key=True)
    symbol: str
    side: str
    order_qty: Decimal = Field(sa_type=DecimalText)
    ord_type: str
    time_in_force: str
    price: Decimal | None = Field(sa_type=DecimalText)
    stop_px: Decimal | None = Field(sa_type=DecimalText)
    first_session: date
    accepted_at: datetime = Field(sa_type=UtcDateTime)
    active_at: datetime = Field(sa_type=UtcDateTime)
    session: date  # in which it works now
    moment: str  # of that session at which it is looked at next
    triggered: bool  # a stop that has been reached
    cum_qty: Decimal = Field(sa_type=DecimalText)
    ord_status: str
    reports: int  # how many it has; numbers the next one
    due_at: datetime | None = Field(sa_type=UtcDateTime)
    good_till: datetime | None = Field(sa_type=UtcDateTime)
    peg_offset_value: Decimal | None = Field(sa_type=DecimalText)
    peg_offset_type: str | None
    triggers: list[dict[str, Any]] | None = Field(sa_type=sa.JSON)  # that have not happened yet
    legs: list[dict[str, Any]] | None = Field(sa_type=sa.JSON)
    list_id: str | None
    contingency_type: str | None
    parent_cl_ord_id: str | None
    waits: bool = Field(sa_column_kwargs={"server_default": sa.false()})  # for its parent to fill
    tied: bool = Field(sa_column_kwargs={"server_default": sa.false()})  # to other symbols or orders


class PaperReplaceRow(SQLModel, table=True):
    """A replace request that has been answered, so that asking twice is asking once."""

    __tablename__ = "paper_replace"
    account: str = Field(primary_key=True)
    cl_ord_id: str = Field(primary_key=True)
    orig_cl_ord_id: str
    answered_at: datetime = Field(sa_type=UtcDateTime)


class PaperReportRow(SQLModel, table=True):
    """An execution report, and the session whose bar it came from."""

    __tablename__ = "paper_report"
    __table_args__ = (sa.Index("ix_paper_report_account_transact_time", "account", "transact_time"),)
    account: str = Field(primary_key=True)
    cl_ord_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    order_id: str
    exec_id: str
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
    session: date
    order_qty: Decimal | None = Field(sa_type=DecimalText)
    price: Decimal | None = Field(sa_type=DecimalText)
    stop_px: Decimal | None = Field(sa_type=DecimalText)
    peg_offset_value: Decimal | None = Field(sa_type=DecimalText)


class PaperPositionRow(SQLModel, table=True):
    """What is held of a symbol, and the next session whose corporate actions count; none while it is flat."""

    __tablename__ = "paper_position"
    __table_args__ = (sa.Index("ix_paper_position_account_due_at", "account", "due_at"),)
    account: str = Field(primary_key=True)
    symbol: str = Field(primary_key=True)
    qty: Decimal = Field(sa_type=DecimalText)
    session: date | None
    due_at: datetime | None = Field(sa_type=UtcDateTime)


class PaperCashRow(SQLModel, table=True):
    """Cash that moved outside executions."""

    __tablename__ = "paper_cash"
    account: str = Field(primary_key=True)
    movement_id: str = Field(primary_key=True)
    movement_type: str
    amount: Decimal = Field(sa_type=DecimalText)
    currency: str
    value_time: datetime = Field(sa_type=UtcDateTime)
    symbol: str | None
    text: str
