"""Ticks: single trades, changes of the best bid and ask, and looks at order books, in the order in which they arrived.

A frame of ticks is *long*: one row per tick. Prices are raw, float64, in the currency of the instrument, sizes float64
in units; NaN is a side that nobody quotes. Times are UTC. Rows are in order of arrival, which no time tells for sure:
two ticks may bear the same one, and an exchange may send a correction late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

import pandas as pd

from trading.errors import TicksInvalid
from trading.market.depth import LEVEL_COLUMNS

TIME_DTYPE = "datetime64[us, UTC]"
TRADE_COLUMNS = ("symbol", "traded_at", "received_at", "price", "size", "exchange", "conditions")
QUOTE_COLUMNS = ("symbol", "quoted_at", "received_at", "bid", "ask", "bid_size", "ask_size", "exchange")
DEPTH_COLUMNS = ("symbol", "received_at", *LEVEL_COLUMNS)


class TickKind(StrEnum):
    """What ticks tell of."""

    TRADES = "trades"
    QUOTES = "quotes"
    DEPTH = "depth"  # the best levels of an order book at a moment, which is the only time it has

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of a frame, in order."""
        match self:
            case TickKind.TRADES:
                return TRADE_COLUMNS
            case TickKind.QUOTES:
                return QUOTE_COLUMNS
            case TickKind.DEPTH:
                return DEPTH_COLUMNS

    @property
    def time(self) -> str:
        """Return the column of the time by which ticks are found: the provider's own, where it tells one."""
        match self:
            case TickKind.TRADES:
                return "traded_at"
            case TickKind.QUOTES:
                return "quoted_at"
            case TickKind.DEPTH:
                return "received_at"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticks:
    """Trades, quotes or order books of many symbols from one source.

    Attributes:
        frame: long frame in order of arrival, the columns of `kind` in their order. `exchange` and `conditions` are the
            provider's own codes, empty where it tells none; several conditions are set apart by commas.
        source: name of the provider.
    """

    frame: pd.DataFrame
    kind: TickKind
    source: str

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != self.kind.columns:
            raise TicksInvalid(self.source, f"columns are {list(self.frame.columns)}, not {list(self.kind.columns)}")
        for name, wanted in dtypes(self.kind).items():
            if self.frame[name].dtype != wanted:
                raise TicksInvalid(self.source, f"column {name} is {self.frame[name].dtype}, not {wanted}")
        for name in (self.kind.time, "received_at"):
            if self.frame[name].isna().any():
                raise TicksInvalid(self.source, f"a tick has no {name}")


class TickStore(Protocol):
    """Where ticks are kept in the order in which they arrived."""

    def append(self, ticks: Ticks) -> int:
        """Write the ticks durably after those there are; appending exactly the same ones again changes nothing.

        Returns:
            How many ticks were not there yet.
        """
        ...

    def read(self, source: str, kind: TickKind, symbols: Sequence[str] | None, start: datetime, end: datetime) -> Ticks:
        """Return the ticks whose time is in [start, end), all symbols when None: by hour, and in it as they arrived.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        ...

    def compact(self, now: datetime) -> int:
        """Join small files of what is over; return of how many hours or days of a source and kind.

        Repeating it changes nothing, and no tick is lost by it.
        """
        ...

    def forget_before(self, day: date) -> int:
        """Forget the days before that one, UTC, of every source; return how many days of a source and kind are gone."""
        ...


def dtypes(kind: TickKind) -> Mapping[str, str]:
    """Return the type of each column."""
    named = {kind.time: TIME_DTYPE, "received_at": TIME_DTYPE, "symbol": "str", "exchange": "str", "conditions": "str"}
    return {name: named.get(name, "float64") for name in kind.columns}


def ticks_frame(rows: pd.DataFrame, kind: TickKind) -> pd.DataFrame:
    """Return a copy of the rows, in their order, with the columns and types of ticks; absent words become empty.

    Args:
        rows: at least `symbol`, the two times (aware) and the price or prices.
    """
    frame = rows.reindex(columns=list(kind.columns)).reset_index(drop=True)
    for name, wanted in dtypes(kind).items():
        if wanted == TIME_DTYPE:
            frame[name] = pd.to_datetime(frame[name], utc=True)
        frame[name] = frame[name].astype(wanted)
        if wanted == "str":
            frame[name] = frame[name].fillna("")
    return frame
