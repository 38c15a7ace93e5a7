"""The measures of a whole portfolio, kept up to date order by order, so that a gate can ask before each one.

Working orders may be filled or not, each in part or whole. What counts is the worst of it:

* Historical value at risk, expected shortfall and stress: in each scenario every order counts as filled if it loses
  there, and not at all if it gains. No choice of fills can lose more in any scenario, so none has a larger measure.
* Beta and Greeks: the larger, long or short, of all orders that raise it filled and of all that lower it filled.
* Liquidity: the larger side of each symbol.
* Normal and Cornish-Fisher tails have no such bound. The larger of two portfolios counts: all orders filled; and
  only those parts filled that add to a position.

An order is refused by a measure if the worst comes to lie beyond the limit and is worse than without it; unless it
lowers the measure (or leaves it) both on what is held and on all orders filled: whoever is over can always get out.

What is held or ordered without a measure counts as lost whole, whichever way it stands, and nothing may be added to it.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from trading.risk.measure_limits import MeasureBreach, MeasureCode, MeasureLimits, MeasureUse
from trading.risk.risk_model import RiskModel

_SLACK = 1e-9  # sums of floats differ in the last digits by the order in which they were made

Worst = dict[MeasureCode, float]  # in account currency, days or, for drawdown, as a fraction


class _Side(NamedTuple):
    """Signed value held of a symbol, and the values of its working buys (>= 0) and sells (<= 0)."""

    held: float = 0.0
    buys: float = 0.0
    sells: float = 0.0

    def with_order(self, value: float) -> "_Side":
        return self._replace(buys=self.buys + max(value, 0.0), sells=self.sells + min(value, 0.0))

    @property
    def worst(self) -> float:
        """Return the signed value of the larger side, when only the orders of that side are filled."""
        long, short = self.held + self.buys, self.held + self.sells
        return long if long >= -short else short


class _Sums:
    """Running sums over the portfolio; each has the same few vectors, whatever the number of symbols."""

    def __init__(self, scenarios: int, linear: int) -> None:
        self.held, self.filled, self.adding, self.worst = (np.zeros(scenarios) for _ in range(4))
        self.held_linear, self.filled_linear, self.low, self.high = (np.zeros(linear) for _ in range(4))
        self.unmeasured_held = self.unmeasured_filled = self.unmeasured_worst = 0.0
        self.days: dict[str, float] = {}

    def copy(self) -> "_Sums":
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if not isinstance(value, float):
                setattr(twin, name, value.copy())
        return twin


class PortfolioRisk:
    """The measures that have a limit, before and after each order; each question costs O(number of scenarios).

    Made once for a batch of orders. Values are signed and in account currency: `exposure_value` makes them.

    Attributes:
        unmeasured: symbols held or working without a measure, each with the reason.
    """

    def __init__(
        self,
        *,
        held: Mapping[str, float],
        working: Iterable[tuple[str, float]],
        model: RiskModel,
        limits: MeasureLimits,
        equity: float,
        drawdown: float | None = None,
        currency: str = "USD",
    ) -> None:
        """Measure what is held, then count each working order.

        Args:
            held: signed value of each position.
            working: symbol and signed value of what is left of each order that may still trade.
            equity: finite; at or below 0 every percentage of it is exceeded.
            drawdown: fall of equity from its peak, as a fraction; None when not known.

        Raises:
            InvalidValue: a value or the equity is not finite.
        """

    def before(self) -> tuple[MeasureUse, ...]:
        """Return how much of each limit that is set is used, in the worst case of the working orders."""
        return ()

    def breach(self, symbol: str, signed_value: float) -> MeasureBreach | None:
        """Return the first measure that the order would make worse and beyond its limit, or None."""

    def reserve(self, symbol: str, signed_value: float) -> None:
        """Count the order as working from now on."""

    def copy(self) -> "PortfolioRisk":
        """Return a portfolio that goes its own way from here."""
        return copy.copy(self)
