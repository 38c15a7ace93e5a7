"""`openbell backfill`: what it says of a range, of the same range again, and of one that cannot be."""

import json
from pathlib import Path

import pytest

from cli.prefect_server import running_server
from tests.cli.shell import a_free_port, openbell_in_turn

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("openbell")]


def test_a_range_is_filled_in_once_and_what_is_wrong_is_told_in_a_line(tmp_path: Path):
    universe = tmp_path / "index.csv"
    universe.write_text("symbol,first,last\nAAPL,2020-01-02,\nKO,2020-01-02,2022-11-30\nTWTR,2020-01-02,\n")
    days = ["--from", "2022-11-01", "--to", "2022-12-23"]
    of_index = ["--from", "2022-11-01", "--to", "2022-12-22", "--universe", str(universe), "--json"]

    with running_server(tmp_path, a_free_port()):
        filled, again, half, index = openbell_in_turn(
            tmp_path,
            [["backfill", *days], ["backfill", *days], ["backfill", *days[:2]], ["backfill", *of_index]],
        )

    assert filled.out == "sample: 20 of 20 requests filled, 760 bars added, 0 changed\n"  # 38 sessions
    assert again.out == "sample: nothing to fill in\n"
    assert (half.exit_code, half.err.count("\n")) == (1, 1)
    assert "must be given by both its first and its last day, or by neither" in half.err
    (left,) = json.loads(index.out)["not_filled"]
    assert (left["symbol"], left["attempts"]) == ("TWTR", 1)
    assert "sample does not offer TWTR" in left["why"]
