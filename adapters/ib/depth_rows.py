"""An order book as Interactive Brokers tells it: numbered rows of each side, which are inserted, updated and deleted.

The rows are kept here. ib_async writes an insert over the row that was there, and neither library notices a gap.

Source: interactivebrokers.github.io/tws-api/market_depth.html; operation 0 inserts, 1 updates, 2 deletes; side 0 is the
ask, 1 the bid. As github.com/ib-api-reloaded/ib_async issue 33 shows it, a change of prices comes as updates of one
row after the other, in between which they are in no order, so they are looked at only after a short while.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from trading.market.depth import BEST, BookSide, OrderBook, PriceLevel

ROWS = 40  # of each side: at one price there is one for each exchange
_SIDES: Mapping[int, BookSide] = {0: BookSide.ASK, 1: BookSide.BID}
_PERMISSIONS = "permissions - "  # before those that are missing, in the text of 2152


class Disorder(Exception):
    """The rows cannot be what the market is."""


class DepthLine:
    """One book as it is built up.

    Attributes:
        number: of the request that it belongs to; 0 for none.
        shown: the book as it was when it was last settled.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.contract: Any = None
        self.begin(0)

    def begin(self, number: int) -> None:
        """Be empty, and belong to a request that is about to be made."""
        self.number, self._lacks = number, ""
        self.reset()

    def reset(self) -> None:
        """Be empty: all rows come anew."""
        self.shown = OrderBook(symbol=self.symbol, lacks=self._lacks)
        self._rows: dict[BookSide, list[tuple[float, float]]] = {side: [] for side in BookSide}
        self._at: datetime | None = None
        self._since: datetime | None = None
        self._is_doubted = self._is_broken = False

    def give_up(self, why: str) -> None:
        """Be empty, and take nothing until it is asked for anew."""
        self.reset()
        self.shown, self._is_broken = OrderBook(symbol=self.symbol, error=why), True

    def lack(self, text: str) -> None:
        """Take 2152, which tells whose rows are missing for want of a permission."""
        _, is_said, missing = text.partition(_PERMISSIONS)
        if is_said:
            self._lacks = f"without what this user has no permission for ({missing.strip(' ;')})"
            self.shown = replace(self.shown, lacks=self._lacks)

    def take(self, position: int, operation: int, side: int, price: float, size: float, at: datetime) -> bool:
        """Take a change of a row, and tell whether the book has to be settled."""
        if self._is_broken:
            return False
        try:
            self._change(self._rows[_SIDES[side]], position, operation, (price, size))
        except (IndexError, KeyError, Disorder):
            self.give_up(f"a change does not fit its rows (row {position}, operation {operation}, side {side})")
            return False
        self._at, self._since = at, self._since or at
        return True

    def _change(self, rows: list[tuple[float, float]], position: int, operation: int, row: tuple[float, float]) -> None:
        price, size = row
        if position < 0 or not (math.isfinite(price) and math.isfinite(size) and size >= 0):
            raise Disorder
        if position >= ROWS:
            return  # more than was asked for
        match operation:
            case 0 if position <= len(rows):
                rows.insert(position, row)
                del rows[ROWS:]
            case 1:
                rows[position] = row
            case 2:
                del rows[position]
            case _:
                raise Disorder

    def settle(self) -> bool:
        """Show the book as its rows are now, and tell whether that has to be done once more.

        Rows out of order may be half of a change; where they still are the second time, the book is given up.
        """
        if self._is_broken or self._at is None:
            return False
        try:
            bids, asks = self._levels(BookSide.BID), self._levels(BookSide.ASK)
        except Disorder as exc:
            return self._doubt(str(exc))
        if self._is_doubted:
            self._is_doubted, self._since = False, self._at
        self.shown = OrderBook(
            symbol=self.symbol, bids=bids, asks=asks, at=self._at, since=self._since, lacks=self._lacks
        )
        return False

    def _doubt(self, why: str) -> bool:
        if self._is_doubted:
            self.give_up(why)
            return False
        self._is_doubted = True
        self.shown = OrderBook(symbol=self.symbol, error=why)
        return True

    def _levels(self, side: BookSide) -> tuple[PriceLevel, ...]:
        """Return the rows of a side summed up by price; those without a size are nobody's."""
        rows = [row for row in self._rows[side] if row[1]]
        prices = [price for price, _ in rows]
        worse = [
            (one, next_) for one, next_ in pairwise(prices) if (next_ > one if side is BookSide.BID else next_ < one)
        ]
        if worse:
            raise Disorder(f"its rows are in no order: {side} {worse[0][0]:g} stands before {worse[0][1]:g}")
        levels = tuple(
            PriceLevel(price=price, size=sum(size for _, size in of_price))
            for price, of_price in groupby(rows, key=lambda row: row[0])
        )
        if len(self._rows[side]) < ROWS:
            return levels
        if len(levels) <= BEST:  # the last price may go on in rows that were not asked for
            raise Disorder(f"{ROWS} rows are not the whole of its best {BEST} prices")
        return levels[:-1]
