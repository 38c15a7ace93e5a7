"""The ledger's tables of circuit breakers."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import DecimalText, UtcDateTime


class BreakerChangeRow(SQLModel, table=True):
    """A change of a breaker; the last row of an account, kind, scope and subject counts."""

    __tablename__ = "breaker_change"
    __table_args__ = (sa.Index("ix_breaker_change_breaker", "account", "kind", "scope", "subject"),)
    id: int | None = Field(default=None, primary_key=True)
    account: str
    kind: str
    scope: str
    subject: str
    event: str
    cause: str
    threshold: Decimal = Field(sa_type=DecimalText)
    value: Decimal | None = Field(sa_type=DecimalText)
    action: str
    size_factor: Decimal | None = Field(sa_type=DecimalText)
    cancel_working: bool
    flatten: bool
    two_persons: bool
    reset_rule: str
    until: datetime | None = Field(sa_type=UtcDateTime)
    equity: Decimal | None = Field(sa_type=DecimalText)
    tripped_at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    reason: str
    changed_at: datetime = Field(sa_type=UtcDateTime)


class TrippedBreakerRow(SQLModel, table=True):
    """A breaker that is not reset: derived from the changes, so that an order need not look through them."""

    __tablename__ = "tripped_breaker"
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    change_id: int = Field(foreign_key="breaker_change.id")
