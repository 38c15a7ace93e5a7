"""The store of minute bars: bars come back as they went in, day by day."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from adapters.parquet_minute_bars import ParquetMinuteBars
from tests.intraday_store_battery import ALWAYS, LAST_HOUR, MinuteStoreBattery, some_minutes
from trading.errors import BarsInvalid, StoreCorrupt
from trading.market.minute_bars import MinuteBars, wide_minute_closes


class TestParquetMinutes(MinuteStoreBattery):
    @pytest.fixture
    def new_store(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], ParquetMinuteBars]:
        return lambda: ParquetMinuteBars(tmp_path_factory.mktemp("minutes"))


def test_a_day_is_a_file(tmp_path: Path):
    ParquetMinuteBars(tmp_path).upsert(some_minutes())

    assert sorted(p.name for p in tmp_path.rglob("*.parquet")) == ["2024-01-02.parquet", "2024-01-03.parquet"]


def test_wide_closes_have_a_gap_where_nothing_was_traded(tmp_path: Path):
    store = ParquetMinuteBars(tmp_path)
    store.upsert(some_minutes(symbols=("KO",), minutes=2))
    store.upsert(some_minutes(symbols=("IBM",), minutes=1, start=LAST_HOUR + timedelta(minutes=1), close=161.0))

    closes = wide_minute_closes(store.read("feed", None, *ALWAYS).frame)

    assert list(closes.columns) == ["IBM", "KO"]
    assert list(closes.index) == [pd.Timestamp(LAST_HOUR), pd.Timestamp(LAST_HOUR) + pd.Timedelta(minutes=1)]
    np.testing.assert_array_equal(closes.to_numpy(), [[np.nan, 59.0], [161.0, 60.0]])


def write_minute_by_minute(root: Path, symbol: str, ready: Barrier) -> None:
    ready.wait(60)
    for minute in range(20):
        ParquetMinuteBars(root).upsert(
            some_minutes(symbols=(symbol,), minutes=1, start=datetime(2024, 1, 2, 14, minute, tzinfo=UTC))
        )


def test_two_writers_that_write_the_same_day_lose_nothing(tmp_path: Path):
    ready = Barrier(2)
    with ThreadPoolExecutor() as writers:
        written = [writers.submit(write_minute_by_minute, tmp_path, symbol, ready) for symbol in ("KO", "IBM")]

    assert [writer.exception() for writer in written] == [None, None]
    assert len(ParquetMinuteBars(tmp_path).read("feed", None, *ALWAYS).frame) == 40


def test_bad_minutes_and_bad_files_are_named(tmp_path: Path):
    store, bars = ParquetMinuteBars(tmp_path), some_minutes()
    twice = MinuteBars(frame=pd.concat([bars.frame, bars.frame], ignore_index=True), source="feed")
    store.upsert(bars)
    (tmp_path / "feed" / "2024-01-02.parquet").write_bytes(b"PAR1")

    with pytest.raises(BarsInvalid, match="two bars for one minute"):
        wide_minute_closes(twice.frame)
    with pytest.raises(StoreCorrupt, match=r"2024-01-02\.parquet"):
        store.read("feed", None, *ALWAYS)
    with pytest.raises(StoreCorrupt, match=r"2024-01-02\.parquet"):
        store.upsert(bars)
