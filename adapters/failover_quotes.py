"""Quotes of a stream, and of those who are asked for what the stream does not bring."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

from adapters.in_turn import InTurn, Missing
from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.providers import ProviderTrail
from trading.market.quotes import FetchedQuotes, Quote, Quotes, QuoteSource, QuoteStream, quotes_frame


class FailoverQuotes:
    """A stream of quotes and the sources that stand in for it, in order.

    What the stream has heard lately is taken from it; other symbols are asked of the sources, until the stream brings
    them again. Each quote is of one provider, which its outcome names when it is not the stream, with why.

    Where the stream lives in an event loop, `fetch` belongs in a thread: it waits for the sources.

    Args:
        name: of the stream's provider; no source has it.
        polls: may be none.
        trail: where each answer of a source is kept; by it one that did not answer lately is asked last.
        stale_after: how old a quote of the stream may be.
        now: aware clock.
    """

    def __init__(
        self,
        stream: QuoteStream,
        polls: Sequence[QuoteSource],
        trail: ProviderTrail,
        *,
        name: str,
        stale_after: timedelta = timedelta(seconds=30),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        names = [name, *(poll.name for poll in polls)]
        if len(set(names)) < len(names):
            raise InvalidValue("providers", names, "each named once")
        self.name = name
        self._stream, self._polls, self._stale_after, self._now = stream, tuple(polls), stale_after, now
        self._in_turn = InTurn(trail, now)
        self._not_streamed: dict[str, str] = {}

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have the stream bring these symbols; those that it cannot bring are asked of the sources instead."""
        wanted = tuple(dict.fromkeys(symbols))
        while wanted:
            try:
                await self._stream.subscribe(wanted)
                why, without = "", frozenset(wanted)
            except UnknownSymbol as exc:
                why, without = str(exc), frozenset(exc.symbols) & frozenset(wanted) or frozenset(wanted)
            except SourceUnavailable as exc:
                why, without = exc.why, frozenset(wanted)
            self._not_streamed |= dict.fromkeys(without, why)
            wanted = tuple(symbol for symbol in wanted if symbol not in without)

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the latest quote of each symbol; every symbol asked has exactly one outcome.

        Raises:
            SourceUnavailable: neither the stream nor any source has anything; it says why of each.
        """
        asked = tuple(dict.fromkeys(symbols))
        missing = Missing(asked, self.name)
        frames = [self._streamed(missing)]
        unheard = missing.outcomes() if missing.symbols == asked else ()
        for answer, given in self._in_turn.ask(self._polls, missing, lambda poll, wanted: poll.fetch(wanted)):
            frame = answer.quotes.frame
            frames.append(frame[frame["symbol"].isin(given)])
        if unheard and len(missing.down) == len(self._polls):
            raise missing.unavailable(unheard[0].text)
        quotes = Quotes(frame=together(frames), source=self.name, received_at=self._now())
        return FetchedQuotes(quotes=quotes, outcomes=missing.outcomes())

    def _streamed(self, missing: Missing) -> pd.DataFrame:
        """Take what is fresh of the stream, and say why the rest is not."""
        quotes, stale = self._stream.quotes(), frozenset(self._stream.stale(self._stale_after))
        why = {symbol: self._why_not(symbol, quotes, stale) for symbol in missing.symbols}
        fresh = [symbol for symbol, said in why.items() if not said]
        missing.take(self.name, [FetchOutcome(symbol=symbol, status=FetchStatus.OK) for symbol in fresh])
        for symbol in missing.symbols:
            missing.say(symbol, f"{self.name} on {symbol}: {why[symbol]}")
        return _rows([quotes[symbol] for symbol in fresh])

    def _why_not(self, symbol: str, quotes: Mapping[str, Quote], stale: frozenset[str]) -> str:
        """Return why the stream's quote of a symbol is not taken; empty when it is."""
        if (quote := quotes.get(symbol)) is None:
            return self._not_streamed.get(symbol) or "it is not subscribed"
        if quote.error:
            return quote.error
        if symbol in stale:
            return f"nothing was heard for {self._stale_after.total_seconds():g} s"
        return "" if quote.bid or quote.ask or quote.last else "nobody quotes it"


def _rows(quotes: Sequence[Quote]) -> pd.DataFrame:
    rows = [
        {
            "symbol": quote.symbol,
            "bid": quote.bid,
            "ask": quote.ask,
            "bid_size": quote.bid_size,
            "ask_size": quote.ask_size,
            "last": quote.last,
            "last_size": quote.last_size,
            "quoted_at": quote.at,
            "kind": quote.kind.value,
        }
        for quote in quotes
    ]
    return quotes_frame(pd.DataFrame(rows, columns=None if rows else ["symbol"]))


def together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames of quotes of different symbols as one."""
    filled = [frame for frame in frames if len(frame)]
    return quotes_frame(pd.concat(filled, ignore_index=True) if filled else pd.DataFrame({"symbol": []}))
