"""Depth: the order book of a symbol by price level, as far as its provider shows it."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Self

from trading.errors import InvalidValue


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
        error: why the provider sends nothing; empty when it does.
    """

    symbol: str
    bids: tuple[PriceLevel, ...] = ()
    asks: tuple[PriceLevel, ...] = ()
    at: datetime | None = None
    error: str = ""

    def __post_init__(self) -> None:
        if any(better.price <= worse.price for better, worse in pairwise(self.bids)):
            raise InvalidValue("bids", [level.price for level in self.bids], "falling, each price once")
        if any(better.price >= worse.price for better, worse in pairwise(self.asks)):
            raise InvalidValue("asks", [level.price for level in self.asks], "rising, each price once")

    def with_level(self, side: BookSide, level: PriceLevel, at: datetime) -> Self:
        """Return the book with this level in the place of the one at its price, if there was one."""
        levels, place, found = self._find(side, level.price)
        return self._changed(side, (*levels[:place], level, *levels[place + found :]), at)

    def without_level(self, side: BookSide, price: float, at: datetime) -> Self:
        """Return the book without the level at this price; there need not have been one."""
        levels, place, found = self._find(side, price)
        return self._changed(side, (*levels[:place], *levels[place + found :]), at)

    def without_side(self, side: BookSide, at: datetime) -> Self:
        """Return the book with nothing on this side."""
        return self._changed(side, (), at)

    def _find(self, side: BookSide, price: float) -> tuple[tuple[PriceLevel, ...], int, bool]:
        """Return the levels of a side, the place of a price among them, and whether it is there."""
        if side is BookSide.BID:
            levels, place = self.bids, bisect_left(self.bids, -price, key=lambda level: -level.price)
        else:
            levels, place = self.asks, bisect_left(self.asks, price, key=lambda level: level.price)
        return levels, place, place < len(levels) and levels[place].price == price

    def _changed(self, side: BookSide, levels: tuple[PriceLevel, ...], at: datetime) -> Self:
        if side is BookSide.BID:
            return replace(self, bids=levels, at=at, error="")
        return replace(self, asks=levels, at=at, error="")
