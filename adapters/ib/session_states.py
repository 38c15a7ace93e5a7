"""The states of a session with IB, and how long it waits before it tries again."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SessionState(StrEnum):
    """Where a session stands; only READY takes new orders."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"  # the gateway answers, and has not started the session
    SYNCHRONIZING = "synchronizing"  # connected, and asking for all that may have been missed
    READY = "ready"
    DEGRADED = "degraded"  # the gateway has lost IB: what is heard counts, nothing new is sent
    MAINTENANCE = "maintenance"  # IB's nightly reset


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTransition:
    """A change of state.

    Attributes:
        missed: ExecIDs of the reports that came only because they were asked for.
    """

    at: datetime
    before: SessionState
    after: SessionState
    cause: str
    missed: tuple[str, ...] = ()


def backoff_seconds(attempt: int, *, first: float, most: float, jitter: float) -> float:
    """Return how long to wait before an attempt: doubling, half of it by chance, never more than `most`.

    Args:
        attempt: 1 for the first one after a failure.
        jitter: by chance, from 0 to 1.

    Returns:
        With first=1: between 0.5 and 1 for attempt 1, between 2 and 4 for attempt 3.
    """
    longest: float = min(most, first * 2 ** min(attempt - 1, 30))
    return longest / 2 + longest / 2 * jitter
