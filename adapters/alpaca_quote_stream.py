"""Quotes from Alpaca as they arrive, through alpaca-py: made anew when lost, never taken for fresh when not."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.alpaca_access import AlpacaAccess
from adapters.alpaca_api import library
from adapters.alpaca_values import price
from adapters.tick_tap import TickTap
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.quotes import Quote

if TYPE_CHECKING:
    from adapters.alpaca_socket import QuoteSocket

FREE_CHANNELS = 30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 1 << 35  # s; in the year 3058


class AlpacaQuoteStream:
    """Streaming quotes of US shares, without sizes, as AlpacaQuotes, and without last prices.

    Last prices would take one more of the 30 channels that are free, for each symbol. Alpaca takes any symbol, also one
    that does not exist: of that nothing is ever heard. It allows one connection for each account. A quote's `at` is
    Alpaca's own time of it, so that one that comes late is as old as it is. `close` it.

    Args:
        now: aware clock.
        reconnect_after: the first wait after a lost connection; it doubles up to half a minute.
        name: of the provider.
        tap: gets every quote and every trade, with Alpaca's own time. Trades take a channel of their own, so that half
            as many symbols can be had. Corrections of trades are not asked for.

    Raises:
        InvalidValue: alpaca-py is not installed.

    Source: docs.alpaca.markets/docs/streaming-market-data.
    """

    def __init__(
        self,
        *,
        access: AlpacaAccess,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reconnect_after: timedelta = timedelta(seconds=1),
        name: str = "alpaca_stream",
        tap: TickTap | None = None,
    ) -> None:
        self.name, self._tap = name, tap
        self._channels = ("quotes",) if tap is None else ("quotes", "trades")
        self._access, self._now, self._reconnect_after = access, now, reconnect_after
        self._library = library("adapters.alpaca_socket")
        self._lines: dict[str, Quote] = {}
        self._socket: QuoteSocket | None = None
        self._running: asyncio.Task[None] | None = None
        self._answered: asyncio.Future[tuple[str, bool]] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have quotes of these symbols too.

        Raises:
            SourceUnavailable: they are more than the plan has, and nothing was changed; or Alpaca cannot be reached,
                and they are had as soon as it can be.
        """
        async with self._one_at_a_time:
            new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._lines]
            self._lines |= {symbol: self._unheard(symbol) for symbol in new}
            if not self._lines or (not new and self._is_running()):
                return
            why, refused = await self._ask_for(new)
            if refused:
                self._forget(new)
            if why:
                raise SourceUnavailable(self.name, why)

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        async with self._one_at_a_time:
            known = [symbol for symbol in dict.fromkeys(symbols) if symbol in self._lines]
            self._forget(known)
            if known and self._socket is not None:
                await self._socket.send_unwanted(known)

    def quotes(self) -> Mapping[str, Quote]:
        """Return what was last heard of every symbol subscribed."""
        return dict(self._lines)

    def stale(self, after: timedelta) -> tuple[str, ...]:
        """Return the symbols of which nothing was heard for that long, or ever."""
        oldest = self._now() - after
        return tuple(sorted(q.symbol for q in self.quotes().values() if q.at is None or q.at < oldest))

    async def renew(self, symbols: Sequence[str]) -> None:
        """Subscribe anew; what was heard of the symbols stays.

        Raises:
            SourceUnavailable: Alpaca refuses to connect, and is asked anew.
        """
        async with self._one_at_a_time:
            known = [symbol for symbol in dict.fromkeys(symbols) if symbol in self._lines]
            if known and self._socket is not None:
                await self._socket.send_unwanted(known)
                await self._socket.send_wanted()
        await self.subscribe(())

    async def close(self) -> None:
        """Close the connection; what was heard stays, and goes stale."""
        running, self._running = self._running, None
        while running is not None and not running.done():
            running.cancel()  # more than once: alpaca-py's `wait_for` loses one that comes together with a message
            await asyncio.wait({running}, timeout=3)
        if running is not None:
            with suppress(asyncio.CancelledError):
                await running

    def _is_running(self) -> bool:
        return self._running is not None and not self._running.done()

    async def _ask_for(self, symbols: list[str]) -> tuple[str, bool]:
        """Subscribe; return why Alpaca did not, empty when it did, and whether it refused to."""
        self._answered = asyncio.get_running_loop().create_future()
        if self._socket is None or not self._is_running():
            self._socket = self._library.QuoteSocket(
                self._access,
                channels=self._channels,
                reconnect_after=self._reconnect_after.total_seconds(),
                heard=self._heard,
                lost=self._lost,
            )
            self._socket.want(self._lines)
            self._running = asyncio.create_task(self._socket.run_for_ever())
        else:
            self._socket.want(symbols)
            await self._socket.send_wanted()
        try:
            return await asyncio.wait_for(self._answered, self._access.timeout.total_seconds())
        except TimeoutError:
            return f"no answer in {self._access.timeout.total_seconds():g} s", False
        finally:
            self._answered = None

    def _forget(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._lines.pop(symbol, None)
        if self._socket is not None:
            self._socket.want_no_more(symbols)

    def _heard(self, message: Any) -> None:
        """Take a message of any kind; what is none of ours is left."""
        match message:
            case {"T": "q", "S": str(symbol)} if symbol in self._lines:
                self._lines[symbol] = self._quoted(symbol, message)
            case {"T": "t", "S": str(symbol)} if symbol in self._lines:
                self._traded(symbol, message)
            case {"T": "subscription"} if self._has_all(message):
                self._lines |= {s: replace(q, error="") for s, q in self._lines.items()}
                self._answer("")
            case {"T": "error"}:
                why = self._access.shown(f"{message.get('code')}: {message.get('msg')}")
                if self._answered is None:
                    self._lost(why)
                self._answer(why, refused=True)

    def _has_all(self, had: Mapping[str, Any]) -> bool:
        return all(set(self._lines) <= set(had.get(channel) or ()) for channel in self._channels)

    def _quoted(self, symbol: str, message: Mapping[str, Any]) -> Quote:
        before, now = self._lines[symbol], self._now()
        try:
            bid, ask, at_us = price(message, "bp"), price(message, "ap"), _time_of(message.get("t"))
        except InvalidValue as exc:
            return replace(before, error=self._access.shown(str(exc)))
        if self._tap is not None:
            self._tap.quote(symbol, bid, ask, None, None, at_us, now)
        at = min(_EPOCH + timedelta(microseconds=at_us), now)
        if before.at is not None and at < before.at:
            return before
        return replace(before, bid=bid, ask=ask, at=at, error="")

    def _traded(self, symbol: str, message: Mapping[str, Any]) -> None:
        try:
            px, size, at_us = price(message, "p"), price(message, "s"), _time_of(message.get("t"))
        except InvalidValue as exc:
            self._lines[symbol] = replace(self._lines[symbol], error=self._access.shown(str(exc)))
            return
        if self._tap is not None and px is not None and size is not None:
            self._tap.trade(symbol, px, size, at_us, self._now())

    def _lost(self, why: str) -> None:
        self._lines |= {symbol: replace(quote, error=why) for symbol, quote in self._lines.items()}
        self._answer(why)

    def _answer(self, why: str, *, refused: bool = False) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((why, refused))

    def _unheard(self, symbol: str) -> Quote:
        return Quote(
            symbol=symbol,
            bid=None,
            ask=None,
            last=None,
            bid_size=None,
            ask_size=None,
            last_size=None,
            kind=self._access.feed.kind,
            at=None,
        )


def _time_of(value: Any) -> int:
    """Return the time of a quote or trade, a timestamp of MessagePack, in microseconds since the epoch."""
    seconds, nanoseconds = getattr(value, "seconds", None), getattr(value, "nanoseconds", None)
    if isinstance(seconds, int) and isinstance(nanoseconds, int) and 0 <= seconds < _LATEST:
        return seconds * 1_000_000 + nanoseconds // 1000
    raise InvalidValue("time", value, "a timestamp of MessagePack")
