"""The broker's own limits: messages a second, market data lines, history requests, working orders."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ib_gateway.gateway_settings import GatewaySettings

SECONDS_OF_HISTORY = 600.0
SAME_REQUEST_SECONDS = 15.0


class Pace:
    """Messages of one client in the last second."""

    def __init__(self, per_second: int, strikes: int, tick: Callable[[], float]) -> None:
        self._per_second = per_second
        self._strikes = strikes
        self._tick = tick
        self._times: deque[float] = deque()
        self._struck: list[int] = []

    def take(self) -> str | None:
        """Count a message; return the words of error 100 if it is one too many."""
        now = self._tick()
        while self._times and now - self._times[0] >= 1.0:
            self._times.popleft()
        if self._per_second and len(self._times) >= self._per_second:
            self._note(int(now))
            received = len(self._times) + 1
            most = f"max={self._per_second} rec={received} ({len(self._struck)})"
            return f"Max rate of messages per second has been exceeded: {most}"
        self._times.append(now)
        return None

    def _note(self, second: int) -> None:
        if second not in self._struck:
            self._struck.append(second)

    @property
    def is_over(self) -> bool:
        """Whether the rate was broken in so many seconds that the client is sent away."""
        return bool(self._strikes) and len(self._struck) >= self._strikes


@dataclass(slots=True)
class Limits:
    """What all clients of a gateway share.

    Attributes:
        lines: the market data lines in use, as (client id, request id).
    """

    settings: GatewaySettings
    tick: Callable[[], float]
    lines: set[tuple[int, int]] = field(default_factory=set)
    _history: deque[tuple[float, str, int]] = field(default_factory=deque)

    def take_line(self, client_id: int, req_id: int) -> bool:
        """Use one market data line; False (error 101) if all are in use."""
        if len(self.lines) >= self.settings.data_lines and (client_id, req_id) not in self.lines:
            return False
        self.lines.add((client_id, req_id))
        return True

    def free_line(self, client_id: int, req_id: int) -> None:
        """Give a line back."""
        self.lines.discard((client_id, req_id))

    def free_lines_of(self, client_id: int) -> None:
        """Give back all lines of a client that went away."""
        self.lines = {line for line in self.lines if line[0] != client_id}

    def take_history(self, fingerprint: str, weight: int = 1) -> str | None:
        """Count a request for bars of 30 seconds or less; return the words of error 162 if it breaks the pace.

        Args:
            fingerprint: all that makes two requests identical.
            weight: 2 for BID_ASK, which counts double.
        """
        now = self.tick()
        while self._history and now - self._history[0][0] >= SECONDS_OF_HISTORY:
            self._history.popleft()
        recent = any(now - at < SAME_REQUEST_SECONDS and same == fingerprint for at, same, _ in self._history)
        used = sum(counted for _, _, counted in self._history)
        if recent or used + weight > self.settings.history_requests:
            return "Historical Market Data Service error message:API historical data query pacing violation"
        self._history.append((now, fingerprint, weight))
        return None
