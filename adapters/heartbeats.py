"""Heartbeats: a file for each process that trades, follows or stops an account, touched every second or two.

Files, since a heart must beat while the ledger's write lock is somebody else's, and be heard when the ledger is hung.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

FOLDER = "heartbeats"
STOPS = "stops"  # of those that stop an account; the watchdog does not act on them
STOP_LOST_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A process that was alive at a time.

    Attributes:
        beat_at: when it last told so, UTC.
    """

    path: Path
    account: str
    holder: str
    beat_at: datetime

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return int(self.path.stem.rpartition(".")[2])

    def is_lost(self, now: datetime, after: timedelta) -> bool:
        """Tell whether it has not been heard for so long."""
        return now - self.beat_at > after


def beat(home: Path, account: str, holder: str, folder: str = FOLDER) -> Path:
    """Tell that this process is alive, and return its file, which is to be removed when it ends in order."""
    path = home / folder / f"{account}.{os.getpid()}.json"
    if path.exists():
        os.utime(path)
    else:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(json.dumps({"account": account, "holder": holder}))
    return path


def heartbeats(home: Path, folder: str = FOLDER) -> tuple[Heartbeat, ...]:
    """Return the last beat of every process that has not ended in order."""
    found = (_read(path) for path in sorted((home / folder).glob("*.json")))
    return tuple(heartbeat for heartbeat in found if heartbeat is not None)


def stops_under_way(home: Path, now: datetime) -> tuple[Heartbeat, ...]:
    """Return the other processes that stop an account and are heard; what a dead one has left is removed."""
    found = []
    for heartbeat in heartbeats(home, STOPS):
        if heartbeat.pid == os.getpid():
            continue
        try:
            process = psutil.Process(heartbeat.pid)
            # Another process that was given the number since has begun after the last beat.
            is_alive = process.create_time() <= heartbeat.beat_at.timestamp() + 1
            is_frozen = process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        except psutil.NoSuchProcess:
            is_alive = is_frozen = False
        if not is_alive:
            heartbeat.path.unlink(missing_ok=True)
        elif not (is_frozen or heartbeat.is_lost(now, STOP_LOST_AFTER)):
            found.append(heartbeat)
    return tuple(found)


def _read(path: Path) -> Heartbeat | None:
    try:
        beat_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return Heartbeat(path=path, beat_at=beat_at, **json.loads(path.read_bytes()))
    except (FileNotFoundError, json.JSONDecodeError):
        return None  # it has ended since the folder was read, or is being written
