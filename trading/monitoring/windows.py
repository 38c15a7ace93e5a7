"""The last quarter of an hour of every symbol, second by second: returns, volatility and trend."""

import numpy as np

from trading.monitoring.tick_batch import BoolArray, FloatArray

WINDOWS = (60, 300, 900)  # s
LONGEST = WINDOWS[-1]
RECOMPUTED_EVERY = 60  # samples
_ROWS = LONGEST + 2  # the change that leaves the longest window needs the sample before it
_CHUNK = 128  # symbols whose windows stay in the processor's cache together


class Windows:
    """One sample of the price for each second and symbol, and sums over the last 60, 300 and 900 changes.

    A window that is not full counts from the first sample, and is told from half its length on. The sums are kept up
    by what enters and leaves; every 60 samples they are summed anew, so that rounding never adds up over a session.

    Attributes:
        logs: natural logarithm of the samples, a ring by row; NaN before the first sample of a symbol.
        sampled: how many samples were taken.
        first: `sampled` at the first sample of each symbol; -1 before it.
        squares: sums of squared changes, one row for each window.
        path: sum of absolute changes over the longest window.
    """

    COLUMNS = ("logs", "first", "squares", "path")

    def __init__(self, symbols: int) -> None:
        self.logs = np.full((_ROWS, symbols), np.nan)
        self.sampled = 0
        self.first = np.full(symbols, -1, dtype=np.int64)
        self.squares = np.zeros((len(WINDOWS), symbols))
        self.path = np.zeros(symbols)

    def sample(self, prices: FloatArray) -> None:
        """Take the price of each symbol at the end of a second; NaN only before its first."""
        self.logs[self._row(0)] = np.log(prices)
        self.first[(self.first < 0) & ~np.isnan(prices)] = self.sampled
        self.sampled += 1
        if self.sampled % RECOMPUTED_EVERY == 0:
            self._recompute()
            return
        entering = self._change(1)
        for row, seconds in enumerate(WINDOWS):
            leaving = self._change(1 + seconds)
            self.squares[row] += entering * entering - leaving * leaving
        self.path += np.abs(entering) - np.abs(self._change(1 + LONGEST))

    def return_pct(self, seconds: int) -> FloatArray:
        """Return the change of price over a window, in %; NaN until half of it has been sampled."""
        return 100 * np.expm1(self._net(seconds))

    def volatility_pct(self, seconds: int) -> FloatArray:
        """Return the realized volatility over a window, in %, not annualised; NaN until half of it has been sampled.

        Source: Andersen, Bollerslev, Diebold, Labys, "Modeling and Forecasting Realized Volatility", Econometrica
        71 (2003): the root of the sum of squared returns within the window.
        """
        squares = np.maximum(self.squares[WINDOWS.index(seconds)], 0.0)
        return np.where(self._is_told(seconds), 100 * np.sqrt(squares), np.nan)

    def trend(self) -> FloatArray:
        """Return net change by the way gone over the longest window, of logarithms: -1 straight down, 1 straight up.

        0 where the price has not moved, NaN until half the window has been sampled.

        Source: Perry J. Kaufman, "Trading Systems and Methods", the efficiency ratio (its formula: sierrachart.com,
        "Kaufman Efficiency Ratio"); the sign is kept here, as in the one of TC2000.
        """
        net = self._net(LONGEST)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.clip(net / self.path, -1.0, 1.0)
        return np.where((net == 0) | (self.path <= 0), np.where(np.isnan(net), np.nan, 0.0), ratio)

    def _net(self, seconds: int) -> FloatArray:
        """Return the change of the logarithm over a window, or since the first sample when that is later."""
        told = self._is_told(seconds)
        start = np.where(told, self.logs[self._row(1 + seconds)], np.nan)
        partial = np.flatnonzero(told & np.isnan(start))
        start[partial] = self.logs[self.first[partial] % _ROWS, partial]
        net: FloatArray = self.logs[self._row(1)] - start
        return net

    def _is_told(self, seconds: int) -> BoolArray:
        told: BoolArray = (self.first >= 0) & (2 * (self.sampled - 1 - self.first) >= seconds)
        return told

    def _row(self, back: int) -> int:
        """Return the row of the sample so many before the next."""
        return (self.sampled - back) % _ROWS

    def _change(self, back: int) -> FloatArray:
        """Return the change to the sample so many before the next from the one before it; 0 where there are not two."""
        change: FloatArray = self.logs[self._row(back)] - self.logs[self._row(back + 1)]
        return np.where(np.isnan(change), 0.0, change)

    def _recompute(self) -> None:
        rows = np.arange(self.sampled - 1 - LONGEST, self.sampled) % _ROWS
        for start in range(0, len(self.first), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            changes = np.nan_to_num(np.diff(self.logs[:, chunk][rows], axis=0))
            self.path[chunk] = np.abs(changes).sum(axis=0)
            changes *= changes
            for row, seconds in enumerate(WINDOWS):
                self.squares[row, chunk] = changes[-seconds:].sum(axis=0)
