"""Options priced anew after a shock of spot, volatility and rate."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trading.errors import InvalidValue
from trading.options import american, european
from trading.options.chains import ExerciseStyle
from trading.options.vanilla import VanillaOptions
from trading.risk.stress import StressScenario
from trading.risk.tail_measures import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptionPosition:
    """One option as its model sees it.

    Attributes:
        option: exactly one.
        volatility: implied by its price, 0.2 is 20 % a year.
    """

    underlying: str
    option: VanillaOptions
    volatility: float
    style: ExerciseStyle = ExerciseStyle.AMERICAN

    def __post_init__(self) -> None:
        if self.option.spot.shape != (1,):
            raise InvalidValue("option", self.option.spot.shape, "exactly one")
        if not (np.isfinite(self.volatility) and self.volatility > 0):
            raise InvalidValue(f"volatility of an option on {self.underlying}", self.volatility, "greater than 0")

    def price(
        self, spot_moves: npt.ArrayLike = 0.0, volatility_move: float = 0.0, rate_points: float = 0.0
    ) -> FloatArray:
        """Return its model's price for each move of the spot.

        Args:
            spot_moves: as fractions; one of -1 or below is priced as if next to nothing were left.
            volatility_move: as a fraction of the volatility.
        """
        moves = np.maximum(np.atleast_1d(np.asarray(spot_moves, dtype=np.float64)), -1 + 1e-6)
        one = self.option
        many = VanillaOptions(
            is_call=np.repeat(one.is_call, len(moves)),
            spot=one.spot * (1 + moves),
            strike=np.repeat(one.strike, len(moves)),
            years=np.repeat(one.years, len(moves)),
            rate=np.repeat(one.rate + rate_points / 100, len(moves)),
            dividend_yield=np.repeat(one.dividend_yield, len(moves)),
        )
        # Cash dividends fall with the spot, as they would when a company is worth half.
        many = replace(many, spot=many.spot - one.present_value() * (1 + moves))
        model = american if self.style is ExerciseStyle.AMERICAN else european
        return np.asarray(model.price(many, self.volatility * (1 + volatility_move)))

    def returns(self, underlying_returns: FloatArray) -> FloatArray:
        """Return what 1 of its value earns for each return of its underlying; NaN where it has no price."""
        now = self.price()
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.price(underlying_returns) / now - 1)

    def shocked(self, spot_move: float, scenario: StressScenario) -> float:
        """Return what 1 of its value earns in a stress scenario; NaN where it has no price."""
        after = self.price(spot_move, scenario.volatility_pct / 100, scenario.rate_points)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float((after / self.price() - 1)[0])

    def greeks_per_value(self) -> tuple[float, float, float]:
        """Return delta (value of the underlying), gamma (delta for 1 %) and vega (a point) of 1 of its value."""
        model = american if self.style is ExerciseStyle.AMERICAN else european
        greeks, px, spot = model.greeks(self.option, self.volatility), self.price(), self.option.spot
        with np.errstate(invalid="ignore", divide="ignore"):
            found = greeks.delta * spot / px, 0.01 * greeks.gamma * spot**2 / px, greeks.vega / px
        return float(found[0][0]), float(found[1][0]), float(found[2][0])


def shock_grid(
    position: OptionPosition, spot_moves: FloatArray, volatility_moves: FloatArray, units: float
) -> FloatArray:
    """Return the profit of options on so many units of the underlying, for each move of spot and volatility.

    Returns:
        shape (n_spot_moves, n_volatility_moves).
    """
    now = float(position.price()[0])
    columns = [position.price(spot_moves, float(move)) - now for move in volatility_moves]
    return np.asarray(units * np.column_stack(columns))
