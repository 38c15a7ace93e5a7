"""What a feed has said since it was last taken: every trade, and of quotes as many as there is room for."""

import math
from struct import Struct
from threading import Lock

import numpy as np

from trading.monitoring.tick_batch import FloatArray, TickBatch

MOST_QUOTES = 200_000  # held at once: some seconds of 1,000 symbols in the worst minute of a day
# A tick is a row of float64, so that rows are columns at once; a time in microseconds is a whole number that float64
# holds exactly until 2255.
_TRADE, _QUOTE = Struct("=5d"), Struct("=7d")
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
        self._most, self._one_sided, self._lock = most_quotes * _QUOTE.size, one_sided_rows, Lock()
        self._trades, self._quotes = bytearray(), bytearray()
        self.conflated = 0

    def trade(self, place: int, px: float, size: float, traded_at: int, received_at: int) -> None:
        """Take a trade; times are microseconds since the epoch, UTC."""
        row = _TRADE.pack(place, px, size, traded_at, received_at)
        with self._lock:
            self._trades += row

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
        row = _QUOTE.pack(
            place,
            _NAN if bid is None else bid,
            _NAN if ask is None else ask,
            _NAN if bid_size is None else bid_size,
            _NAN if ask_size is None else ask_size,
            quoted_at,
            received_at,
        )
        with self._lock:
            self._quotes += row
            if len(self._quotes) >= self._most:
                self._conflate()

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time, in order of arrival; the rest waits."""
        with self._lock:
            trades, self._trades = self._trades, bytearray()
            quotes, self._quotes = self._quotes, bytearray()
            traded, later = _split(_rows(trades, _TRADE), until_us)
            self._trades += later.tobytes()
            quoted, later = _split(_rows(quotes, _QUOTE), until_us)
            self._quotes += later.tobytes()
        traded, quoted = np.ascontiguousarray(traded.T), np.ascontiguousarray(quoted.T)
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
        rows = _rows(self._quotes, _QUOTE)
        told = rows[:, 1] > 0 if self._one_sided else np.zeros(len(rows))  # a row of one side leaves the other
        _, newest = np.unique((2 * rows[:, 0] + told)[::-1], return_index=True)
        kept = rows[np.sort(len(rows) - 1 - newest)]
        self.conflated += len(rows) - len(kept)
        self._quotes = bytearray(kept.tobytes())


def _rows(packed: bytearray, row: Struct) -> FloatArray:
    return np.frombuffer(packed).reshape(-1, row.size // 8)


def _split(rows: FloatArray, until_us: int) -> tuple[FloatArray, FloatArray]:
    """Split where the first row was received at that time or later: what came after it waits behind it."""
    late = rows[:, -1] >= until_us
    first = int(late.argmax()) if late.any() else len(rows)
    return rows[:first], rows[first:]
