"""Facts about bars within the day: what every rule of their gate looks at, in one vectorised pass over all symbols."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bar_facts import COHERENCE_TOLERANCE
from trading.market.bar_moves import BoolArray, FloatArray, IntArray
from trading.market.bars import PRICE_COLUMNS
from trading.market.calendars import TradingCalendar
from trading.market.minute_bars import MinuteBars

_UNIT, _UNIT_TOLERANCE = np.log(100), np.log(1.3)
_HALF_HOUR = 30 * 60 * 1_000_000  # no zone is offset by less

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MinuteFacts:
    """Minute bars with a column for each fact, sorted by symbol and time.

    Columns of `frame` beside those of minute bars:

    * `day`: the session by the exchange's own date, also of a bar before its open or after its close.
    * `phase`: 0 while the exchange trades, 1 on a session before its open or after its close, 2 on no session.
    * `repeated`: 1 for a bar that repeats the one before it, 2 for one that contradicts it.
    * `missing_prices`, `lowest_px`, `highest_px`: as in BarFacts.
    * `incoherent`: 1 for a price above the high or below the low.
    * `unit_error`: 1 for prices off by a factor near 100, within the bar or from the close before.
    * `log_move`: from the close before, of the same session, to the close; 0 where there is none, or a unit error.
    * `gap_s`: seconds without a bar while the exchange traded, before this bar and, on the last, after it.
    """

    frame: pd.DataFrame
    codes: IntArray
    symbols: tuple[str, ...]


def minute_facts(
    bars: MinuteBars, *, calendar: TradingCalendar, length: timedelta, until: datetime | None = None
) -> MinuteFacts:
    """Return the bars with all their facts.

    Args:
        length: of each bar.
        until: bars are owed up to it, aware; None: up to the last close.
    """
    frame, codes, symbols = _in_order(bars.frame)
    start = frame["bar_start"].astype("int64").to_numpy()
    day, opens, closes = _sessions(frame, calendar)
    starts = np.ones(len(frame), dtype=np.bool_)
    starts[1:] = codes[1:] != codes[:-1]
    new_day = starts | np.append(True, day[1:] != day[:-1])[: len(frame)]
    size = length // timedelta(microseconds=1)
    inside = (start + size > opens) & (start < closes)
    return MinuteFacts(
        frame=frame.assign(
            day=day.astype("datetime64[us]"),
            phase=np.where(opens < 0, 2, np.where(inside, 0, 1)).astype(np.int8),
            repeated=_repeated(frame, codes, start),
            gap_s=_gaps(start, opens, closes, new_day, size, _micros(until)) / 1e6,
            **_prices(frame, starts, new_day),
        ),
        codes=codes,
        symbols=symbols,
    )


def _in_order(frame: pd.DataFrame) -> tuple[pd.DataFrame, IntArray, tuple[str, ...]]:
    codes, names = pd.factorize(frame["symbol"], sort=True, use_na_sentinel=False)
    start = frame["bar_start"].astype("int64").to_numpy()
    same = codes[1:] == codes[:-1]
    if not np.all((codes[1:] > codes[:-1]) | (same & (start[1:] >= start[:-1]))):
        order = np.lexsort((start, codes))
        frame, codes = frame.iloc[order], codes[order]
    return frame.reset_index(drop=True), codes, tuple(str(name) for name in names)


def _sessions(frame: pd.DataFrame, calendar: TradingCalendar) -> tuple[npt.NDArray[np.datetime64], Times, Times]:
    """Return for each row its date at the exchange, and open and close of that session; -1 where it is none."""
    halves, where = np.unique(frame["bar_start"].astype("int64").to_numpy() // _HALF_HOUR, return_inverse=True)
    local = [calendar.local_date(datetime.fromtimestamp(half * _HALF_HOUR / 1e6, UTC)) for half in halves.tolist()]
    times = {day: _times(calendar, day) for day in set(local)}
    days = np.array(local, dtype="datetime64[D]")[where] if local else np.empty(0, dtype="datetime64[D]")
    bounds = np.array([times[day] for day in local], dtype=np.int64).reshape(-1, 2)[where]
    return days, bounds[:, 0], bounds[:, 1]


def _times(calendar: TradingCalendar, day: date) -> tuple[int, int]:
    if not calendar.is_session(day):
        return -1, -1
    return _micros(calendar.open_at(day)), _micros(calendar.close_at(day))


def _micros(at: datetime | None) -> int:
    return np.iinfo(np.int64).max if at is None else round(at.timestamp() * 1e6)


def _repeated(frame: pd.DataFrame, codes: IntArray, start: Times) -> npt.NDArray[np.int8]:
    repeated = np.zeros(len(frame), dtype=np.int8)
    again = 1 + np.flatnonzero((codes[1:] == codes[:-1]) & (start[1:] == start[:-1]))
    values = frame[[*PRICE_COLUMNS, "volume"]].to_numpy()
    left, right = values[again], values[again - 1]
    same = ((left == right) | (np.isnan(left) & np.isnan(right))).all(axis=1)
    repeated[again] = np.where(same, 1, 2)
    return repeated


def _gaps(start: Times, opens: Times, closes: Times, new_day: BoolArray, size: int, until: int) -> FloatArray:
    """Return the microseconds of trading without a bar: from the open or the bar before, and up to the close."""
    ends = np.append(new_day[1:], np.ones(min(1, len(start)), dtype=np.bool_))
    known_until = np.empty_like(start)
    known_until[1:] = start[:-1] + size
    known_until = np.maximum(np.where(new_day, opens, known_until), opens)
    before = np.minimum(start, closes) - known_until
    after = np.where(ends, np.minimum(closes, until) - np.maximum(start + size, opens), 0)
    traded = opens >= 0
    return np.where(traded, np.maximum(np.maximum(before, after), 0), 0).astype(np.float64)


def _prices(frame: pd.DataFrame, starts: BoolArray, new_day: BoolArray) -> dict[str, npt.NDArray[np.generic]]:
    opened, high, low, close = (frame[name].to_numpy() for name in PRICE_COLUMNS)
    missing = np.sum([~np.isfinite(prices) for prices in (opened, high, low, close)], axis=0).astype(np.int8)
    lowest, highest = (combine(combine(opened, high), combine(low, close)) for combine in (np.fmin, np.fmax))
    slack = COHERENCE_TOLERANCE * np.abs(close)
    incoherent = (np.fmax(opened, close) > high + slack) | (np.fmin(opened, close) < low - slack) | (high < low - slack)
    before = np.full(len(close), np.nan)
    before[1:] = np.where(starts[1:], np.nan, close[:-1])
    log_move = _log_ratio(close, before)
    unit_error = _near_unit(log_move) | _near_unit(_log_ratio(highest, lowest))
    return {
        "missing_prices": missing,
        "lowest_px": lowest,
        "highest_px": highest,
        "incoherent": incoherent.astype(np.int8),
        "unit_error": unit_error.astype(np.int8),
        "log_move": np.where(unit_error | new_day, 0.0, log_move),
    }


def _log_ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(after / before)
    return np.where(np.isfinite(ratio), ratio, 0.0)


def _near_unit(log_ratio: FloatArray) -> BoolArray:
    return np.asarray(np.abs(np.abs(log_ratio) - _UNIT) <= _UNIT_TOLERANCE)
