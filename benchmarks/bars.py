"""Bars: into the store, out of it, and through the quality gate."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from adapters.gx_bar_suite import GxBarSuite
from adapters.parquet_bars import ParquetBars
from benchmarks.markets import CALENDAR, LAST, SOURCE, YEAR, fill_store, known_at, make_market, write_file
from benchmarks.measurement import Measurement, Run, seconds
from trading.market.adjustments import wide_closes
from trading.market.bar_checks import assess_bars
from trading.market.quality import DayVerdict, QualityPolicy

_KEY = ["symbol", "session"]


def store_upsert(run: Run) -> Iterator[Measurement]:
    """Add one session of 3,000 symbols to a month that holds the sessions before it."""
    symbols = 100 if run.quick else 3000
    market = make_market(symbols, 19, run.seed)  # December 2022 up to the 28th
    month, session = market.bars(slice(0, 18)), market.bars(slice(18, 19))
    plain_path = run.folder / "month.parquet"
    stores = iter(range(1000))

    def upsert() -> Callable[[], object]:
        store = ParquetBars(run.folder / f"store-{next(stores)}")
        store.upsert(month, known_at(market.day(17)))
        return lambda: store.upsert(session, known_at(market.day(18)))

    def plain() -> Callable[[], object]:
        write_file(plain_path, month)
        return lambda: _upsert_plainly(plain_path, session.frame)

    took, baseline = _median(run, upsert, 7), _median(run, plain, 7)
    yield Measurement(
        name="store.upsert3000",
        value=1000 * took,
        unit="ms",
        baseline=1000 * baseline,
        note=f"one session of {symbols} symbols into a month of 18, locked, checksummed, on disk; baseline: pandas "
        "reads, joins, sorts and writes one Parquet file",
    )


def store_read(run: Run) -> Iterator[Measurement]:
    """Read two years of 500 symbols as a wide frame of closes."""
    symbols, sessions = (50 if run.quick else 500), 2 * YEAR
    market = make_market(symbols, sessions, run.seed)
    store, plain_path = ParquetBars(run.folder / "read"), run.folder / "all.parquet"
    fill_store(store, market)
    bars = market.bars()
    write_file(plain_path, bars)
    first = market.day(0)

    def read() -> pd.DataFrame:
        return wide_closes(store.read(SOURCE, market.symbols, first, LAST).frame)

    def read_plainly() -> pd.DataFrame:
        rows = pd.read_parquet(plain_path, columns=[*_KEY, "close"])
        return rows.pivot(index="session", columns="symbol", values="close")

    pd.testing.assert_frame_equal(read(), read_plainly(), check_freq=False)
    took, baseline = _median(run, lambda: read, 9), _median(run, lambda: read_plainly, 9)
    yield Measurement(
        name="store.read500x2y",
        value=1000 * took,
        unit="ms",
        baseline=1000 * baseline,
        note=f"closes of {symbols} symbols over {sessions} sessions as a wide frame, checksums verified; baseline: "
        "pandas reads that one column of one Parquet file and pivots it",
    )


def store_read_as_of(run: Run) -> Iterator[Measurement]:
    """Read two years of 500 symbols as they were known before one bar in a hundred was corrected."""
    symbols, sessions = (50 if run.quick else 500), 2 * YEAR
    market = make_market(symbols, sessions, run.seed)
    store, plain_path = ParquetBars(run.folder / "as-of"), run.folder / "versions.parquet"
    fill_store(store, market)
    bars, then = market.bars(), known_at(LAST)
    wrong = bars.frame[bars.frame.index % 100 == 0]
    right = wrong.assign(close=wrong["close"] + 0.01)
    store.upsert(replace(bars, frame=right), then + timedelta(days=1))
    versions = pd.concat([bars.frame.assign(known_at=then), right.assign(known_at=then + timedelta(days=1))])
    versions.to_parquet(plain_path, index=False)

    def read() -> pd.DataFrame:
        return wide_closes(store.read(SOURCE, market.symbols, market.day(0), LAST, as_of=then).frame)

    def read_plainly() -> pd.DataFrame:
        rows = pd.read_parquet(plain_path, columns=[*_KEY, "close", "known_at"])
        known = rows[rows["known_at"] <= then].sort_values("known_at", kind="stable").drop_duplicates(_KEY, keep="last")
        return known.pivot(index="session", columns="symbol", values="close")

    pd.testing.assert_frame_equal(read(), read_plainly(), check_freq=False)
    took, baseline = _median(run, lambda: read, 9), _median(run, lambda: read_plainly, 9)
    yield Measurement(
        name="store.as_of500x2y",
        value=1000 * took,
        unit="ms",
        baseline=1000 * baseline,
        note=f"closes of {symbols} symbols over {sessions} sessions as known before {len(right):,} of them were "
        "corrected, as a wide frame, checksums verified; baseline: pandas reads one file of all versions, drops "
        "what was not known or not the newest, and pivots it",
    )


def store_bytes(run: Run) -> Iterator[Measurement]:
    """Weigh two years of 500 symbols."""
    symbols, sessions = (50 if run.quick else 500), 2 * YEAR
    market = make_market(symbols, sessions, run.seed)
    folder, plain_path = run.folder / "bytes", run.folder / "plain.parquet"
    fill_store(ParquetBars(folder), market)
    write_file(plain_path, market.bars())
    yield Measurement(
        name="store.bytes_per_bar",
        value=sum(path.stat().st_size for path in folder.rglob("*.parquet")) / (symbols * sessions),
        unit="bytes",
        baseline=plain_path.stat().st_size / (symbols * sessions),
        note=f"on disk, of {symbols} symbols over {sessions} sessions in monthly files, checksums and the time each "
        "bar became known included; baseline: one Parquet file as pandas writes it",
    )


def gx_million(run: Run) -> Iterator[Measurement]:
    """Hold a million bars against the rules, by Great Expectations and by ours."""
    symbols, sessions = (20, 300) if run.quick else (500, 2000)
    market = make_market(symbols, sessions, run.seed)
    fetched, first = market.fetched(), market.day(0)
    suite, policy = GxBarSuite(QualityPolicy(), CALENDAR), QualityPolicy()
    now = datetime(LAST.year, LAST.month, LAST.day, 22, tzinfo=UTC)
    suite.validate(make_market(2, 30, run.seed).fetched(), first, LAST, now=now)  # imports it

    def check() -> None:
        assessed = assess_bars(fetched, calendar=CALENDAR, first=first, session=LAST, policy=policy, now=now)
        assert assessed.report.day_verdict is DayVerdict.TRADE

    def validate() -> None:
        assert not suite.validate(fetched, first, LAST, now=now).critical_symbols()

    took, baseline = _median(run, lambda: validate, 3), _median(run, lambda: check, 3)
    yield Measurement(
        name="gx.1m",
        value=took,
        unit="s",
        baseline=baseline,
        note=f"Great Expectations over {symbols * sessions:,} bars, facts included, no Data Docs; baseline: the same "
        "rules in `assess_bars`, content hash included",
    )


def _median(run: Run, prepare: Callable[[], Callable[[], object]], repeats: int) -> float:
    return statistics.median(seconds(prepare()) for _ in range(run.repeats(repeats)))


def _upsert_plainly(path: Path, rows: pd.DataFrame) -> None:
    both = pd.concat([pd.read_parquet(path), rows], ignore_index=True)
    both.drop_duplicates(_KEY, keep="last").sort_values(_KEY).to_parquet(path, index=False)
