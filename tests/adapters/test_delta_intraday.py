"""Minute bars and ticks over Delta Lake: the same stores, in a folder or in object storage."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from pydantic import SecretStr

from adapters.delta_intraday import DeltaMinuteBars, DeltaTicks, Lake
from tests.intraday_store_battery import (
    ALWAYS,
    LATER,
    OPEN,
    MinuteStoreBattery,
    TickStoreBattery,
    prices,
    some_minutes,
    some_trades,
)
from tests.object_storage import BUCKET, KEY, SECRET, ObjectStorage, object_storage
from trading.errors import StoreCorrupt, StoreUnavailable
from trading.market.ticks import TickKind


class TestMinutesInAFolder(MinuteStoreBattery):
    @pytest.fixture
    def new_store(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], DeltaMinuteBars]:
        return lambda: DeltaMinuteBars(str(tmp_path_factory.mktemp("lake")))


class TestTicksInAFolder(TickStoreBattery):
    @pytest.fixture
    def new_store(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], DeltaTicks]:
        return lambda: DeltaTicks(str(tmp_path_factory.mktemp("lake")))


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with object_storage() as server:
        yield server


prefixes = itertools.count()


@pytest.fixture
def url() -> str:
    return f"s3://{BUCKET}/intraday-{next(prefixes)}"


WRITTEN = 5


def test_two_machines_that_correct_and_add_minutes_of_one_day_at_once_lose_nothing(storage: ObjectStorage, url: str):
    ready = Barrier(2)

    def write(symbol: str) -> None:
        ready.wait(60)
        for minute in range(WRITTEN):
            bars = some_minutes(symbols=(symbol, "PEP"), minutes=1, start=OPEN + timedelta(minutes=minute))
            DeltaMinuteBars(url, storage.options()).upsert(bars)

    with ThreadPoolExecutor(2) as machines:
        written = [machines.submit(write, symbol) for symbol in ("KO", "IBM")]

    store = DeltaMinuteBars(url, storage.options())
    assert [writer.exception() for writer in written] == [None, None]
    assert store.read("feed", None, *ALWAYS).frame["symbol"].value_counts().to_dict() == dict.fromkeys(
        ("KO", "IBM", "PEP"), WRITTEN
    )
    store.upsert(some_minutes(symbols=("PEP",), minutes=1, close=60.0, start=OPEN))
    store.compact()
    assert store.read("feed", ["PEP"], *ALWAYS).frame["close"].to_list() == [60.0, *[59.0] * (WRITTEN - 1)]


def test_two_machines_that_record_at_once_keep_their_order_and_tell_the_same_batch_once(
    storage: ObjectStorage, url: str
):
    ready = Barrier(2)

    def record(symbol: str) -> None:
        ready.wait(60)
        for second in range(WRITTEN):
            DeltaTicks(url, storage.options()).append(some_trades([-second], price=float(second), symbol=symbol))
            DeltaTicks(url, storage.options()).append(some_trades([second], symbol="PEP"))

    with ThreadPoolExecutor(2) as machines:
        written = [machines.submit(record, symbol) for symbol in ("KO", "IBM")]

    store = DeltaTicks(url, storage.options())
    assert [writer.exception() for writer in written] == [None, None]
    for _ in range(2):
        assert prices(store, ["KO"]) == prices(store, ["IBM"]) == [float(n) for n in range(WRITTEN)]
        assert len(prices(store, ["PEP"])) == WRITTEN
        store.compact(LATER)


def test_recording_while_old_days_are_joined_and_forgotten_loses_nothing(tmp_path: Path):
    store = DeltaTicks(str(tmp_path))
    old = [-86_400 * day for day in (3, 2)]
    store.append(some_trades(old))

    def record() -> None:
        for second in range(3 * WRITTEN):
            DeltaTicks(str(tmp_path)).append(some_trades([second], price=float(second)))

    with ThreadPoolExecutor(1) as machine:
        recorder = machine.submit(record)
        while not recorder.done():
            store.compact(LATER)
            store.forget_before(OPEN.date())

    assert recorder.exception() is None
    assert prices(store) == [float(n) for n in range(3 * WRITTEN)]


WORK: dict[str, Callable[[Lake], object]] = {
    "read minutes": lambda lake: lake.minutes.read("feed", None, *ALWAYS),
    "upsert": lambda lake: lake.minutes.upsert(some_minutes()),
    "forget minutes": lambda lake: lake.minutes.forget_before(OPEN.date()),
    "read ticks": lambda lake: lake.ticks.read("feed", TickKind.TRADES, None, *ALWAYS),
    "append": lambda lake: lake.ticks.append(some_trades([1])),
    "compact": lambda lake: lake.ticks.compact(LATER),
}


@pytest.mark.parametrize("work", WORK)
def test_a_server_that_is_down_is_said(storage: ObjectStorage, url: str, work: str):
    nobody = storage.options() | {"aws_endpoint_url": SecretStr("http://127.0.0.1:9")}

    with pytest.raises(StoreUnavailable, match="Connection refused"):
        WORK[work](Lake.at(url, nobody))


@pytest.mark.parametrize("work", WORK)
def test_keys_that_are_not_known_are_said_without_telling_them(storage: ObjectStorage, url: str, work: str):
    lake = Lake.at(url, storage.options())
    storage.require_known_keys(True)

    try:
        with pytest.raises(StoreUnavailable, match="InvalidAccessKeyId") as refused:
            WORK[work](lake)
    finally:
        storage.require_known_keys(False)

    assert SECRET not in f"{refused.value}{lake!r}"
    assert KEY not in f"{refused.value}{lake!r}"
    assert refused.value.__cause__ is None


def test_a_damaged_file_is_named(tmp_path: Path):
    lake = Lake.at(str(tmp_path), {})
    lake.minutes.upsert(some_minutes())
    lake.ticks.append(some_trades([1]))
    for part in tmp_path.rglob("part-*.parquet"):
        part.write_bytes(b"PAR1")

    with pytest.raises(StoreCorrupt, match="minute_bars/rows cannot be read"):
        lake.minutes.read("feed", None, *ALWAYS)
    with pytest.raises(StoreCorrupt, match="ticks/trades cannot be read"):
        prices(lake.ticks)
