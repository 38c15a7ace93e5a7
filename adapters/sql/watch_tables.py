"""The tables of the watch: its rules, when each was broken and kept again, and which of them act now."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import UtcDateTime


class WatchRuleRow(SQLModel, table=True):
    """A rule as a person has written it; the last row of a rule counts, and one without content takes it away."""

    __tablename__ = "watch_rule"
    id: int | None = Field(default=None, primary_key=True)
    rule_id: str = Field(index=True)
    content: dict[str, Any] | None = Field(sa_type=sa.JSON)
    actor: str
    reason: str
    changed_at: datetime = Field(sa_type=UtcDateTime)


class WatchEventRow(SQLModel, table=True):
    """A rule that was broken by a subject, or kept again; each once, however often the same second is watched."""

    __tablename__ = "watch_event"
    __table_args__ = (sa.UniqueConstraint("watch", "rule_id", "subject", "broken_at", "is_broken"),)
    id: int | None = Field(default=None, primary_key=True)
    watch: str
    rule_id: str
    subject: str
    broken_at: datetime = Field(sa_type=UtcDateTime)
    is_broken: bool
    value: float | None
    at: datetime = Field(sa_type=UtcDateTime)
    text: str


class ActingWatchRuleRow(SQLModel, table=True):
    """A rule with an action that is broken: derived from the events, so that no watch need look through them."""

    __tablename__ = "acting_watch_rule"
    watch: str = Field(primary_key=True)
    rule_id: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    scope: str
    restricted: str
    action: str
