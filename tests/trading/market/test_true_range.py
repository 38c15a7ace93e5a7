from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from trading.market.corporate_actions import Split
from trading.market.true_range import average_true_range, in_shares_after

# High, low and close of QQQQ from 2010-04-01 on, with the average that StockCharts' ChartSchool works out for each from
# the 14th on (its spreadsheet cs-atr.xls, as kept by github.com/bukosabino/ta, test/data/cs-atr.csv).
WORKED = [
    (48.70, 47.79, 48.16), (48.72, 48.14, 48.61), (48.90, 48.39, 48.75), (48.87, 48.37, 48.63), (48.82, 48.24, 48.74),
    (49.05, 48.635, 49.03), (49.20, 48.94, 49.07), (49.35, 48.86, 49.32), (49.92, 49.50, 49.91), (50.19, 49.87, 50.13),
    (50.12, 49.20, 49.53), (49.66, 48.90, 49.50), (49.88, 49.43, 49.75), (50.19, 49.725, 50.03), (50.36, 49.26, 50.31),
    (50.57, 50.09, 50.52), (50.65, 50.30, 50.41), (50.43, 49.21, 49.34), (49.63, 48.98, 49.37), (50.33, 49.61, 50.23),
    (50.29, 49.20, 49.2375), (50.17, 49.43, 49.93), (49.32, 48.08, 48.43), (48.50, 47.64, 48.18),
    (48.3201, 41.55, 46.57), (46.80, 44.2833, 45.41), (47.80, 47.31, 47.77), (48.39, 47.20, 47.72),
    (48.66, 47.90, 48.62), (48.79, 47.7301, 47.85),
]  # fmt: skip
AVERAGES = {14: 0.555, 15: 0.5939285714, 16: 0.5857908163, 24: 0.7814698357, 25: 1.209229133, 30: 1.316482269}
BARS = pd.DataFrame(WORKED, columns=["high", "low", "close"])


@pytest.mark.parametrize(("bars", "average"), AVERAGES.items())
def test_the_average_true_range_is_that_of_the_published_example(bars: int, average: float):
    assert average_true_range(BARS.iloc[:bars], 14) == pytest.approx(average, abs=1e-9)


def test_too_few_bars_or_bars_of_closes_only_have_no_average():
    closes_only = BARS.assign(high=float("nan"), low=float("nan"))

    assert average_true_range(BARS.iloc[:13], 14) is None
    assert average_true_range(closes_only, 14) is None


def test_bars_of_before_a_split_are_told_in_the_new_shares():
    days = pd.to_datetime(["2020-08-28", "2020-08-31"])
    frame = pd.DataFrame(
        {"symbol": "AAPL", "session": days, "open": 504.05, "high": 505.77, "low": 498.31, "close": 499.23}
    )
    frame["volume"] = 1.0

    told = in_shares_after(frame, [Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4))])

    assert list(told["close"]) == pytest.approx([124.8075, 499.23])
    assert list(told["volume"]) == [1.0, 1.0]
