"""Gaps: sessions of which the calendar says that there was trading, and of which no bar is there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.calendars import TradingCalendar

Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """When bars of a symbol are due.

    Attributes:
        first: None: from its oldest bar on.
        last: None: to its newest bar.
    """

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Gap:
    """Sessions in a row of which a symbol has no bar; both ends are missing too."""

    symbol: str
    first: date
    last: date


def missing_ranges(frame: pd.DataFrame, *, calendar: TradingCalendar, listed: Mapping[str, Listing]) -> tuple[Gap, ...]:
    """Return the gaps of each symbol listed, by symbol and time.

    Args:
        frame: long frame of bars; of other symbols than those listed nothing is said.
        listed: when bars of each symbol are due; one without bars and without both days has no gap.
    """
    sessions = frame["session"].to_numpy()
    known = frame.groupby("symbol").indices
    gaps: list[Gap] = []
    for symbol, listing in sorted(listed.items()):
        gaps += _gaps(
            symbol, np.unique(sessions[known[symbol]]) if symbol in known else sessions[:0], listing, calendar
        )
    return tuple(gaps)


def _gaps(symbol: str, there: Days, listing: Listing, calendar: TradingCalendar) -> Iterator[Gap]:
    first = listing.first or (_date(there[0]) if len(there) else None)
    last = listing.last or (_date(there[-1]) if len(there) else None)
    if first is None or last is None:
        return
    due: Days = calendar.session_index(first, last).to_numpy()
    missing = np.flatnonzero(~np.isin(due, there))
    if not len(missing):
        return
    for run in np.split(missing, 1 + np.flatnonzero(np.diff(missing) > 1)):
        yield Gap(symbol=symbol, first=_date(due[run[0]]), last=_date(due[run[-1]]))


def _date(day: np.datetime64) -> date:
    stamp = pd.Timestamp(day)
    return date(stamp.year, stamp.month, stamp.day)
