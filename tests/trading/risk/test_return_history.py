from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.trading.risk.risk_builders import a_history
from trading.errors import InvalidValue
from trading.risk.return_history import ReturnHistory, betas, portfolio_deviation


def closes(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(columns, dtype=float)
    return frame.set_axis(pd.date_range("2024-01-01", periods=len(frame)), axis=0)


def test_returns_are_counted_from_close_to_close():
    history = ReturnHistory.of_closes(closes(A=[50, 100, 110, 99]), sessions=2)

    assert history.returns[:, 0] == pytest.approx([0.10, -0.10])
    assert history.sessions == (date(2024, 1, 3), date(2024, 1, 4))


@pytest.mark.parametrize("bad", [[np.nan, 2, 3], [1, np.nan, 3], [1, 0, 3], [1, np.inf, 3], [1, -2, 3]])
def test_a_symbol_with_a_hole_in_its_history_is_not_measured_and_spoils_no_other(bad):
    history = ReturnHistory.of_closes(closes(A=[1, 2, 3], B=bad), sessions=2)

    assert (history.symbols, history.unmeasured) == (("A",), {"B": "1 of 2 sessions of history"})


def test_a_history_shorter_than_asked_for_measures_nothing():
    history = ReturnHistory.of_closes(closes(A=[1, 2, 3]), sessions=5)

    assert (history.symbols, history.unmeasured) == ((), {"A": "2 of 5 sessions of history"})


def test_a_return_that_is_no_number_is_refused_by_symbol_and_session():
    with pytest.raises(InvalidValue, match="return of B in session 2024-01-02 is nan"):
        a_history({"A": [0.1, 0.1], "B": [0.1, np.nan]})


def test_a_hole_in_a_covariance_is_refused_by_its_symbols():
    covariance = np.array([[1.0, np.nan], [np.nan, 1.0]])

    with pytest.raises(InvalidValue, match="covariance of A and B is nan"):
        portfolio_deviation(np.ones(2), covariance, ("A", "B"))


def test_a_matrix_that_makes_a_variance_below_zero_is_no_covariance():
    with pytest.raises(InvalidValue, match="variance of the portfolio"):
        portfolio_deviation(np.array([1.0, -1.0]), np.array([[1.0, 2.0], [2.0, 1.0]]), ("A", "B"))


def test_betas_are_the_slopes_of_scipy():
    rng = np.random.default_rng(2)
    market, returns = rng.normal(0, 0.01, 300), rng.normal(0, 0.02, (300, 3))

    assert betas(returns, market) == pytest.approx([stats.linregress(market, r).slope for r in returns.T])


def test_a_benchmark_that_never_moves_has_no_beta():
    with pytest.raises(InvalidValue, match="variance of the benchmark"):
        betas(np.ones((3, 1)), np.zeros(3))
