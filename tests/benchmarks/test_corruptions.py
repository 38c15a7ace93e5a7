"""The quality gate finds what goes wrong with real bars, and leaves right ones alone."""

import pytest

from benchmarks.corruption_kinds import KINDS
from benchmarks.corruptions import Detection, RealBars, detect, false_alarms, real_bars
from tests.bar_builders import data_file

EACH = 20
EXPECTED = [kind for kind in KINDS if not kind.beyond]


@pytest.fixture(scope="module")
def real() -> RealBars:
    return real_bars(data_file("equity", "us_equity_daily_raw.parquet").parents[1])


@pytest.fixture(scope="module")
def told(real: RealBars) -> dict[str, Detection]:
    return {kind.name: detect(kind, real, EACH, seed=1) for kind in EXPECTED}


@pytest.mark.parametrize("name", [kind.name for kind in EXPECTED])
def test_a_kind_of_corruption_is_found(told: dict[str, Detection], name: str) -> None:
    assert told[name].made == EACH
    assert told[name].found >= 0.9 * EACH


def test_of_all_corruptions_together_99_in_100_are_found(told: dict[str, Detection]) -> None:
    assert len(told) >= 15
    assert sum(each.found for each in told.values()) >= 0.99 * sum(each.made for each in told.values())


def test_of_real_bars_not_one_in_a_thousand_is_flagged_and_none_critically(real: RealBars) -> None:
    alarms = false_alarms(real)

    assert alarms.bars > 40_000
    assert alarms.flagged < 0.001 * alarms.bars
    assert alarms.critical == 0
