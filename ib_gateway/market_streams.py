"""Subscriptions that send again and again: by the clock, and at once when a price is set."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ib_gateway.client import Client

# As the broker, which does not send each tick but what is new since; it looks at currencies every 0.005 seconds.
SECONDS_BETWEEN: Mapping[str, float] = MappingProxyType(
    {"STK": 0.25, "IND": 0.25, "FUT": 0.25, "BAG": 0.25, "OPT": 0.1, "CASH": 0.05}
)


class Stream:
    """One running subscription of a client.

    Args:
        push: sends what is new; it is called every `seconds`, and whenever the market says so.
        on_end: is called once, when the subscription ends.
    """

    def __init__(
        self, client: Client, seconds: float, push: Callable[[], None], on_end: Callable[[], None] | None = None
    ) -> None:
        self._client = client
        self._seconds = seconds
        self._push = push
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None

    def start(self, kind: str, req_id: int) -> None:
        """Register with the client and the market, and send for the first time."""
        self._client.subscribe(kind, req_id, self.stop)
        self._client.gateway.market.watchers.append(self._push)
        self._push()
        self._wait()

    def stop(self) -> None:
        """End it; nothing is sent any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._client.gateway.market.watchers.remove(self._push)
        if self._on_end is not None:
            self._on_end()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._again)

    def _again(self) -> None:
        if self._client.is_open:
            self._push()
            self._wait()
