"""Eight hours of a session, recorded and then watched again at speed: how long it takes, and what memory it keeps."""

import asyncio
import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import psutil

from adapters.parquet_ticks import ParquetTicks
from adapters.recorded_ticks import RecordedTicks
from benchmarks.measurement import Measurement, Run, at_most
from benchmarks.measurement import seconds as timed
from benchmarks.watch_feed_child import symbols, synthetic
from benchmarks.watch_load import ledger_of, market_of, monitor_of, recorder
from blocks.desk_storage import DeskStorage
from tasks.monitor import SECOND_US, STEP_US
from tasks.pace import Pace

SYMBOLS, HOURS, RATE = 1_000, 8, 2_000
BEGIN = datetime(2024, 1, 2, 13, tzinfo=UTC)
BEGIN_US = int(BEGIN.timestamp()) * SECOND_US
_PARTS = 2 * HOURS


def session(run: Run) -> Iterator[Measurement]:
    """Record eight hours of 1,000 symbols, and watch the record as fast as can be."""
    count, seconds, rate = (20, 160, 200) if run.quick else (SYMBOLS, HOURS * 3600, RATE)
    recorded = timed(lambda: _record(run, count, seconds, rate))
    began, held = time.perf_counter(), list(_watched(run, count, seconds))
    took = time.perf_counter() - began
    ticks, counted = seconds * rate, held[_PARTS // HOURS :]
    slope = float(np.polyfit(np.arange(len(counted)) * seconds / 3600 / _PARTS, counted, 1)[0])
    what = f"{seconds / 3600:g} hours of {count:,} symbols, {ticks:,} ticks, {5 * count:,} rules"
    yield Measurement(
        name="watch.session",
        value=took,
        unit="s",
        baseline=recorded,
        note=f"{what}, {SECOND_US // STEP_US} steps a second, watched again from the record as fast as can be; "
        "baseline: to record and store them",
    )
    yield Measurement(
        name="watch.session.growth",
        value=slope,
        unit="MiB/h",
        note=f"of the memory held at {len(counted)} times, evenly after the first eighth of the same session, a line "
        f"fitted; from {counted[0]:,.0f} to {counted[-1]:,.0f} MiB; an hour of the record is held at a time",
        aim=at_most(slope, 1),
    )


def _record(run: Run, count: int, seconds: int, rate: int) -> None:
    feed, record = synthetic(rate, run.seed, count), recorder(run.folder, symbols(count))
    for second in range(seconds):
        at_us = BEGIN_US + (second + 1) * SECOND_US
        record.write(feed.take(at_us), at_us)
    record.store()


def _watched(run: Run, count: int, seconds: int) -> Iterator[float]:
    """Watch the record; yield the memory held at the end of each part."""
    names, store = symbols(count), ParquetTicks(run.folder / "ticks")
    stream = RecordedTicks(store, "measured", BEGIN, BEGIN + timedelta(seconds=seconds))
    asyncio.run(stream.subscribe({name: place for place, name in enumerate(names)}))
    ledger, _ = ledger_of(DeskStorage(home=run.folder))
    monitor = monitor_of(run.folder, ledger, stream, names, BEGIN_US, market_of(names, BEGIN_US))
    monitor.tells, pace = False, Pace(BEGIN_US, 0.0)
    while (at_us := monitor.next_us(pace)) <= BEGIN_US + seconds * SECOND_US:
        monitor.step(at_us, pace)
        if (at_us - BEGIN_US) % (seconds * SECOND_US // _PARTS) == 0:
            gc.collect()
            yield psutil.Process().memory_info().rss / 2**20
    monitor.end()
