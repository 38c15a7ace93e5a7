"""The budget of requests of a provider of data: how often all processes together ask it, and how long one waits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from adapters.request_budget import Priority, RequestBudget, machine_budget
from trading.errors import SourceUnavailable

LONGEST_WAIT = timedelta(seconds=75)  # a minute's limit is waited for; a day's is not


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimit:
    """What a provider allows: at most `requests` in any `within`."""

    requests: int
    within: timedelta


class SourceBudget:
    """One or more limits that each request counts against.

    Args:
        limits: the budget of each, which processes share by its file; the longest first, so that a day without room is
            found before a place in the running minute is taken.
        longest_wait: for one request.
    """

    def __init__(
        self,
        limits: Sequence[RequestBudget],
        *,
        longest_wait: timedelta = LONGEST_WAIT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits, self._longest_wait, self._sleep = tuple(limits), longest_wait, sleep

    def take(self, source: str) -> None:
        """Wait until a request may be made, and count it as made.

        Raises:
            SourceUnavailable: there is no room within the longest wait.
        """
        left = self._longest_wait.total_seconds()
        for limit in self._limits:
            # No order goes to a provider of data: none of its budget has to be left to orders.
            while wait := limit.try_to_take(Priority.ORDER):
                if wait > left:
                    room = timedelta(seconds=round(wait))
                    raise SourceUnavailable(source, f"the requests it allows are used up; there is room in {room}")
                self._sleep(wait)
                left -= wait


def source_budget(provider: str, limits: Sequence[RequestLimit], *, base_url: str | None = None) -> SourceBudget:
    """Return the budget that all processes of this user and machine share.

    Args:
        base_url: the address that is asked instead of the provider's own, which counts apart.

    Raises:
        InvalidValue: its folder belongs to another user.
    """
    longest_first = sorted(limits, key=lambda limit: limit.within, reverse=True)
    # An address may hold a password, and is longer than the name of a file may be.
    name = provider if base_url is None else f"{provider}-{sha256(base_url.encode()).hexdigest()[:16]}"
    return SourceBudget([_of(name, limit) for limit in longest_first])


def _of(name: str, limit: RequestLimit) -> RequestBudget:
    seconds = limit.within.total_seconds()
    # A day's limit outlasts a restart of the machine, and with it the monotonic clock.
    return machine_budget(f"{name}-{seconds:.0f}s", limit=limit.requests, seconds=seconds, monotonic=time.time)
