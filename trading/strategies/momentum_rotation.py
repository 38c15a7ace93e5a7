"""Momentum rotation: hold the winners of the last year."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.errors import InvalidValue
from trading.strategies.strategy import PointInTimeBars
from trading.validation import STRICT

# Returns that agree to this many decimals are a tie; rescaled adjusted closes differ in the last bits.
_TIE_DECIMALS = 12


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class MomentumRotation:
    """Hold the same share of the symbols that rose most over a year, leaving out the last month.

    Source: Jegadeesh & Titman (1993), Journal of Finance 48(1), 65-91; the month left out, because short-term
    returns reverse, is Jegadeesh (1990), Journal of Finance 45(3), 881-898.
    """

    top: Annotated[int, Field(gt=0, description="How many symbols to hold; each gets 1/top.")] = 5
    lookback_sessions: Annotated[
        int, Field(gt=1, description="Sessions from the first close of the formation period to the last known one.")
    ] = 252
    skip_sessions: Annotated[int, Field(ge=0, description="Latest sessions that the formation period leaves out.")] = 21

    def __post_init__(self) -> None:
        if self.skip_sessions > self.lookback_sessions - 2:
            rule = f"at least 2 less than lookback_sessions, which is {self.lookback_sessions}"
            raise InvalidValue("skip_sessions", self.skip_sessions, rule)

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        """Return 1/top for the `top` best symbols; of equal ones the first by name. Too few symbols leave cash."""
        closes = bars.complete_closes(self.lookback_sessions)
        if closes.empty:
            return {}
        returns = (closes.iloc[-1 - self.skip_sessions] / closes.iloc[0] - 1).round(_TIE_DECIMALS)
        best = returns.sort_values(ascending=False, kind="stable").index[: self.top]  # stable: ties stay by name
        return dict.fromkeys(sorted(best), 1 / self.top)
