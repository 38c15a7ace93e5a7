"""Alert messages: the words that carry alerts through a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from trading.alert_routes import Notice, NoticeKind
from trading.alerts import Severity

LONGEST_TEXT = 2000  # of one alert in a message; the ledger has all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """One message to a channel.

    Attributes:
        severity: of its gravest alert; None when all it tells is that things are over.
    """

    title: str
    body: str
    severity: Severity | None

    @classmethod
    def of(cls, notices: Sequence[Notice]) -> Self:
        """Write the message that tells the notices, in their order."""
        first = _on_one_line(notices[0].alert.title)
        title = first if len(notices) == 1 else f"{len(notices)} alerts, the first: {first}"
        severities = [n.severity for n in notices if n.kind is not NoticeKind.RESOLVED]
        return cls(
            title=f"Openbell: {'' if severities else 'over: '}{title}",
            body="\n\n".join(_told(n) for n in notices),
            severity=max(severities, key=lambda s: s.gravity, default=None),
        )


class AlertChannel(Protocol):
    """One way to a person."""

    @property
    def name(self) -> str:
        """Return what receipts are kept under."""
        ...

    async def send(self, message: AlertMessage) -> None:
        """Send the message, or raise AlertNotDelivered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message that was marked as being sent.

    Attributes:
        message_id: what its receipt is recorded by.
        expires_at: without a receipt by then, it counts as lost and is sent again.
    """

    message_id: int
    channel: str
    notices: tuple[Notice, ...]
    expires_at: datetime

    @property
    def message(self) -> AlertMessage:
        """Return what is sent."""
        return AlertMessage.of(self.notices)


def _told(notice: Notice) -> str:
    alert = notice.alert
    remarks = [f"alert {notice.alert_id}"] if notice.alert_id else []
    remarks += [f"raised {notice.count} times"] if notice.count > 1 else []
    remarks += [f"nobody has acknowledged it for {notice.number} minutes"] * (notice.kind is NoticeKind.ESCALATED)
    # Not only after a crash: a channel that breaks off in its answer may have taken the message.
    remarks += ["sent before without a receipt, so this may be a repeat"] if notice.tries else []
    word = "OVER" if notice.kind is NoticeKind.RESOLVED else alert.severity.upper()
    head = f"{word}: {_on_one_line(alert.title)}" + (f" ({'; '.join(remarks)})" if remarks else "")
    return f"{head}\n{alert.text[:LONGEST_TEXT]}"


def _on_one_line(title: str) -> str:
    return " ".join(title.split())  # a mail whose subject has two lines is sent by nobody
