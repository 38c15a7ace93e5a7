import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.parquet_ticks import ParquetTicks
from adapters.recorded_ticks import RecordedTicks
from adapters.synthetic_ticks import SyntheticTicks
from adapters.tick_buffer import TickBuffer
from adapters.tick_recorder import TickRecorder, store_what_was_left
from trading.errors import InvalidValue
from trading.market.ticks import TickKind
from trading.monitoring.tick_batch import TickBatch

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
OPEN_US = int(OPEN.timestamp()) * 1_000_000
SECOND_US = 1_000_000
WATCHED = ("AAPL", "IBM")
DAY = (OPEN - timedelta(hours=1), OPEN + timedelta(hours=8))


def test_what_is_received_after_the_time_waits_for_the_next_take():
    buffer = TickBuffer()
    for second, px in ((0, 10.0), (1, 11.0), (2, 12.0)):
        buffer.trade(0, px, 100.0, OPEN_US, OPEN_US + second * SECOND_US)

    first, second = buffer.take(OPEN_US + 2 * SECOND_US), buffer.take(OPEN_US + 3 * SECOND_US)

    assert first.trade_px.tolist() == [10.0, 11.0]
    assert second.trade_px.tolist() == [12.0]
    assert len(buffer.take(OPEN_US + 9 * SECOND_US)) == 0


def test_a_clock_that_goes_back_changes_no_order():
    buffer = TickBuffer()
    for after, px in ((3, 10.0), (1, 11.0), (4, 12.0)):
        buffer.trade(0, px, 100.0, OPEN_US, OPEN_US + after)

    taken = [buffer.take(OPEN_US + until).trade_px.tolist() for until in (2, 4, 5)]

    assert taken == [[], [10.0, 11.0], [12.0]]


def test_a_burst_leaves_out_old_quotes_counted_and_never_a_trade():
    buffer = TickBuffer(most_quotes=10)

    for n in range(95):
        buffer.quote(n % 2, 10.0 + n, 11.0 + n, None, None, OPEN_US, OPEN_US + n)
        buffer.trade(n % 2, 10.5 + n, 1.0, OPEN_US, OPEN_US + n)

    batch = buffer.take(OPEN_US + SECOND_US)
    assert batch.trade_px.tolist() == [10.5 + n for n in range(95)]
    assert len(batch.quote_symbol) + buffer.conflated == 95
    assert len(batch.quote_symbol) < 10
    assert batch.bid[-2:].tolist() == [10.0 + 93, 10.0 + 94]
    assert np.isnan(batch.bid_size).all()


def test_a_burst_of_rows_of_one_side_keeps_both_sides():
    buffer = TickBuffer(most_quotes=4, one_sided_rows=True)

    buffer.quote(0, 10.0, None, 1.0, None, OPEN_US, OPEN_US)
    for n in range(3):
        buffer.quote(0, None, 11.0 + n, None, 1.0, OPEN_US, OPEN_US + n)

    batch = buffer.take(OPEN_US + SECOND_US)
    assert batch.bid[0] == 10.0
    assert batch.ask[1] == 13.0
    assert buffer.conflated == 2


def test_a_replay_gives_each_second_what_came_in_it(tmp_path: Path):
    store = ParquetTicks(tmp_path / "ticks")
    recorder = TickRecorder(tmp_path / "unstored", store, watched=WATCHED, source="synthetic")
    live = _synthetic()
    told = []
    for second in range(40, 200):
        told.append(live.take(OPEN_US + second * SECOND_US))
        recorder.write(told[-1], OPEN_US + second * SECOND_US)
    recorder.store()

    replay = RecordedTicks(store, "synthetic", *DAY)
    _run(replay.subscribe({"IBM": 1, "AAPL": 0}))
    again = [replay.take(OPEN_US + second * SECOND_US) for second in range(40, 200)]

    assert recorder.recorded == sum(map(len, told)) > 1000
    assert [_values(b) for b in again] == [_values(b) for b in told]


def test_a_tick_that_is_told_over_the_hour_comes_when_it_was_received(tmp_path: Path):
    store = ParquetTicks(tmp_path / "ticks")
    three = OPEN_US + 30 * 60 * SECOND_US
    late = _trades([three - 1, three - 2, three + 5], [three + 3, three + 3, three + 6], [10.0, 11.0, 12.0])
    recorder = TickRecorder(tmp_path / "unstored", store, watched=WATCHED, source="x")
    recorder.write(late, three)
    recorder.store()

    replay = RecordedTicks(store, "x", *DAY)
    _run(replay.subscribe({"AAPL": 0, "IBM": 1}))

    assert [replay.take(three + after).trade_px.tolist() for after in (3, 4, 6, 7)] == [[], [10.0, 11.0], [], [12.0]]


def test_a_killed_recorder_loses_no_tick_and_doubles_none(tmp_path: Path):
    store = ParquetTicks(tmp_path / "ticks")
    killed = subprocess.run([sys.executable, "-c", RECORDS_AND_DIES, str(tmp_path)], timeout=60, check=False)

    added = [store_what_was_left(tmp_path / "unstored", store), store_what_was_left(tmp_path / "unstored", store)]

    trades = store.read("synthetic", TickKind.TRADES, None, *DAY).frame
    quotes = store.read("synthetic", TickKind.QUOTES, None, *DAY).frame
    assert killed.returncode == -9
    assert added in ([400, 0], [1000, 0]), "the first minute was in the store before, or was on its way there"
    assert len(trades) + len(quotes) == 1000
    assert trades["price"].is_monotonic_increasing


def test_a_file_that_was_cut_in_the_middle_gives_what_is_whole(tmp_path: Path):
    store, folder = ParquetTicks(tmp_path / "ticks"), tmp_path / "unstored"
    recorder = TickRecorder(folder, store, watched=WATCHED, source="x")
    for second in range(3):
        at = OPEN_US + second * SECOND_US
        recorder.write(_trades([at], [at], [10.0 + second]), at)
    (path,) = folder.glob("*.arrows")
    content = path.read_bytes()
    (folder / "x.trades.1.1.arrows").write_bytes(content[:-40])

    added = store_what_was_left(folder, store)

    assert added == 2
    assert path.exists(), "the one that is being written is left alone"
    recorder.store()


def test_a_load_goes_about_the_last_close_where_there_is_one():
    stream = SyntheticTicks(ticks_per_second=500, levels=lambda symbols: {s: 7.5 for s in symbols if s == "IBM"})
    _run(stream.subscribe({"AAPL": 0, "IBM": 1}))

    batch = stream.take(OPEN_US)

    mids = (batch.bid + batch.ask) / 2
    assert np.abs(mids[batch.quote_symbol == 1] / 7.5 - 1).max() < 0.03  # waves of 2 %, and noise
    assert mids[batch.quote_symbol == 0].min() > 19  # by chance between 20 and 400


def test_a_load_must_have_a_rate():
    with pytest.raises(InvalidValue, match="ticks per second"):
        SyntheticTicks(ticks_per_second=0)


RECORDS_AND_DIES = """
import os, signal, sys
from pathlib import Path
import numpy as np
from adapters.parquet_ticks import ParquetTicks
from adapters.tick_recorder import TickRecorder
from tests.adapters.test_tick_streams import OPEN_US, SECOND_US, WATCHED, _trades
root = Path(sys.argv[1])
recorder = TickRecorder(root / "unstored", ParquetTicks(root / "ticks"), watched=WATCHED, source="synthetic")
for n in range(100):
    at = OPEN_US + n * SECOND_US
    recorder.write(_trades([at] * 10, [at] * 10, [10.0 + n] * 10), at)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _trades(traded_at: list[int], received_at: list[int], px: list[float]) -> TickBatch:
    return TickBatch(
        trade_symbol=np.zeros(len(px), np.int32),
        trade_px=np.array(px),
        trade_size=np.ones(len(px)),
        traded_at=np.array(traded_at, np.int64),
        trade_received_at=np.array(received_at, np.int64),
    )


def _synthetic() -> SyntheticTicks:
    stream = SyntheticTicks(ticks_per_second=50, seed=1)
    _run(stream.subscribe({"AAPL": 0, "IBM": 1}))
    return stream


def _values(batch: TickBatch) -> list[list[float]]:
    names = [n for n in batch.__slots__ if n != "one_sided_rows"]
    return [getattr(batch, name).tolist() for name in names]


def _run(coroutine: object) -> None:
    import asyncio

    asyncio.run(coroutine)  # type: ignore[arg-type]
