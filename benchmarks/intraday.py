"""Minute bars and ticks: into their stores and out of them."""

import shutil
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from adapters.parquet_minute_bars import ParquetMinuteBars
from adapters.parquet_ticks import ParquetTicks
from benchmarks.measurement import Measurement, Run, seconds
from trading.market.minute_bars import MinuteBars, minute_frame, wide_minute_closes
from trading.market.ticks import TickKind, Ticks, ticks_frame

OPEN = datetime(2022, 12, 28, 14, 30, tzinfo=UTC)
SESSION_MINUTES = 390
SOURCE = "bench"


def minutes(run: Run) -> Iterator[Measurement]:
    """Store the minutes of a session of 500 symbols, and read their closes wide."""
    symbols, repeats = (20 if run.quick else 500), run.repeats(5)
    bars = _minute_bars(symbols, run.seed)
    plain_path = run.folder / "minutes.parquet"
    stores = [ParquetMinuteBars(run.folder / f"minutes-{number}") for number in range(repeats)]
    wrote = statistics.median(seconds(lambda store=store: store.upsert(bars)) for store in stores)
    wrote_plainly = statistics.median(seconds(lambda: bars.frame.to_parquet(plain_path)) for _ in range(repeats))
    size = f"{len(bars.frame):,} minute bars of {symbols} symbols"
    yield Measurement(
        name="minutes.upsert500",
        value=1000 * wrote,
        unit="ms",
        baseline=1000 * wrote_plainly,
        note=f"{size} into an empty day, locked, compared, checksummed, on disk; baseline: pandas writes one file",
    )

    def read() -> pd.DataFrame:
        return wide_minute_closes(stores[0].read(SOURCE, None, OPEN, OPEN + timedelta(days=1)).frame)

    def read_plainly() -> pd.DataFrame:
        rows = pd.read_parquet(plain_path, columns=["symbol", "bar_start", "close"])
        return rows.pivot(index="bar_start", columns="symbol", values="close")

    pd.testing.assert_frame_equal(read(), read_plainly(), check_freq=False)
    yield Measurement(
        name="minutes.read500",
        value=1000 * statistics.median(seconds(read) for _ in range(repeats)),
        unit="ms",
        baseline=1000 * statistics.median(seconds(read_plainly) for _ in range(repeats)),
        note=f"closes of {size} as a wide frame, checksums verified; baseline: pandas reads that one column and pivots",
    )


def tick_parts(run: Run) -> Iterator[Measurement]:
    """Append parts of 1,000 trades, each on disk before the next."""
    parts = _parts(5 if run.quick else 100, run.seed)
    store, plain = ParquetTicks(run.folder / "ticks"), run.folder / "plain-parts"
    plain.mkdir()
    took = statistics.median([seconds(lambda part=part: store.append(part)) for part in parts])
    baseline = statistics.median([seconds(lambda n=n, p=p: _write(plain, n, p)) for n, p in enumerate(parts)])
    yield Measurement(
        name="ticks.append1000",
        value=1000 * took,
        unit="ms",
        baseline=1000 * baseline,
        note=f"median of {len(parts)} parts of {len(parts[0].frame):,} trades, locked, named by their content, "
        "checksummed, on disk; baseline: pandas writes a file and does not wait for the disk",
    )


def tick_compaction(run: Run) -> Iterator[Measurement]:
    """Join the parts of an hour."""
    parts = _parts(5 if run.quick else 360, run.seed)
    filled, plain = run.folder / "filled", run.folder / "plain-hour"
    plain.mkdir()
    for number, part in enumerate(parts):
        ParquetTicks(filled).append(part)
        _write(plain, number, part)
    folders = [run.folder / f"joined-{number}" for number in range(run.repeats(3))]
    for folder in folders:
        shutil.copytree(filled, folder)
    over = OPEN + timedelta(hours=2)
    took = statistics.median(seconds(lambda folder=folder: ParquetTicks(folder).compact(over)) for folder in folders)

    def join_plainly() -> None:
        pd.concat([pd.read_parquet(path) for path in sorted(plain.iterdir())]).to_parquet(run.folder / "hour.parquet")

    yield Measurement(
        name="ticks.compact",
        value=1000 * took,
        unit="ms",
        baseline=1000 * statistics.median(seconds(join_plainly) for _ in folders),
        note=f"an hour of {len(parts)} parts of {len(parts[0].frame):,} trades to one file, checksums verified and "
        "written, the parts deleted; baseline: pandas reads them, joins them and writes one file",
    )


def _minute_bars(symbols: int, seed: int) -> MinuteBars:
    random = np.random.default_rng(seed)
    close = np.round(100 + random.normal(0, 0.05, (symbols, SESSION_MINUTES)).cumsum(axis=1), 2).ravel()
    starts = [OPEN + timedelta(minutes=minute) for minute in range(SESSION_MINUTES)]
    rows = pd.DataFrame(
        {
            "symbol": np.repeat([f"S{number:04d}" for number in range(symbols)], SESSION_MINUTES),
            "bar_start": np.tile(pd.DatetimeIndex(starts), symbols),
            "open": close,
            "high": close + 0.05,
            "low": close - 0.05,
            "close": close,
            "volume": np.round(np.exp(random.normal(8, 1, len(close)))),
        }
    )
    return MinuteBars(frame=minute_frame(rows), source=SOURCE)


def _parts(count: int, seed: int) -> list[Ticks]:
    """Return parts of 1,000 trades of 100 symbols, all of one hour."""
    random, size = np.random.default_rng(seed), 1000
    names = np.array([f"S{number:04d}" for number in range(100)])
    parts = []
    for number in range(count):
        times = OPEN + pd.to_timedelta(number * 4 + np.sort(random.uniform(0, 4, size)), unit="s").round("us")
        rows = pd.DataFrame(
            {
                "symbol": names[random.integers(0, len(names), size)],
                "traded_at": times,
                "received_at": times + timedelta(milliseconds=40),
                "price": np.round(random.uniform(20, 200, size), 2),
                "size": random.integers(1, 500, size),
                "exchange": "N",
            }
        )
        parts.append(Ticks(frame=ticks_frame(rows, TickKind.TRADES), kind=TickKind.TRADES, source=SOURCE))
    return parts


def _write(folder: Path, number: int, part: Ticks) -> None:
    part.frame.to_parquet(folder / f"{number:08}.parquet", index=False)
