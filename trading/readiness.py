"""Readiness: what was checked before an account may trade, and how long a proof on paper lets real money be armed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trading.errors import NotProven

VALID_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found.

    Attributes:
        ok: whether trading may go on with it.
        remedy: what to do about it; None when it is well, and on one that is ok a warning.
    """

    name: str
    ok: bool
    text: str
    remedy: str | None = None

    @property
    def verdict(self) -> str:
        """Return yes, warn or NO."""
        return "NO" if not self.ok else "warn" if self.remedy else "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessReport:
    """What a run of `prove_readiness` found.

    Attributes:
        account: the paper account that it was proven on.
        library: the client library.
        server_version: of the protocol; None when the gateway never said it.
        at: when it ended, UTC.
    """

    account: str
    host: str
    port: int
    library: str
    server_version: int | None
    checks: tuple[Check, ...]
    at: datetime

    @property
    def passed(self) -> bool:
        """Tell whether there were checks, and all are well."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def holds(self, now: datetime) -> bool:
        """Tell whether it passed, and not too long ago."""
        return self.passed and self.at <= now <= self.at + VALID_FOR


def require_proven(account: str, reports: Sequence[ReadinessReport], now: datetime) -> None:
    """Refuse to let an account trade real money that was not rehearsed on paper.

    Raises:
        NotProven: no report holds.
    """
    if any(report.holds(now) for report in reports):
        return
    newest = max(reports, key=lambda report: report.at, default=None)
    if newest is None:
        raise NotProven(account, "there is no report of prove_readiness")
    what = f"the newest report of prove_readiness is of {newest.account} at {newest.at:%Y-%m-%d %H:%M} UTC and "
    if newest.passed:
        raise NotProven(account, f"{what}not of the last {VALID_FOR.days} days")
    bad = ", ".join(check.name for check in newest.checks if not check.ok)
    raise NotProven(account, f"{what}did not pass ({bad})")
