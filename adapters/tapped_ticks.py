"""Every tick that a client of quotes hears, as a stream of ticks."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from adapters.tick_tap import TickTap
from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.quotes import QuoteStream
from trading.monitoring.tick_batch import TickBatch


class TappedStream(QuoteStream, Protocol):
    """A client of quotes with a tap."""

    async def renew(self, symbols: Sequence[str]) -> None:
        """Subscribe anew; what was heard of the symbols before stays.

        Raises:
            SourceUnavailable: the provider cannot be asked.
        """
        ...

    async def close(self) -> None:
        """End it."""
        ...


class TappedTicks:
    """A stream of the ticks of one client, which alone connects, connects again and counts lines.

    Times are the provider's where it tells them, else those of receipt: Alpaca tells those of quotes and trades,
    Interactive Brokers and IQFeed those of trades.

    Args:
        name: of the provider; its ticks are recorded under it.
        stream: the client.
        tap: the client's.
        again_after: what the client did not take since the provider could not be asked, or has no line free, is asked
            of it again after that time.
    """

    def __init__(
        self, name: str, stream: TappedStream, tap: TickTap, *, again_after: timedelta = timedelta(seconds=10)
    ) -> None:
        self.name = name
        self._stream, self._tap, self._again_after = stream, tap, again_after
        self._why_not: dict[str, str] = {}
        self._unknown: set[str] = set()
        self._asking: asyncio.Task[None] | None = None

    @property
    def conflated(self) -> int:
        """Return how many quotes were left out since the start, each because a newer one of its symbol had come."""
        return self._tap.buffer.conflated

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Have the ticks of these symbols too; those that are had already are subscribed anew.

        Raises:
            UnknownSymbol: the provider does not know some; the others are had.
            SourceUnavailable: it cannot be asked, or has no line free; what was asked for is had once it can be.
        """
        self._tap.want(places)
        had = [symbol for symbol in places if symbol in self._stream.quotes()]
        self._unknown -= places.keys()
        await self._ask([symbol for symbol in places if symbol not in had])
        if had:
            await self._stream.renew(had)
        if missing := [symbol for symbol in self._missing() if symbol in places]:
            more = f" (and {len(missing) - 1} more are not had)" if len(missing) > 1 else ""
            raise SourceUnavailable(self.name, f"{missing[0]}: {self._why_not[missing[0]]}{more}")
        if unknown := self._unknown & places.keys():
            raise UnknownSymbol(sorted(unknown), self.name)

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        self._tap.want_no_more(symbols)
        with suppress(SourceUnavailable):  # a connection that is gone has no lines; a new one asks for what is wanted
            await self._stream.unsubscribe(symbols)

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time and not taken yet; microseconds since the epoch, UTC."""
        return self._tap.buffer.take(until_us)

    def problems(self) -> Mapping[str, str]:
        """Return why nothing comes, or nothing live, of each symbol that it is known of; in any thread."""
        quotes = self._stream.quotes()
        refused = {s: why for s, why in dict(self._why_not).items() if s in self._tap.places and s not in quotes}
        late = {s: f"only {quote.kind} data come of it" for s, quote in quotes.items() if quote.kind.is_delayed}
        return refused | late | {s: quote.error for s, quote in quotes.items() if quote.error}

    async def close(self) -> None:
        """End the stream; a second time does nothing."""
        self._tap.want_no_more(tuple(self._tap.places))  # so that nothing is asked for again
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
            self._asking = None
        await self._stream.close()

    def _missing(self) -> list[str]:
        """Return what the client has not taken, and may take another time."""
        quotes = self._stream.quotes()
        return [s for s in self._tap.places if s not in quotes and s not in self._unknown]

    async def _ask(self, symbols: Sequence[str]) -> None:
        """Subscribe, note what came of it, and see that what is missing is asked for again."""
        await self._subscribe(symbols)
        if self._missing() and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask_again())

    async def _ask_again(self) -> None:
        while self._missing():
            await asyncio.sleep(self._again_after.total_seconds())
            await self._subscribe(self._missing())

    async def _subscribe(self, symbols: Sequence[str]) -> None:
        if not symbols:
            return
        try:
            await self._stream.subscribe(symbols)
        except UnknownSymbol as exc:
            self._unknown |= set(exc.symbols)
            self._why_not |= dict.fromkeys(exc.symbols, str(exc))
        except SourceUnavailable as exc:
            self._why_not |= dict.fromkeys(symbols, exc.why)
        except InvalidValue as exc:  # more than there are lines, or one that cannot be spelled so: none was taken
            self._why_not |= dict.fromkeys(symbols, str(exc))
            for symbol in symbols if len(symbols) > 1 else ():
                await self._subscribe([symbol])
