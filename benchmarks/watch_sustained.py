"""A whole watch under a load: from a feed in another process to events and alerts in the ledger."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy as sa

from benchmarks.measurement import Measurement, Run, at_least, at_most, percentile
from benchmarks.measurement import seconds as timed
from benchmarks.watch_feed_child import CHUNKS, symbols
from benchmarks.watch_load import FedTicks, FixedRules, ledger_of, market_of, monitor_of, recorder
from blocks.desk_storage import DeskStorage
from tasks.monitor import SECOND_US, STEP_US
from tasks.pace import Pace
from trading.monitoring.rule_book import RuleEvent
from trading.monitoring.tick_batch import QUOTE_FIELDS, TickBatch
from trading.monitoring.watched_market import Second, WatchedMarket

SYMBOLS, SECONDS, USUAL, FLOOD = 1_000, 18, 20_000, 500_000
RATES = (900_000, 800_000, 700_000, 600_000, 500_000, 400_000, 300_000, 200_000, 100_000)
WARM_UP = 2  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a watch has done under a load; times in ms.

    Attributes:
        to_metric, to_alert: of marked ticks, from their receipt; after_step: from the end of their step to the row.
        late: the longest time after its end at which a step was done, in s.
        rest: how long it took, after the last step, to store what was not stored yet, in s.
        cpu: seconds of one core a second.
        grown: MiB of memory at most, above what the process had before.
    """

    rate: int
    fed: float
    to_metric: Sequence[float]
    to_alert: Sequence[float]
    after_step: Sequence[float]
    late: float
    rest: float
    cpu: float
    grown: float

    @property
    def is_sustained(self) -> bool:
        """Tell whether all came, and nothing waited longer and longer."""
        return self.fed >= 0.98 * self.rate and self.late < 1.0 and self.rest < 1.0


def sustained(run: Run) -> Iterator[Measurement]:
    """Watch 1,000 symbols at the usual rate and in a flood, then find the highest rate sustained; on one core."""
    count, usual, flood = (200, 500, 1_000) if run.quick else (SYMBOLS, USUAL, FLOOD)
    cores = os.sched_getaffinity(0)
    mine = {max(cores)}
    _pin(mine)
    try:
        _watch(replace(run, quick=True), 200, 400, cores - mine or cores)  # what is loaded once is loaded then
        loads = [_watch(run, count, rate, cores - mine or cores) for rate in (usual, flood)]
        for rate in (2_000,) if run.quick else RATES:
            loads.append(_watch(run, count, rate, cores - mine or cores))
            if loads[-1].is_sustained:
                break
    finally:
        _pin(cores)
    best = max((load for load in loads if load.is_sustained), key=lambda load: load.rate, default=loads[0])
    yield from _told(best, count)
    for load, name in zip(loads, ("usual", "flood"), strict=False):
        yield from _latencies(load, name)


def _told(best: Load, count: int) -> Iterator[Measurement]:
    value, copied = float(best.rate if best.is_sustained else 0), _copied(best.rate)
    what = (
        f"{count:,} symbols, {5 * count:,} rules looked at every {STEP_US // 1000} ms, every tick through the buffer, "
        "the record (synced each step), metrics, rules and a ledger of SQLite, in a process on one core"
    )
    yield Measurement(
        name="watch.sustained.ticks",
        value=value,
        unit="ticks/s",
        baseline=copied,
        note=f"the highest rate of {', '.join(f'{r:,}' for r in reversed(RATES))} at which no step was a second late "
        f"and the store not a second behind: {what}; the feed is another process; baseline: numpy copies the same "
        "columns",
        aim=at_least(value, FLOOD),
    )
    yield Measurement(
        name="watch.sustained.cpu",
        value=best.fed / best.cpu,
        unit="ticks/s",
        baseline=copied,
        note=f"ticks for each second of processor time of the same process at {best.rate:,} a second: what one core of "
        "its own could watch; baseline as above",
    )


def _latencies(load: Load, name: str) -> Iterator[Measurement]:
    at = f"{load.rate:,} ticks a second, {len(load.to_alert):,} marked trades"
    for percent in (50, 99):
        to_metric, to_alert, after = (percentile(v, percent) for v in (load.to_metric, load.to_alert, load.after_step))
        prefix = f"watch.sustained.{name}"
        yield Measurement(
            name=f"{prefix}.metric.p{percent}",
            value=to_metric,
            unit="ms",
            note=f"from the receipt of a tick until all metrics have it; {at}",
        )
        yield Measurement(
            name=f"{prefix}.alert.p{percent}",
            value=to_alert,
            unit="ms",
            baseline=STEP_US / 1000 * percent / 100,
            note=f"from the receipt of a tick until the alert of the rule that it breaks is in the ledger; {at}; "
            f"baseline: the wait for the end of its step of {STEP_US // 1000} ms alone",
            aim=at_most(to_alert, 250) if percent == 99 else None,
        )
        yield Measurement(
            name=f"{prefix}.after_step.p{percent}",
            value=after,
            unit="ms",
            note=f"of that, from the end of its step on; {at}",
        )
    yield Measurement(
        name=f"watch.sustained.{name}.memory",
        value=load.grown,
        unit="MiB",
        note=f"the most that the process held above what it had before the watch; {at}",
        aim=at_most(load.grown, 50) if name == "usual" else None,
    )


class _TimedMarket(WatchedMarket):
    """A market that notes when each step was measured, and the most memory held by then."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.measured_at: dict[int, int] = {}
        self.most, self._process = 0, psutil.Process()

    def second(self, batch: TickBatch, at_us: int) -> Second:
        told = super().second(batch, at_us)
        self.measured_at[at_us] = _now_us()
        self.most = max(self.most, self._process.memory_info().rss)
        return told


class _TimedWatches(FixedRules):
    """A ledger that notes when each breaking was committed."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.committed_at: dict[str, int] = {}

    def record(self, watch: str, events: Sequence[RuleEvent], *, tells: bool = True) -> tuple[RuleEvent, ...]:
        new = super().record(watch, events, tells=tells)
        self.committed_at |= dict.fromkeys((e.symbol for e in new if e.is_broken), _now_us())
        return new


def _watch(run: Run, count: int, rate: int, feed_cores: set[int]) -> Load:
    seconds, names, before = 3 if run.quick else SECONDS, symbols(count), psutil.Process().memory_info().rss
    storage = DeskStorage(home=Path(tempfile.mkdtemp(dir=run.folder)))
    ledger, watches = ledger_of(storage, _TimedWatches)
    feed = FedTicks(rate, count, seconds, run.seed, feed_cores)
    market = market_of(names, feed.begin_us, _TimedMarket)
    monitor = monitor_of(storage.home, ledger, feed, names, feed.begin_us, market)
    monitor.recorder = recorder(storage.home, names)
    began = time.process_time()
    try:
        asyncio.run(monitor.run(Pace(0), feed.begin_us + seconds * SECOND_US))
        cpu = (time.process_time() - began) / seconds
    finally:
        asyncio.run(feed.close())
    rest = timed(monitor.end)
    grown = (market.most - before) / 2**20
    return _load(
        feed, market.measured_at, watches.committed_at, rate=rate, seconds=seconds, rest=rest, cpu=cpu, grown=grown
    )


def _load(
    feed: FedTicks,
    measured_at: Mapping[int, int],
    committed_at: Mapping[str, int],
    *,
    rate: int,
    seconds: int,
    rest: float,
    cpu: float,
    grown: float,
) -> Load:
    """Hold the times at which marked ticks were measured and told against those at which they were received."""
    to_metric, to_alert, after_step = [], [], []
    for number, at_us in enumerate(feed.received_us):
        step_us = (at_us // STEP_US + 1) * STEP_US
        if number >= WARM_UP * CHUNKS and step_us in measured_at:  # a few come after the end
            told_us = committed_at[f"S{number:05d}"]
            to_metric.append((measured_at[step_us] - at_us) / 1000)
            to_alert.append((told_us - at_us) / 1000)
            after_step.append((told_us - step_us) / 1000)
    late = max(at - step for step, at in measured_at.items() if step > feed.begin_us + WARM_UP * SECOND_US)
    return Load(
        rate=rate,
        fed=feed.fed / seconds,
        to_metric=to_metric,
        to_alert=to_alert,
        after_step=after_step,
        late=late / SECOND_US,
        rest=rest,
        cpu=cpu,
        grown=grown,
    )


def _copied(rate: int) -> float:
    """Return how many ticks a second numpy copies, in steps of that rate."""
    rows = np.ones((max(rate * STEP_US // SECOND_US, 1), len(QUOTE_FIELDS)))
    into = np.empty_like(rows)
    return len(rows) / min(timed(lambda: np.copyto(into, rows)) for _ in range(50))


def _pin(cores: set[int]) -> None:
    """Have all threads of this process run on these cores."""
    for thread in psutil.Process().threads():
        os.sched_setaffinity(thread.id, cores)


def _now_us() -> int:
    return time.time_ns() // 1000
