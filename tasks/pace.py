"""Pace: when a second of a watch is over, by the clock or faster."""

import threading
import time

_SECOND_US = 1_000_000


class Pace:
    """Waits for the end of each second, in a thread of its own.

    Args:
        first_us: the second a replay begins at; microseconds since the epoch, UTC.
        speed: how many seconds a replay watches in one; 0 as many as it can. None: the clock's own.
    """

    def __init__(self, first_us: int, speed: float | None = None) -> None:
        self._first_us, self._speed, self._began = first_us, speed, time.monotonic()
        self._stopped = threading.Event()

    def now_us(self) -> int:
        """Return the time of the watch."""
        if self._speed is None:
            return time.time_ns() // 1000
        return self._first_us + int((time.monotonic() - self._began) * self._speed * _SECOND_US)

    def until(self, at_us: int) -> bool:
        """Wait until that time; tell whether it was reached, and nobody stopped the watch before."""
        wait = 0.0 if self._speed == 0 else (at_us - self.now_us()) / _SECOND_US / (self._speed or 1)
        return not self._stopped.wait(max(0.0, wait))

    def stop(self) -> None:
        """End the wait, from any thread."""
        self._stopped.set()
