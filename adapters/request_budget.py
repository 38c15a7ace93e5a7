"""The request budget: how often all processes together may ask one outside system."""

import asyncio
import fcntl
import os
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from trading.errors import InvalidValue


class Priority(Enum):
    """What a request is for; the more urgent finds room when the others find none."""

    ORDER = "order"
    DATA = "data"
    BACKFILL = "backfill"


SHARES: Mapping[Priority, float] = {Priority.ORDER: 1.0, Priority.DATA: 2 / 3, Priority.BACKFILL: 1 / 3}
"""The part of the budget that may be used up when a request of that priority is let through.

So a third of it is always there for orders, however much data is asked for, and backfill leaves two thirds to others.
"""


class RequestBudget:
    """At most `limit` requests in any `seconds`, over all processes that name the same file.

    The file holds the times of the last requests. A process that dies holding it gives it free; nothing has to be
    cleaned up.

    Args:
        file: made when it is not there; on a local disk.
        monotonic: a clock that all processes of the machine share.
    """

    def __init__(
        self, file: Path, *, limit: int, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if limit < len(SHARES):
            raise InvalidValue("limit of a request budget", limit, f"at least {len(SHARES)}, one for each priority")
        self._file, self._limit, self._seconds, self._monotonic = file, limit, seconds, monotonic

    async def take(self, priority: Priority) -> None:
        """Wait until a request of that priority may be made, and count it as made."""
        while wait := self.try_to_take(priority):  # noqa: ASYNC110 - no event comes from another process
            await asyncio.sleep(wait)

    def try_to_take(self, priority: Priority) -> float:
        """Count a request as made and return 0, or return the seconds after which to try again."""
        allowed = int(self._limit * SHARES[priority])
        with self._locked() as file:
            now = self._monotonic()
            made = [at for at in _read(file) if now - self._seconds < at <= now]  # later ones: of before a restart
            if len(made) >= allowed:
                return made[-allowed] + self._seconds - now
            _write(file, [*made, now])
        return 0.0

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def machine_budget(
    name: str, *, limit: int, seconds: float, monotonic: Callable[[], float] = time.monotonic
) -> RequestBudget:
    """Return the budget of that name, one for all processes of this user on this machine.

    Raises:
        InvalidValue: its folder belongs to another user.
    """
    folder = Path(tempfile.gettempdir()) / f"openbell-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise InvalidValue("folder", str(folder), "this user's own; whoever made it can hold up the desk: remove it")
    return RequestBudget(folder / f"{name}.requests", limit=limit, seconds=seconds, monotonic=monotonic)


def _read(file: int) -> "array[float]":
    content = os.pread(file, os.fstat(file).st_size, 0)
    times = array("d")
    times.frombytes(content[: len(content) // times.itemsize * times.itemsize])
    return times


def _write(file: int, times: list[float]) -> None:
    content = array("d", times).tobytes()
    os.ftruncate(file, os.pwrite(file, content, 0))
