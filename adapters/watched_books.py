"""Order books beside a stream of ticks: once a second a look at each, and never at one that may be wrong."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from adapters.tick_tap import microseconds
from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.depth import LEVEL_COLUMNS, DepthStream, OrderBook
from trading.monitoring.tick_batch import TickBatch

WHOLE_AFTER_US = 1_000_000  # no provider says when it has told a new book whole; it does so at once
ASKED_ANEW_AFTER = timedelta(seconds=30)  # a quiet book and a dead line look alike: asked anew, the one is told again
BELIEVED_FOR = timedelta(seconds=60)


class WatchedBooks:
    """The books of some symbols, for the monitor; `want` and `close` belong to one event loop.

    A book is not told within a second of its beginning, when its provider says that it is not to be believed, and when
    nothing was heard of it for a minute. A crossed one is told: the record keeps it, and nothing is made of it.

    Args:
        most: of how many symbols.
        now: aware clock.
    """

    def __init__(self, stream: DepthStream, *, most: int, now: Callable[[], datetime]) -> None:
        self._stream, self._most, self._now = stream, most, now
        self._places: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._unknown: set[str] = set()  # are not asked for again
        self._asked_at: dict[str, datetime] = {}

    async def want(self, places: Mapping[str, int]) -> None:
        """Have the books of the first of these symbols and of no others; ask anew for what is missing or silent."""
        wanted = dict(list(places.items())[: self._most])
        self._places = wanted
        books = self._stream.books()
        gone = [s for s, book in books.items() if s not in wanted or self._is_to_be_asked_anew(book)]
        if gone:
            with suppress(SourceUnavailable):  # a connection that is gone has no lines
                await self._stream.unsubscribe(gone)
        self._refused = {symbol: why for symbol, why in self._refused.items() if symbol in wanted}
        known = self._stream.books().keys() | self._unknown
        await asyncio.gather(*(self._ask(symbol) for symbol in wanted if symbol not in known))

    def added_to(self, batch: TickBatch, until_us: int) -> TickBatch:
        """Return the batch with the books as they are now, as of the end of the second until then; in any thread."""
        books, places = self._stream.books(), self._places
        told = {place: books[s] for s, place in places.items() if s in books and not _why_not(books[s], until_us)}
        return replace(
            batch,
            book_symbol=np.array([*told], dtype=np.int32),
            book_levels=np.array([book.best_levels() for book in told.values()], dtype=np.float64).reshape(
                -1, len(LEVEL_COLUMNS)
            ),
            book_received_at=np.full(len(told), until_us - 1, dtype=np.int64),
        )

    def problems(self) -> Mapping[str, str]:
        """Return of which symbols no book is told, and why; or what is wrong with one that is."""
        at_us, places = microseconds(self._now()), self._places
        books = {symbol: book for symbol, book in self._stream.books().items() if symbol in places}
        found = {symbol: why for symbol, why in dict(self._refused).items() if symbol not in books}
        found |= {symbol: _why_not(book, at_us) or _crossed(book) or book.lacks for symbol, book in books.items()}
        return {symbol: f"order book: {why}" for symbol, why in found.items() if why}

    async def close(self) -> None:
        """End it; a second time does nothing."""
        self._places = {}
        await self._stream.close()

    def _is_to_be_asked_anew(self, book: OrderBook) -> bool:
        heard_at = max(at for at in (book.at, self._asked_at.get(book.symbol)) if at is not None)
        return bool(book.error) or self._now() - heard_at >= ASKED_ANEW_AFTER

    async def _ask(self, symbol: str) -> None:
        self._asked_at[symbol] = self._now()
        try:
            await self._stream.subscribe([symbol])
        except SourceUnavailable as exc:
            self._refused[symbol] = exc.why
        except (InvalidValue, UnknownSymbol) as exc:
            self._refused[symbol] = str(exc)
            self._unknown.add(symbol)


def _why_not(book: OrderBook, at_us: int) -> str:
    """Return why a book is not to be believed at that time; nothing when it is."""
    if book.error:
        return book.error
    if book.at is None or book.since is None:
        return "nothing was told of it yet"
    if at_us - microseconds(book.at) >= BELIEVED_FOR // timedelta(microseconds=1):
        return f"nothing was heard of it since {book.at:%H:%M:%S} UTC"
    if at_us - microseconds(book.since) < WHOLE_AFTER_US:
        return "it has just begun, and may not be whole"
    return ""


def _crossed(book: OrderBook) -> str:
    if not book.is_crossed:
        return ""
    return f"it is crossed: {book.bids[0].price:g} is bid and {book.asks[0].price:g} asked"
