"""The watchdog: a process beside the desk that looks, a few times a second, whether somebody must stop it.

It acts on a STOP file, and on a process that has orders at work and is not heard any more. To act is to run
`openbell stop` in a process of its own, so that nothing of it can keep the watchdog from looking. It tells of a watch
of the market that has died, and keeps the deliverer running. It needs no Prefect.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from adapters.heartbeats import Heartbeat, heartbeats
from blocks.kept_channels import channels_path
from cli.children import KeptChild, lives, start_child
from cli.dead_watches import WatchesSeen
from cli.prefect_server import client_environment
from cli.prepare import PREFECT_PORT, ledger_place
from trading.alerts import Alert, Severity
from trading.errors import TradingError
from trading.orders.order_types import OrderPurpose

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger
    from adapters.sql.outbox import SqlOutbox

LOGGER = logging.getLogger("watchdog")
LOST_AFTER_SECONDS = 60.0
PING_SECONDS = 60.0
_LOOK_SECONDS = 0.25
_TRY_AGAIN = timedelta(seconds=10)  # what failed is not tried four times a second
_PATIENCE_SECONDS = 600.0
_BLIND_AFTER = timedelta(seconds=10)
_OPENBELL = "from cli.openbell import main; main()"  # what the `openbell` script runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why something must be stopped.

    Attributes:
        account: None means the whole desk.
        key: what is acted on; once done it is not done again.
    """

    reason: str
    key: str
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is watched, and what was done.

    Attributes:
        done: key of the STOP file that was acted on.
        failed: key of what could not be done, and `failed_at` when.
    """

    home: Path
    lost_after: timedelta
    done: str = ""
    failed: str = ""
    failed_at: datetime | None = None

    def need(self, now: datetime) -> Need | None:
        """Return what must be stopped first, or None; forgets processes that have died with nothing at work."""
        is_too_early = self.failed_at is not None and now - self.failed_at < _TRY_AGAIN
        not_now = {self.done, self.failed} if is_too_early else {self.done}
        found = chain(_stop_file(self.home / "STOP"), _lost(self.home, now, self.lost_after))
        return next((need for need in found if need.key not in not_now), None)

    def after(self, need: Need, now: datetime, *, done: bool) -> "Watch":
        """Return it with what has been done, or could not be."""
        return replace(self, done=need.key) if done else replace(self, failed=need.key, failed_at=now)


def state_path(home: Path) -> Path:
    """Return the file that the watchdog touches at each look."""
    return home / "watchdog.json"


def watchdog_row(home: Path, now: datetime) -> str:
    """Say whether the watchdog looks."""
    try:
        told, looked_at = json.loads(state_path(home).read_bytes()), state_path(home).stat().st_mtime
    except (OSError, ValueError):
        return "not running"
    ago = now - datetime.fromtimestamp(looked_at, UTC)
    if not lives(told["pid"], told["created"]):
        return "not running"
    return f"HANGS, last looked {ago.total_seconds():.0f} s ago" if ago > _BLIND_AFTER else "looks"


def start_watchdog(
    home: Path, log: Path, lost_after_seconds: float, *, ping_seconds: float = PING_SECONDS
) -> "subprocess.Popen[bytes]":
    """Start it as a child."""
    arguments = ["cli.watchdog", str(home), str(lost_after_seconds), str(ping_seconds)]
    return start_child(arguments, {"OPENBELL_HOME": str(home)}, log)


def main(home: Path, lost_after: timedelta, ping_seconds: float) -> None:
    """Look until the process is ended; whatever goes wrong is logged, and looked at again."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    watch = Watch(home=home, lost_after=lost_after, done=_remembered(home))
    _remember(watch)
    watches = WatchesSeen(home=home, outbox=lambda: _outbox(home))
    deliverer = KeptChild(lambda: _start_deliverer(home, ping_seconds), pause_seconds=_TRY_AGAIN.total_seconds())
    while True:
        try:
            watch = _look(watch)
            os.utime(state_path(home))
            if channels_path(home).exists():
                deliverer.look()
            watches.look(datetime.now(UTC))
        except Exception:  # a face: who watches must not end by what it sees
            LOGGER.exception("Could not look")
        time.sleep(_LOOK_SECONDS)


def _start_deliverer(home: Path, ping_seconds: float) -> "subprocess.Popen[bytes]":
    environment = client_environment(home, PREFECT_PORT) | {"OPENBELL_HOME": str(home)}
    return start_child(["cli.deliverer", str(home), str(ping_seconds)], environment, home / "deliverer.log")


def _look(watch: Watch) -> Watch:
    need = watch.need(datetime.now(UTC))
    if need is None:
        return watch
    code = run_stop(watch.home, need)
    LOGGER.warning("%s: `openbell stop` ended with %d", need.reason, code)
    watch = watch.after(need, datetime.now(UTC), done=code == 0)
    _remember(watch)
    _tell(watch.home, need, done=code == 0)
    return watch


def run_stop(home: Path, need: Need) -> int:
    """Run `openbell stop` for it and return its exit code."""
    option = ["--account", need.account] if need.account else []
    command = [sys.executable, "-c", _OPENBELL, "stop", "--reason", need.reason, *option]
    environment = os.environ | {"OPENBELL_HOME": str(home)}
    return subprocess.run(command, env=environment, timeout=_PATIENCE_SECONDS, check=False).returncode


def is_being_stopped(stop_file: Path) -> bool:
    """Tell whether the STOP file is that of a command which is at work: the rest is left to it."""
    try:
        # Another process that was given the number since has begun after the file was written.
        return psutil.Process(int(stop_file.read_text())).create_time() <= stop_file.stat().st_mtime + 1
    except (ValueError, OSError, psutil.NoSuchProcess):
        return False


def _stop_file(path: Path) -> Iterator[Need]:
    if path.exists() and not is_being_stopped(path):
        yield Need(reason=f"the file {path} is there", key=f"STOP {path.stat().st_mtime_ns}")


def _lost(home: Path, now: datetime, lost_after: timedelta) -> Iterator[Need]:
    for heartbeat in heartbeats(home):
        if heartbeat.is_lost(now, lost_after):
            if _has_orders_at_work(home, heartbeat):
                ago = f"{(now - heartbeat.beat_at).total_seconds():.0f} s"
                reason = f"{heartbeat.holder} has orders at work and was not heard for {ago}"
                yield Need(reason=reason, key=heartbeat.beat_at.isoformat(), account=heartbeat.account)
            else:
                heartbeat.path.unlink(missing_ok=True)


def _has_orders_at_work(home: Path, heartbeat: Heartbeat) -> bool:
    try:
        open_orders = _ledger(home).journal.orders(heartbeat.account, open_only=True)
    except TradingError as exc:
        LOGGER.warning("The ledger cannot be asked, so there may be orders at work: %s", exc)
        return True
    # What protects positions rests at the broker so that it works when nobody is there; it is not to be canceled then.
    return any(not o.may_be_sent and o.new_order.purpose is not OrderPurpose.PROTECT for o in open_orders)


def _tell(home: Path, need: Need, *, done: bool) -> None:
    option = f" --account {need.account}" if need.account else ""
    outcome = "Everything was canceled." if done else "NOT everything could be canceled; look at the broker."
    alert = Alert(
        fingerprint=f"watchdog {need.key} {'done' if done else 'failed'}",  # who was told of a failure hears of the end
        severity=Severity.CRITICAL,
        title=f"The watchdog stopped {need.account or 'the desk'}",
        text=f"{need.reason}. {outcome} It trades again after `openbell resume{option} --reason TEXT`.",
        raised_at=datetime.now(UTC),
    )
    _outbox(home).raise_alert(alert)


def _ledger(home: Path) -> "Ledger":
    from adapters.sql.ledger import Ledger

    return Ledger.of(ledger_place(home))


def _outbox(home: Path) -> "SqlOutbox":
    from adapters.sql.outbox import SqlOutbox

    return SqlOutbox.of(ledger_place(home))


def _remembered(home: Path) -> str:
    try:
        return str(json.loads(state_path(home).read_bytes())["done"])
    except (OSError, ValueError, KeyError):
        return ""


def _remember(watch: Watch) -> None:
    told = {"pid": os.getpid(), "created": psutil.Process().create_time(), "done": watch.done}
    state_path(watch.home).touch(mode=0o600)
    state_path(watch.home).write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), timedelta(seconds=float(sys.argv[2])), float(sys.argv[3]))
