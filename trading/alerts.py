"""Alerts: what a person must be told."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How soon a person should look; each is graver than the one before."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"

    @property
    def gravity(self) -> int:
        """Return 0 for info to 3 for emergency."""
        return tuple(Severity).index(self)

    @property
    def is_grave(self) -> bool:
        """Tell whether it wakes a person: it minds no quiet hours, and is escalated until acknowledged."""
        return self in (Severity.CRITICAL, Severity.EMERGENCY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing a person must be told.

    Attributes:
        fingerprint: names the occurrence; a second alert with the same one is the same alert, counted and not told
            anew, until it is resolved or comes with a graver severity.
        title: one line.
        text: what happened, what it means, what to do; Markdown.
        lasting: whoever raised it tells when it is over; until then it stays open, acknowledged or not.
    """

    fingerprint: str
    severity: Severity
    title: str
    text: str
    raised_at: datetime
    lasting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A person's word that an alert is seen to: it is neither repeated nor escalated any more."""

    actor: str
    note: str
    acknowledged_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """What became of an alert.

    Attributes:
        alert_id: the ledger's number; what a person acknowledges it by.
        count: how often it was raised.
        told: channels that have taken it.
        waiting: channels that have still to take something of it.
    """

    alert_id: int
    alert: Alert
    count: int
    last_raised_at: datetime
    told: tuple[str, ...]
    waiting: tuple[str, ...]
    acknowledged: Acknowledgement | None
    resolved_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Tell whether it is of concern: it lasts, is grave and not acknowledged, or nobody was told."""
        if self.resolved_at is not None:
            return False
        if self.alert.lasting:
            return True
        return self.acknowledged is None and (self.alert.severity.is_grave or not self.told)
