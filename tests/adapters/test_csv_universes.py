"""A universe in a CSV file: read as it stands, or refused by row and column."""

from datetime import date
from pathlib import Path

import pytest

from adapters.csv_universes import read_universe
from trading.errors import InvalidValue
from trading.market.universes import Membership

HEAD = "symbol,first,last\n"


def a_file(folder: Path, content: str) -> Path:
    path = folder / "index.csv"
    path.write_text(content)
    return path


def test_each_row_is_a_stay_and_an_empty_end_is_open(tmp_path: Path):
    path = a_file(tmp_path, f"\ufeff{HEAD}TWTR,2018-06-07,2022-10-31\nBRK.B,2010-02-16,\n")

    assert read_universe(path).memberships == (
        Membership(symbol="TWTR", first=date(2018, 6, 7), last=date(2022, 10, 31)),
        Membership(symbol="BRK.B", first=date(2010, 2, 16)),
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "header of .*symbol,first,last"),
        ("symbol,first\nA,2020-01-02\n", "header of .*symbol,first,last"),
        (HEAD, "a file with at least one symbol"),
        (f"{HEAD}A,2020-01-02,\n,2020-01-02,\n", "column symbol of .* row 2"),
        (f"{HEAD}A,01/02/2020,\n", "column first of .* row 1 is '01/02/2020'"),
        (f"{HEAD}A,,\n", "column first of .* row 1 is ''"),
        (f"{HEAD}A,2020-01-02,2019-01-02\n", "column last of .* row 1 is '2019-01-02', but must be not before first"),
        (f"{HEAD}A,2020-01-02\n", "row 1 is .* but must be 3 values"),
        (f"{HEAD}A,2020-01-02,,x\n", "row 1 is .* but must be 3 values"),
        (f"{HEAD}A,2020-01-02,\nA,2021-01-04,\n", "after the end of its stay since 2020-01-02, which is open"),
    ],
)
def test_what_cannot_be_read_is_named_by_row_and_column(tmp_path: Path, content: str, told: str):
    with pytest.raises(InvalidValue, match=told):
        read_universe(a_file(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InvalidValue, match="nosuch"):
        read_universe(tmp_path / "nosuch.csv")
