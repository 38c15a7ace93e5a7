"""Average true range: how far a price usually moves in a session."""

from collections.abc import Iterable

import pandas as pd

from trading.market.corporate_actions import Split


def average_true_range(bars: pd.DataFrame, sessions: int) -> float | None:
    """Return the average true range after the last bar, in price units.

    The true range is the largest of high - low, |high - close before| and |low - close before|; of the first bar it is
    high - low. The first average is the mean of `sessions` true ranges, and each after it (before x (sessions - 1) +
    true range) / sessions.

    Args:
        bars: columns high, low, close; one symbol, ascending, in the shares of one day.

    Returns:
        None when there are fewer than `sessions` bars, or one of them lacks high, low or close.

    Source: J. Welles Wilder, "New Concepts in Technical Trading Systems" (1978), the volatility index.
    """
    prices = bars[["high", "low", "close"]]
    if len(prices) < sessions or not bool(prices.notna().to_numpy().all()):
        return None
    before = prices["close"].shift()
    ranges = pd.concat(
        [prices["high"] - prices["low"], (prices["high"] - before).abs(), (prices["low"] - before).abs()], axis=1
    ).max(axis=1)
    first = pd.Series([ranges.iloc[:sessions].mean()])
    smoothed = pd.concat([first, ranges.iloc[sessions:]]).ewm(alpha=1 / sessions, adjust=False).mean()
    return float(smoothed.iloc[-1])


def in_shares_after(frame: pd.DataFrame, splits: Iterable[Split]) -> pd.DataFrame:
    """Return raw bars with their prices in the shares there are after the splits.

    Args:
        frame: the frame of DailyBars.
    """
    columns, adjusted = ["open", "high", "low", "close"], frame.copy()
    for split in splits:
        before = (adjusted["symbol"] == split.symbol) & (adjusted["session"] < pd.Timestamp(split.ex_date))
        adjusted.loc[before, columns] /= float(split.new_per_old)
    return adjusted
