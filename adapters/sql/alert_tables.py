"""The ledger's tables of alerts: what was raised, who was to hear of it, what was sent, what came of it.

Rows are only ever appended; `alert_queue` alone is derived: what is still to be told, so that it is found by index.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import UtcDateTime


class AlertRow(SQLModel, table=True):
    """The outbox: what a person must be told."""

    __tablename__ = "alert"
    id: int | None = Field(default=None, primary_key=True)
    fingerprint: str = Field(index=True)
    severity: str
    title: str
    text: str
    raised_at: datetime = Field(sa_type=UtcDateTime, index=True)
    lasting: bool = Field(sa_column_kwargs={"server_default": sa.false()})


class AlertRepeatRow(SQLModel, table=True):
    """An alert raised again while it was open."""

    __tablename__ = "alert_repeat"
    id: int | None = Field(default=None, primary_key=True)
    alert_id: int = Field(foreign_key="alert.id", index=True)
    raised_at: datetime = Field(sa_type=UtcDateTime)


class AlertAcknowledgementRow(SQLModel, table=True):
    """A person's word that an alert is seen to."""

    __tablename__ = "alert_acknowledgement"
    alert_id: int = Field(foreign_key="alert.id", primary_key=True)
    actor: str
    note: str
    acknowledged_at: datetime = Field(sa_type=UtcDateTime)


class AlertResolutionRow(SQLModel, table=True):
    """The word of whoever raised an alert that it is over."""

    __tablename__ = "alert_resolution"
    alert_id: int = Field(foreign_key="alert.id", primary_key=True)
    text: str
    resolved_at: datetime = Field(sa_type=UtcDateTime)


class AlertNoticeRow(SQLModel, table=True):
    """Which channels were to hear of an alert, and why, as the settings stood then."""

    __tablename__ = "alert_notice"
    alert_id: int = Field(foreign_key="alert.id", primary_key=True)
    kind: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    channels: list[str] = Field(sa_type=sa.JSON)
    decided_at: datetime = Field(sa_type=UtcDateTime)


class AlertMessageRow(SQLModel, table=True):
    """A message to a channel, recorded before it is sent."""

    __tablename__ = "alert_message"
    __table_args__ = (sa.Index("ix_alert_message_channel_sending_at", "channel", "sending_at"),)
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    sending_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class AlertMessagePartRow(SQLModel, table=True):
    """One alert in a message."""

    __tablename__ = "alert_message_part"
    __table_args__ = (sa.Index("ix_alert_message_part_alert_id", "alert_id"),)
    message_id: int = Field(foreign_key="alert_message.id", primary_key=True)
    alert_id: int = Field(foreign_key="alert.id", primary_key=True)
    kind: str = Field(primary_key=True)
    number: int = Field(primary_key=True)


class AlertReceiptRow(SQLModel, table=True):
    """What came of a message; `delivered` is empty where nobody can know."""

    __tablename__ = "alert_receipt"
    id: int | None = Field(default=None, primary_key=True)
    message_id: int = Field(foreign_key="alert_message.id", index=True)
    received_at: datetime = Field(sa_type=UtcDateTime)
    delivered: bool | None
    text: str


class AlertQueueRow(SQLModel, table=True):
    """Derived: what a channel has not confirmed; without a channel, what nobody has been chosen for yet."""

    __tablename__ = "alert_queue"
    __table_args__ = (
        sa.Index("ix_alert_queue_channel_gravity_raised_at", "channel", "gravity", "raised_at"),
        sa.Index("ix_alert_queue_message_id", "message_id"),
    )
    alert_id: int = Field(foreign_key="alert.id", primary_key=True)
    kind: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    gravity: int
    raised_at: datetime = Field(sa_type=UtcDateTime)
    tries: int
    next_try_at: datetime = Field(sa_type=UtcDateTime)
    message_id: int | None = Field(foreign_key="alert_message.id")
