"""Windows kept up second by second are those computed at once."""

import numpy as np
import pytest

from trading.monitoring.windows import WINDOWS, Windows

SAMPLES = 2000  # the ring of 902 goes round twice


@pytest.mark.parametrize("now", [700, 901, 902, 1003, 1919, 1920, SAMPLES])
def test_returns_volatility_and_trend_are_those_of_all_samples_at_once(now: int):
    random = np.random.default_rng(5)
    prices = 100 * np.exp(random.normal(0, 1e-4, (SAMPLES, 3)).cumsum(axis=0))
    prices[1000] *= 3  # a move so large that the rounding of sums would show beside the others
    prices[:200, 1] = np.nan  # not heard of before
    windows = Windows(3)

    for price in prices[:now]:
        windows.sample(price)

    for seconds in WINDOWS:
        seen = np.log(prices[max(now - 1 - seconds, 0) : now])
        net = np.array([column[-1] - column[~np.isnan(column)][0] for column in seen.T])
        changes = np.nan_to_num(np.diff(seen, axis=0))
        squares = (changes**2).sum(axis=0)
        np.testing.assert_allclose(windows.return_pct(seconds), 100 * (np.exp(net) - 1), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(windows.volatility_pct(seconds), 100 * np.sqrt(squares), rtol=1e-9)
        way = np.abs(changes).sum(axis=0)
    np.testing.assert_allclose(windows.trend(), net / way, rtol=1e-9, atol=1e-12)
