"""Builders for tests of alerts: an alert, and a channel that says what it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters.sql.outbox import SqlOutbox
from tests.builders import DECIDED
from trading.alert_messages import OutgoingMessage
from trading.alert_routes import AlertPolicy, AlertRoute
from trading.alerts import Alert, Severity

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def an_alert(fingerprint: str = "unknown t-1", **fields: object) -> Alert:
    given = {
        "fingerprint": fingerprint,
        "severity": Severity.CRITICAL,
        "title": f"Order {fingerprint}",
        "text": "AAPL is *locked*.",
        "raised_at": DECIDED,
    }
    return Alert(**(given | fields))


@dataclass(frozen=True, kw_only=True)
class Post:
    """The outbox with its rules, as somebody who delivers uses it."""

    outbox: SqlOutbox
    policy: AlertPolicy

    @classmethod
    def of(cls, outbox: SqlOutbox, *routes: AlertRoute, **rules: timedelta) -> "Post":
        return cls(outbox=outbox, policy=AlertPolicy(routes=routes, **rules))

    def take(self, now: datetime, channel: int = 0) -> OutgoingMessage | None:
        self.outbox.plan(self.policy, now)
        return self.outbox.take(self.policy, self.policy.routes[channel], now)

    def told(self, now: datetime, channel: int = 0, *, delivered: bool | None = True) -> Sequence[str]:
        """Take the channel's next message, record what came of it, and return what it told, such as `raised t-1`."""
        message = self.take(now, channel)
        if message is None:
            return []
        self.outbox.record(message, self.policy, delivered=delivered, text="answer", now=now)
        return [f"{n.kind} {n.alert.fingerprint}" for n in message.notices]

    def with_rules(self, *routes: AlertRoute) -> "Post":
        return replace(self, policy=replace(self.policy, routes=routes))
