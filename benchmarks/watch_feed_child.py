"""A feed in a process of its own: so many ticks a second, each in its time, as rows of float64."""

import asyncio
import sys
import time
from struct import Struct

import numpy as np

from adapters.synthetic_ticks import SyntheticTicks
from trading.monitoring.tick_batch import QUOTE_FIELDS, TRADE_FIELDS

SECOND_US = 1_000_000
CHUNKS = 50  # a second
MARKED_PX = 1e6  # of trades that break a rule
BEGIN, COUNTS = Struct("=q"), Struct("=qq")
_CHUNK_US = SECOND_US // CHUNKS


def symbols(count: int) -> tuple[str, ...]:
    """Return so many names."""
    return tuple(f"S{number:05d}" for number in range(count))


def synthetic(rate: int, seed: int, count: int) -> SyntheticTicks:
    """Return ticks of so many symbols."""
    stream = SyntheticTicks(ticks_per_second=rate, seed=seed)
    asyncio.run(stream.subscribe({name: place for place, name in enumerate(symbols(count))}))
    return stream


def _feed(rate: int, count: int, seconds: int, seed: int) -> None:
    """Write the same ticks each second, each chunk when its time is over; its first trade breaks a rule."""
    stream, chunks = synthetic(rate, seed, count), []
    stream.take(0)
    for chunk in range(CHUNKS):
        batch = stream.take((chunk + 1) * _CHUNK_US)
        chunks.append(
            [np.array([getattr(batch, n) for n in names], dtype=np.float64).T for names in (TRADE_FIELDS, QUOTE_FIELDS)]
        )
    begin_us = (time.time_ns() // 1000 // SECOND_US + 2) * SECOND_US
    out = sys.stdout.buffer
    out.write(BEGIN.pack(begin_us))
    out.flush()
    for second in range(seconds):
        for chunk, columns in enumerate(chunks):
            trades, quotes = (rows.copy() for rows in columns)
            for rows in (trades, quotes):
                rows[:, -2:] += begin_us + second * SECOND_US
            began_us = begin_us + second * SECOND_US + chunk * _CHUNK_US
            marked = [(second * CHUNKS + chunk) % count, MARKED_PX, 1.0, began_us, began_us]
            trades = np.vstack([marked, trades])
            time.sleep(max(0.0, (began_us + _CHUNK_US) / SECOND_US - time.time()))
            out.write(COUNTS.pack(len(trades), len(quotes)) + trades.tobytes() + quotes.tobytes())
            out.flush()


if __name__ == "__main__":
    _feed(*(int(number) for number in sys.argv[1:]))
