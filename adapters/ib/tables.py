"""The tables of the adapter to Interactive Brokers; rows are only ever appended."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import DecimalText, UtcDateTime


class IbReportRow(SQLModel, table=True):
    """An execution report, as it was first heard of.

    `commission` is null while IB has not said it. `terms` is what the order asked for when it was reported.
    """

    __tablename__ = "ib_report"
    __table_args__ = (
        sa.UniqueConstraint("account", "exec_id"),
        sa.Index("ix_ib_report_account_cl_ord_id", "account", "cl_ord_id"),
        sa.Index("ix_ib_report_account_transact_time", "account", "transact_time"),
    )
    id: int | None = Field(default=None, primary_key=True)
    account: str
    exec_id: str
    cl_ord_id: str
    order_id: str
    exec_ref_id: str | None
    exec_type: str
    ord_status: str
    symbol: str
    side: str
    last_qty: Decimal = Field(sa_type=DecimalText)
    last_px: Decimal | None = Field(sa_type=DecimalText)
    cum_qty: Decimal = Field(sa_type=DecimalText)
    commission: Decimal | None = Field(sa_type=DecimalText)
    multiplier: Decimal = Field(sa_type=DecimalText)
    transact_time: datetime = Field(sa_type=UtcDateTime)
    text: str
    order_qty: Decimal | None = Field(sa_type=DecimalText)
    price: Decimal | None = Field(sa_type=DecimalText)
    stop_px: Decimal | None = Field(sa_type=DecimalText)
    peg_offset_value: Decimal | None = Field(sa_type=DecimalText)


class IbCashRow(SQLModel, table=True):
    """Cash that moved outside executions: the opening balance, and later what statements say."""

    __tablename__ = "ib_cash"
    account: str = Field(primary_key=True)
    movement_id: str = Field(primary_key=True)
    movement_type: str
    amount: Decimal = Field(sa_type=DecimalText)
    currency: str
    value_time: datetime = Field(sa_type=UtcDateTime)
    symbol: str | None
    text: str


class IbRequestRow(SQLModel, table=True):
    """A request to change an order that IB has answered; it is not sent again."""

    __tablename__ = "ib_request"
    account: str = Field(primary_key=True)
    cl_ord_id: str = Field(primary_key=True)
    answered_at: datetime = Field(sa_type=UtcDateTime)
