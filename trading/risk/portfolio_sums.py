"""Sums over all symbols of a portfolio whose working orders may or may not be filled."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from trading.risk.risk_model import RiskModel
from trading.risk.tail_measures import FloatArray


class Sides(NamedTuple):
    """Signed value held of a symbol, and the values of its working buys (>= 0) and sells (<= 0)."""

    held: float = 0.0
    buys: float = 0.0
    sells: float = 0.0

    def with_order(self, value: float) -> "Sides":
        """Return the sides with one more working order."""
        if value > 0:
            return Sides(self.held, self.buys + value, self.sells)
        return Sides(self.held, self.buys, self.sells + value)

    @property
    def filled(self) -> float:
        """Return the signed value when all orders are filled."""
        return self.held + self.buys + self.sells

    @property
    def worst(self) -> float:
        """Return the signed value of the larger side: only the orders of that side are filled."""
        long, short = self.held + self.buys, self.held + self.sells
        return long if long >= -short else short


class Book(NamedTuple):
    """One choice of fills: its profit by scenario of the past, its columns of `RiskModel.linear`, and what has no row.

    Attributes:
        lost: absolute value of the positions that cannot be measured.
    """

    pnl: FloatArray
    linear: FloatArray
    lost: float

    def with_order(self, model: RiskModel, symbol: str, value: float, position: float) -> "Book":
        """Return the book with an order filled, on top of a signed position in its symbol."""
        row = model.index.get(symbol)
        if row is None:
            return Book(self.pnl, self.linear, self.lost + abs(position + value) - abs(position))
        return Book(self.pnl + value * model.returns[row], self.linear + value * model.linear[row], self.lost)


class Sums(NamedTuple):
    """The books that measures are taken from.

    Attributes:
        held: no order filled.
        filled: all orders filled.
        adding: for each symbol only the orders of its larger side filled.
        worst: profit by scenario of the past when in each scenario just the orders are filled that lose in it; no book.
        low, high: columns of `RiskModel.linear` when just the orders are filled that lower or raise each.
    """

    held: Book
    filled: Book
    adding: Book
    worst: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of_held(cls, model: RiskModel, sides: Mapping[str, Sides]) -> "Sums":
        """Return the sums without any order."""
        held = {symbol: side.held for symbol, side in sides.items()}
        values = model.values(held)
        lost = sum(abs(value) for symbol, value in held.items() if symbol not in model.index)
        book = Book(values @ model.returns, values @ model.linear, lost)
        return cls(book, book, book, book.pnl, book.linear, book.linear)

    def with_order(self, model: RiskModel, symbol: str, value: float, old: Sides, new: Sides) -> "Sums":
        """Return the sums with one more working order, which takes its symbol from `old` to `new`."""
        filled = self.filled.with_order(model, symbol, value, old.filled)
        adding = self.adding
        if new.worst != old.worst:
            adding = adding.with_order(model, symbol, new.worst - old.worst, old.worst)
        row = model.index.get(symbol)
        if row is None:
            return self._replace(filled=filled, adding=adding)
        linear = value * model.linear[row]
        return Sums(
            self.held,
            filled,
            adding,
            self.worst + np.minimum(value * model.returns[row], 0.0),
            self.low + np.minimum(linear, 0.0),
            self.high + np.maximum(linear, 0.0),
        )
