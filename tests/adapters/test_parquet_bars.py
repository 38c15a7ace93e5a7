"""The bar store: bars come back as they went in, whoever writes at the same time and whatever goes wrong."""

import contextlib
import multiprocessing
import resource
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.parquet_bars import ParquetBars
from tests.bar_source_battery import BarSourceBattery, SourceCase
from trading.errors import BarsInvalid, InvalidValue, StoreCorrupt, StoreUnavailable
from trading.market.bars import DailyBars, FetchStatus, PriceBasis, UpsertCount, bars_frame
from trading.market.corporate_actions import CashDividend, Split
from trading.market.instruments import Equity

DECEMBER = [date(2023, 12, 28), date(2023, 12, 29)]
JANUARY = [date(2024, 1, 2), date(2024, 1, 3)]
SESSIONS = [*DECEMBER, *JANUARY]
ALWAYS = (date(1990, 1, 1), date(2035, 12, 31))


def some_bars(
    symbols: tuple[str, ...] = ("IBM", "KO"),
    sessions: list[date] = SESSIONS,
    close: float = 10.0,
    source: str = "files",
    price_basis: PriceBasis = PriceBasis.RAW,
) -> DailyBars:
    rows = [
        {"symbol": s, "session": d, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 100}
        for s in symbols
        for d in sessions
    ]
    return DailyBars(frame=bars_frame(pd.DataFrame(rows)), source=source, price_basis=price_basis)


@pytest.fixture
def store(tmp_path: Path) -> ParquetBars:
    return ParquetBars(tmp_path / "bars")


class TestStoredBars(BarSourceBattery):
    @pytest.fixture
    def case(self, store: ParquetBars) -> SourceCase:
        store.upsert(some_bars())
        store.upsert_actions("files", [Split(symbol="KO", ex_date=date(2024, 1, 2), new_per_old=Decimal(2))])
        source = store.as_source("files", {s: Equity(symbol=s, mic="XNYS") for s in ("KO", "IBM")})
        return SourceCase(
            source=source, symbols=("KO", "IBM"), first=SESSIONS[0], last=SESSIONS[-1], sessions=4, empty_year=2022
        )


def test_bars_come_back_as_they_went_in(store: ParquetBars):
    bars = some_bars()

    store.upsert(bars)

    assert store.read("files", None, *ALWAYS).content_hash() == bars.content_hash()


def test_an_upsert_counts_what_it_added_changed_and_found_equal(store: ParquetBars):
    store.upsert(some_bars(sessions=JANUARY))

    count = store.upsert(some_bars(symbols=("KO", "PEP"), sessions=JANUARY, close=11.0))
    again = store.upsert(some_bars(symbols=("KO", "PEP"), sessions=JANUARY, close=11.0))

    assert count == UpsertCount(added=2, changed=2, unchanged=0)
    assert again == UpsertCount(added=0, changed=0, unchanged=4)
    assert store.read("files", ["KO"], *ALWAYS).frame["close"].to_list() == [11.0, 11.0]
    assert store.read("files", ["IBM"], *ALWAYS).frame["close"].to_list() == [10.0, 10.0]


def test_a_missing_price_equals_a_missing_price(store: ParquetBars):
    bars = some_bars()
    bars.frame["open"] = np.nan
    store.upsert(bars)

    assert store.upsert(bars) == UpsertCount(added=0, changed=0, unchanged=8)
    assert store.read("files", None, *ALWAYS).content_hash() == bars.content_hash()


def test_an_upsert_that_changes_nothing_leaves_the_files_alone(store: ParquetBars, tmp_path: Path):
    store.upsert(some_bars())
    before = {p: p.stat().st_ino for p in tmp_path.rglob("*.parquet")}

    store.upsert(some_bars())

    assert len(before) == 2
    assert {p: p.stat().st_ino for p in tmp_path.rglob("*.parquet")} == before


def test_a_source_never_stored_has_no_rows(store: ParquetBars):
    assert store.read("files", None, *ALWAYS).frame.empty
    assert store.actions("files", *ALWAYS) == ()


def test_reading_no_symbols_is_not_reading_all(store: ParquetBars):
    store.upsert(some_bars())

    assert store.read("files", [], *ALWAYS).frame.empty


def test_sources_do_not_see_each_other(store: ParquetBars):
    store.upsert(some_bars(source="files", close=10.0))
    store.upsert(some_bars(source="yahoo", close=11.0, price_basis=PriceBasis.ADJUSTED))

    assert set(store.read("files", None, *ALWAYS).frame["close"]) == {10.0}
    assert store.read("yahoo", None, *ALWAYS).price_basis is PriceBasis.ADJUSTED


def test_one_source_keeps_one_price_basis(store: ParquetBars):
    store.upsert(some_bars(sessions=DECEMBER))

    with pytest.raises(
        InvalidValue, match="price_basis is 'adjusted', but must be raw, as all that is stored of files"
    ):
        store.upsert(some_bars(sessions=JANUARY, price_basis=PriceBasis.ADJUSTED))

    assert len(store.read("files", None, *ALWAYS).frame) == 4


@pytest.mark.parametrize("source", ["../files", "", ".hidden", "a/b", "x" * 65])
def test_a_source_name_that_could_leave_the_folder_is_refused(store: ParquetBars, source: str):
    with pytest.raises(InvalidValue, match="names a folder"):
        store.upsert(some_bars(source=source))


def test_two_bars_of_a_symbol_for_one_session_are_not_stored(store: ParquetBars):
    bars = some_bars()
    twice = DailyBars(
        frame=pd.concat([bars.frame, bars.frame], ignore_index=True), source="files", price_basis=PriceBasis.RAW
    )

    with pytest.raises(BarsInvalid, match="two bars for one session"):
        store.upsert(twice)


PRICES = st.one_of(st.just(float("nan")), st.floats(0.01, 1e6, allow_nan=False))
ROWS = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "BRK.B", "ÄÖ", "NA"]), st.integers(0, 400)),
    st.tuples(PRICES, PRICES, PRICES, PRICES, st.floats(0, 1e12)),
    max_size=30,
)


def bars_of(rows: dict[tuple[str, int], tuple[float, ...]]) -> DailyBars:
    frame = pd.DataFrame(
        [(s, date(2023, 1, 1) + timedelta(days=n), *values) for (s, n), values in rows.items()],
        columns=["symbol", "session", "open", "high", "low", "close", "volume"],
    )
    return DailyBars(frame=bars_frame(frame), source="files", price_basis=PriceBasis.RAW)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=ROWS, second=ROWS)
def test_what_was_written_last_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[tuple[str, int], tuple[float, ...]],
    second: dict[tuple[str, int], tuple[float, ...]],
):
    store = ParquetBars(tmp_path_factory.mktemp("store"))

    store.upsert(bars_of(first))
    count = store.upsert(bars_of(second))

    assert store.read("files", None, *ALWAYS).content_hash() == bars_of(first | second).content_hash()
    assert count.added == len(second.keys() - first.keys())
    assert count.added + count.changed + count.unchanged == len(second)


YEAR_END = [date(2023, 12, 1) + timedelta(days=n) for n in range(31)]


def write_one_symbol_each_session(root: Path, symbol: str, both_ready: Barrier) -> None:
    both_ready.wait(60)
    for session in YEAR_END:
        ParquetBars(root).upsert(some_bars(symbols=(symbol,), sessions=[session]))


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
    for close in range(60):
        ParquetBars(root).upsert(some_bars(sessions=JANUARY, close=10.0 + close))


def test_a_reader_never_sees_half_a_month(tmp_path: Path):
    store = ParquetBars(tmp_path)
    store.upsert(some_bars(sessions=JANUARY))
    writer = multiprocessing.get_context("spawn").Process(target=rewrite_the_month, args=(tmp_path,))

    writer.start()
    while writer.is_alive():
        frame = store.read("files", None, *ALWAYS).frame
        assert len(frame) == 4
        assert frame["close"].nunique() == 1

    assert writer.exitcode == 0


@pytest.mark.parametrize("damage", ["cut", "bit", "foreign", "empty"])
def test_a_damaged_file_is_named_and_never_written_over(store: ParquetBars, tmp_path: Path, damage: str):
    store.upsert(some_bars())
    path = tmp_path / "bars" / "files" / "2024-01.parquet"
    whole = bytearray(path.read_bytes())
    if damage == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    else:
        whole[len(whole) // 4] ^= 0x10
        path.write_bytes({"cut": whole[: len(whole) // 2], "bit": whole, "empty": b""}[damage])
    damaged = path.read_bytes()

    with pytest.raises(StoreCorrupt, match=r"2024-01\.parquet cannot be read"):
        store.read("files", None, *ALWAYS)
    with pytest.raises(StoreCorrupt, match=r"2024-01\.parquet cannot be read"):
        store.upsert(some_bars(close=11.0))

    assert path.read_bytes() == damaged


@pytest.mark.parametrize("at", range(1, 32))
def test_a_single_flipped_bit_never_changes_a_price_unseen(store: ParquetBars, tmp_path: Path, at: int):
    bars = some_bars(symbols=tuple(f"S{n}" for n in range(300)), sessions=JANUARY)
    noise = np.random.default_rng(1).uniform(1, 2, len(bars.frame))  # does not compress, so most bits are prices
    bars.frame["close"] *= noise
    store.upsert(bars)
    path = tmp_path / "bars" / "files" / "2024-01.parquet"
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) * at // 32] ^= 1

    path.write_bytes(flipped)

    with contextlib.suppress(StoreCorrupt):  # else it struck what says nothing of prices
        assert store.read("files", None, *ALWAYS).content_hash() == bars.content_hash()


def store_under_a_small_file_limit(root: str) -> None:
    """Let writes fail after 2,000 bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
    try:
        ParquetBars(Path(root)).upsert(some_bars(sessions=JANUARY, close=11.0))
    except StoreUnavailable as exc:
        print(exc)  # noqa: T201 - the parent reads it


def test_a_full_disk_leaves_the_old_month_whole_and_no_litter(store: ParquetBars, tmp_path: Path):
    store.upsert(some_bars())
    before = sorted((tmp_path / "bars" / "files").iterdir())
    code = f"from tests.adapters.test_parquet_bars import *; store_under_a_small_file_limit({str(tmp_path / 'bars')!r})"

    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "2024-01.parquet cannot be written" in child.stdout
    assert "untouched" in child.stdout
    assert sorted((tmp_path / "bars" / "files").iterdir()) == before
    assert store.read("files", None, *ALWAYS).content_hash() == some_bars().content_hash()


def test_a_folder_that_cannot_be_made_is_a_store_unavailable(tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match="cannot be written"):
        ParquetBars(tmp_path / "file").upsert(some_bars())


KO_SPLIT = Split(symbol="KO", ex_date=date(2024, 1, 3), new_per_old=Decimal(1) / Decimal(3))
KO_PAID = CashDividend(symbol="KO", ex_date=date(2024, 1, 3), amount_per_share=Decimal("0.46"))
IBM_PAID = CashDividend(symbol="IBM", ex_date=date(2024, 1, 2), amount_per_share=Decimal("1.66"), currency="EUR")


def test_corporate_actions_come_back_exactly_by_ex_date_and_symbol(store: ParquetBars):
    store.upsert_actions("files", [KO_SPLIT, KO_PAID])
    store.upsert_actions("files", [IBM_PAID])
    store.upsert_actions("files", [])

    assert store.actions("files", *ALWAYS) == (IBM_PAID, KO_PAID, KO_SPLIT)
    assert store.actions("files", date(2024, 1, 3), date(2024, 1, 3)) == (KO_PAID, KO_SPLIT)


def test_a_corrected_dividend_replaces_the_old_one(store: ParquetBars):
    corrected = CashDividend(symbol="KO", ex_date=KO_PAID.ex_date, amount_per_share=Decimal("0.485"))
    store.upsert_actions("files", [KO_PAID, KO_SPLIT])

    store.upsert_actions("files", [corrected])

    assert store.actions("files", *ALWAYS) == (corrected, KO_SPLIT)


def test_a_damaged_file_of_actions_is_named(store: ParquetBars, tmp_path: Path):
    store.upsert_actions("files", [KO_PAID])
    (tmp_path / "bars" / "files" / "actions.parquet").write_bytes(b"PAR1")

    with pytest.raises(StoreCorrupt, match=r"actions\.parquet cannot be read"):
        store.actions("files", *ALWAYS)


def test_a_stored_source_knows_the_symbols_it_was_given_even_without_bars(store: ParquetBars):
    store.upsert(some_bars(symbols=("KO",)))
    source = store.as_source("files", {s: Equity(symbol=s, mic="XNYS") for s in ("KO", "PEP")})

    outcomes = source.fetch(["KO", "PEP", "IBM"], SESSIONS[0], SESSIONS[-1]).outcomes

    assert [o.status for o in outcomes] == [FetchStatus.OK, FetchStatus.NO_BARS, FetchStatus.UNKNOWN_SYMBOL]
