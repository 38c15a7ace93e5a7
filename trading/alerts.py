"""Alerts: what a person must be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing a person must be told.

    Attributes:
        fingerprint: names the occurrence; a second alert with the same one is the same alert, told once.
        title: one line.
        text: what happened, what it means, what to do; Markdown.
    """

    fingerprint: str
    severity: Severity
    title: str
    text: str
    raised_at: datetime


class AlertSender(Protocol):
    """Where alerts go."""

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Send all alerts as one message, or raise AlertNotDelivered."""
        ...
