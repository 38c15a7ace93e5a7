"""The ledger's tables of what is known of market data: verdicts, what persons say of bars, providers, gaps."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import DecimalText, UtcDateTime


class QualityReportRow(SQLModel, table=True):
    """The verdict on one source for one session, with every finding."""

    __tablename__ = "quality_report"
    __table_args__ = (sa.Index("ix_quality_report_source_session", "source", "session"),)
    id: int | None = Field(default=None, primary_key=True)
    verdict_id: str = Field(index=True)  # a source may go back to a verdict it had before
    source: str
    session: date
    bars_hash: str
    rows: int = Field(sa_type=sa.BigInteger)
    day_verdict: str
    symbols: list[list[str]] = Field(sa_type=sa.JSON)
    findings: list[dict[str, Any]] = Field(sa_type=sa.JSON)
    checked_at: datetime = Field(sa_type=UtcDateTime)


class FeedVerdictRow(SQLModel, table=True):
    """The verdict on one answer of a market feed: quotes, chains or minute bars, by symbol, with every finding."""

    __tablename__ = "feed_verdict"
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    source: str = Field(index=True)
    session: date | None
    verdicts: dict[str, list[Any]] = Field(sa_type=sa.JSON)
    findings: list[dict[str, Any]] = Field(sa_type=sa.JSON)
    checked_at: datetime = Field(sa_type=UtcDateTime)


class ProviderAnswerRow(SQLModel, table=True):
    """What became of one request to a provider of data."""

    __tablename__ = "provider_answer"
    id: int | None = Field(default=None, primary_key=True)
    provider: str = Field(index=True)
    answered_at: datetime = Field(sa_type=UtcDateTime)
    asked: int
    given: int
    failed: int
    seconds: float
    text: str
    stale: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    disagreed: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class BarRepairRow(SQLModel, table=True):
    """One value of one session as a person knows it to be; of two for one value the last counts."""

    __tablename__ = "bar_repair"
    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(index=True)
    symbol: str
    session: date
    field: str
    before: Decimal | None = Field(default=None, sa_type=DecimalText)
    after: Decimal = Field(sa_type=DecimalText)
    actor: str
    reason: str
    repaired_at: datetime = Field(sa_type=UtcDateTime)


class SymbolHoldRow(SQLModel, table=True):
    """A person's quarantine of a symbol, or its end; the last row of a symbol counts."""

    __tablename__ = "symbol_hold"
    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(index=True)
    symbol: str
    held: bool
    actor: str
    reason: str
    changed_at: datetime = Field(sa_type=UtcDateTime)


class FindingAcceptanceRow(SQLModel, table=True):
    """A person's word that what breaks a rule is true, for one symbol in a range of sessions."""

    __tablename__ = "finding_acceptance"
    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(index=True)
    symbol: str
    rule: str
    first: date
    last: date
    actor: str
    reason: str
    accepted_at: datetime = Field(sa_type=UtcDateTime)


class BackfillRequestRow(SQLModel, table=True):
    """Bars that are wanted of one symbol; the row stays when they have come."""

    __tablename__ = "backfill_request"
    __table_args__ = (sa.UniqueConstraint("source", "symbol", "first", "last"),)
    id: int | None = Field(default=None, primary_key=True)
    source: str
    symbol: str
    first: date
    last: date
    why: str
    queued_at: datetime = Field(sa_type=UtcDateTime)
    attempts: int
    said: str
    done_at: datetime | None = Field(sa_type=UtcDateTime)
