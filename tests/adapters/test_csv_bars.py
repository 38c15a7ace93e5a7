"""Bars from files: a folder of SYMBOL.csv, or one long CSV or Parquet file."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from adapters.csv_actions import simple_ratio
from adapters.csv_bars import CsvBars
from tests.bar_source_battery import BarSourceBattery, SourceCase
from trading.errors import BarsInvalid, SourceUnavailable
from trading.market.bars import FetchStatus, PriceBasis
from trading.market.corporate_actions import CashDividend, CashMerger, Delisting, Relisting, Rename, Split
from trading.market.instruments import Etf

SHARED = Path(os.environ.get("OPENBELL_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume\n"
WEEK = HEADER + (
    "2024-01-02,10,11,9,10.5,10.1,1000\n2024-01-03,10.5,12,10,11,10.6,1500\n"
    "2024-01-04,11,11.5,10.5,11.2,10.8,900\n2024-01-05,11.2,11.4,11,11.1,10.7,800\n"
)
FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)


def a_folder(path: Path, **files: str) -> CsvBars:
    for symbol, text in files.items():
        (path / f"{symbol}.csv").write_text(text)
    return CsvBars(path, price_basis=PriceBasis.RAW)


def a_file(path: Path, text: str, actions: str | None = None) -> CsvBars:
    (path / "bars.csv").write_text(text)
    if actions is not None:
        (path / "actions.csv").write_text(actions)
    return CsvBars(
        path / "bars.csv",
        price_basis=PriceBasis.RAW,
        actions_path=None if actions is None else path / "actions.csv",
    )


class TestFolder(BarSourceBattery):
    @pytest.fixture
    def case(self, tmp_path: Path) -> SourceCase:
        source = a_folder(tmp_path, KO=WEEK, IBM=WEEK)
        return SourceCase(source=source, symbols=("KO", "IBM"), first=FIRST, last=LAST, sessions=4, empty_year=2023)


class TestLongFile(BarSourceBattery):
    @pytest.fixture
    def case(self, tmp_path: Path) -> SourceCase:
        rows = [f"{s},{line}" for s in ("KO", "IBM") for line in WEEK.splitlines()[1:]]
        source = a_file(
            tmp_path,
            "ticker," + HEADER + "\n".join(reversed(rows)),
            "symbol,ex_date,type,cash_per_share,split_ratio_new_per_old\nKO,2024-01-03,dividend,0.46,\n"
            "KO,2024-01-09,split,,2\nIBM,2024-01-04,split,,2\n",
        )
        return SourceCase(source=source, symbols=("KO", "IBM"), first=FIRST, last=LAST, sessions=4, empty_year=2023)


@pytest.fixture(scope="module")
def real_source() -> CsvBars:
    folder = SHARED / "equity"
    return CsvBars(
        folder / "us_equity_daily_raw.parquet",
        price_basis=PriceBasis.RAW,
        actions_path=folder / "us_equity_events_derived.csv",
    )


@pytest.mark.skipif(not SHARED.exists(), reason="the sample market data is not beside the repository")
class TestRealParquet(BarSourceBattery):
    @pytest.fixture
    def case(self, real_source: CsvBars) -> SourceCase:
        # June 2014 had 21 sessions.
        return SourceCase(
            source=real_source,
            symbols=("AAPL", "SPY", "IBM"),
            first=date(2014, 6, 2),
            last=date(2014, 6, 30),
            sessions=21,
            empty_year=2022,
        )

    def test_the_split_of_apple_is_seven_for_one_without_the_noise_of_the_file(self, real_source: CsvBars):
        fetched = real_source.fetch(["AAPL"], date(2014, 6, 1), date(2014, 6, 30))

        assert fetched.actions == (Split(symbol="AAPL", ex_date=date(2014, 6, 9), new_per_old=Decimal(7)),)

    def test_raw_closes_of_apple_fall_by_seven_over_its_split(self, real_source: CsvBars):
        bars = real_source.fetch(["AAPL"], date(2014, 6, 6), date(2014, 6, 9)).bars

        assert bars.frame["close"].to_list() == [645.57, 93.70]


def test_a_file_is_read_once_in_the_life_of_a_source(tmp_path: Path):
    source = a_folder(tmp_path, KO=WEEK)
    before = source.fetch(["KO"], FIRST, LAST).bars.content_hash()

    (tmp_path / "KO.csv").write_text("nonsense")

    assert source.fetch(["KO"], FIRST, LAST).bars.content_hash() == before


def test_one_bad_file_fails_its_own_symbol_and_names_file_row_and_column(tmp_path: Path):
    source = a_folder(tmp_path, KO=WEEK, BAD="Date,Close\n2024-01-02,10\n2024-01-03,1O\n")

    fetched = source.fetch(["KO", "BAD"], FIRST, LAST)

    good, bad = fetched.outcomes
    assert (good.status, bad.status) == (FetchStatus.OK, FetchStatus.FAILED)
    assert "BAD.csv" in bad.text
    assert "row 2, column close: '1O' is not a number" in bad.text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is empty"),
        ("Date,Open\n2024-01-02,1\n", "no column close, only Date, Open"),
        ("Open,Close\n1,1\n", "no column date or"),
        ("Date,Close,close\n2024-01-02,1,2\n", "columns Close and close both mean close"),
        ("Date,Close\n2024-01-02,1,2\n", "Expected 2 columns, got 3"),
        ("Date,Close\n2024-01-02,1\n2024-01-03\n", "Row #3: Expected 2 columns, got 1"),
        ("Date,Close\n01/02/2024,1\n", "'01/02/2024' is not a date such as 2024-01-31"),
        ("Date,Close\n2024-02-30,1\n", "'2024-02-30' is not a date"),
        ("Date,Close\n,1\n", "'' is not a date"),
        ("Date,Close\n2024-01-02 09:30:00,1\n", "is not a day without a time"),
        ('Date,Close\n2024-01-02,"1,000"\n', "'1,000' is not a number"),
        ("Date,Close\n2024-01-02,true\n", "is not a number"),
        ("Date,Close\n2024-01-02,2024-01-02\n", "is not a number"),
        ("Date;Close\n2024-01-02;1\n", "no column close, only Date;Close"),
    ],
)
def test_a_file_that_does_not_hold_bars_is_refused_by_name(tmp_path: Path, text: str, complaint: str):
    source = a_folder(tmp_path, KO=text)

    outcome = source.fetch(["KO"], FIRST, LAST).outcomes[0]

    assert outcome.status is FetchStatus.FAILED
    assert "KO.csv does not hold daily bars" in outcome.text
    assert complaint in outcome.text


@pytest.mark.parametrize(
    "text",
    [
        "date,close\n2024-01-02,10.5\n",
        "SESSION,CLOSE\n20240102,10.5\n",
        "\ufeffDatetime,Close,Repaired?\n2024-01-02 00:00:00-05:00,10.5,True\n",
        "Timestamp,Close\r\n2024-01-02T00:00:00Z,10.5\r\n",
    ],
)
def test_columns_and_dates_may_be_written_in_the_usual_ways(tmp_path: Path, text: str):
    source = a_folder(tmp_path, KO=text)

    frame = source.fetch(["KO"], FIRST, LAST).bars.frame

    assert frame[["session", "close"]].to_numpy().tolist() == [[pd.Timestamp("2024-01-02"), 10.5]]


def test_an_empty_cell_is_kept_as_a_missing_price_for_the_quality_gate(tmp_path: Path):
    source = a_folder(tmp_path, KO="Date,Open,Close\n2024-01-02,,10.5\n")

    frame = source.fetch(["KO"], FIRST, LAST).bars.frame

    assert frame["open"].isna().all()


def test_a_symbol_may_be_called_na_or_true(tmp_path: Path):
    source = a_file(tmp_path, "symbol,date,close\nNA,2024-01-02,1\nTRUE,2024-01-02,2\n")

    assert set(source.instruments()) == {"NA", "TRUE"}


def test_bars_kept_by_pandas_with_the_date_as_index_are_read(tmp_path: Path):
    index = pd.DatetimeIndex(["2024-01-02", "2024-01-03"], name="Date")
    pd.DataFrame({"Close": [10.5, 11.0]}, index=index).to_parquet(tmp_path / "KO.parquet")
    source = CsvBars(tmp_path, price_basis=PriceBasis.ADJUSTED)

    bars = source.fetch(["KO"], FIRST, LAST).bars

    assert bars.frame["close"].to_list() == [10.5, 11.0]
    assert bars.price_basis is PriceBasis.ADJUSTED


def test_a_listed_instrument_replaces_the_share_it_would_be_taken_for(tmp_path: Path):
    (tmp_path / "SPY.csv").write_text(WEEK)
    spy = Etf(symbol="SPY", mic="ARCX")

    source = CsvBars(tmp_path, price_basis=PriceBasis.RAW, listed={"SPY": spy, "QQQ": Etf(symbol="QQQ", mic="XNAS")})

    assert source.instruments() == {"SPY": spy}


def test_a_path_that_is_not_there_makes_the_source_unavailable(tmp_path: Path):
    source = CsvBars(tmp_path / "gone", price_basis=PriceBasis.RAW)

    with pytest.raises(SourceUnavailable, match="there is no file or folder"):
        source.fetch(["KO"], FIRST, LAST)


LONG = "symbol,date,close\nKO,2024-01-02,1\n"
ACTION_HEADER = "file_symbol,ex_date,type,cash_per_share,split_ratio_new_per_old\n"


def test_dividends_of_one_ex_date_are_added_up_and_rows_without_ex_date_skipped(tmp_path: Path):
    actions = ACTION_HEADER + "KO,2024-01-03,dividend,0.46,\nKO,2024-01-03,dividend,1.00,\nKO,,split,,2\n"

    fetched = a_file(tmp_path, LONG, actions).fetch(["KO"], FIRST, LAST)

    paid = CashDividend(symbol="KO", ex_date=date(2024, 1, 3), amount_per_share=Decimal("1.46"))
    assert fetched.actions == (paid,)


def test_renames_mergers_and_delistings_are_read_and_one_told_twice_counts_once(tmp_path: Path):
    header = "symbol,ex_date,type,cash_per_share,new_symbol\n"
    rows = "KO,2024-01-03,rename,,COKE\nKO,2024-01-03,rename,,COKE\nKO,2024-01-04,cash_merger,54.20,\n"
    rows += "KO,2024-01-05,delisting,,\nKO,2024-01-08,relisting,,\n"

    fetched = a_file(tmp_path, LONG, header + rows).fetch(["KO"], FIRST, date(2024, 1, 8))

    assert fetched.actions == (
        Rename(symbol="KO", ex_date=date(2024, 1, 3), new_symbol="COKE"),
        CashMerger(symbol="KO", ex_date=date(2024, 1, 4), amount_per_share=Decimal("54.20")),
        Delisting(symbol="KO", ex_date=date(2024, 1, 5)),
        Relisting(symbol="KO", ex_date=date(2024, 1, 8)),
    )


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("KO,03.01.2024,dividend,0.46,", "row 1.*column ex_date: '03.01.2024'"),
        ("KO,2024-01-03,merger,,", "row 1.*column type: 'merger'"),
        ("KO,2024-01-03,dividend,,", "row 1.*column cash_per_share: ''"),
        ("KO,2024-01-03,dividend,nan,", "row 1.*column cash_per_share: 'nan' is not finite"),
        ("KO,2024-01-03,dividend,-1,", "row 1.*amount_per_share of KO"),
        ("KO,2024-01-03,split,,0", "row 1.*new_per_old of KO"),
        (",2024-01-03,split,,2", "row 1.*column symbol is empty"),
    ],
)
def test_a_corporate_action_that_makes_no_sense_is_refused_by_row(tmp_path: Path, row: str, complaint: str):
    source = a_file(tmp_path, LONG, ACTION_HEADER + row + "\n")

    with pytest.raises(BarsInvalid, match=complaint):
        source.fetch(["KO"], FIRST, LAST)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("6.999997", Decimal(7)),
        ("1.999856", Decimal(2)),
        ("1.249993", Decimal("1.25")),
        ("0.05", Decimal("0.05")),
        ("0.3333", Decimal(1) / Decimal(3)),
        ("1.0027", Decimal("1.0027")),  # the class C dividend of Google, 2015: no split anybody would round
        ("4", Decimal(4)),
    ],
)
def test_a_ratio_becomes_the_simple_fraction_it_is_a_noisy_copy_of(written: str, meant: Decimal):
    assert simple_ratio(Decimal(written)) == meant
