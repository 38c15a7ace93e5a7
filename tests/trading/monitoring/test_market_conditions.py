"""Conditions of symbols and of the market."""

import numpy as np
import pydantic
import pytest

from trading.monitoring.conditions import ConditionPolicy, MarketCondition, market_condition, symbol_conditions
from trading.monitoring.metrics import Metric, Metrics

NORMAL, VOLATILE, LOW_LIQUIDITY = MarketCondition.NORMAL, MarketCondition.VOLATILE, MarketCondition.LOW_LIQUIDITY
HIGHLY_VOLATILE, CRISIS = MarketCondition.HIGHLY_VOLATILE, MarketCondition.CRISIS
UP, DOWN, SIDEWAYS = MarketCondition.TRENDING_UP, MarketCondition.TRENDING_DOWN, MarketCondition.SIDEWAYS
NAN = float("nan")


def condition(volatility: float, liquidity: float, trend: float = NAN, move: float = NAN) -> MarketCondition:
    """Return the conditions of one symbol by the default thresholds."""
    values = np.full((len(Metric), 1), NAN)
    values[Metric.VOLATILITY_5M_PCT.row], values[Metric.LIQUIDITY.row] = volatility, liquidity
    values[Metric.TREND.row], values[Metric.RETURN_15M_PCT.row] = trend, move
    return MarketCondition(int(symbol_conditions(Metrics(at_us=0, values=values), ConditionPolicy())[0]))


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((0.5, 0.8), NORMAL),
        ((1.99, 0.2), NORMAL),
        ((2.0, 0.8), VOLATILE),
        ((5.0, 0.8), VOLATILE | HIGHLY_VOLATILE),
        ((0.5, 0.19), LOW_LIQUIDITY),
        ((5.0, 0.1), VOLATILE | HIGHLY_VOLATILE | LOW_LIQUIDITY | CRISIS),
        ((0.5, 0.8, 0.2, 0.5), NORMAL | UP),
        ((0.5, 0.8, -0.9, -3.0), NORMAL | DOWN),
        ((0.5, 0.8, 1.0, 0.07), NORMAL | SIDEWAYS),  # one cent of a cheap stock, straight up
        ((0.5, 0.8, 0.1, 2.0), NORMAL | SIDEWAYS),
        ((0.5, 0.8, -0.9, -7.0), DOWN | CRISIS),
        ((NAN, 0.8), NORMAL),
        ((0.5, NAN), NORMAL),
        ((NAN, NAN), MarketCondition(0)),
    ],
)
def test_a_symbol_is_in_the_conditions_its_metrics_tell(measured: tuple[float, ...], expected: MarketCondition):
    assert condition(*measured) == expected


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ([NORMAL] * 3 + [VOLATILE], VOLATILE),
        ([NORMAL] * 4 + [VOLATILE], NORMAL),
        ([NORMAL | UP] * 2 + [NORMAL | DOWN] * 2, NORMAL | UP | DOWN),
        ([NORMAL] * 9 + [CRISIS], CRISIS),
        ([NORMAL] * 10 + [CRISIS], NORMAL),
        ([MarketCondition(0)] * 9 + [LOW_LIQUIDITY], LOW_LIQUIDITY),
        ([MarketCondition(0)] * 9, MarketCondition(0)),
    ],
)
def test_the_market_is_in_a_condition_that_enough_of_the_symbols_known_are_in(
    symbols: list[MarketCondition], expected: MarketCondition
):
    conditions = np.array([each.value for each in symbols], dtype=np.uint8)

    assert market_condition(conditions, ConditionPolicy()) == expected


def test_thresholds_that_contradict_each_other_are_refused():
    with pytest.raises(pydantic.ValidationError, match=r"highly_volatile_pct is 1\.0, but must be at least 2"):
        ConditionPolicy(highly_volatile_pct=1.0)
