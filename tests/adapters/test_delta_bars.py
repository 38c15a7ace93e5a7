"""The bar store over Delta Lake: the same store, in a folder or in object storage, for any number of machines."""

import itertools
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.delta_bars import DeltaBars
from tests.bar_store_battery import (
    ALWAYS,
    IN_A_WEEK,
    JANUARY,
    KO_CORRECTED,
    KO_PAID,
    NOW,
    TOMORROW,
    BarStoreBattery,
    NewStore,
    closes,
    some_bars,
)
from tests.object_storage import BUCKET, KEY, SECRET, ObjectStorage, object_storage
from trading.errors import InvalidValue, StoreCorrupt, StoreUnavailable
from trading.market.bars import PriceBasis


class TestDeltaBarsInAFolder(BarStoreBattery):
    @pytest.fixture
    def new_store(self, tmp_path_factory: pytest.TempPathFactory) -> NewStore:
        return lambda: DeltaBars(str(tmp_path_factory.mktemp("lake")))


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with object_storage() as server:
        yield server


prefixes = itertools.count()


@pytest.fixture
def url() -> str:
    return f"s3://{BUCKET}/desk-{next(prefixes)}"


def test_bars_in_object_storage_are_read_by_another_machine_as_of_any_moment(storage: ObjectStorage, url: str):
    DeltaBars(url, storage.options()).upsert(some_bars(close=60.0), NOW)
    DeltaBars(url, storage.options()).upsert(some_bars(close=59.0, sessions=JANUARY), TOMORROW)
    DeltaBars(url, storage.options()).upsert_actions("files", [KO_PAID], NOW)
    DeltaBars(url, storage.options()).upsert_actions("files", [KO_CORRECTED], TOMORROW)

    store = DeltaBars(url, storage.options())

    assert store.read("files", None, *ALWAYS, as_of=NOW).content_hash() == some_bars(close=60.0).content_hash()
    assert store.read("files", ["KO"], *ALWAYS).frame["close"].to_list() == [60.0, 60.0, 59.0, 59.0]
    assert [v.close for v in store.versions("files", "KO", JANUARY[0])] == [60.0, 59.0]
    assert store.actions("files", *ALWAYS, as_of=NOW) == (KO_PAID,)
    assert store.actions("files", *ALWAYS) == (KO_CORRECTED,)
    assert store.withdraw("files", [KO_PAID], IN_A_WEEK) == 1


YEAR_END = [date(2023, 12, 30) + timedelta(days=n) for n in range(4)]


def write_one_symbol_each_session(url: str, options: Mapping[str, str], symbol: str, ready: Barrier) -> None:
    ready.wait(60)
    store = DeltaBars(url, {name: SecretStr(value) for name, value in options.items()})
    for session in YEAR_END:
        store.upsert(some_bars(symbols=(symbol,), sessions=[session]), NOW)


def test_two_machines_that_write_the_same_months_at_once_lose_nothing(storage: ObjectStorage, url: str):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(2)
    options = {name: value.get_secret_value() for name, value in storage.options().items()}
    writers = [
        spawn.Process(target=write_one_symbol_each_session, args=(url, options, symbol, ready))
        for symbol in ("KO", "IBM")
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)

    assert [writer.exitcode for writer in writers] == [0, 0]
    stored = DeltaBars(url, storage.options()).read("files", None, *ALWAYS)
    assert stored.content_hash() == some_bars(sessions=YEAR_END).content_hash()
    commits = [key for key in storage.conditional_puts if url.removeprefix("s3:/") in key and key.endswith(".json")]
    assert len(commits) >= 1 + 2 * len(YEAR_END)  # the table's making, and every upsert


def test_writers_at_once_that_tell_the_same_tell_it_once(storage: ObjectStorage, url: str):
    with ThreadPoolExecutor(4) as machines:
        list(machines.map(lambda _: DeltaBars(url, storage.options()).upsert(some_bars(), NOW), range(4)))

    store = DeltaBars(url, storage.options())

    assert store.read("files", None, *ALWAYS).content_hash() == some_bars().content_hash()
    assert [(v.known_at, v.superseded_at) for v in store.versions("files", "KO", JANUARY[0])] == [(NOW, None)]


def test_first_writers_at_once_do_not_bring_two_price_bases(storage: ObjectStorage, url: str):
    def write(price_basis: PriceBasis) -> PriceBasis | None:
        try:
            DeltaBars(url, storage.options()).upsert(some_bars(price_basis=price_basis), NOW)
        except InvalidValue:
            return None
        return price_basis

    with ThreadPoolExecutor(4) as machines:
        written = list(machines.map(write, [PriceBasis.RAW, PriceBasis.ADJUSTED] * 2))

    stored = DeltaBars(url, storage.options()).read("files", None, *ALWAYS).price_basis
    assert set(written) == {stored, None}


def test_small_files_are_joined_and_no_version_is_lost(tmp_path: Path):
    store = DeltaBars(str(tmp_path))
    for n in range(5):
        store.upsert(some_bars(sessions=JANUARY, close=60.0 + n), NOW + timedelta(hours=n))
    store.upsert_actions("files", [KO_PAID], NOW)

    store.compact("files", keep=timedelta(0))

    assert len(list((tmp_path / "files" / "bars" / "month=2024-01").glob("*.parquet"))) == 1
    assert [v.close for v in store.versions("files", "KO", JANUARY[0])] == [60.0, 61.0, 62.0, 63.0, 64.0]
    assert set(closes(store.read("files", None, *ALWAYS, as_of=NOW + timedelta(hours=2))).values()) == {62.0}
    store.compact("never stored")


def test_joining_while_others_write_loses_nothing(tmp_path: Path):
    store = DeltaBars(str(tmp_path))
    store.upsert(some_bars(symbols=("PEP",), sessions=YEAR_END), NOW)

    def write(symbol: str) -> None:
        for session in YEAR_END:
            DeltaBars(str(tmp_path)).upsert(some_bars(symbols=(symbol,), sessions=[session]), NOW)

    with ThreadPoolExecutor(2) as machines:
        written = [machines.submit(write, symbol) for symbol in ("KO", "IBM")]
        while not all(writer.done() for writer in written):
            store.compact("files")

    assert [writer.exception() for writer in written] == [None, None]
    everything = some_bars(symbols=("IBM", "KO", "PEP"), sessions=YEAR_END)
    assert store.read("files", None, *ALWAYS).content_hash() == everything.content_hash()


WORK = {
    "read": lambda store: store.read("files", None, *ALWAYS),
    "upsert": lambda store: store.upsert(some_bars(), NOW),
    "actions": lambda store: store.actions("files", *ALWAYS),
    "upsert_actions": lambda store: store.upsert_actions("files", [KO_PAID], NOW),
    "versions": lambda store: store.versions("files", "KO", JANUARY[0]),
    "withdraw": lambda store: store.withdraw("files", [KO_PAID], NOW),
}


@pytest.mark.parametrize("work", WORK)
def test_an_absent_bucket_is_said_and_is_no_empty_store(storage: ObjectStorage, work: str):
    store = DeltaBars("s3://nowhere/desk", storage.options())

    with pytest.raises(StoreUnavailable, match=r"s3://nowhere/desk/files/\w+ cannot be used \(NoSuchBucket: The spec"):
        WORK[work](store)


@pytest.mark.parametrize("work", WORK)
def test_keys_that_are_not_known_are_said_without_telling_them(storage: ObjectStorage, url: str, work: str):
    store = DeltaBars(url, storage.options())
    storage.require_known_keys(True)

    try:
        with pytest.raises(StoreUnavailable, match="InvalidAccessKeyId") as refused:
            WORK[work](store)
    finally:
        storage.require_known_keys(False)

    assert SECRET not in str(refused.value)
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("work", WORK)
def test_a_server_that_is_down_is_said(storage: ObjectStorage, work: str):
    nobody = storage.options() | {"aws_endpoint_url": SecretStr("http://127.0.0.1:9")}

    with pytest.raises(StoreUnavailable, match="Connection refused"):
        WORK[work](DeltaBars("s3://bars/desk", nobody))


def test_a_server_that_has_gone_down_since_is_said(url: str):
    with object_storage() as storage:
        store = DeltaBars(url, storage.options())
        store.upsert(some_bars(), NOW)
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        store.read("files", None, *ALWAYS)


@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str):
    store = DeltaBars(str(tmp_path))
    store.upsert(some_bars(sessions=JANUARY), NOW)
    (part,) = (tmp_path / "files" / "bars").rglob("part-*.parquet")
    if damage == "gone":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:100] if damage == "cut" else b"PAR1")

    with pytest.raises(StoreCorrupt, match="files/bars cannot be read"):
        store.read("files", None, *ALWAYS)


def test_a_damaged_log_is_named(tmp_path: Path):
    store = DeltaBars(str(tmp_path))
    store.upsert(some_bars(sessions=JANUARY), NOW)
    for entry in (tmp_path / "files" / "bars" / "_delta_log").glob("*.json"):
        entry.write_text("{")

    with pytest.raises(StoreCorrupt, match="files/bars cannot be read"):
        store.read("files", None, *ALWAYS)


def test_secrets_are_not_shown(storage: ObjectStorage):
    store = DeltaBars("s3://bars/desk", storage.options())

    assert SECRET not in repr(vars(store))


@pytest.mark.parametrize("url", ["ftp://host/bars", "s3://", "s3://bars/a b"])
def test_an_address_that_is_none_is_refused(url: str):
    with pytest.raises(InvalidValue, match="url of the bar store"):
        DeltaBars(url)


def test_an_option_that_makes_two_writers_unsafe_is_refused():
    with pytest.raises(InvalidValue, match="two writers at once would lose each other's rows"):
        DeltaBars("s3://bars/desk", {"AWS_S3_ALLOW_UNSAFE_RENAME": SecretStr("true")})
