"""Facts about quotes: what every rule of their gate looks at, found in one vectorised pass over all symbols."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from trading.market.bar_moves import BoolArray, FloatArray
from trading.market.calendars import TradingCalendar
from trading.market.quotes import QUOTE_NUMBERS, Quotes

_UNIT, _UNIT_TOLERANCE = np.log(100), np.log(1.3)
_ALARMING_MOVE = np.log(3)
_PRICES = ("bid", "ask", "last")
_SIZES = ("bid_size", "ask_size", "last_size")


def quote_facts(
    quotes: Quotes, *, calendar: TradingCalendar, now: datetime, closes: Mapping[str, float]
) -> pd.DataFrame:
    """Return the quotes with a column for each fact.

    * `sides_missing`: 0 to 2. `infinite`: how many numbers are.
    * `lowest_px`, `lowest_size`: the least given; a size counts beside a price only.
    * `locked`: 1 for a bid at the ask.
    * `spread_pct`: of the middle, in per cent; NaN without both sides, negative when crossed.
    * `reference`: the middle, else the last trade, else the side there is. `close`: the last.
    * `unit_error`: 1 for a factor near 100 from the close, or between the middle and the last trade.
    * `move_pct`: from the close to the reference, in per cent; 0 where either is unknown, or for a unit error.
    * `alarming_move`: 1 where that is threefold, or a third.
    * `age_s`: seconds since `quoted_at`, or since it was received where the provider tells none.
    * `late_s`: the same while the exchange trades, else 0. `ahead_s`: seconds it lies in the future, else 0.
    * `open`: 1 while the exchange trades. `other_session`: 1 while it trades for a quote from before the open.
    """
    frame = quotes.frame
    numbers = {name: frame[name].to_numpy() for name in QUOTE_NUMBERS}
    bid, ask, last = (_finite(numbers[name]) for name in _PRICES)
    middle = (bid + ask) / 2
    reference = _first_known(middle, last, bid, ask)
    close = frame["symbol"].map(dict(closes)).to_numpy(dtype=np.float64)
    opens_at = _open_since(calendar, now)
    quoted = frame["quoted_at"].fillna(pd.Timestamp(quotes.received_at))
    age = (pd.Timestamp(now) - quoted).dt.total_seconds().to_numpy()
    log_move = _log_ratio(reference, close)
    unit_error = _near_unit(log_move) | _near_unit(_log_ratio(middle, last))
    log_move = np.where(unit_error, 0.0, log_move)
    is_open = opens_at is not None
    return frame.assign(
        sides_missing=np.isnan(bid).astype(np.int8) + np.isnan(ask).astype(np.int8),
        infinite=np.sum([np.isinf(values) for values in numbers.values()], axis=0),
        lowest_px=_least(bid, ask, last),
        lowest_size=_least(*(_beside(numbers[s], numbers[p]) for s, p in zip(_SIZES, _PRICES, strict=True))),
        locked=(bid == ask).astype(np.int8),
        spread_pct=100 * (ask - bid) / np.where(middle > 0, middle, np.nan),
        reference=reference,
        close=close,
        unit_error=unit_error.astype(np.int8),
        move_pct=100 * np.expm1(log_move),
        alarming_move=(np.abs(log_move) > _ALARMING_MOVE).astype(np.int8),
        age_s=age,
        late_s=np.maximum(age, 0.0) if is_open else 0.0,
        ahead_s=np.maximum(-age, 0.0),
        open=np.int8(is_open),
        other_session=(quoted < opens_at).to_numpy().astype(np.int8) if opens_at else np.int8(0),
    )


def _open_since(calendar: TradingCalendar, now: datetime) -> datetime | None:
    """Return when the session that trades now has opened; None while the exchange is closed."""
    day = calendar.local_date(now)
    if not calendar.is_session(day) or not calendar.open_at(day) <= now < calendar.close_at(day):
        return None
    return calendar.open_at(day)


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)


def _first_known(*prices: FloatArray) -> FloatArray:
    known = np.full(len(prices[0]), np.nan)
    for values in prices:
        known = np.where(np.isnan(known), values, known)
    return known


def _least(*values: FloatArray) -> FloatArray:
    least = values[0]
    for more in values[1:]:
        least = np.fmin(least, more)
    return least


def _beside(sizes: FloatArray, prices: FloatArray) -> FloatArray:
    return np.where(np.isnan(prices), np.nan, sizes)


def _log_ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(after / before)
    return np.where(np.isfinite(ratio), ratio, 0.0)


def _near_unit(log_ratio: FloatArray) -> BoolArray:
    return np.asarray(np.abs(np.abs(log_ratio) - _UNIT) <= _UNIT_TOLERANCE)
