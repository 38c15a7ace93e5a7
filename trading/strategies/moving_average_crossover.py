"""Moving average crossover: hold what trades above its longer past."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.errors import InvalidValue
from trading.strategies.strategy import PointInTimeBars
from trading.validation import STRICT

# Adjusted closes are rescaled by each new dividend, so equal averages may differ in the last bits.
_FLOAT_NOISE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class MovingAverageCrossover:
    """Hold 1/N of every symbol whose fast simple moving average is above its slow one, and cash for the others.

    Source: Brock, Lakonishok & LeBaron (1992), Journal of Finance 47(5), 1731-1764.
    """

    fast_sessions: Annotated[int, Field(gt=0, description="Sessions in the fast average of closes.")] = 50
    slow_sessions: Annotated[
        int, Field(gt=1, description="Sessions in the slow average of closes; more than in the fast one.")
    ] = 200

    def __post_init__(self) -> None:
        if self.fast_sessions >= self.slow_sessions:
            rule = f"less than slow_sessions, which is {self.slow_sessions}"
            raise InvalidValue("fast_sessions", self.fast_sessions, rule)

    @property
    def lookback_sessions(self) -> int:
        """Return the sessions of the slow average."""
        return self.slow_sessions

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        """Return 1/N for each symbol in an upward trend; N counts all symbols, also those too young to be held."""
        closes = bars.complete_closes(self.slow_sessions)
        fast, slow = closes.tail(self.fast_sessions).mean(), closes.mean()
        rising = fast > slow * (1 + _FLOAT_NOISE)
        return {symbol: 1 / len(bars.closes.columns) for symbol in closes.columns[rising]}
