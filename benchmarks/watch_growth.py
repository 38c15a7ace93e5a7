"""What watching more symbols costs, and what the machine itself allows."""

import gc
import os
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.measurement import Measurement, Run, at_most, percentile
from benchmarks.measurement import seconds as timed
from benchmarks.watch_feed_child import symbols, synthetic
from benchmarks.watch_load import market_of
from tasks.monitor import SECOND_US, STEP_US
from trading.monitoring.tick_batch import QUOTE_FIELDS

USUAL = 20  # ticks a second of each symbol
BEGIN_US = 1_704_200_400 * SECOND_US
_BYTES = 8 * len(QUOTE_FIELDS)


def growth(run: Run) -> Iterator[Measurement]:
    """Watch 100, 1,000 and 10,000 symbols, each with five rules and its usual ticks."""
    first = 0.0
    for count in (10, 20) if run.quick else (100, 1_000, 10_000):
        took, held = _seconds(run, count)
        linear, first = first * count, first or percentile(took, 50) / count
        yield Measurement(
            name=f"watch.growth.{count}.p50",
            value=1000 * percentile(took, 50),
            unit="ms",
            baseline=1000 * linear or None,
            note=f"processor time of a second of {count:,} symbols, {USUAL * count:,} ticks, {5 * count:,} rules, "
            f"{SECOND_US // STEP_US} steps, {len(took)} times; baseline: had it grown with their number from the first",
        )
        yield Measurement(
            name=f"watch.growth.{count}.memory",
            value=held / count / 1024,
            unit="KiB/symbol",
            note=f"what the state of {count:,} symbols holds, 15 minutes of samples of each included",
            aim=at_most(held / count / 1024, 50),
        )


def limits(run: Run) -> Iterator[Measurement]:
    """Measure what no watch on this machine can pass: the speed of its memory, and of its disk."""
    rows = np.ones((2**12 if run.quick else 2**21, len(QUOTE_FIELDS)))
    into = np.empty_like(rows)
    copied = len(rows) / min(timed(lambda: np.copyto(into, rows)) for _ in range(10))
    synced = [1000 * _synced(run, number) for number in range(run.repeats(200))]
    yield Measurement(
        name="watch.limits.memory",
        value=copied,
        unit="ticks/s",
        note=f"quotes of {_BYTES} bytes that one core copies: {copied * _BYTES / 1e9:.1f} GB/s; a watch cannot do with "
        "less than one copy",
    )
    for percent in (50, 99):
        yield Measurement(
            name=f"watch.limits.sync.p{percent}",
            value=percentile(synced, percent),
            unit="ms",
            note="4 KiB appended to a file and synced: what the record of each kind of ticks and the ledger's commit "
            "wait for, once a step",
        )


def _seconds(run: Run, count: int) -> tuple[list[float], int]:
    names, repeats = symbols(count), 5 if run.quick else 100
    feed, market = synthetic(USUAL * count, run.seed, count), market_of(names, BEGIN_US)
    feed.take(BEGIN_US)
    market.second(feed.take(BEGIN_US + SECOND_US), BEGIN_US + SECOND_US)
    took = []
    for second in range(1, repeats + 1):
        ends = range(BEGIN_US + second * SECOND_US + STEP_US, BEGIN_US + (second + 1) * SECOND_US + 1, STEP_US)
        batches = [(feed.take(at_us), at_us) for at_us in ends]
        began = time.process_time()
        for batch, at_us in batches:
            market.second(batch, at_us)
        took.append(time.process_time() - began)
    gc.collect()
    return took, sum(array.nbytes for array in market.state.to_arrays().values())


def _synced(run: Run, number: int) -> float:
    with (run.folder / f"synced-{number % 2}").open("ab") as file:
        file.write(bytes(4096))
        file.flush()
        return timed(lambda: os.fsync(file.fileno()))
