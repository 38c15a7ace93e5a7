"""The store of minute bars: bars come back as they went in, day by day."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from adapters.parquet_minute_bars import ParquetMinuteBars
from trading.errors import BarsInvalid, InvalidValue, StoreCorrupt
from trading.market.bars import UpsertCount
from trading.market.minute_bars import MinuteBars, minute_frame, wide_minute_closes

LAST_HOUR = datetime(2024, 1, 2, 23, 58, tzinfo=UTC)
ALWAYS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))


def some_minutes(
    symbols: tuple[str, ...] = ("IBM", "KO"), minutes: int = 4, close: float = 59.0, start: datetime = LAST_HOUR
) -> MinuteBars:
    rows = [
        {"symbol": s, "bar_start": start + timedelta(minutes=n), "close": close + n, "volume": 100.0}
        for s in symbols
        for n in range(minutes)
    ]
    return MinuteBars(frame=minute_frame(pd.DataFrame(rows)), source="feed")


def test_minutes_of_two_days_come_back_as_they_went_in(tmp_path: Path):
    store, bars = ParquetMinuteBars(tmp_path), some_minutes()

    store.upsert(bars)

    pd.testing.assert_frame_equal(store.read("feed", None, *ALWAYS).frame, bars.frame)
    assert sorted(p.name for p in tmp_path.rglob("*.parquet")) == ["2024-01-02.parquet", "2024-01-03.parquet"]


def test_a_corrected_minute_replaces_the_old_one_and_the_same_again_changes_nothing(tmp_path: Path):
    store = ParquetMinuteBars(tmp_path)
    store.upsert(some_minutes(minutes=3))

    count = store.upsert(some_minutes(symbols=("KO", "PEP"), minutes=3, close=60.0))
    again = store.upsert(some_minutes(symbols=("KO", "PEP"), minutes=3, close=60.0))

    assert count == UpsertCount(added=3, changed=3, unchanged=0)
    assert again == UpsertCount(added=0, changed=0, unchanged=6)
    assert store.read("feed", ["KO"], *ALWAYS).frame["close"].to_list() == [60.0, 61.0, 62.0]
    assert store.read("feed", ["IBM"], *ALWAYS).frame["close"].to_list() == [59.0, 60.0, 61.0]


def test_minutes_are_cut_by_time_the_end_left_out(tmp_path: Path):
    store = ParquetMinuteBars(tmp_path)
    store.upsert(some_minutes())
    midnight = datetime(2024, 1, 3, tzinfo=UTC)

    before = store.read("feed", ["KO"], LAST_HOUR, midnight).frame
    after = store.read("feed", ["KO"], midnight, midnight + timedelta(minutes=1)).frame

    assert before["close"].to_list() == [59.0, 60.0]
    assert after["close"].to_list() == [61.0]
    assert store.read("feed", [], *ALWAYS).frame.empty
    assert store.read("other", None, *ALWAYS).frame.empty


def test_wide_closes_have_a_gap_where_nothing_was_traded(tmp_path: Path):
    store = ParquetMinuteBars(tmp_path)
    store.upsert(some_minutes(symbols=("KO",), minutes=2))
    store.upsert(some_minutes(symbols=("IBM",), minutes=1, start=LAST_HOUR + timedelta(minutes=1), close=161.0))

    closes = wide_minute_closes(store.read("feed", None, *ALWAYS).frame)

    assert list(closes.columns) == ["IBM", "KO"]
    assert list(closes.index) == [pd.Timestamp(LAST_HOUR), pd.Timestamp(LAST_HOUR) + pd.Timedelta(minutes=1)]
    np.testing.assert_array_equal(closes.to_numpy(), [[np.nan, 59.0], [161.0, 60.0]])


def test_old_days_are_forgotten(tmp_path: Path):
    store = ParquetMinuteBars(tmp_path)
    store.upsert(some_minutes())

    forgotten = store.forget_before(date(2024, 1, 3))

    assert forgotten == 1
    assert store.read("feed", None, *ALWAYS).frame["bar_start"].min() == pd.Timestamp("2024-01-03", tz="UTC")


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
        store.upsert(twice)
    with pytest.raises(BarsInvalid, match="two bars for one minute"):
        wide_minute_closes(twice.frame)
    with pytest.raises(InvalidValue, match="start is '2024-01-01T00:00:00'"):
        store.read("feed", None, datetime(2024, 1, 1), ALWAYS[1])  # noqa: DTZ001 - that is the fault
    with pytest.raises(StoreCorrupt, match=r"2024-01-02\.parquet"):
        store.read("feed", None, *ALWAYS)
    with pytest.raises(StoreCorrupt, match=r"2024-01-02\.parquet"):
        store.upsert(bars)
