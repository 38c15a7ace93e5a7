"""The store of ticks: every tick is seen once, whatever is killed and whoever reads meanwhile."""

import multiprocessing
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import parquet_ticks
from adapters.parquet_ticks import ParquetTicks
from trading.errors import InvalidValue, StoreCorrupt
from trading.market.ticks import TickKind, Ticks, ticks_frame

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
LATER = OPEN + timedelta(days=3)
ALWAYS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))


def some_trades(seconds: Sequence[float], price: float = 59.0, symbol: str = "KO", source: str = "feed") -> Ticks:
    rows = pd.DataFrame({"traded_at": [OPEN + timedelta(seconds=s) for s in seconds]})
    rows = rows.assign(symbol=symbol, received_at=OPEN, price=price, size=100.0, exchange="N", conditions="@,T")
    return Ticks(frame=ticks_frame(rows, TickKind.TRADES), kind=TickKind.TRADES, source=source)


def prices(store: ParquetTicks, symbols: Sequence[str] | None = None) -> list[float]:
    return store.read("feed", TickKind.TRADES, symbols, *ALWAYS).frame["price"].to_list()


def test_ticks_come_back_as_they_went_in_and_in_that_order(tmp_path: Path):
    store, trades = ParquetTicks(tmp_path), some_trades([2, 0.000001, 1])

    added = store.append(trades)

    assert added == 3
    pd.testing.assert_frame_equal(store.read("feed", TickKind.TRADES, None, *ALWAYS).frame, trades.frame)


def test_quotes_and_trades_lie_apart(tmp_path: Path):
    store = ParquetTicks(tmp_path)
    rows = pd.DataFrame({"symbol": ["KO"], "quoted_at": [OPEN], "received_at": [OPEN], "bid": [59.0], "bid_size": [1]})
    quotes = Ticks(frame=ticks_frame(rows, TickKind.QUOTES), kind=TickKind.QUOTES, source="feed")

    store.append(quotes)
    store.append(some_trades([1]))

    pd.testing.assert_frame_equal(store.read("feed", TickKind.QUOTES, ["KO"], *ALWAYS).frame, quotes.frame)
    assert prices(store) == [59.0]


def test_ticks_are_cut_by_symbol_and_by_time_the_end_left_out(tmp_path: Path):
    store = ParquetTicks(tmp_path)
    store.append(some_trades([0, 1800, 3600], price=59.0))
    store.append(some_trades([0, 1800], price=161.0, symbol="IBM"))

    def read(symbols: Sequence[str] | None, start: float, end: float) -> list[float]:
        times = OPEN + timedelta(seconds=start), OPEN + timedelta(seconds=end)
        return store.read("feed", TickKind.TRADES, symbols, *times).frame["price"].to_list()

    assert read(None, 0, 1800) == [59.0, 161.0]
    assert read(["IBM"], 0, 1801) == [161.0, 161.0]
    assert read(["KO"], 1, 3600) == [59.0]
    assert read([], 0, 3600) == []
    assert read(None, 7200, 9000) == []


def test_appending_the_same_ticks_again_adds_none_even_after_they_were_joined(tmp_path: Path):
    store = ParquetTicks(tmp_path)
    store.append(some_trades([1, 2, 1900]))

    again = store.append(some_trades([1, 2, 1900]))
    joined = store.compact(LATER)
    once_more = store.append(some_trades([1, 2, 1900]))

    assert (again, joined, once_more) == (0, 2, 0)
    assert len(prices(store)) == 3


def test_only_hours_that_are_over_are_joined_and_a_late_tick_joins_them_later(tmp_path: Path):
    store = ParquetTicks(tmp_path)
    for second in (1, 2, 1900):
        store.append(some_trades([second], price=float(second)))

    assert store.compact(OPEN + timedelta(minutes=29)) == 0
    assert store.compact(OPEN + timedelta(minutes=40)) == 1
    store.append(some_trades([3], price=3.0))
    assert store.compact(OPEN + timedelta(minutes=40)) == 1

    files = sorted(p.name.split("-")[0] for p in tmp_path.rglob("*.parquet"))
    assert files == ["14.hour", "15.part"]
    assert prices(store) == [1.0, 2.0, 3.0, 1900.0]


def test_old_days_are_forgotten_as_a_whole(tmp_path: Path):
    store = ParquetTicks(tmp_path)
    day = 86_400
    store.append(some_trades([0, day, 2 * day], price=1.0))
    store.append(some_trades([0], source="other"))

    forgotten = store.forget_before(date(2024, 1, 3))

    assert forgotten == 2
    assert [t.date() for t in store.read("feed", TickKind.TRADES, None, *ALWAYS).frame["traded_at"]] == [
        date(2024, 1, 3),
        date(2024, 1, 4),
    ]
    assert store.append(some_trades([0])) == 1


class Killed(BaseException):
    """The process is gone."""


def dying(work: Callable[..., object], number: int) -> Callable[..., object]:
    calls = iter(range(1000))

    def work_or_die(*arguments: object, **named: object) -> object:
        if next(calls) == number:
            raise Killed
        return work(*arguments, **named)

    return work_or_die


STEPS = [("write", 0), ("write", 1), ("unlink", 0), ("unlink", 1), ("unlink", 2), ("unlink", 5)]


@pytest.mark.parametrize(("step", "number"), STEPS)
def test_a_joining_that_is_killed_anywhere_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
):
    store = ParquetTicks(tmp_path)
    for second in (1, 2, 3, 1900, 1901, 1902):
        store.append(some_trades([second], price=float(second)))

    with monkeypatch.context() as patched:
        if step == "write":
            patched.setattr(parquet_ticks, "write_durably", dying(parquet_ticks.write_durably, number))
        else:
            patched.setattr(Path, "unlink", dying(Path.unlink, number))
        with pytest.raises(Killed):
            store.compact(LATER)
    seen, again = prices(store), store.append(some_trades([2], price=2.0))
    store.compact(LATER)

    assert seen == prices(store) == [1.0, 2.0, 3.0, 1900.0, 1901.0, 1902.0]
    assert again == 0
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_a_batch_of_two_hours_that_is_killed_between_them_is_finished_by_its_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = ParquetTicks(tmp_path)

    with monkeypatch.context() as patched:
        patched.setattr(parquet_ticks, "write_durably", dying(parquet_ticks.write_durably, 1))
        with pytest.raises(Killed):
            store.append(some_trades([1, 1900]))
    added = store.append(some_trades([1, 1900]))

    assert added == 1
    assert len(prices(store)) == 2


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.one_of(st.lists(st.integers(0, 7200), min_size=1, max_size=4), st.sampled_from(["compact", "read"])),
        max_size=12,
    )
)
def test_ticks_are_read_by_hour_and_in_it_as_they_arrived_however_often_they_were_joined(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[int] | str]
):
    store, arrived = ParquetTicks(tmp_path_factory.mktemp("ticks")), []

    for number, step in enumerate(steps):
        if step == "compact":
            store.compact(LATER)
        elif step == "read":
            assert len(prices(store)) == len(arrived)
        else:
            store.append(some_trades(step, price=float(number)))
            arrived += [((second + 1800) // 3600, float(number), second) for second in step]

    in_order = sorted(arrived, key=lambda tick: tick[0])  # stable, so by arrival within the hour
    frame = store.read("feed", TickKind.TRADES, None, *ALWAYS).frame
    assert frame["price"].to_list() == [price for _, price, _ in in_order]
    assert ((frame["traded_at"] - OPEN) / pd.Timedelta(seconds=1)).to_list() == [second for *_, second in in_order]


APPENDED = 25


def append_and_join(root: Path, symbol: str, ready: Barrier) -> None:
    ready.wait(60)
    store = ParquetTicks(root)
    for second in range(APPENDED):
        store.append(some_trades([second], price=float(second), symbol=symbol))
        if second % 5 == 0:
            store.compact(LATER)


def test_two_writers_that_also_join_and_a_reader_see_every_tick_once(tmp_path: Path):
    spawn = multiprocessing.get_context("spawn")
    ready, store = spawn.Barrier(2), ParquetTicks(tmp_path)
    writers = [spawn.Process(target=append_and_join, args=(tmp_path, symbol, ready)) for symbol in ("KO", "IBM")]

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        for symbol in ("KO", "IBM"):
            seen = prices(store, [symbol])
            assert seen == [float(n) for n in range(len(seen))]

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert prices(store, ["KO"]) == prices(store, ["IBM"]) == [float(n) for n in range(APPENDED)]


def test_a_damaged_part_is_named_and_never_joined(tmp_path: Path):
    store = ParquetTicks(tmp_path)
    store.append(some_trades([1]))
    (part,) = tmp_path.rglob("*.parquet")
    part.write_bytes(b"PAR1")

    with pytest.raises(StoreCorrupt, match=part.name):
        prices(store)
    with pytest.raises(StoreCorrupt, match=part.name):
        store.compact(LATER)

    assert part.read_bytes() == b"PAR1"


def test_a_source_name_that_could_leave_the_folder_is_refused(tmp_path: Path):
    with pytest.raises(InvalidValue, match="names a folder"):
        ParquetTicks(tmp_path).append(some_trades([1], source="../feed"))
