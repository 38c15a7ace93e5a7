"""The store of option chains."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters.parquet_chains import CHAIN, ChainVersion, ParquetChains
from tests.chain_builders import AT, EXPIRIES, HALF_DAY, NEW_YORK, TERMS, a_chain, changed, real_chains, reframed
from trading.errors import InvalidValue, StoreCorrupt, StoreUnavailable, UnknownSymbol
from trading.market.corporate_actions import CashDividend
from trading.options.chains import ExerciseStyle, OptionChain
from trading.options.terms import PricingTerms, ZeroCurve

FETCHED = AT + timedelta(seconds=5)
HOUR = timedelta(hours=1)
NAN = float("nan")


def same(found: OptionChain, wanted: OptionChain) -> bool:
    pd.testing.assert_frame_equal(found.frame, wanted.frame)
    told = ("underlying", "underlying_px", "style", "source", "at", "multiplier", "currency")
    return all(getattr(found, name) == getattr(wanted, name) for name in told)


def test_a_chain_comes_back_as_it_was(tmp_path: Path):
    chain = replace(
        changed(a_chain(ExerciseStyle.EUROPEAN), EXPIRIES[0], 100, "C", bid=NAN, quoted_at=pd.NaT),
        underlying="^SPX/W",
        multiplier=Decimal("0.1"),
        currency="EUR",
    )
    store = ParquetChains(tmp_path)

    store.save(chain, FETCHED)

    assert same(store.read("test", "^SPX/W"), chain)


@pytest.mark.parametrize("px", [None, 749.15])
def test_a_chain_without_a_price_of_its_underlying_or_without_options_comes_back_too(tmp_path: Path, px: float | None):
    chain = replace(reframed(a_chain(), lambda frame: frame.iloc[:0]), underlying_px=px)
    store = ParquetChains(tmp_path)

    store.save(chain, FETCHED)

    assert same(store.read("test", "ACME"), chain)


def test_real_chains_of_a_day_are_read_by_moment(tmp_path: Path):
    store, chains = ParquetChains(tmp_path), real_chains("GOOG")
    for chain in reversed(chains):
        store.save(chain, chain.at + timedelta(minutes=1))

    assert [version.at for version in store.versions("test data", "GOOG")] == [chain.at for chain in chains]
    assert same(store.read("test data", "GOOG"), chains[-1])
    assert same(store.read("test data", "GOOG", datetime(2015, 12, 24, 10, 59, tzinfo=NEW_YORK)), chains[2])


def test_what_was_known_then_can_be_read_after_it_was_corrected(tmp_path: Path):
    store = ParquetChains(tmp_path)
    first, mended = a_chain(), changed(a_chain(), EXPIRIES[0], 100, "C", bid=2.0)
    store.save(first, FETCHED)
    store.save(mended, FETCHED + HOUR)

    assert same(store.read("test", "ACME"), mended)
    assert same(store.read("test", "ACME", known_by=FETCHED + HOUR / 2), first)
    assert store.versions("test", "ACME") == (ChainVersion(AT, FETCHED), ChainVersion(AT, FETCHED + HOUR))


def test_writing_a_chain_again_changes_nothing(tmp_path: Path):
    store = ParquetChains(tmp_path)

    versions = {store.save(a_chain(), FETCHED), store.save(a_chain(), FETCHED.astimezone(NEW_YORK))}

    assert versions == set(store.versions("test", "ACME"))
    assert len(versions) == 1


def test_a_store_is_a_source_of_chains_up_to_a_moment(tmp_path: Path):
    store = ParquetChains(tmp_path)
    later = replace(a_chain(), at=AT + HOUR)
    for chain in (a_chain(), later):
        store.save(chain, FETCHED + HOUR)

    newest, earlier = store.as_source("test"), store.as_source("test", AT + HOUR / 2)

    assert (newest.name, newest.fetch("ACME").at, earlier.fetch("ACME").at) == ("test", AT + HOUR, AT)


def test_the_newest_chain_before_a_moment_comes_from_whatever_source_with_the_terms_it_was_checked_by(tmp_path: Path):
    store = ParquetChains(tmp_path)
    paid = CashDividend(symbol="ACME", ex_date=date(2024, 6, 10), amount_per_share=Decimal("0.3"), currency="USD")
    curve = ZeroCurve(years=(0.25, 1.0), rates=(0.1, 1 / 3))
    terms = PricingTerms(rate=curve, dividend_yield=0.01, dividends=(paid,), expires=HALF_DAY)
    store.save(a_chain(), FETCHED, TERMS)
    store.save(replace(a_chain(), source="other", at=AT + HOUR), FETCHED + HOUR, terms)
    store.save(replace(a_chain(), source="third", at=AT + 2 * HOUR), FETCHED)

    found = [store.newest("ACME", AT + n * HOUR) for n in range(4)]

    assert found[0] is None
    assert [(kept.chain.source, kept.terms) for kept in found[1:]] == [
        ("test", TERMS),
        ("other", terms),
        ("third", None),
    ]
    assert store.newest("OTHER", AT + HOUR) is None


@pytest.mark.parametrize("when", [{}, {"at": AT - HOUR}, {"known_by": AT}])
def test_what_is_not_stored_is_unknown(tmp_path: Path, when: dict[str, datetime]):
    store = ParquetChains(tmp_path)
    store.save(a_chain(), FETCHED)

    with pytest.raises(UnknownSymbol, match="the store of chains of test does not know"):
        store.read("test", "ACME" if when else "OTHER", **when)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: pq.write_table(pa.table({"x": [1]}), path),
        lambda path: pq.write_table(pq.read_table(path).replace_schema_metadata({}), path),
        lambda path: pq.write_table(pq.read_table(path).replace_schema_metadata({b"openbell.chain": b"{}"}), path),
        lambda path: pq.write_table(
            pq.read_table(path).set_column(2, CHAIN.field("right"), pa.array(["X"] * 54)), path
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, spoil):
    store = ParquetChains(tmp_path)
    store.save(a_chain(), FETCHED)
    (path,) = tmp_path.glob("**/*.parquet")
    spoil(path)

    with pytest.raises(StoreCorrupt, match=path.name):
        store.read("test", "ACME")


def test_files_of_others_are_left_alone(tmp_path: Path):
    store = ParquetChains(tmp_path)
    store.save(a_chain(), FETCHED)
    (tmp_path / "test" / "ACME" / "notes.parquet").write_text("mine")

    assert len(store.versions("test", "ACME")) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [({"source": "../out"}, "names a folder"), ({"underlying": ".."}, "a symbol"), ({"underlying": ""}, "a symbol")],
)
def test_no_name_leads_out_of_the_store(tmp_path: Path, change: dict[str, str], told: str):
    with pytest.raises(InvalidValue, match=told):
        ParquetChains(tmp_path).save(replace(a_chain(), **change), FETCHED)


def test_a_time_without_a_zone_is_refused(tmp_path: Path):
    naive = datetime(2024, 6, 3)  # noqa: DTZ001 - the fault

    with pytest.raises(InvalidValue, match="fetched_at"):
        ParquetChains(tmp_path).save(a_chain(), naive)
    with pytest.raises(InvalidValue, match="known_by"):
        ParquetChains(tmp_path).read("test", "ACME", known_by=naive)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    in_the_way = tmp_path / "chains"
    in_the_way.write_text("a file")

    with pytest.raises(StoreUnavailable, match=str(in_the_way)):
        ParquetChains(in_the_way).save(a_chain(), datetime(2024, 6, 3, tzinfo=UTC))
