"""Alerts through Apprise."""

from collections.abc import Sequence

from trading.alerts import Alert, Severity
from trading.errors import AlertNotDelivered

_NOTIFY_TYPE = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
    Severity.EMERGENCY: "failure",
}
LONGEST_TEXT = 2000  # of one alert in a message; the ledger has all of it
_GRAVEST_FIRST = tuple(reversed(Severity))


class AppriseAlerts:
    """Channels that Apprise knows.

    Args:
        urls: Apprise addresses. They hold secrets: a message names a channel by its scheme and its place alone.
    """

    def __init__(self, urls: tuple[str, ...]) -> None:
        self._urls = urls

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Send all alerts as one message to every channel.

        Raises:
            AlertNotDelivered: a channel refused. Those that took it get it again with the next try: at least once.
        """
        refused = [name for name in [await self._send_to(i, alerts) for i in range(len(self._urls))] if name]
        if refused:
            raise AlertNotDelivered("; ".join(refused))

    async def _send_to(self, place: int, alerts: Sequence[Alert]) -> str | None:
        from apprise import Apprise  # 0.1 s, for those who send

        channel = Apprise()
        name = f"channel {place + 1} ({self._urls[place].split(':', 1)[0]})"
        if not channel.add(self._urls[place]):
            return f"{name} is no address that Apprise can read"
        gravest = next(s for s in _GRAVEST_FIRST if any(a.severity is s for a in alerts))
        title = alerts[0].title if len(alerts) == 1 else f"{len(alerts)} alerts, the first: {alerts[0].title}"
        body = "\n\n".join(f"{a.severity.upper()}: {a.title}\n{a.text[:LONGEST_TEXT]}" for a in alerts)
        sent = await channel.async_notify(title=f"Openbell: {title}", body=body, notify_type=_NOTIFY_TYPE[gravest])
        return None if sent else f"{name} refused the message"
