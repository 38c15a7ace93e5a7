"""A disk that is full for a while costs the ticks of that while, and no others."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.parquet_ticks import ParquetTicks
from adapters.tick_recorder import TickRecorder
from adapters.watch_files import WatchFiles
from trading.errors import StoreUnavailable
from trading.market.ticks import TickKind, Ticks
from trading.monitoring.tick_batch import TickBatch

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
OPEN_US, SECOND_US = int(OPEN.timestamp()) * 1_000_000, 1_000_000


@contextmanager
def no_file_longer_than(count: int) -> Iterator[None]:
    """Let writes beyond so many bytes of a file fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def trades(second: int, count: int = 20) -> TickBatch:
    """Return so many trades of a second; their price is its number."""
    at = np.full(count, OPEN_US + second * SECOND_US, dtype=np.int64)
    return TickBatch(
        trade_symbol=np.zeros(count, dtype=np.int32),
        trade_px=np.full(count, float(second)),
        trade_size=np.arange(1.0, count + 1),
        traded_at=at,
        trade_received_at=at,
    )


def write(recorder: TickRecorder, *seconds: int) -> list[int]:
    """Record trades of these seconds, and return those that were refused."""
    refused = []
    for second in seconds:
        try:
            recorder.write(trades(second), OPEN_US + second * SECOND_US)
        except StoreUnavailable:
            refused.append(second)
    return refused


def seconds_stored(store: ParquetTicks) -> list[int]:
    frame = store.read("x", TickKind.TRADES, None, OPEN, OPEN + timedelta(hours=1)).frame
    return sorted({int(px) for px in frame["price"]})


def test_what_comes_once_there_is_room_again_is_recorded(tmp_path: Path):
    store = ParquetTicks(tmp_path / "ticks")
    recorder = TickRecorder(tmp_path / "unstored", store, watched=("AAPL",), source="x")

    before = write(recorder, 1, 2)
    with no_file_longer_than(5_000):
        refused = write(recorder, *range(3, 12))
    after = write(recorder, *range(12, 20))
    recorder.store()

    assert (before, after) == ([], [])
    assert refused
    assert set(seconds_stored(store)) >= {*range(1, 20)} - {*refused}
    assert not list((tmp_path / "unstored").iterdir())


def test_a_minute_that_the_store_refuses_is_stored_later_and_holds_nothing_up(tmp_path: Path):
    class Refusing(ParquetTicks):
        refuses = True

        def append(self, ticks: Ticks) -> int:
            if self.refuses:
                raise StoreUnavailable("ticks", "no space left on device")
            return super().append(ticks)

    store = Refusing(tmp_path / "ticks")
    recorder = TickRecorder(tmp_path / "unstored", store, watched=("AAPL",), source="x")

    refused = write(recorder, 1, 60, 61)
    store.refuses = False
    write(recorder, 120)
    recorder.store()

    assert refused == []
    assert seconds_stored(store) == [1, 60, 61, 120]


def test_a_status_that_cannot_be_written_is_said_to_be_and_leaves_no_draft(tmp_path: Path):
    files = WatchFiles(tmp_path, "paper")
    files.write_status({"at": "then"})

    with no_file_longer_than(10), pytest.raises(StoreUnavailable, match=r"paper\.json"):
        files.write_status({"at": "now", "text": "x" * 100})

    assert files.read_status() == {"at": "then"}
    assert [path.name for path in files.status_path.parent.iterdir()] == ["paper.json"]
