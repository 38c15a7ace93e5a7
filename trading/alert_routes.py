"""Alert routes: who is told of what, when, how often; every rule a value, the time an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trading.alerts import Alert, Severity
from trading.errors import InvalidValue

MINUTE = timedelta(minutes=1)
SUSPECT_TRIES = 3  # refused so often, an alert is kept from others: it may be what the channel cannot take


class NoticeKind(StrEnum):
    """Why a channel hears of an alert."""

    RAISED = "raised"
    REPEATED = "repeated"  # raised again while open
    ESCALATED = "escalated"  # nobody has acknowledged it
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that one channel has to be told.

    Attributes:
        number: which repetition, from 1; of an escalation its minutes; else 0.
        count: how often the alert was raised.
        tries: how often it was sent to the channel and not confirmed.
    """

    alert_id: int
    alert: Alert
    kind: NoticeKind
    number: int = 0
    count: int = 1
    tries: int = 0

    @property
    def severity(self) -> Severity:
        """Return how soon it must be told; that something is over is never urgent."""
        return Severity.INFO if self.kind is NoticeKind.RESOLVED else self.alert.severity


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Hours by the wall clock of a place in which only what is grave is sent.

    A change of the clocks makes them an hour shorter or longer, as it does the night.

    Attributes:
        ends: the first minute that is not quiet; before `begins` it is that of the next day.
        time_zone: IANA name, such as Europe/Berlin.
    """

    begins: time
    ends: time
    time_zone: str

    def __post_init__(self) -> None:
        """Refuse hours without length, and places that have no clock."""
        if self.begins == self.ends:
            raise InvalidValue("quiet hours", f"{self.begins} to {self.ends}", "from one time to another")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise InvalidValue("time zone", self.time_zone, "an IANA name such as Europe/Berlin or UTC") from exc

    def are_on(self, now: datetime) -> bool:
        """Tell whether it is quiet now."""
        local = now.astimezone(ZoneInfo(self.time_zone)).time()
        if self.begins < self.ends:
            return self.begins <= local < self.ends
        return local >= self.begins or local < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRoute:
    """What one channel is told.

    Attributes:
        floor: the least severity it hears of.
        per_minute: most messages in any 60 seconds; a fifth of them, at least one, is kept for what is grave.
        at_once: most alerts in one message.
        escalate_after: None: told at once. Otherwise told only of what is grave and still not acknowledged by then.
        tells_resolved: whether it also hears that something is over, if it has heard of it.
        timeout: how long its answer is waited for.
    """

    name: str
    floor: Severity = Severity.INFO
    quiet: QuietHours | None = None
    per_minute: int = 20
    at_once: int = 20
    escalate_after: timedelta | None = None
    tells_resolved: bool = True
    timeout: timedelta = timedelta(seconds=20)

    def __post_init__(self) -> None:
        """Refuse a channel that could never send."""
        if not self.name:
            raise InvalidValue("channel name", self.name, "given")
        for name in ("per_minute", "at_once"):
            if getattr(self, name) < 1:
                raise InvalidValue(f"{name} of channel {self.name}", getattr(self, name), "1 or more")
        for name, given in (("escalate_after", self.escalate_after), ("timeout", self.timeout)):
            if given is not None and given <= timedelta(0):
                raise InvalidValue(f"{name} of channel {self.name}", given, "longer than 0")

    def may_send(self, severity: Severity, sent_in_last_minute: int, now: datetime) -> bool:
        """Tell whether a message whose gravest alert is of this severity may go now."""
        if severity.is_grave:
            return sent_in_last_minute < self.per_minute
        kept = 0 if self.per_minute == 1 else max(1, self.per_minute // 5)
        is_quiet = self.quiet is not None and self.quiet.are_on(now)
        return sent_in_last_minute < self.per_minute - kept and not is_quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a channel has been doing.

    Attributes:
        in_flight: a message is under way, and its answer not overdue.
        failures: messages in a row, up to now, that it did not take.
    """

    in_flight: bool = False
    sent_in_last_minute: int = 0
    failures: int = 0
    last_failed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """Who is told of what.

    Attributes:
        repeat_after: what is raised again while it is open is told again no sooner.
        retry_after: first pause after a try that failed; each further one is twice as long, up to `retry_cap`.
        escalate_within: what is older is not escalated: a new setting wakes nobody for last month's alerts.
    """

    routes: tuple[AlertRoute, ...]
    repeat_after: timedelta = timedelta(hours=1)
    retry_after: timedelta = timedelta(seconds=10)
    retry_cap: timedelta = timedelta(minutes=5)
    escalate_within: timedelta = timedelta(days=1)

    def __post_init__(self) -> None:
        """Refuse two channels of one name: the receipts of one would be taken for the other's."""
        names = [route.name for route in self.routes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidValue("channel names", twice, "different for each channel")

    def told_at_once(self, severity: Severity) -> tuple[str, ...]:
        """Return the channels that hear of such an alert when it is raised."""
        return tuple(r.name for r in self.routes if r.escalate_after is None and _hears(r, severity))

    def escalations(self) -> tuple[int, ...]:
        """Return after how many minutes what nobody acknowledges is told further, soonest first."""
        return tuple(sorted({_minutes(r) for r in self.routes if r.escalate_after is not None}))

    def told_after(self, minutes: int, severity: Severity) -> tuple[str, ...]:
        """Return the channels that hear of such an alert when nobody has acknowledged it for so long."""
        meant = (r for r in self.routes if r.escalate_after is not None and _minutes(r) == minutes)
        return tuple(r.name for r in meant if severity.is_grave and _hears(r, severity))

    def told_resolved(self, heard: Sequence[str]) -> tuple[str, ...]:
        """Return those of the channels that heard of an alert that want to hear of its end."""
        return tuple(r.name for r in self.routes if r.name in heard and r.tells_resolved)

    def tells_again(self, last_told_at: datetime, now: datetime) -> bool:
        """Tell whether an open alert that was raised again is due to be told again."""
        return now - last_told_at >= self.repeat_after

    def next_try(self, tries: int, now: datetime) -> datetime:
        """Return when an alert goes to a channel again that has not confirmed it `tries` times.

        10, 20, 40, 80, 160, 300, 300, ... seconds later, as the defaults are.
        """
        return now + self._pause(tries)

    def is_paused(self, traffic: Traffic, now: datetime) -> bool:
        """Tell whether a channel that failed is left alone: half as long as the alert that failed.

        So there is a moment in which another alert is tried: one that a channel never takes does not hold up the rest.
        """
        if traffic.last_failed_at is None or not traffic.failures:
            return False
        # What failed later than now failed before the clock went back.
        return traffic.last_failed_at <= now < traffic.last_failed_at + self._pause(traffic.failures) / 2

    def next_message(
        self, route: AlertRoute, due: Sequence[Notice], traffic: Traffic, now: datetime
    ) -> tuple[Notice, ...]:
        """Return what the channel's next message holds: the gravest first, then the oldest; nothing when it must wait.

        What was refused often goes alone while the channel takes nothing; when it does again it may have been the
        channel's fault, and goes with others like it, or an outage of a day would take hours to be told.

        Args:
            due: what the channel has not confirmed and may be tried now.
        """
        if traffic.in_flight or self.is_paused(traffic, now):
            return ()
        ready = sorted(
            (n for n in due if route.may_send(n.severity, traffic.sent_in_last_minute, now)),
            key=lambda n: (-n.severity.gravity, n.alert.raised_at, n.alert_id, n.kind, n.number),
        )
        if not ready:
            return ()
        is_suspect = ready[0].tries >= SUSPECT_TRIES
        most = 1 if is_suspect and traffic.failures else route.at_once
        return tuple(n for n in ready if (n.tries >= SUSPECT_TRIES) is is_suspect)[:most]

    def _pause(self, tries: int) -> timedelta:
        # Beyond 1 << 30 the cap has long been reached, and a timedelta overflows soon.
        return min(self.retry_cap, self.retry_after * (1 << min(max(tries, 1) - 1, 30)))


def _hears(route: AlertRoute, severity: Severity) -> bool:
    return severity.gravity >= route.floor.gravity


def _minutes(route: AlertRoute) -> int:
    return 0 if route.escalate_after is None else max(1, round(route.escalate_after / MINUTE))
