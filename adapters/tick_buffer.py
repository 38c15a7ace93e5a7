"""What a feed has said since it was last taken: every trade, and of quotes as many as there is room for."""

import math
from threading import Lock

import numpy as np

from trading.monitoring.tick_batch import FloatArray, TickBatch

MOST_QUOTES = 200_000  # held at once: some seconds of 1,000 symbols in the worst minute of a day
# A tick is a row of float64, so that rows are columns at once; a time in microseconds is a whole number that float64
# holds exactly until 2255.
_NAN = math.nan


class TickBuffer:
    """Ticks between the thread in which they arrive and the one that takes them.

    Args:
        most_quotes: when more have come since they were last taken, only the newest of each symbol is kept, and what
            was left out is counted. Trades are never left out.
        one_sided_rows: as `TickBatch` has it.

    Attributes:
        conflated: how many quotes were left out.
    """

    def __init__(self, *, most_quotes: int = MOST_QUOTES, one_sided_rows: bool = False) -> None:
        self._most, self._one_sided, self._lock = most_quotes, one_sided_rows, Lock()
        self._trades, self._quotes = _Rows(5), _Rows(7)
        self.conflated = 0

    def trade(self, place: int, px: float, size: float, traded_at: int, received_at: int) -> None:
        """Take a trade; times are microseconds since the epoch, UTC."""
        self._trades.fresh.extend((place, px, size, traded_at, received_at))

    def quote(
        self,
        place: int,
        bid: float | None,
        ask: float | None,
        bid_size: float | None,
        ask_size: float | None,
        quoted_at: int,
        received_at: int,
    ) -> None:
        """Take a quote; None is a side that nobody quotes, or a size that is not told."""
        row = (
            place,
            _NAN if bid is None else bid,
            _NAN if ask is None else ask,
            _NAN if bid_size is None else bid_size,
            _NAN if ask_size is None else ask_size,
            quoted_at,
            received_at,
        )
        fresh = self._quotes.fresh
        fresh.extend(row)
        if len(fresh) >= self._most * len(row):
            self._conflate()

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time, in order of arrival; the rest waits."""
        with self._lock:
            traded, quoted = self._trades.taken(until_us), self._quotes.taken(until_us)
        if len(self._quotes.waiting) >= self._most:
            self._conflate()
        return TickBatch(
            trade_symbol=traded[0].astype(np.int32),
            trade_px=traded[1],
            trade_size=traded[2],
            traded_at=traded[3].astype(np.int64),
            trade_received_at=traded[4].astype(np.int64),
            quote_symbol=quoted[0].astype(np.int32),
            bid=quoted[1],
            ask=quoted[2],
            bid_size=quoted[3],
            ask_size=quoted[4],
            quoted_at=quoted[5].astype(np.int64),
            quote_received_at=quoted[6].astype(np.int64),
            one_sided_rows=self._one_sided,
        )

    def _conflate(self) -> None:
        with self._lock:
            rows = self._quotes.gathered()
            told = rows[:, 1] > 0 if self._one_sided else np.zeros(len(rows))  # a row of one side leaves the other
            _, newest = np.unique((2 * rows[:, 0] + told)[::-1], return_index=True)
            self._quotes.waiting = rows[np.sort(len(rows) - 1 - newest)]
            self.conflated += len(rows) - len(self._quotes.waiting)


class _Rows:
    """Rows of one kind, as they came.

    Python extends a list by a tuple, and deletes a part of it, in one step: who puts a row down asks for no lock. Those
    who take rows out do.

    Attributes:
        fresh: the numbers of rows that nobody has looked at, one row behind the other.
        waiting: rows before them that were not taken yet.
    """

    def __init__(self, width: int) -> None:
        self.fresh: list[float] = []
        self.waiting: FloatArray = np.empty((0, width))

    def gathered(self) -> FloatArray:
        """Take all out."""
        count, width = len(self.fresh), self.waiting.shape[1]
        rows = np.fromiter(self.fresh, dtype=np.float64, count=count).reshape(-1, width)
        del self.fresh[:count]
        rows, self.waiting = np.concatenate((self.waiting, rows)), self.waiting[:0]
        return rows

    def taken(self, until_us: int) -> FloatArray:
        """Take out, as columns, what is before the first row received then or later: what came after it waits."""
        rows = self.gathered()
        late = rows[:, -1] >= until_us
        first = int(late.argmax()) if late.any() else len(rows)
        self.waiting = rows[first:].copy()
        return np.ascontiguousarray(rows[:first].T)
