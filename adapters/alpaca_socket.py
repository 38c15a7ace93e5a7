"""The websocket client of alpaca-py, made to tell what it hears and what went wrong; imports the library."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alpaca.data.live.stock import StockDataStream
from msgpack.exceptions import UnpackException  # type: ignore[import-untyped]  # it ships no types
from websockets.exceptions import WebSocketException

from adapters.alpaca_access import AlpacaAccess
from adapters.alpaca_api import BROKEN

# What the two libraries below raise, the socket under them, and alpaca-py over a broken message.
SOCKET_ERRORS = (WebSocketException, UnpackException, OSError, *BROKEN)
_WIRE = logging.getLogger("adapters.alpaca_socket.wire")
_WIRE.setLevel(logging.WARNING)  # at DEBUG websockets writes every frame to it, the one with the keys too


def _without_traceback(record: logging.LogRecord) -> bool:
    """Have alpaca-py report a lost connection in a line."""
    record.exc_info = None
    return True


class QuoteSocket(StockDataStream):
    """One connection, made anew whenever it is lost, with all symbols that are wanted then.

    alpaca-py 0.44 waits for ever for the first words of a server, reports errors to its log alone and subscribes from
    another thread only; hence the methods it keeps to itself.

    Args:
        channels: what is subscribed of each symbol.
        heard: called with each message.
        lost: called with why, when there is no connection.

    Source: github.com/alpacahq/alpaca-py, alpaca/data/live/websocket.py, DataStream.
    """

    def __init__(
        self,
        access: AlpacaAccess,
        *,
        channels: Sequence[str],
        reconnect_after: float,
        heard: Callable[[Any], None],
        lost: Callable[[str], None],
    ) -> None:
        self._seconds = access.timeout.total_seconds()
        super().__init__(
            access.api_key.get_secret_value(),
            access.api_secret.get_secret_value(),
            raw_data=True,
            websocket_params={
                "ping_interval": 10,
                "ping_timeout": 20,
                "open_timeout": self._seconds,
                "close_timeout": 1,
                "max_queue": 1024,
                "logger": _WIRE,
            },
            url_override=f"{access.stream_url.rstrip('/')}/v2/{access.feed.value}",
        )
        self._access, self._channels, self._heard, self._lost = access, tuple(channels), heard, lost
        self._reconnect_min_backoff = reconnect_after
        logging.getLogger("alpaca.data.live.websocket").addFilter(_without_traceback)  # the same one again is none more

    def want(self, symbols: Iterable[str]) -> None:
        """Have these symbols subscribed by every new connection."""
        wanted = dict.fromkeys(symbols, self._dispatch)
        for channel in self._channels:
            self._handlers[channel].update(wanted)

    def want_no_more(self, symbols: Iterable[str]) -> None:
        """Have these symbols left out by every new connection."""
        gone = frozenset(symbols)
        for channel in self._channels:
            for symbol in gone:
                self._handlers[channel].pop(symbol, None)

    async def run_for_ever(self) -> None:
        """Keep a connection, until canceled or told that the plan has no such feed; some symbol must be wanted."""
        try:
            await self._run_forever()
        finally:
            await self.close()

    async def send_wanted(self) -> None:
        """Subscribe what is wanted at the connection there is; none is no harm, the next one does it."""
        if self._running:
            await self._said(self._send_subscribe_msg())

    async def send_unwanted(self, symbols: list[str]) -> None:
        """Unsubscribe at the connection there is."""
        for channel in self._channels if self._running else ():
            await self._said(self._send_unsubscribe_msg(channel, symbols))

    async def _said(self, message: Any) -> None:
        try:
            await message
        except SOCKET_ERRORS as exc:
            self._lost(self._access.shown(f"{type(exc).__name__} {exc}"))

    async def _start_ws(self) -> None:
        try:
            await asyncio.wait_for(super()._start_ws(), self._seconds)
        except TimeoutError:
            why = f"no answer in {self._seconds:g} s"
        except SOCKET_ERRORS as exc:
            why = self._access.shown(f"{type(exc).__name__} {exc}")
        else:
            return
        self._lost(why)
        raise ValueError(why)  # alpaca-py waits and tries again, but for "insufficient subscription"

    async def close(self) -> None:
        """Close the connection."""
        if self._running:
            self._lost("the connection was lost")
        await super().close()

    async def _dispatch(self, msg: Any) -> None:
        self._heard(msg)
