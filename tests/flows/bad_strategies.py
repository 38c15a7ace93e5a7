"""Strategies that must do no harm."""

from collections.abc import Mapping
from dataclasses import dataclass

from trading.strategies.strategy import PointInTimeBars


@dataclass(frozen=True, slots=True, kw_only=True)
class Raises:
    lookback_sessions: int = 1

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        raise ZeroDivisionError("division by zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotANumber:
    lookback_sessions: int = 1

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        return {"KO": float("nan")}


@dataclass(frozen=True, slots=True, kw_only=True)
class TooMuch:
    lookback_sessions: int = 1

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        return {"KO": 1.5, "PG": -1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    lookback_sessions: int = 1

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        return {"TSLA": 1.0}
