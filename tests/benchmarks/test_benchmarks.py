"""Benchmarks run, and say what they are asked to say. How fast anything is, no test knows."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.__main__ import BENCHMARKS, RESULTS
from benchmarks.markets import CALENDAR, LAST, make_market
from benchmarks.measurement import Measurement, Run, at_least, at_most
from benchmarks.options import chain_checks, european_greeks, european_volatilities
from benchmarks.risk_measures import increments, measures
from benchmarks.table import markdown_table
from trading.market.bar_checks import assess_bars
from trading.market.quality import QualityPolicy
from trading.market.timetable import session_times

ROOT = Path(__file__).parents[2]
FIELDS = ["name", "value", "unit", "baseline", "ratio", "aim", "aim_met", "machine", "seed", "note"]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def a_run(tmp_path: Path, *, quick: bool = False) -> Run:
    return Run(folder=tmp_path, seed=7, quick=quick)


def test_the_cheapest_benchmarks_print_a_line_of_json_for_each_number():
    done = benchmarks("gate.order", "orders.batch500", "store.read500x2y", "--quick", "--seed", "7")

    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in lines] == [
        "gate.order.p50",
        "gate.order.p99",
        "orders.batch500",
        "store.read500x2y",
    ]
    assert [line["unit"] for line in lines] == ["ms", "ms", "orders/s", "ms"]
    for line in lines:
        assert list(line) == FIELDS
        assert line["value"] > 0
        assert line["ratio"] == pytest.approx(line["value"] / line["baseline"], rel=0.01)
        assert (line["aim"], line["aim_met"], line["seed"]) == (None, None, 7)
        assert line["note"].startswith("quick")


def test_orders_and_ticks_at_interactive_brokers_are_measured_beside_the_bare_library():
    done = benchmarks("ib.order", "ib.ticks", "--quick")

    assert done.returncode == 0, done.stderr
    lines = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(lines) == {
        "ib.order.acknowledged.p50",
        "ib.order.acknowledged.p99",
        "ib.order.filled.p50",
        "ib.order.filled.p99",
        "ib.order.submit.p50",
        "ib.order.submit.p99",
        "ib.ticks",
    }
    assert all(line["value"] > 0 and line["baseline"] > 0 for line in lines.values())


def test_options_are_measured_on_a_made_up_chain_where_the_real_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBELL_TEST_DATA", str(tmp_path))
    run = a_run(tmp_path, quick=True)

    measured = [m for part in (european_volatilities, european_greeks, chain_checks) for m in part(run)]

    assert [m.name for m in measured] == ["options.iv", "options.greeks", "options.check"]
    assert all(m.value > 0 and "made-up chain" in m.note for m in measured)


def test_measures_of_a_portfolio_are_timed_beside_pandas_and_beside_themselves_anew(tmp_path):
    run = a_run(tmp_path, quick=True)

    measured = [m for part in (measures, increments) for m in part(run)]

    assert [m.name for m in measured] == [
        "risk.measures",
        "risk.measures.memory",
        "risk.increment.p50",
        "risk.increment.p99",
    ]
    assert all(m.value > 0 and m.baseline > 0 for m in measured)


def test_a_benchmark_that_is_not_there_is_refused_by_name():
    done = benchmarks("gate.ordre")

    assert done.returncode == 2
    assert "no benchmark gate.ordre; there are gate.order," in done.stderr


def test_a_value_is_held_against_its_aim_and_its_baseline(tmp_path):
    slow = Measurement(name="a", value=30.0, unit="s", baseline=12.0, aim=at_most(30.0, 20), note="n")
    many = Measurement(name="b", value=30.0, unit="1/s", aim=at_least(30.0, 20), note="n")

    told = [json.loads(m.line(a_run(tmp_path))) for m in (slow, many)]

    assert [(t["ratio"], t["aim"], t["aim_met"]) for t in told] == [(2.5, "<= 20", False), (None, ">= 20", True)]


def test_each_machine_has_a_table_of_its_numbers(tmp_path):
    fast = Measurement(name="a.b", value=1234.5, unit="ms", baseline=617.25, aim=at_most(1.0, 2), note="what it is")
    bare = Measurement(name="c", value=0.5, unit="s", note="else")

    lines = [m.line(a_run(tmp_path)) for m in (fast, bare)]
    elsewhere = json.dumps(json.loads(lines[1]) | {"machine": "another one"})

    table = markdown_table([*lines, elsewhere]).splitlines()

    # 1234.5 / 617.25 = 2
    assert table[2] == "| `a.b` | 1,234 ms | ≤ 2: met | 617 ms (ratio 2) | what it is |"
    assert table[3] == "| `c` | 0.5 s |  |  | else |"
    assert table[4] == ""
    assert table[5].startswith("Measured on ")
    assert table[6:] == ["", *table[:2], table[3], "", "Measured on another one."]


def test_the_kept_results_come_from_full_runs_each_benchmark_on_one_machine():
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]

    assert all(list(line) == FIELDS and not line["note"].startswith("quick") for line in lines)
    for benchmark in BENCHMARKS:
        assert len({line["machine"] for line in lines if line["name"].startswith(benchmark)}) == 1, benchmark


def test_the_same_seed_makes_the_same_market_and_another_one_another():
    first, again, other = (make_market(3, 40, seed).bars().content_hash() for seed in (1, 1, 2))

    assert first == again != other


def test_the_bars_made_up_pass_the_quality_gate():
    market = make_market(50, 300, seed=1)

    report = assess_bars(
        market.fetched(),
        calendar=CALENDAR,
        first=market.day(0),
        session=LAST,
        policy=QualityPolicy(),
        now=session_times(CALENDAR, LAST).settled_at,
    ).report

    assert (report.findings, report.rows) == ((), 50 * 300)


def test_the_months_of_a_market_are_all_its_bars():
    market = make_market(2, 45, seed=1)

    months = [bars.frame for bars in market.months()]

    assert [frame["session"].dt.to_period("M").nunique() for frame in months] == [1] * len(months)
    together = pd.concat(months).sort_values(["symbol", "session"], ignore_index=True)
    pd.testing.assert_frame_equal(together, market.bars().frame)
