"""Equal weight: the benchmark that a strategy has to beat."""

from collections.abc import Mapping

from pydantic.dataclasses import dataclass

from trading.strategies.strategy import PointInTimeBars
from trading.validation import STRICT


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class EqualWeight:
    """Hold the same share of every symbol that traded in the last session.

    Source: DeMiguel, Garlappi & Uppal (2009), Review of Financial Studies 22(5), 1915-1953.
    """

    @property
    def lookback_sessions(self) -> int:
        """Return 1: only whether a symbol trades matters."""
        return 1

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        """Return 1/N for each of the N symbols with a close in the last session."""
        symbols = list(bars.complete_closes(1).columns)
        return {symbol: 1 / len(symbols) for symbol in symbols}
