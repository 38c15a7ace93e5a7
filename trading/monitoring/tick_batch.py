"""Ticks of a short time as columns, on their way from a feed or from the record to the monitor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import InvalidValue, TicksInvalid
from trading.market.depth import LEVEL_COLUMNS
from trading.market.ticks import TickKind, Ticks

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
SymbolArray = npt.NDArray[np.int32]
TimeArray = npt.NDArray[np.int64]

TRADE_FIELDS = ("trade_symbol", "trade_px", "trade_size", "traded_at", "trade_received_at")
QUOTE_FIELDS = ("quote_symbol", "bid", "ask", "bid_size", "ask_size", "quoted_at", "quote_received_at")
BOOK_FIELDS = ("book_symbol", "book_levels", "book_received_at")
FIELDS = {TickKind.TRADES: TRADE_FIELDS, TickKind.QUOTES: QUOTE_FIELDS, TickKind.DEPTH: BOOK_FIELDS}


def _no_symbols() -> SymbolArray:
    return np.empty(0, dtype=np.int32)


def _no_values() -> FloatArray:
    return np.empty(0, dtype=np.float64)


def _no_levels() -> FloatArray:
    return np.empty((0, len(LEVEL_COLUMNS)), dtype=np.float64)


def _no_times() -> TimeArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TickBatch:
    """What arrived in a short time, by kind and in order of arrival. Without arguments it is empty.

    Nothing but the shape is checked here: what a feed has said is a fact, and `MarketState` rules on it. The arrays are
    not copied, and must not be changed afterwards.

    Attributes:
        trade_symbol, quote_symbol, book_symbol: place of the symbol in the watch list, from 0; int32.
        trade_px, bid, ask: raw, in the currency of the instrument, float64. A bid or ask that is NaN is a side that
            nobody quotes, unless `one_sided_rows`.
        trade_size, bid_size, ask_size: units of the instrument; NaN where the feed tells none.
        traded_at, quoted_at: the provider's time in microseconds since the epoch, UTC; int64.
        trade_received_at, quote_received_at, book_received_at: when it reached us, likewise.
        book_levels: the best levels of order books as they then stood, a row for each, in the columns LEVEL_COLUMNS.
        one_sided_rows: each quote tells of one side only, as the direct feeds of exchanges do: a side that is NaN or 0
            in a row is not told of, and stays as it was. A side that is gone cannot be told by such rows.
    """

    trade_symbol: SymbolArray = field(default_factory=_no_symbols)
    trade_px: FloatArray = field(default_factory=_no_values)
    trade_size: FloatArray = field(default_factory=_no_values)
    traded_at: TimeArray = field(default_factory=_no_times)
    trade_received_at: TimeArray = field(default_factory=_no_times)
    quote_symbol: SymbolArray = field(default_factory=_no_symbols)
    bid: FloatArray = field(default_factory=_no_values)
    ask: FloatArray = field(default_factory=_no_values)
    bid_size: FloatArray = field(default_factory=_no_values)
    ask_size: FloatArray = field(default_factory=_no_values)
    quoted_at: TimeArray = field(default_factory=_no_times)
    quote_received_at: TimeArray = field(default_factory=_no_times)
    book_symbol: SymbolArray = field(default_factory=_no_symbols)
    book_levels: FloatArray = field(default_factory=_no_levels)
    book_received_at: TimeArray = field(default_factory=_no_times)
    one_sided_rows: bool = False

    def __post_init__(self) -> None:
        for names in FIELDS.values():
            wanted = getattr(self, names[0]).shape
            for name in names:
                _check_column(name, getattr(self, name), wanted)

    def __len__(self) -> int:
        """Return how many trades and quotes there are."""
        return len(self.trade_symbol) + len(self.quote_symbol)

    @classmethod
    def of_ticks(
        cls,
        symbols: Sequence[str],
        *,
        trades: Ticks | None = None,
        quotes: Ticks | None = None,
        depth: Ticks | None = None,
        one_sided_rows: bool = False,
    ) -> Self:
        """Return the ticks of frames, in their order.

        Args:
            symbols: the watch list.

        Raises:
            TicksInvalid: a frame is of the other kind, or holds a symbol that is not watched.
        """
        columns: dict[str, npt.NDArray[np.generic]] = {}
        for ticks, (kind, names) in zip((trades, quotes, depth), FIELDS.items(), strict=True):
            if ticks is not None:
                columns.update(zip(names, _columns(ticks, kind, symbols), strict=True))
        return cls(**columns, one_sided_rows=one_sided_rows)  # type: ignore[arg-type] # the names tell the types

    def columns(self, kind: TickKind, count: int) -> dict[str, npt.NDArray[np.generic]]:
        """Return the columns of the record's rows of a kind by name; `symbol` holds places in a watch list.

        Rows of `one_sided_rows` stay so, and must be told to be so when they are read again.

        Raises:
            InvalidValue: a place is not in a watch list of `count` symbols.
        """
        fields = FIELDS[kind]
        check_symbols(fields[0], getattr(self, fields[0]), count)
        columns = [column for name in fields for column in np.atleast_2d(getattr(self, name).T)]
        return dict(zip(_frame_columns(kind), columns, strict=True))


def joined(batches: Sequence[TickBatch]) -> TickBatch:
    """Return the trades and quotes of batches of one feed, one after the other; order books are left out."""
    if not batches:
        return TickBatch()
    columns = {name: np.concatenate([getattr(b, name) for b in batches]) for name in (*TRADE_FIELDS, *QUOTE_FIELDS)}
    return TickBatch(**columns, one_sided_rows=batches[-1].one_sided_rows)


def check_symbols(name: str, places: SymbolArray, count: int) -> None:
    """Raise InvalidValue for the first place that is not in a watch list of `count` symbols."""
    if len(places) and not (places.min() >= 0 and places.max() < count):
        wrong = places[(places < 0) | (places >= count)][0]
        raise InvalidValue(name, int(wrong), f"a place in the watch list of {count:,} symbols, 0 to {count - 1}")


def _check_column(name: str, column: npt.NDArray[np.generic], wanted: tuple[int, ...]) -> None:
    dtype = np.int32 if name.endswith("_symbol") else np.int64 if name.endswith("_at") else np.float64
    across = (len(LEVEL_COLUMNS),) if name == "book_levels" else ()
    if column.dtype != dtype or column.ndim == 0 or column.shape[1:] != across:
        rule = f"{np.dtype(dtype)} of {f'rows of {across[0]}' if across else 'one dimension'}"
        raise InvalidValue(name, f"{column.dtype} of {column.ndim} dimensions", rule)
    if column.shape[:1] != wanted:
        raise InvalidValue(name, f"{len(column)} rows", f"as long as the others of its kind, {wanted[0]}")


def _frame_columns(kind: TickKind) -> tuple[str, ...]:
    """Return the columns of a frame in the order of the batch's fields."""
    match kind:
        case TickKind.TRADES:
            return ("symbol", "price", "size", "traded_at", "received_at")
        case TickKind.QUOTES:
            return ("symbol", "bid", "ask", "bid_size", "ask_size", "quoted_at", "received_at")
        case TickKind.DEPTH:
            return ("symbol", *LEVEL_COLUMNS, "received_at")


def _columns(ticks: Ticks, kind: TickKind, symbols: Sequence[str]) -> Iterator[npt.NDArray[np.generic]]:
    if ticks.kind is not kind:
        raise TicksInvalid(ticks.source, f"these are {ticks.kind}, and {kind} are needed")
    places = pd.Index(symbols).get_indexer(ticks.frame["symbol"])
    if (places < 0).any():
        stranger = ticks.frame["symbol"].to_numpy()[places < 0][0]
        raise TicksInvalid(ticks.source, f"{stranger} is not in the watch list; read only the symbols watched")
    yield places.astype(np.int32)
    if kind is TickKind.DEPTH:
        yield np.ascontiguousarray(ticks.frame[list(LEVEL_COLUMNS)].to_numpy(np.float64))
        yield ticks.frame["received_at"].astype(np.int64).to_numpy()
        return
    for name in _frame_columns(kind)[1:]:
        dtype = np.int64 if name.endswith("_at") else np.float64
        yield ticks.frame[name].astype(dtype).to_numpy()
