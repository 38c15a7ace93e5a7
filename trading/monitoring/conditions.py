"""What condition each symbol, and the market as a whole, is in."""

from enum import Flag, auto
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass as settings

from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.tick_batch import BoolArray
from trading.validation import STRICT, Contradiction

ConditionArray = npt.NDArray[np.uint8]
_Percent = Field(gt=0, allow_inf_nan=False)


class MarketCondition(Flag):
    """What can be said of a symbol or of the market; several at once, none where nothing is known."""

    NORMAL = auto()
    VOLATILE = auto()
    HIGHLY_VOLATILE = auto()
    LOW_LIQUIDITY = auto()
    TRENDING_UP = auto()
    TRENDING_DOWN = auto()
    SIDEWAYS = auto()
    CRISIS = auto()


_ALARMING = (
    MarketCondition.VOLATILE,
    MarketCondition.HIGHLY_VOLATILE,
    MarketCondition.LOW_LIQUIDITY,
    MarketCondition.CRISIS,
)


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class ConditionPolicy:
    """From where on a condition holds."""

    volatile_pct: Annotated[
        float, _Percent, Field(description="Volatility over 5 minutes, in %, from which a symbol is volatile.")
    ] = 2.0
    highly_volatile_pct: Annotated[
        float, _Percent, Field(description="Volatility over 5 minutes, in %, from which it is highly volatile too.")
    ] = 5.0
    low_liquidity: Annotated[
        float, Field(gt=0, lt=1, description="Liquidity score below which a symbol is hard to trade.")
    ] = 0.2
    trending: Annotated[
        float, Field(gt=0, le=1, description="Trend, up or down, from which a symbol that moves is trending.")
    ] = 0.2
    trending_move_pct: Annotated[
        float,
        _Percent,
        Field(description="Least return over 15 minutes, in %, of a symbol that is trending; a tick up is no trend."),
    ] = 0.5
    crisis_fall_pct: Annotated[
        float,
        _Percent,
        Field(
            description="Fall over 15 minutes, in %, that is a crisis; so is a symbol both highly volatile and hard to "
            "trade. 7 is where the exchanges of the United States first halt all trading (NYSE Rule 7.12)."
        ),
    ] = 7.0
    market_share: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the symbols known that make a condition one of the whole market."),
    ] = 0.25
    crisis_share: Annotated[
        float, Field(gt=0, le=1, description="Share of the symbols known in crisis that makes one of the market.")
    ] = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.volatile_pct <= self.highly_volatile_pct:
            raise Contradiction("highly_volatile_pct", self.highly_volatile_pct, f"at least {self.volatile_pct:g}")
        return self


def symbol_conditions(metrics: Metrics, policy: ConditionPolicy) -> ConditionArray:
    """Return the conditions of each symbol as the bits of MarketCondition.

    NORMAL is a symbol whose volatility or liquidity is known and of which nothing alarming is; its direction is told
    beside it: one of TRENDING_UP, TRENDING_DOWN and SIDEWAYS where a trend is known. 0 is a symbol of which nothing is.
    """
    volatility, liquidity = metrics.of(Metric.VOLATILITY_5M_PCT), metrics.of(Metric.LIQUIDITY)
    trend, move_pct = metrics.of(Metric.TREND), metrics.of(Metric.RETURN_15M_PCT)
    up = (trend >= policy.trending) & (move_pct >= policy.trending_move_pct)
    down = (trend <= -policy.trending) & (move_pct <= -policy.trending_move_pct)
    wild, thin = volatility >= policy.highly_volatile_pct, liquidity < policy.low_liquidity
    held = {
        MarketCondition.VOLATILE: volatility >= policy.volatile_pct,
        MarketCondition.HIGHLY_VOLATILE: wild,
        MarketCondition.LOW_LIQUIDITY: thin,
        MarketCondition.TRENDING_UP: up,
        MarketCondition.TRENDING_DOWN: down,
        MarketCondition.SIDEWAYS: ~(up | down | np.isnan(trend)),
        MarketCondition.CRISIS: (wild & thin) | (move_pct <= -policy.crisis_fall_pct),
    }
    alarmed = np.logical_or.reduce([held[condition] for condition in _ALARMING])
    held[MarketCondition.NORMAL] = ~alarmed & ~(np.isnan(volatility) & np.isnan(liquidity))
    bits = np.zeros(len(trend), dtype=np.uint8)
    for condition, holds in held.items():
        bits |= np.where(holds, np.uint8(condition.value), np.uint8(0))
    return bits


def market_condition(conditions: ConditionArray, policy: ConditionPolicy) -> MarketCondition:
    """Return the conditions of the market: those that a share of the symbols known bear, NORMAL if none is alarming.

    Args:
        conditions: of the symbols, as `symbol_conditions` gives them; those that are 0 do not count.
    """
    known = conditions[conditions > 0]
    market = MarketCondition(0)
    if not len(known):
        return market
    for condition in MarketCondition:
        share = policy.crisis_share if condition is MarketCondition.CRISIS else policy.market_share
        if condition is not MarketCondition.NORMAL and _bears(known, condition).mean() >= share:
            market |= condition
    return market if any(condition in market for condition in _ALARMING) else market | MarketCondition.NORMAL


def _bears(conditions: ConditionArray, condition: MarketCondition) -> BoolArray:
    borne: BoolArray = (conditions & condition.value) > 0
    return borne
