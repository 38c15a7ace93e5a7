"""Depth: the order book of a symbol by price level, as far as its provider shows it."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Protocol, Self

from trading.errors import InvalidValue

BEST = 5  # levels of each side that are watched, and recorded
LEVEL_COLUMNS = tuple(
    f"{name}_{place}" for name in ("bid", "bid_size", "ask", "ask_size") for place in range(1, BEST + 1)
)


class BookSide(StrEnum):
    """Which side of an order book."""

    BID = "bid"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLevel:
    """What is wanted or offered at one price.

    Attributes:
        price: of a spread or a future it may be zero or less.
        size: units, > 0, over all orders.
        orders: how many; None where the provider does not count them.
    """

    price: float
    size: float
    orders: int | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.price):
            raise InvalidValue("price of a level", self.price, "a number")
        if not (math.isfinite(self.size) and self.size > 0):
            raise InvalidValue("size of a level", self.size, "> 0; a level without orders is no level")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The levels of both sides, best first. It may be crossed: that is how the market, or the provider, was.

    Attributes:
        at: when the newest part of it was heard; None while nothing was.
        since: from when on it was built up without a break; what is younger than a moment may not be whole yet.
        error: why the provider sends nothing, or it is not to be believed; empty when neither.
        lacks: what it is without, as a part of the market that is not paid for; empty when nothing is known to be.
    """

    symbol: str
    bids: tuple[PriceLevel, ...] = ()
    asks: tuple[PriceLevel, ...] = ()
    at: datetime | None = None
    since: datetime | None = None
    error: str = ""
    lacks: str = ""

    def __post_init__(self) -> None:
        if any(better.price <= worse.price for better, worse in pairwise(self.bids)):
            raise InvalidValue("bids", [level.price for level in self.bids], "falling, each price once")
        if any(better.price >= worse.price for better, worse in pairwise(self.asks)):
            raise InvalidValue("asks", [level.price for level in self.asks], "rising, each price once")

    @property
    def is_crossed(self) -> bool:
        """Tell whether somebody bids more than another asks."""
        return bool(self.bids and self.asks) and self.bids[0].price > self.asks[0].price

    def best_levels(self) -> tuple[float, ...]:
        """Return the best levels of both sides in the order of LEVEL_COLUMNS; NaN where there are no more."""
        bids, asks = self.bids[:BEST], self.asks[:BEST]
        columns = ([b.price for b in bids], [b.size for b in bids], [a.price for a in asks], [a.size for a in asks])
        return tuple(number for column in columns for number in (*column, *[math.nan] * (BEST - len(column))))

    def with_level(self, side: BookSide, level: PriceLevel, at: datetime) -> Self:
        """Return the book with this level in the place of the one at its price, if there was one."""
        levels, place, found = self._find(side, level.price)
        return self._changed(side, (*levels[:place], level, *levels[place + found :]), at)

    def without_level(self, side: BookSide, price: float, at: datetime) -> Self:
        """Return the book without the level at this price; there need not have been one."""
        levels, place, found = self._find(side, price)
        return self._changed(side, (*levels[:place], *levels[place + found :]), at)

    def without_side(self, side: BookSide, at: datetime) -> Self:
        """Return the book with nothing on this side; it is built up anew from here on."""
        return replace(self._changed(side, (), at), since=at)

    def _find(self, side: BookSide, price: float) -> tuple[tuple[PriceLevel, ...], int, bool]:
        """Return the levels of a side, the place of a price among them, and whether it is there."""
        if side is BookSide.BID:
            levels, place = self.bids, bisect_left(self.bids, -price, key=lambda level: -level.price)
        else:
            levels, place = self.asks, bisect_left(self.asks, price, key=lambda level: level.price)
        return levels, place, place < len(levels) and levels[place].price == price

    def _changed(self, side: BookSide, levels: tuple[PriceLevel, ...], at: datetime) -> Self:
        since = self.since or at
        if side is BookSide.BID:
            return replace(self, bids=levels, at=at, since=since, error="")
        return replace(self, asks=levels, at=at, since=since, error="")


class DepthStream(Protocol):
    """A provider that tells how order books change."""

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have the books of these symbols too.

        Raises:
            InvalidValue: a symbol cannot be spelled so, or there is no room for it.
            UnknownSymbol: the provider does not know one.
            SourceUnavailable: it cannot be asked, or has no such book.
        """
        ...

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them.

        Raises:
            SourceUnavailable: the provider cannot be asked.
        """
        ...

    def books(self) -> Mapping[str, OrderBook]:
        """Return the book of every symbol subscribed; in any thread."""
        ...

    async def close(self) -> None:
        """End the stream; a second time does nothing."""
        ...
