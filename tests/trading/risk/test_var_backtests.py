import gzip
import math
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trading.errors import InvalidValue
from trading.risk.tail_measures import TailMethod
from trading.risk.var_backtests import backtest_var, exceptions_of, forecasts


def days(n: int, *exceptions: int) -> np.ndarray:
    found = np.zeros(n, dtype=bool)
    found[list(exceptions)] = True
    return found


def test_the_example_of_matlabs_handbook_is_found_again():
    # MathWorks, varbacktest.cc, VaR "Normal95" of EquityIndex: 1043 days, 57 failures, N00 932, N10 53, N01 53, N11 4:
    # four pairs, and 49 alone; neither the first nor the last day fails.
    pairs, alone = [2, 3, 6, 7, 10, 11, 14, 15], range(20, 20 + 3 * 49, 3)

    found = backtest_var(days(1043, *pairs, *alone), 0.95)

    assert (found.observations, found.exceptions) == (1043, 57)
    assert (found.coverage.statistic, found.coverage.p_value) == pytest.approx((0.46147, 0.49694), abs=6e-6)
    assert (found.independence.statistic, found.independence.p_value) == pytest.approx((0.25866, 0.61104), abs=6e-6)
    assert (found.conditional.statistic, found.conditional.p_value) == pytest.approx((0.72013, 0.69763), abs=6e-6)


@pytest.mark.parametrize(
    ("n", "exceptions", "level", "statistic"),
    [
        (30, 7, 0.99, 32.34),  # aifinhub.io, Kupiec vs. bootstrap VaR validation, 2026
        (255, 0, 0.99, -2 * 255 * math.log(0.99)),  # by hand: nothing happened, so only (1 - p)^n is left
        (10, 10, 0.99, -2 * 10 * math.log(0.01)),  # by hand: only p^n is left
    ],
)
def test_coverage_by_kupiec(n, exceptions, level, statistic):
    found = backtest_var(days(n, *range(exceptions)), level)

    assert found.coverage.statistic == pytest.approx(statistic, abs=0.005)


@pytest.mark.parametrize("exceptions", [(), tuple(range(20))])
def test_days_that_are_all_alike_say_nothing_about_independence(exceptions):
    found = backtest_var(days(20, *exceptions), 0.95).independence

    assert (found.statistic, found.p_value) == (0, 1)


def test_exceptions_that_come_in_a_row_are_not_independent():
    in_a_row, apart = (days(250, *at) for at in ((100, 101, 102, 103, 104), (10, 60, 110, 160, 210)))

    found = [backtest_var(exceptions, 0.98) for exceptions in (in_a_row, apart)]

    assert found[0].coverage == found[1].coverage
    assert found[0].independence.p_value < 0.001 < 0.5 < found[1].independence.p_value


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.sampled_from([0.9, 0.95, 0.99]))
def test_every_row_of_days_has_a_statistic_and_a_chance(exceptions, level):
    found = backtest_var(np.array(exceptions), level)

    assert found.conditional.statistic == pytest.approx(found.coverage.statistic + found.independence.statistic)
    for test, freedom in ((found.coverage, 1), (found.independence, 1), (found.conditional, 2)):
        assert test.p_value == pytest.approx(1 - stats.chi2.cdf(test.statistic, freedom), abs=1e-12)


def test_a_year_of_calm_forecasts_too_little_for_2008():
    packed = Path(distribution("skfolio").locate_file("skfolio/datasets/data/sp500_index.csv.gz")).read_bytes()
    index = pd.DataFrame([x.split(",") for x in gzip.decompress(packed).decode().splitlines()[1:]]).set_index(0)[1]
    pnl = index.astype(float).pct_change()["2006-12-29":"2008-12-31"].to_numpy()

    exceptions = exceptions_of(pnl[252:], forecasts(pnl, 252, 0.99, TailMethod.HISTORICAL))
    found = backtest_var(exceptions, 0.99)

    by_hand = [-pnl[day] > np.sort(-pnl[day - 252 : day])[-3] for day in range(252, len(pnl))]
    assert exceptions.tolist() == by_hand  # 1 % of 252 is 2.52, so the third largest loss
    assert found.exceptions > 7
    assert found.coverage.p_value < 0.05


def test_a_window_that_leaves_no_day_to_forecast_is_refused():
    with pytest.raises(InvalidValue, match="window is 3, but must be 2 to 2 days"):
        forecasts(np.zeros(3), 3, 0.99, TailMethod.NORMAL)


def test_a_loss_as_large_as_forecast_is_no_exception():
    found = exceptions_of(np.array([-5.0, -5.1, 9.0]), np.full(3, 5.0))

    assert found.tolist() == [False, True, False]


def test_a_forecast_that_is_no_number_is_refused():
    with pytest.raises(InvalidValue, match="as many finite numbers each"):
        exceptions_of(np.array([1.0, 2.0]), np.array([1.0, np.nan]))
