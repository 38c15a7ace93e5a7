"""The store of ticks: every tick is seen once, whatever is killed and whoever reads meanwhile."""

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import parquet_ticks
from adapters.parquet_ticks import ParquetTicks
from tests.intraday_store_battery import ALWAYS, LATER, OPEN, TickStoreBattery, prices, some_trades
from trading.errors import StoreCorrupt
from trading.market.ticks import TickKind


class TestParquetTicks(TickStoreBattery):
    @pytest.fixture
    def new_store(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], ParquetTicks]:
        return lambda: ParquetTicks(tmp_path_factory.mktemp("ticks"))


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
