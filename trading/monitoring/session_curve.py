"""The equity curve of a session: what an account was worth, a point a minute."""

from dataclasses import dataclass
from datetime import UTC, datetime

from trading.monitoring.live_account import AccountNow


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """An account at one time, in account currency; None where it was not known."""

    at: datetime
    equity: float | None
    pnl: float | None
    gross: float | None
    net: float | None

    @classmethod
    def of(cls, now: AccountNow) -> "CurvePoint":
        """Return the point of an account."""
        values = {name: getattr(now, name) for name in ("equity", "pnl", "gross", "net")}
        return cls(at=now.at, **{name: None if value != value else value for name, value in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCurve:
    """The points of one session, ascending, at most one of each minute."""

    points: tuple[CurvePoint, ...] = ()

    def appended(self, now: AccountNow) -> "SessionCurve":
        """Return the curve with the account as its next point, or as it is while the minute of the last one lasts."""
        if self.points and _minute(now.at) <= _minute(self.points[-1].at):
            return self
        return SessionCurve(points=(*self.points, CurvePoint.of(now)))


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
