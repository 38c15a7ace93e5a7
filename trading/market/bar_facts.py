"""Facts about bars: what every rule of the quality gate looks at, found in one vectorised pass over all symbols.

A bar is *regular* when its session is on the calendar, has come, and was not seen before. The facts after the first
four look at regular bars only; on any other bar, which is never traded on, they have a value that no rule minds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bar_habits import habit_facts
from trading.market.bar_moves import BoolArray, IntArray, Steps, classify_moves
from trading.market.bars import PRICE_COLUMNS, FetchedBars
from trading.market.calendars import TradingCalendar
from trading.market.quality import QualityPolicy

RECENT_SESSIONS = 5  # a gap or a jump this young is what the next decision stands on
COHERENCE_TOLERANCE = 1e-6  # relative; prices that were kept in single precision or multiplied differ that much

_VALUES = (*PRICE_COLUMNS, "volume")
_READ_OFF = ("regular_volume", "lowest_px", "highest_px", "prev_close")

Days = npt.NDArray[np.datetime64]
Facts = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarFacts:
    """Bars with a column for each fact, sorted by symbol and session.

    Columns of `frame` beside those of bars:

    * `regular`: whether the bar is on the calendar, has come, and is not a repetition.
    * `off_calendar`: 1 for a bar on a day that is no session.
    * `future`: 1 for a bar after the last session asked for, 2 for one after today.
    * `repeated`: 1 for a bar that repeats the one before it, 2 for one that contradicts it.
    * `regular_volume`: the volume.
    * `missing_prices`: how many prices are absent or infinite, though the symbol has them on other days.
    * `lowest_px`, `highest_px`: of the prices given; NaN when there is none.
    * `recent`: whether the bar is one of the last few sessions.
    * `sessions_missing`: how many sessions lie between the bar before and this one.
    * `sessions_missing_lately`: the same where one of them is recent, else 0.
    * `sessions_behind`: on the last bar of a symbol, how many sessions are still owed, else 0.
    * `frozen_sessions`: on the last of a run of equal bars, its length, else 0.
    * `prev_close`: close of the regular bar before; NaN when there is none.
    * `log_ret`: log return from close to close that no corporate action explains.
    * `unit_error`: 1 for prices off by a factor near 100.
    * `split_like`: 2 for a move that only a split makes, 1 for one that the market may have made.
    * `jump_ret`: `log_ret` where the move is neither of these two, nor accepted by a person, else 0.
    * `paid`: dividends with this ex-date, per share as the close before counts shares.
    * `dividend_doubt`: 1 for a large dividend that the price does not bear out, 2 for one that repeats one just before.
    * `unusual_move`: 1 where `jump_ret` is many times what is usual for the symbol.
    * `volume_step`: log of the volume over that of the bar before; 0 where there is none.
    * `volume_doubt`: 1 where that step is many times what is usual, or where a volume of 0 is.
    * `copied`: 1 for the bar before once more, volume included, 2 where it is recent.
    * `rounded`: 1 for whole prices of a symbol whose prices have fractions.
    * `alarming_ret`: `jump_ret` where it is recent, or came between close and open and is threefold, else 0.

    Attributes:
        codes: for each row, the place of its symbol in `symbols`.
    """

    frame: pd.DataFrame
    codes: IntArray
    symbols: tuple[str, ...]


def bar_facts(
    fetched: FetchedBars,
    *,
    calendar: TradingCalendar,
    policy: QualityPolicy,
    first: date,
    session: date,
    now: datetime | None,
    listed_since: Mapping[str, date] | None = None,
) -> BarFacts:
    """Return the bars with all their facts.

    The arguments are those of `assess_bars`; without `now`, no bar lies after today.
    """
    calendar.require_session(session)
    bars, codes, symbols = _in_order(fetched.bars.frame)
    grid = _grid(bars, calendar, first, session)
    facts = _calendar_facts(bars, codes, grid, calendar.local_date(now) if now else date.max)
    regular = np.flatnonzero(facts["regular"])
    rows = bars if len(regular) == len(bars) else bars.iloc[regular]
    values = _price_facts(rows, codes[regular], len(symbols))
    steps = Steps.of(fetched, _with(rows, values), codes[regular], symbols)
    values |= _step_facts(steps, grid, first, policy, listed_since or {})
    return BarFacts(frame=_with(bars, facts | _spread(values, regular, len(bars))), codes=codes, symbols=symbols)


def incoherence(frame: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Grade bars whose high lies below another of their prices, or whose low lies above one.

    Prices not given are left out, and so are bars that are not regular.

    Args:
        frame: columns `open`, `high`, `low`, `close`, `regular` and `recent` at least.

    Returns:
        0 for a coherent bar; 2 for one whose close is in doubt, and for any that is recent; else 1: many vendors print
        an open from another market than the high and the low.
    """
    opened, high, low, close = (frame[name].to_numpy() for name in PRICE_COLUMNS)
    slack = COHERENCE_TOLERANCE * np.abs(close)
    high, low = high + slack, low - slack
    close_in_doubt = (high < low) | (close > high) | (close < low)
    incoherent = (close_in_doubt | (opened > high) | (opened < low)) & frame["regular"].to_numpy()
    return np.where(incoherent, np.where(close_in_doubt | frame["recent"].to_numpy(), 2, 1), 0).astype(np.int8)


def _off_calendar(days: Days, grid: Days) -> tuple[BoolArray, BoolArray]:
    """Tell which days are no sessions, and which lie after the last one."""
    on_grid = grid[np.minimum(grid.searchsorted(days), len(grid) - 1)] == days
    after = days > grid[-1]
    return ~(on_grid | after | (days < grid[0])), after


def _in_order(frame: pd.DataFrame) -> tuple[pd.DataFrame, IntArray, tuple[str, ...]]:
    codes, names = pd.factorize(frame["symbol"], sort=True, use_na_sentinel=False)
    days = frame["session"].to_numpy().astype(np.int64)
    same = codes[1:] == codes[:-1]
    if not np.all((codes[1:] > codes[:-1]) | (same & (days[1:] >= days[:-1]))):
        order = np.lexsort((days, codes))
        frame, codes = frame.iloc[order], codes[order]
    return frame.reset_index(drop=True), codes, tuple(str(name) for name in names)


def _grid(bars: pd.DataFrame, calendar: TradingCalendar, first: date, session: date) -> Days:
    """Return the sessions, up to the last one asked for; bars before the first that the calendar knows are regular."""
    earliest = bars["session"].min()
    start = first if pd.isna(earliest) else min(first, earliest.date())
    start = min(start, session)
    sessions: Days = calendar.session_index(start, session).to_numpy()
    return sessions


def _calendar_facts(bars: pd.DataFrame, codes: IntArray, grid: Days, today: date) -> Facts:
    days = bars["session"].to_numpy()
    off_calendar, after = _off_calendar(days, grid)
    repeated = _repeated(bars, codes, days)
    return {
        "off_calendar": off_calendar.astype(np.int8),
        "future": after.astype(np.int8) + (after & (days > np.datetime64(today))).astype(np.int8),
        "repeated": repeated,
        "regular": ~(off_calendar | after | (repeated > 0)),
    }


def _repeated(bars: pd.DataFrame, codes: IntArray, days: Days) -> npt.NDArray[np.int8]:
    repeated = np.zeros(len(bars), dtype=np.int8)
    again = 1 + np.flatnonzero((codes[1:] == codes[:-1]) & (days[1:] == days[:-1]))
    values = bars[list(_VALUES)]
    same = _equal(values.iloc[again].to_numpy(), values.iloc[again - 1].to_numpy()).all(axis=1)
    repeated[again] = np.where(same, 1, 2)
    return repeated


def _price_facts(rows: pd.DataFrame, codes: IntArray, symbols: int) -> Facts:
    missing = np.zeros(len(rows), dtype=np.int8)
    lowest = highest = rows["close"].to_numpy()
    for name in PRICE_COLUMNS:
        prices = rows[name].to_numpy()
        given = np.isfinite(prices)
        due = np.ones(len(rows), dtype=np.bool_)
        if name != "close":  # a source of closes only owes no other price
            due = (np.bincount(codes, weights=~np.isnan(prices), minlength=symbols) > 0)[codes]
        missing += (due & ~given).astype(np.int8)
        lowest, highest = np.fmin(lowest, prices), np.fmax(highest, prices)
    return {
        "regular_volume": rows["volume"].to_numpy(),
        "missing_prices": missing,
        "lowest_px": lowest,
        "highest_px": highest,
    }


def _step_facts(
    steps: Steps,
    grid: Days,
    first: date,
    policy: QualityPolicy,
    listed_since: Mapping[str, date],
) -> Facts:
    at = grid.searchsorted(steps.rows["session"].to_numpy())
    newest = len(grid) - 1
    starts = np.ones(len(at), dtype=np.bool_)
    starts[1:] = steps.codes[1:] != steps.codes[:-1]
    expected = np.empty_like(at)
    expected[1:] = at[:-1] + 1
    due = [max(first, listed_since[s]) if s in listed_since else date.max for s in steps.symbols]
    expected[starts] = grid.searchsorted(np.array(due, dtype=grid.dtype))[steps.codes[starts]]
    missing = np.maximum(at - expected, 0)
    last = np.append(starts[1:], np.ones(min(1, len(at)), dtype=np.bool_))
    recent = at > newest - RECENT_SESSIONS
    moves = classify_moves(steps, recent, policy)
    habits = habit_facts(steps.rows, steps.codes, moves, recent, policy)
    return {
        "recent": recent,
        "sessions_missing": missing,
        "sessions_missing_lately": np.where(at - 1 > newest - RECENT_SESSIONS, missing, 0),
        "sessions_behind": np.where(last, newest - at, 0),
        "frozen_sessions": _frozen_sessions(steps.rows, starts, last),
        **moves,
        **habits,
    }


def _frozen_sessions(rows: pd.DataFrame, starts: BoolArray, last: BoolArray) -> IntArray:
    begins = starts.copy()
    for name in _VALUES:
        values = rows[name].to_numpy()
        begins[1:] |= ~_equal(values[1:], values[:-1])
    run = begins.cumsum() - 1
    ends = last.copy()
    ends[:-1] |= begins[1:]
    return np.where(ends, np.bincount(run)[run] if len(run) else 0, 0)


def _spread(values: Facts, rows: IntArray, count: int) -> Facts:
    """Return the facts of some rows as facts of all; the other rows get 0, or NaN where a fact is read off the bar."""
    if len(rows) == count:
        return values
    whole = {}
    for name, some in values.items():
        whole[name] = np.full(count, np.nan if name in _READ_OFF else 0, dtype=some.dtype)
        whole[name][rows] = some
    return whole


def _with(frame: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Return the frame with more columns, none of which is copied."""
    return pd.DataFrame({str(name): frame[name] for name in frame} | facts, index=frame.index, copy=False)


def _equal(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> BoolArray:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))
