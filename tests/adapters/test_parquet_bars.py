"""The bar store in a folder: whoever writes at the same time and whatever goes wrong, nothing is lost."""

import contextlib
import multiprocessing
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from adapters import versioned_file
from adapters.parquet_bars import ParquetBars
from adapters.stored_bars import StoredBars
from tests.bar_source_battery import BarSourceBattery, SourceCase
from tests.bar_store_battery import (
    ALWAYS,
    DECEMBER,
    IN_A_WEEK,
    JANUARY,
    KO_CORRECTED,
    KO_PAID,
    NOW,
    SESSIONS,
    TOMORROW,
    BarStoreBattery,
    NewStore,
    closes,
    some_bars,
)
from trading.errors import StoreCorrupt, StoreUnavailable
from trading.market.bars import FetchStatus
from trading.market.corporate_actions import Split
from trading.market.instruments import Equity


@pytest.fixture
def store(tmp_path: Path) -> ParquetBars:
    return ParquetBars(tmp_path / "bars")


class TestParquetBars(BarStoreBattery):
    @pytest.fixture
    def new_store(self, tmp_path_factory: pytest.TempPathFactory) -> NewStore:
        return lambda: ParquetBars(tmp_path_factory.mktemp("store"))


class TestStoredBars(BarSourceBattery):
    @pytest.fixture
    def case(self, store: ParquetBars) -> SourceCase:
        store.upsert(some_bars(), NOW)
        store.upsert_actions("files", [Split(symbol="KO", ex_date=date(2024, 1, 2), new_per_old=Decimal(2))], NOW)
        source = StoredBars(store, "files", {s: Equity(symbol=s, mic="XNYS") for s in ("KO", "IBM")})
        return SourceCase(
            source=source, symbols=("KO", "IBM"), first=SESSIONS[0], last=SESSIONS[-1], sessions=4, empty_year=2022
        )


def test_an_upsert_that_changes_nothing_leaves_the_files_alone(store: ParquetBars, tmp_path: Path):
    store.upsert(some_bars(), NOW)
    before = {p: p.stat().st_ino for p in tmp_path.rglob("*.parquet")}

    store.upsert(some_bars(), NOW)

    assert len(before) == 2
    assert {p: p.stat().st_ino for p in tmp_path.rglob("*.parquet")} == before


YEAR_END = [date(2023, 12, 1) + timedelta(days=n) for n in range(31)]


def write_one_symbol_each_session(root: Path, symbol: str, both_ready: Barrier) -> None:
    both_ready.wait(60)
    for session in YEAR_END:
        ParquetBars(root).upsert(some_bars(symbols=(symbol,), sessions=[session]), NOW)


def test_two_processes_that_write_the_same_month_lose_nothing(tmp_path: Path):
    spawn = multiprocessing.get_context("spawn")
    both_ready = spawn.Barrier(2)
    writers = [
        spawn.Process(target=write_one_symbol_each_session, args=(tmp_path, symbol, both_ready))
        for symbol in ("KO", "IBM")
    ]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    stored = ParquetBars(tmp_path).read("files", None, *ALWAYS)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert stored.content_hash() == some_bars(sessions=YEAR_END).content_hash()


def rewrite_the_month(root: Path) -> None:
    for close in range(25):
        ParquetBars(root).upsert(some_bars(sessions=JANUARY, close=10.0 + close), NOW)


def test_a_reader_never_sees_half_a_month(tmp_path: Path):
    store = ParquetBars(tmp_path)
    store.upsert(some_bars(sessions=JANUARY), NOW)
    writer = multiprocessing.get_context("spawn").Process(target=rewrite_the_month, args=(tmp_path,))

    writer.start()
    while writer.is_alive():
        for as_of in (None, NOW):
            frame = store.read("files", None, *ALWAYS, as_of=as_of).frame
            assert len(frame) == 4
            assert frame["close"].nunique() == 1

    assert writer.exitcode == 0


@pytest.mark.parametrize("damage", ["cut", "bit", "foreign", "empty"])
def test_a_damaged_file_is_named_and_never_written_over(store: ParquetBars, tmp_path: Path, damage: str):
    store.upsert(some_bars(), NOW)
    path = tmp_path / "bars" / "files" / "2024-01.parquet"
    whole = bytearray(path.read_bytes())
    if damage == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    else:
        closes = pyarrow.parquet.read_metadata(path).row_group(0).column(5)
        whole[closes.data_page_offset - 3] ^= 0x10  # among the prices, which lie before the page that counts them out
        path.write_bytes({"cut": whole[: len(whole) // 2], "bit": whole, "empty": b""}[damage])
    damaged = path.read_bytes()

    with pytest.raises(StoreCorrupt, match=r"2024-01\.parquet cannot be read"):
        store.read("files", None, *ALWAYS)
    with pytest.raises(StoreCorrupt, match=r"2024-01\.parquet cannot be read"):
        store.upsert(some_bars(close=11.0), NOW)

    assert path.read_bytes() == damaged


@pytest.mark.parametrize("at", range(1, 32))
def test_a_single_flipped_bit_never_changes_a_price_unseen(store: ParquetBars, tmp_path: Path, at: int):
    bars = some_bars(symbols=tuple(f"S{n}" for n in range(300)), sessions=JANUARY)
    noise = np.random.default_rng(1).uniform(1, 2, len(bars.frame))  # does not compress, so most bits are prices
    bars.frame["close"] *= noise
    store.upsert(bars, NOW)
    path = tmp_path / "bars" / "files" / "2024-01.parquet"
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) * at // 32] ^= 1

    path.write_bytes(flipped)

    with contextlib.suppress(StoreCorrupt):  # else it struck what says nothing of prices
        assert store.read("files", None, *ALWAYS).content_hash() == bars.content_hash()


class Killed(BaseException):
    """The process is gone."""


def killed_before_write(number: int, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    written = iter(range(100))

    def write_or_die(table: pa.Table, path: Path) -> None:
        if next(written) == number:
            raise Killed
        write_durably(table, path)

    write_durably = versioned_file.write_durably
    with monkeypatch.context() as patched:
        patched.setattr(versioned_file, "write_durably", write_or_die)
        with pytest.raises(Killed):
            work()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("repeated_at", [TOMORROW, IN_A_WEEK])
def test_a_correction_that_is_killed_anywhere_is_finished_by_its_repetition(
    store: ParquetBars, monkeypatch: pytest.MonkeyPatch, number: int, repeated_at: object
):
    store.upsert(some_bars(close=60.0), NOW)
    before = store.read("files", None, *ALWAYS).content_hash()

    killed_before_write(number, monkeypatch, lambda: store.upsert(some_bars(close=59.0), TOMORROW))
    seen = closes(store.read("files", None, *ALWAYS))
    seen_then = store.read("files", None, *ALWAYS, as_of=NOW).content_hash()
    seen_now = closes(store.read("files", None, *ALWAYS, as_of=TOMORROW))
    store.upsert(some_bars(close=59.0), repeated_at)

    assert seen == seen_now == {(s, d): 59.0 if d in DECEMBER and number > 1 else 60.0 for s, d in seen}
    assert seen_then == before
    assert store.read("files", None, *ALWAYS, as_of=NOW).content_hash() == before
    assert store.read("files", None, *ALWAYS).content_hash() == some_bars(close=59.0).content_hash()
    january = [(v.close, v.known_at, v.superseded_at) for v in store.versions("files", "KO", JANUARY[0])]
    assert january == [(60.0, NOW, repeated_at), (59.0, repeated_at, None)]


@pytest.mark.parametrize("number", range(2))
def test_a_withdrawal_that_is_killed_anywhere_is_finished_by_its_repetition(
    store: ParquetBars, monkeypatch: pytest.MonkeyPatch, number: int
):
    store.upsert_actions("files", [KO_PAID], NOW)

    killed_before_write(number, monkeypatch, lambda: store.withdraw("files", [KO_PAID], TOMORROW))
    store.withdraw("files", [KO_PAID], IN_A_WEEK)

    assert store.actions("files", *ALWAYS) == ()
    assert store.actions("files", *ALWAYS, as_of=NOW) == (KO_PAID,)


@pytest.mark.parametrize("number", range(2))
def test_a_corrected_dividend_whose_writing_is_killed_is_finished_by_its_repetition(
    store: ParquetBars, monkeypatch: pytest.MonkeyPatch, number: int
):
    store.upsert_actions("files", [KO_PAID], NOW)

    killed_before_write(number, monkeypatch, lambda: store.upsert_actions("files", [KO_CORRECTED], TOMORROW))
    seen = store.actions("files", *ALWAYS), store.actions("files", *ALWAYS, as_of=TOMORROW)
    store.upsert_actions("files", [KO_CORRECTED], IN_A_WEEK)

    assert seen == ((KO_PAID,), (KO_PAID,))
    assert store.actions("files", *ALWAYS) == (KO_CORRECTED,)
    assert store.actions("files", *ALWAYS, as_of=TOMORROW) == (KO_PAID,)


def test_files_from_before_there_were_versions_are_known_since_ever(store: ParquetBars, tmp_path: Path):
    store.upsert(some_bars(close=60.0), NOW)
    store.upsert_actions("files", [KO_PAID], NOW)
    for path in (tmp_path / "bars" / "files").glob("*.parquet"):
        old = pyarrow.parquet.read_table(path)
        pyarrow.parquet.write_table(old.drop_columns("known_at"), path)

    store.upsert(some_bars(close=59.0, sessions=JANUARY), TOMORROW)
    store.upsert_actions("files", [KO_CORRECTED], TOMORROW)

    assert set(closes(store.read("files", None, *ALWAYS, as_of=NOW - timedelta(days=9999))).values()) == {60.0}
    assert store.actions("files", *ALWAYS, as_of=NOW) == (KO_PAID,)
    assert [(v.close, v.known_at, v.superseded_at) for v in store.versions("files", "KO", JANUARY[0])] == [
        (60.0, None, TOMORROW),
        (59.0, TOMORROW, None),
    ]


def store_under_a_small_file_limit(root: str) -> None:
    """Let writes fail after 2,000 bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
    try:
        ParquetBars(Path(root)).upsert(some_bars(sessions=JANUARY, close=11.0), NOW)
    except StoreUnavailable as exc:
        print(exc)  # noqa: T201 - the parent reads it


def test_a_full_disk_leaves_the_old_month_whole_and_no_litter(store: ParquetBars, tmp_path: Path):
    store.upsert(some_bars(), NOW)
    before = sorted((tmp_path / "bars" / "files").iterdir())
    code = f"from tests.adapters.test_parquet_bars import *; store_under_a_small_file_limit({str(tmp_path / 'bars')!r})"

    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "2024-01.superseded.parquet cannot be used" in child.stdout
    assert "untouched" in child.stdout
    assert sorted((tmp_path / "bars" / "files").iterdir()) == before
    assert store.read("files", None, *ALWAYS).content_hash() == some_bars().content_hash()


def test_a_folder_that_cannot_be_made_is_a_store_unavailable(tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match="cannot be used"):
        ParquetBars(tmp_path / "file").upsert(some_bars(), NOW)


def test_a_damaged_file_of_actions_is_named(store: ParquetBars, tmp_path: Path):
    store.upsert_actions("files", [KO_PAID], NOW)
    (tmp_path / "bars" / "files" / "actions.parquet").write_bytes(b"PAR1")

    with pytest.raises(StoreCorrupt, match=r"actions\.parquet cannot be read"):
        store.actions("files", *ALWAYS)


def test_a_stored_source_knows_the_symbols_it_was_given_even_without_bars(store: ParquetBars):
    store.upsert(some_bars(symbols=("KO",)), NOW)
    source = StoredBars(store, "files", {s: Equity(symbol=s, mic="XNYS") for s in ("KO", "PEP")})

    outcomes = source.fetch(["KO", "PEP", "IBM"], SESSIONS[0], SESSIONS[-1]).outcomes

    assert [o.status for o in outcomes] == [FetchStatus.OK, FetchStatus.NO_BARS, FetchStatus.UNKNOWN_SYMBOL]
