"""Dead watches: the watchdog looks whether those who should watch the market do, and tells a person when not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.watch_files import WatchFiles, watch_files
from cli.children import lives
from trading.alerts import Alert, Severity

if TYPE_CHECKING:
    from adapters.sql.outbox import SqlOutbox

_TRY_AGAIN = timedelta(seconds=10)
DEAD_AFTER = timedelta(seconds=15)  # one word a second; a process that Prefect starts again needs some of them


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadWatch:
    """A watch that should watch, and was not heard.

    Attributes:
        name: of this death for ever.
        text: what happened and what to do.
    """

    account: str
    name: str
    text: str

    def alert(self, now: datetime) -> Alert:
        """Return what a person is told."""
        return Alert(
            fingerprint=self.name,
            severity=Severity.EMERGENCY,
            title=f"Nobody watches the market for {self.account}",
            text=self.text,
            raised_at=now,
            lasting=True,
        )


def dead_watches(home: Path, now: datetime) -> Iterator[DeadWatch]:
    """Return the watches that should watch now and were not heard."""
    for files in watch_files(home):
        found = _judged(files, now)
        if isinstance(found, DeadWatch):
            yield found


@dataclass(slots=True)
class WatchesSeen:
    """What was told of each account's watch; the end of a death is told by the next watch of the account.

    Attributes:
        outbox: opens the ledger's; it is asked only when something has changed.
        again_at: when to look again after what failed.
    """

    home: Path
    outbox: "Callable[[], SqlOutbox]"
    told: dict[str, str | None] = field(default_factory=dict)
    again_at: datetime | None = None

    def look(self, now: datetime) -> None:
        """Tell what is new.

        Raises:
            LedgerError: it could not be told; a look some seconds later tries again.
        """
        if self.again_at is not None and now < self.again_at:
            return
        self.again_at = now + _TRY_AGAIN
        for files in watch_files(self.home):
            found = _judged(files, now)
            if found is None or self.told.get(files.account, "") == (name := _name(found)):
                continue
            if isinstance(found, DeadWatch):
                self.outbox().raise_alert(found.alert(now))
            else:
                self._over(files.account, found, now)
            self.told[files.account] = name
        self.again_at = None

    def _over(self, account: str, how: str, now: datetime) -> None:
        outbox = self.outbox()
        for state in outbox.open():
            if state.alert.fingerprint.startswith(_prefix(account)):
                outbox.resolve(state.alert.fingerprint, how, now)


def _judged(files: WatchFiles, now: datetime) -> DeadWatch | str | None:
    """Return a dead watch, or why there is none; None where nothing is known, or nobody need watch any more."""
    heard_at = files.heard_at()
    if heard_at is not None and now - heard_at <= DEAD_AFTER:
        return f"The watch of {files.account} is heard again."
    status = files.read_status()
    if heard_at is None or status is None:
        return None
    if status["state"] == "ended":
        return f"The watch of {files.account} has ended in order."
    if now >= datetime.fromisoformat(status["until"]):
        return None
    pid, created = int(status["pid"]), float(status["created"])
    is_there = "is there and stands still" if lives(pid, created) else "is gone"
    return DeadWatch(
        account=files.account,
        name=f"{_prefix(files.account)} {pid} {created:.2f}",
        text=f"Its watch was not heard since {heard_at:%Y-%m-%d %H:%M:%S} UTC; process {pid} {is_there}. "
        "No rule of the watch is looked at and no breaker trips by it until it watches again: run the deployment "
        "watch-market, or `openbell stop`. Prefect may go on showing its run as Running.",
    )


def _name(found: DeadWatch | str) -> str | None:
    return found.name if isinstance(found, DeadWatch) else None


def _prefix(account: str) -> str:
    return f"dead watch of {account!r}:"
