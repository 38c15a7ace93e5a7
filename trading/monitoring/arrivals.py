"""Ticks that wait for their second to be over, and their grouping by symbol."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from trading.monitoring.tick_batch import BoolArray, FloatArray, SymbolArray, TickBatch, TimeArray

IntArray = npt.NDArray[np.int64]
Arrays = Mapping[str, npt.NDArray[Any]]

_CHUNK = 1 << 15  # rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TradeRows:
    """Trades as columns.

    Attributes:
        source_at: the provider's time, but not after `received_at`: a clock that runs ahead of ours must not make all
            that follows look old.
        received_at: never falling.
        is_late: our clock had been further before.
    """

    symbol: SymbolArray
    px: FloatArray
    size: FloatArray
    source_at: TimeArray
    received_at: TimeArray
    is_late: BoolArray

    @classmethod
    def of(cls, batch: TickBatch, newest: int) -> Self:
        """Return the trades of a batch that came after one received at `newest`."""
        received_at, is_late = _never_falling(batch.trade_received_at, newest)
        return cls(
            symbol=batch.trade_symbol,
            px=batch.trade_px,
            size=batch.trade_size,
            source_at=np.minimum(batch.traded_at, received_at),
            received_at=received_at,
            is_late=is_late,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuoteRows:
    """Quotes as columns; times as in TradeRows.

    Attributes:
        tells_bid, tells_ask: whether the row tells of the side at all.
    """

    symbol: SymbolArray
    bid: FloatArray
    ask: FloatArray
    bid_size: FloatArray
    ask_size: FloatArray
    tells_bid: BoolArray
    tells_ask: BoolArray
    source_at: TimeArray
    received_at: TimeArray
    is_late: BoolArray

    @classmethod
    def of(cls, batch: TickBatch, newest: int) -> Self:
        """Return the quotes of a batch that came after one received at `newest`."""
        received_at, is_late = _never_falling(batch.quote_received_at, newest)
        return cls(
            symbol=batch.quote_symbol,
            bid=batch.bid,
            ask=batch.ask,
            bid_size=batch.bid_size,
            ask_size=batch.ask_size,
            tells_bid=_tells(batch.bid, batch.one_sided_rows),
            tells_ask=_tells(batch.ask, batch.one_sided_rows),
            source_at=np.minimum(batch.quoted_at, received_at),
            received_at=received_at,
            is_late=is_late,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BookRows:
    """Best levels of order books as columns; times as in TradeRows."""

    symbol: SymbolArray
    levels: FloatArray
    received_at: TimeArray
    is_late: BoolArray

    @classmethod
    def of(cls, batch: TickBatch, newest: int) -> Self:
        """Return the books of a batch that came after one received at `newest`."""
        received_at, is_late = _never_falling(batch.book_received_at, newest)
        return cls(symbol=batch.book_symbol, levels=batch.book_levels, received_at=received_at, is_late=is_late)


Rows = TypeVar("Rows", TradeRows, QuoteRows, BookRows)


class Arrivals(Generic[Rows]):
    """Rows of one kind whose second is not over yet, in order of arrival."""

    def __init__(self, kind: type[Rows]) -> None:
        self._kind: type[Rows] = kind
        self._waiting: list[Rows] = []
        self._newest = 0

    def add(self, batch: TickBatch) -> None:
        """Let the rows of a batch wait; only its own kind is taken from it."""
        rows = self._kind.of(batch, self._newest)
        if len(rows.symbol):
            self._newest = int(rows.received_at[-1])
            self._waiting.append(rows)

    def take(self, from_us: int, until_us: int) -> Iterator[Rows]:
        """Return the rows received before `until_us`, some thousands at a time, and keep the others.

        Those received before `from_us` come too late for their second, and count as received then.
        """
        due: list[Rows] = []
        later: list[Rows] = []
        for rows in self._waiting:
            count = int(np.searchsorted(rows.received_at, until_us))
            for part, into in ((slice(count), due), (slice(count, None), later)):
                if len(rows.symbol[part]):
                    into.append(picked(rows, part))
        self._waiting = later
        return (_in_time(rows, from_us) for rows in _chunks(due))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what waits, and the newest time."""
        waiting = _joined(self._waiting) if self._waiting else self._kind.of(TickBatch(), 0)
        arrays = {each.name: getattr(waiting, each.name) for each in fields(waiting)}
        return {**arrays, "newest": np.array([self._newest])}

    @classmethod
    def from_arrays(cls, kind: type[Rows], arrays: Arrays) -> Self:
        """Return what `to_arrays` has told."""
        arrivals = cls(kind)
        arrivals._waiting = [kind(**{each.name: arrays[each.name].copy() for each in fields(kind)})]
        arrivals._newest = int(arrays["newest"][0])
        return arrivals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Rows brought together by symbol, those of one symbol in order of arrival.

    Attributes:
        symbol: of each row, after ordering.
        who: symbol of each group.
        firsts, lasts: row at which each group begins and ends.
    """

    symbol: SymbolArray
    who: SymbolArray
    firsts: IntArray
    lasts: IntArray

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a value of each group for each of its rows."""
        return np.repeat(values, self.lasts - self.firsts + 1)

    def newest_true(self, told: BoolArray) -> IntArray:
        """Return for each row the row of its group, up to itself, where `told` was true last; -1 where it never was."""
        rows = np.arange(len(told))
        if told.all():
            return rows
        newest = np.maximum.accumulate(np.where(told, rows, -1))
        return np.where(newest < self.spread(self.firsts), -1, newest)

    def in_sequence(self, source_at: TimeArray, newest: TimeArray) -> BoolArray:
        """Say of each row whether no row of its symbol before it is newer by the provider's time.

        Args:
            newest: of all rows that came before these; one for each symbol.
        """
        before = np.empty_like(source_at)
        before[1:] = source_at[:-1]
        before[self.firsts] = newest[self.who]
        good = source_at >= before
        if good.all():
            return good
        for group in np.unique(np.searchsorted(self.lasts, np.flatnonzero(~good))):
            rows = slice(self.firsts[group], self.lasts[group] + 1)
            reached = np.maximum.accumulate(np.maximum(source_at[rows], newest[self.who[group]]))
            good[rows] = source_at[rows] >= reached
        return good


def grouped(rows: Rows, count: int) -> tuple[Rows, Groups]:
    """Return the rows by symbol, of which there are `count`, and where each symbol begins and ends.

    To assign `last[symbol] = px` would do without sorting, but numpy does not promise which of several values of one
    symbol stays ("no guarantee for the iteration order"). A stable sort of 16-bit integers is a radix sort, and cheap.

    Source: NumPy manual, "Indexing on ndarrays", detailed notes; numpy.sort, notes.
    """
    keys = rows.symbol.astype(np.uint16) if count <= 1 << 16 else rows.symbol
    ordered = picked(rows, np.argsort(keys, kind="stable"))
    turns = np.flatnonzero(np.diff(ordered.symbol))
    firsts, lasts = np.concatenate([[0], turns + 1]), np.append(turns, len(keys) - 1)
    return ordered, Groups(symbol=ordered.symbol, who=ordered.symbol[firsts], firsts=firsts, lasts=lasts)


def picked(rows: Rows, which: slice | IntArray | BoolArray) -> Rows:
    """Return some of the rows."""
    some: Rows = type(rows)(**{each.name: getattr(rows, each.name)[which] for each in fields(rows)})
    return some


def _chunks(parts: list[Rows]) -> Iterator[Rows]:
    """Join small parts and cut large ones, so that the columns of one chunk stay in the processor's cache."""
    small: list[Rows] = []
    count = 0
    for rows in parts:
        small.append(rows)
        count += len(rows.symbol)
        if count >= _CHUNK:
            yield from _cut(_joined(small))
            small, count = [], 0
    if small:
        yield _joined(small)


def _cut(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows.symbol), _CHUNK):
        yield picked(rows, slice(start, start + _CHUNK))


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    names = [each.name for each in fields(parts[0])]
    joined: Rows = type(parts[0])(**{name: np.concatenate([getattr(rows, name) for rows in parts]) for name in names})
    return joined


def _in_time(rows: Rows, from_us: int) -> Rows:
    return replace(
        rows, received_at=np.maximum(rows.received_at, from_us), is_late=rows.is_late | (rows.received_at < from_us)
    )


def _never_falling(received_at: TimeArray, newest: int) -> tuple[TimeArray, BoolArray]:
    reached = np.maximum(np.maximum.accumulate(received_at), newest)
    return reached, received_at < reached


def _tells(prices: FloatArray, one_sided_rows: bool) -> BoolArray:
    return ~(np.isnan(prices) | (prices == 0)) if one_sided_rows else np.ones(len(prices), dtype=np.bool_)
