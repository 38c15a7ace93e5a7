"""Heartbeats: a file for each process that trades or follows an account, touched every second or two.

Files, since a heart must beat while the ledger's write lock is somebody else's, and be heard when the ledger is hung.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = "heartbeats"


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

    def is_lost(self, now: datetime, after: timedelta) -> bool:
        """Tell whether it has not been heard for so long."""
        return now - self.beat_at > after


def beat(home: Path, account: str, holder: str) -> Path:
    """Tell that this process is alive, and return its file, which is to be removed when it ends in order."""
    path = home / FOLDER / f"{account}.{os.getpid()}.json"
    if path.exists():
        os.utime(path)
    else:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(json.dumps({"account": account, "holder": holder}))
    return path


def heartbeats(home: Path) -> tuple[Heartbeat, ...]:
    """Return the last beat of every process that has not ended in order."""
    found = (_read(path) for path in sorted((home / FOLDER).glob("*.json")))
    return tuple(heartbeat for heartbeat in found if heartbeat is not None)


def _read(path: Path) -> Heartbeat | None:
    try:
        beat_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return Heartbeat(path=path, beat_at=beat_at, **json.loads(path.read_bytes()))
    except (FileNotFoundError, json.JSONDecodeError):
        return None  # it has ended since the folder was read, or is being written
