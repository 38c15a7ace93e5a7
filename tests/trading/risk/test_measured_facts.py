"""Facts from bars, against numbers worked by hand."""

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from tests.bar_builders import bars_frame
from trading.market.corporate_actions import Split
from trading.risk.measured_facts import annual_volatility_pct, measured_facts

DAYS = [date(2024, 3, day) for day in range(1, 31)]


def bars(**closes: list[float]) -> pd.DataFrame:
    rows = [(s, day, px, 1000.0) for s, prices in closes.items() for day, px in zip(DAYS, prices, strict=False)]
    return bars_frame(pd.DataFrame(rows, columns=["symbol", "session", "close", "volume"]))


UP_AND_DOWN = [100.0 if n % 2 else 110.0 for n in range(30)]
THE_OTHER_WAY = [110.0 if n % 2 else 100.0 for n in range(30)]


def test_volatility_is_the_deviation_of_log_returns():
    # 29 returns of -9.531 % and +9.531 % by turns, 15 and 14: sqrt(29 x 9.531² x (1 - (1/29)²) / 28) = 9.694 %.
    found = measured_facts(bars(A=UP_AND_DOWN), [], DAYS[-1], instruments={}, correlation=0.7)["A"]

    assert float(found.volatility_pct) == pytest.approx(9.694, abs=0.001)
    assert found.average_volume == 1000
    a_year = annual_volatility_pct(bars(A=UP_AND_DOWN), [], DAYS[-1], "A")
    assert float(a_year) == pytest.approx(9.694 * 15.8745, abs=0.02)  # the square root of 252


def test_what_moves_alike_is_together_and_what_moves_against_it_is_not():
    frame = bars(A=UP_AND_DOWN, B=[2 * px for px in UP_AND_DOWN], C=THE_OTHER_WAY, NEW=UP_AND_DOWN[:10])

    found = measured_facts(frame, [], DAYS[-1], instruments={}, correlation=0.7)

    assert found["A"].correlated == {"B", "NEW"}  # of what is new nobody knows, so it counts
    assert (found["NEW"].correlated, found["NEW"].volatility_pct, found["NEW"].average_volume) == (None, None, None)


def test_a_split_is_no_move_and_multiplies_the_volume_before_it():
    split = [100.0] * 15 + [25.0] * 15
    four = Split(symbol="A", ex_date=DAYS[15], new_per_old=Decimal(4))

    found = measured_facts(bars(A=split), [four], DAYS[-1], instruments={}, correlation=0.7)["A"]

    assert (found.volatility_pct, found.average_volume) == (0, 2500)
