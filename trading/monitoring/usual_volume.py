"""How much of each symbol is usually traded by each minute of a session."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from trading.monitoring.tick_batch import FloatArray

LEAST_SESSIONS = 5  # below it one wild day would be what is usual


def usual_volumes(
    frame: pd.DataFrame, opens: Mapping[date, datetime], symbols: Sequence[str], minutes: int
) -> FloatArray | None:
    """Return the median over past sessions of what had been traded by the end of each minute.

    Args:
        frame: minute bars, as `trading.market.minute_bars` has them.
        opens: when each session opened that is to count; half days are better left out.
        minutes: how long the session to come is.

    Returns:
        Shape (minutes, symbols), units; NaN for a symbol that traded in fewer than five of the sessions. None when
        there are fewer sessions than that.
    """
    if len(opens) < LEAST_SESSIONS:
        return None
    days = [_by_minute(frame, opened, symbols, minutes) for opened in opens.values()]
    volumes = np.stack([day.cumsum(axis=0) for day in days])
    traded = (volumes[:, -1] > 0).sum(axis=0) >= LEAST_SESSIONS
    usual = np.maximum.accumulate(np.median(volumes, axis=0), axis=0)
    return np.where(traded, usual, np.nan)


def _by_minute(frame: pd.DataFrame, opened: datetime, symbols: Sequence[str], minutes: int) -> FloatArray:
    until = opened + timedelta(minutes=minutes)
    rows = frame[(frame["bar_start"] >= opened) & (frame["bar_start"] < until) & frame["symbol"].isin(symbols)]
    volumes = np.zeros((minutes, len(symbols)))
    minute = ((rows["bar_start"] - opened) // pd.Timedelta(minutes=1)).to_numpy(dtype=np.int64)
    np.add.at(volumes, (minute, pd.Index(symbols).get_indexer(rows["symbol"])), rows["volume"].to_numpy())
    return volumes
