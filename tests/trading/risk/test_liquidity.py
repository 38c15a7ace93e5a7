import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.risk.liquidity import days_to_liquidate, days_to_liquidate_share


def test_a_position_of_half_a_days_volume_takes_five_days_at_a_tenth_of_it():
    days = days_to_liquidate(np.array([1e6, -1e6, 0.0, 5.0]), np.array([2e6, 2e6, np.nan, np.nan]), 10)

    assert days.tolist() == [5, 5, 0, np.inf]


def test_three_quarters_are_sold_when_the_quick_half_is_gone_and_the_slow_half_is_half_gone():
    values, days = np.array([100.0, -100.0]), np.array([1.0, 4.0])

    sold = [days_to_liquidate_share(values, days, share) for share in (0.5, 0.75, 1.0)]

    assert sold == pytest.approx([0.8, 2.0, 4.0])  # both halves shrink by 100 + 25 a day at first


def test_what_cannot_be_sold_is_never_sold():
    values, days = np.array([90.0, 10.0]), np.array([1.0, np.inf])

    assert [days_to_liquidate_share(values, days, share) for share in (0.9, 0.95)] == [1.0, np.inf]


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(1, 30)), min_size=1, max_size=8), st.integers(1, 100))
def test_the_share_is_sold_on_the_day_that_is_told(positions, percent):
    values, days = (np.array(column, dtype=float) for column in zip(*positions, strict=True))
    days = np.where(values == 0, 0, days)

    told = days_to_liquidate_share(values, days, percent / 100)

    gone = sum(abs(v) * min(told / d, 1) for v, d in zip(values, days, strict=True) if v)
    assert gone == pytest.approx(percent / 100 * np.abs(values).sum())
