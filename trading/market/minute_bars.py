"""Minute bars: their shape.

A frame of minute bars is *long*: one row per symbol and minute with activity, sorted by both, with MINUTE_COLUMNS. A
minute in which nothing was traded has no row. Prices are raw, float64, in the currency of the instrument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import numpy as np
import pandas as pd

from trading.errors import BarsInvalid
from trading.market.adjustments import wide_closes
from trading.market.bars import PRICE_COLUMNS, FetchOutcome, UpsertCount

MINUTE_COLUMNS = ("symbol", "bar_start", *PRICE_COLUMNS, "volume")
TIME_DTYPE = "datetime64[us, UTC]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MinuteBars:
    """Minute bars of many symbols from one source.

    Attributes:
        frame: long frame, MINUTE_COLUMNS in that order; `bar_start` in UTC, datetime64[us, UTC].
        source: name of the provider.
    """

    frame: pd.DataFrame
    source: str

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != MINUTE_COLUMNS:
            raise BarsInvalid(self.source, f"columns are {list(self.frame.columns)}, not {list(MINUTE_COLUMNS)}")
        for name in (*PRICE_COLUMNS, "volume"):
            if self.frame[name].dtype != np.float64:
                raise BarsInvalid(self.source, f"column {name} is {self.frame[name].dtype}, not float64")
        if self.frame["bar_start"].dtype != TIME_DTYPE:
            raise BarsInvalid(self.source, f"column bar_start is {self.frame['bar_start'].dtype}, not {TIME_DTYPE}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FetchedMinuteBars:
    """Minute bars as a source gave them, and the outcome of every symbol asked."""

    bars: MinuteBars
    outcomes: tuple[FetchOutcome, ...]


class MinuteBarSource(Protocol):
    """Where minute bars come from."""

    @property
    def name(self) -> str:
        """Return the provider's name."""
        ...

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedMinuteBars:
        """Return the minutes of regular hours of all sessions from `first` to `last`, both included.

        Every symbol asked has exactly one outcome. The minute that still runs is left out.

        Raises:
            InvalidValue: the range ends before it begins, or is not one that the provider keeps.
            SourceUnavailable: the provider as a whole did not answer properly.
        """
        ...


class MinuteStore(Protocol):
    """Where checked minute bars are kept. A bar that is corrected is replaced: of minutes no versions are kept."""

    def upsert(self, bars: MinuteBars) -> UpsertCount:
        """Write the bars durably; they replace rows of the same source, symbol and minute.

        Repeating it changes nothing.
        """
        ...

    def read(self, source: str, symbols: Sequence[str] | None, start: datetime, end: datetime) -> MinuteBars:
        """Return the stored bars that start in [start, end) by symbol and time; all symbols when None.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        ...

    def forget_before(self, day: date) -> int:
        """Forget the days before that one, UTC, of every source; return how many days of a source are gone."""
        ...


def minute_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of the rows with the columns, types and order of minute bars; absent optional columns become NaN.

    Args:
        rows: at least `symbol`, `bar_start` (aware) and `close`.
    """
    frame = rows.reindex(columns=list(MINUTE_COLUMNS))
    frame["symbol"] = frame["symbol"].astype("str")
    frame["bar_start"] = pd.to_datetime(frame["bar_start"], utc=True).astype(TIME_DTYPE)
    for name in (*PRICE_COLUMNS, "volume"):
        frame[name] = frame[name].astype(np.float64)
    return frame.sort_values(["symbol", "bar_start"], kind="stable", ignore_index=True)


def wide_minute_closes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the closes: one row per minute with activity, ascending, one column per symbol, NaN where there is no bar.

    Args:
        frame: the frame of MinuteBars.

    Raises:
        BarsInvalid: a symbol has two bars for one minute.
    """
    if frame.duplicated(["symbol", "bar_start"]).any():
        raise BarsInvalid("the frame", "a symbol has two bars for one minute")
    return wide_closes(frame.rename(columns={"bar_start": "session"})).rename_axis(index="bar_start")
