"""Quotes that are asked for every few seconds, as a stream of ticks: what is left where nothing streams."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from adapters.tick_tap import TickTap, microseconds
from trading.errors import SourceUnavailable
from trading.market.bars import FetchStatus
from trading.market.quotes import FetchedQuotes, QuoteKind, QuoteSource
from trading.monitoring.tick_batch import TickBatch


class PolledTicks:
    """The quotes of a source, asked for in a thread of their own and told where they have changed.

    The last price is told as a trade where it or its size differs from the answer before, and the source's time is
    later: then this trade was made since. What else was traded between two asks is not known, so the volume is too
    small. Without a time nothing shows that there was a trade at all, and none is told; nor is the first price, which
    is of before. Times are the source's where it tells them, else those of receipt.

    Args:
        name: of the feed; its ticks are recorded under it.
        every: between the end of an answer and the next ask.
        now: aware clock.
    """

    def __init__(self, source: QuoteSource, *, name: str, every: timedelta, now: Callable[[], datetime]) -> None:
        self.name = name
        self._source, self._every, self._now = source, every, now
        self._tap = TickTap()
        self._last: dict[str, _Row] = {}
        self._problems: dict[str, str] = {}
        self._polling: asyncio.Task[None] | None = None

    @property
    def conflated(self) -> int:
        """Return how many quotes were left out since the start, each because a newer one of its symbol had come."""
        return self._tap.buffer.conflated

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Have these symbols asked for too, from the next ask on; a source that cannot be asked is asked again."""
        self._tap.want(places)
        if (self._polling is None or self._polling.done()) and self._tap.places:
            self._polling = asyncio.create_task(self._poll_for_ever())

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        self._tap.want_no_more(symbols)
        for symbol in symbols:
            self._last.pop(symbol, None)
            self._problems.pop(symbol, None)
        if not self._tap.places:
            await self.close()

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time and not taken yet; microseconds since the epoch, UTC."""
        return self._tap.buffer.take(until_us)

    def problems(self) -> Mapping[str, str]:
        """Return why nothing, or nothing live, came with the last answer, of each symbol that it is known of."""
        return dict(self._problems)

    async def close(self) -> None:
        """Ask no more; an ask under way is left to end by itself."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def _poll_for_ever(self) -> None:
        while True:
            symbols = tuple(self._tap.places)
            try:
                self._tell(await asyncio.to_thread(self._source.fetch, symbols))
            except SourceUnavailable as exc:
                self._problems = dict.fromkeys(symbols, exc.why)
            await asyncio.sleep(self._every.total_seconds())

    def _tell(self, fetched: FetchedQuotes) -> None:
        received_at = self._now()
        self._problems = {o.symbol: o.text for o in fetched.outcomes if o.status is not FetchStatus.OK}
        for values in fetched.quotes.frame.to_dict("records"):
            symbol, kind = str(values["symbol"]), QuoteKind(values["kind"])
            if kind.is_delayed:
                self._problems[symbol] = f"only {kind} data come of it"
            self._tell_change(symbol, _Row(values), received_at)

    def _tell_change(self, symbol: str, row: "_Row", received_at: datetime) -> None:
        before = self._last.get(symbol)
        if before is None or row.best != before.best:
            self._tap.quote(symbol, *row.best, row.at_us, received_at)
        if before is not None and row.is_newer_trade_than(before):
            px, size = row.last
            self._tap.trade(symbol, px or math.nan, math.nan if size is None else size, row.at_us, received_at)
        self._last[symbol] = row


class _Row:
    """A quote of one symbol.

    Attributes:
        best: bid, ask and their sizes; None where there is none.
        last: price and size.
        at_us: the source's time in microseconds since the epoch; None where it tells none.
    """

    __slots__ = ("at_us", "best", "last")

    def __init__(self, values: Mapping[Any, Any]) -> None:
        bid, ask, bid_size, ask_size, px, size = (
            None if math.isnan(values[name]) else float(values[name])
            for name in ("bid", "ask", "bid_size", "ask_size", "last", "last_size")
        )
        self.best, self.last = (bid, ask, bid_size, ask_size), (px, size)
        self.at_us = None if pd.isna(values["quoted_at"]) else microseconds(values["quoted_at"].to_pydatetime())

    def is_newer_trade_than(self, before: "_Row") -> bool:
        """Tell whether its last price is of a trade that was made after the other quote."""
        if self.at_us is None or before.at_us is None or self.last[0] is None:
            return False
        return self.at_us > before.at_us and self.last != before.last
