import gzip
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from trading.errors import InvalidValue
from trading.risk.return_history import portfolio_deviation
from trading.risk.tail_measures import (
    TailMethod,
    cornish_fisher_tail,
    historical_tail,
    in_domain,
    moments,
    normal_tail,
    tail_risk,
    tail_risk_told,
)

LEVELS = [0.9, 0.95, 0.975, 0.99, 0.995]
pnls = st.lists(st.integers(-1000, 1000).map(float), min_size=20, max_size=120).map(np.array)
levels = st.sampled_from(LEVELS)


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    """Return the closes of twenty real stocks, 1990 to 2022."""
    packed = Path(distribution("skfolio").locate_file("skfolio/datasets/data/sp500_dataset.csv.gz")).read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    return pd.DataFrame([line.split(",")[1:] for line in lines[1:]], columns=lines[0].split(",")[1:]).astype(float)


def test_of_a_hundred_losses_at_95_per_cent_the_sixth_is_at_risk_and_the_mean_of_five_is_the_shortfall():
    pnl = -np.arange(1.0, 101.0)

    tail = historical_tail(pnl, 0.95)

    assert tail == pytest.approx((95, 98))  # skfolio's own example: with 100 observations the sixth largest loss


def test_a_tail_that_does_not_end_at_a_scenario_counts_a_part_of_it():
    pnl = -np.array([10.0, 8.0, 6.0, *range(5), *[0.0] * 7])  # 15 scenarios, 1.5 of them in the tail

    tail = historical_tail(pnl, 0.9)

    assert tail == pytest.approx((8, (10 + 0.5 * 8) / 1.5))


def test_historical_tails_of_real_stocks_are_those_of_skfolio(prices):
    from skfolio.measures import cvar, value_at_risk

    returns = (prices / prices.shift() - 1).to_numpy()[1:]
    ours = [[historical_tail(returns[:n, i], level) for i in range(20)] for n, level in ((1000, 0.99), (777, 0.975))]

    theirs = [
        [(value_at_risk(returns[:n, i], level), cvar(returns[:n, i], level)) for i in range(20)]
        for n, level in ((1000, 0.99), (777, 0.975))
    ]

    assert np.allclose(ours, theirs, rtol=1e-12)


def test_two_positions_of_a_textbook_lose_1_622_657_in_ten_days():
    # Hull, Risk Management and Financial Institutions, 15.3: 10 million at 2 % a day and 5 million at 1 %, correlated
    # by 0.3, move by 220,227 a day; 1,622,657 is by a z of 2.33, and 2.3263 makes 1,620,114 of it.
    covariance = np.array([[0.02**2, 0.3 * 0.02 * 0.01], [0.3 * 0.02 * 0.01, 0.01**2]])

    deviation = portfolio_deviation(np.array([10e6, 5e6]), covariance, ("MSFT", "T"))

    assert deviation == pytest.approx(220_227, abs=1)
    assert normal_tail(deviation, 0.99).value_at_risk * 10**0.5 == pytest.approx(1_622_657 / 2.33 * 2.3263, abs=50)


def test_the_normal_shortfall_is_the_mean_of_the_normal_distribution_beyond_its_value_at_risk():
    expected = stats.norm.expect(lambda x: x, scale=10, lb=stats.norm.ppf(0.99, scale=10), conditional=True)

    tail = normal_tail(10, 0.99)

    assert tail == pytest.approx((stats.norm.ppf(0.99, scale=10), expected))


@pytest.mark.parametrize(("skewness", "kurtosis"), [(0, 0), (-0.5, 1), (0.4, 2), (-0.8, 3)])
def test_cornish_fisher_agrees_with_the_formula_of_the_european_regulation(skewness, kurtosis):
    # Commission Delegated Regulation (EU) 2017/653, Annex II, 12: the quantile of 2.5 %, coefficients as printed there.
    expected = 1.96 - 0.474 * skewness + 0.0687 * kurtosis - 0.146 * skewness**2

    tail = cornish_fisher_tail(1.0, skewness, kurtosis, 0.975)

    assert tail.value_at_risk == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(("skewness", "kurtosis"), [(-0.5, 1), (0.4, 2), (-0.8, 3)])
def test_the_cornish_fisher_shortfall_is_the_mean_of_its_quantiles(skewness, kurtosis):
    def loss(chance: float) -> float:
        return cornish_fisher_tail(1.0, skewness, kurtosis, 1 - chance).value_at_risk

    mean, _ = integrate.quad(loss, 0, 0.01)

    assert cornish_fisher_tail(1.0, skewness, kurtosis, 0.99).expected_shortfall == pytest.approx(mean / 0.01, rel=1e-6)


def test_the_domain_of_cornish_fisher_is_maillards():
    # Maillard 2012: without skewness the kurtosis may be 0 to 8; no skewness above 6 (sqrt 2 - 1) = 2.485 is allowed.
    edges = [in_domain(0, 0), in_domain(0, 8), in_domain(0, -0.01), in_domain(0, 8.01)]

    assert edges == [True, True, False, False]
    assert not any(in_domain(2.49, k) for k in np.linspace(0, 60, 601))
    assert any(in_domain(2.48, k) for k in np.linspace(0, 60, 6001))


def test_moments_are_those_of_scipy():
    pnl = np.random.default_rng(4).standard_t(5, 500)

    assert moments(pnl) == pytest.approx((np.std(pnl, ddof=1), stats.skew(pnl), stats.kurtosis(pnl)))


def test_outside_its_domain_cornish_fisher_says_so_and_the_larger_of_the_others_stands_in():
    pnl = np.array([-50.0, *[0.0, 1.0, -1.0] * 100])

    told = tail_risk_told(pnl, 0.99, TailMethod.CORNISH_FISHER)

    others = [tail_risk(pnl, 0.99, method) for method in (TailMethod.HISTORICAL, TailMethod.NORMAL)]
    assert told.tail == pytest.approx(tuple(max(pair) for pair in zip(*others, strict=True)))
    assert "outside the domain of the Cornish-Fisher expansion" in told.why


@given(pnls, levels, st.sampled_from(TailMethod))
def test_the_shortfall_is_never_smaller_than_the_value_at_risk(pnl, level, method):
    tail = tail_risk(pnl, level, method)

    assert tail.expected_shortfall >= tail.value_at_risk - 1e-9 * (1 + abs(tail.value_at_risk))


@given(pnls, levels, st.sampled_from(TailMethod), st.integers(1, 50))
def test_twice_the_position_has_twice_the_tail(pnl, level, method, factor):
    once, more = tail_risk(pnl, level, method), tail_risk(factor * pnl, level, method)

    assert more == pytest.approx(tuple(factor * x for x in once), rel=1e-6, abs=1e-6)


@given(
    st.integers(20, 120).flatmap(lambda n: st.tuples(*[st.lists(st.integers(-99, 99), min_size=n, max_size=n)] * 2)),
    levels,
)
def test_two_books_together_have_no_larger_shortfall_than_apart(two, level):
    one, other = (np.array(pnl, dtype=float) for pnl in two)

    together = historical_tail(one + other, level).expected_shortfall

    assert together <= sum(historical_tail(pnl, level).expected_shortfall for pnl in (one, other)) + 1e-9


@pytest.mark.parametrize(
    ("pnl", "level", "wrong"),
    [([1.0, np.nan], 0.99, "two or more finite"), ([1.0], 0.99, "two or more"), ([1.0, 2.0], 99, "such as 0.99")],
)
def test_what_cannot_be_measured_is_refused(pnl, level, wrong):
    with pytest.raises(InvalidValue, match=wrong):
        tail_risk_told(np.array(pnl), level, TailMethod.HISTORICAL)
