"""Stress scenarios: what would be lost if a known or a made-up crisis came at once."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from datetime import date
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from trading.errors import InvalidValue
from trading.market.instruments import SecurityType
from trading.validation import STRICT


def _move(value: float) -> float:
    # Of the moves a crisis brings, none is smaller than 1 % and not 0; a fraction typed for a percentage is.
    if not (value == 0 or 1 <= abs(value) <= 1000) or value < -100:
        raise ValueError("in per cent, from -100 to 1000 and not a fraction: write -30 for -30 %")
    return value


MovePct = Annotated[float, AfterValidator(_move)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class StressScenario:
    """Moves of prices that come together; the most exact one that is given for a symbol counts.

    In this order: the symbol's own; its sector's; its security type's; with `rate_points`, minus its duration times
    them, when it has a duration; its beta times the market's.
    """

    name: Annotated[str, Field(min_length=1, description="What the scenario is called.")]
    market_pct: Annotated[MovePct, Field(description="Move of the benchmark, in per cent: -30 is a fall of 30 %.")] = (
        0.0
    )
    symbol_pct: Annotated[Mapping[str, MovePct], Field(description="Moves of single symbols, in per cent.")] = field(
        default_factory=dict
    )
    sector_pct: Annotated[Mapping[str, MovePct], Field(description="Moves of whole sectors, in per cent.")] = field(
        default_factory=dict
    )
    security_type_pct: Annotated[
        Mapping[SecurityType, MovePct], Field(description="Moves of all of one security type, in per cent.")
    ] = field(default_factory=dict)
    volatility_pct: Annotated[
        float,
        Field(ge=-90, le=1000, description="Relative move of implied volatilities, in per cent: 100 doubles them."),
    ] = 0.0
    rate_points: Annotated[
        float, Field(ge=-10, le=10, description="Move of interest rates in percentage points: 2 is from 3 % to 5 %.")
    ] = 0.0


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class StressTraits:
    """What decides how a symbol moves in a scenario.

    Attributes:
        beta: to the benchmark; NaN when not known.
        sector: "" when not known.
        duration_years: modified duration of a bond fund, or None.
    """

    symbol: str
    beta: float
    sector: str = ""
    security_type: SecurityType = SecurityType.COMMON_STOCK
    duration_years: float | None = None


def built_in_scenarios() -> tuple[StressScenario, ...]:
    """Return the crises that every desk is held against, from the close before to the worst close.

    Source: S&P 500 closes 1,565.15 (2007-10-09) and 676.53 (2009-03-09); 3,386.15 (2020-02-19) and 2,237.40
    (2020-03-23); 4,796.56 (2022-01-03) and 3,577.03 (2022-10-12); 2,762.13 (2018-02-02) and 2,648.94 (2018-02-05).
    Cboe VIX closes of the same days: 16.12 and 49.68; 14.38 and 61.59; 16.60 and 33.57; 17.31 and 37.32. US Treasury
    10-year constant maturity (FRED DGS10): 1.63 and 3.91.
    """
    return (
        StressScenario(name="2008 crisis", market_pct=-56.8, volatility_pct=208),
        StressScenario(name="2020 pandemic", market_pct=-33.9, volatility_pct=328),
        StressScenario(name="2022 rates", market_pct=-25.4, volatility_pct=102, rate_points=2.28),
        StressScenario(name="2018 volatility", market_pct=-4.1, volatility_pct=116),
    )


def shock_of(scenario: StressScenario, traits: StressTraits) -> float:
    """Return the move of one symbol, as a fraction, not below -1; NaN when it needs a beta that is not known."""
    own, sector = scenario.symbol_pct.get(traits.symbol), scenario.sector_pct.get(traits.sector)
    for move in (own, sector, scenario.security_type_pct.get(traits.security_type)):
        if move is not None:
            return move / 100
    if traits.duration_years is not None and scenario.rate_points:
        return max(-traits.duration_years * scenario.rate_points / 100, -1.0)
    return max(traits.beta * scenario.market_pct / 100, -1.0) if scenario.market_pct else 0.0


def check_sectors(scenario: StressScenario, sectors: frozenset[str]) -> None:
    """Refuse a scenario that moves a sector nobody knows, which would move nothing unseen.

    Raises:
        InvalidValue: a sector of the scenario is not one of `sectors`.
    """
    for sector in scenario.sector_pct:
        if sector not in sectors:
            known = ", ".join(sorted(sectors)) or "none is known"
            raise InvalidValue(f"sector of scenario {scenario.name}", sector, f"one of: {known}")


def replayed(closes: pd.DataFrame, first: date, last: date, benchmark: str) -> StressScenario:
    """Return what happened from one close to another as a scenario.

    A symbol without a close at both ends, or that moved by less than 1 %, is left to its beta.

    Args:
        closes: adjusted; one column for each symbol, one row for each session.

    Raises:
        InvalidValue: there are no closes of those sessions, or none of the benchmark.
    """
    days = [pd.Timestamp(first), pd.Timestamp(last)]
    if not first < last or not set(days) <= set(closes.index):
        held = f"{closes.index.min():%Y-%m-%d} to {closes.index.max():%Y-%m-%d}" if len(closes) else "none"
        raise InvalidValue("replayed sessions", f"{first} to {last}", f"two sessions of the history ({held})")
    start, end = (closes.loc[day].to_numpy(dtype=np.float64) for day in days)
    given = np.isfinite(start) & np.isfinite(end) & (start > 0) & (end > 0)
    moves = {
        str(symbol): float(round(100 * (b / a - 1), 4))
        for symbol, a, b in zip(closes.columns[given], start[given], end[given], strict=True)
    }
    if benchmark not in moves:
        raise InvalidValue("benchmark", benchmark, f"a symbol with closes on {first} and {last}")
    large = {symbol: move for symbol, move in moves.items() if 1 <= abs(move) <= 1000}
    return StressScenario(name=f"replay {first} to {last}", market_pct=large.get(benchmark, 0.0), symbol_pct=large)
