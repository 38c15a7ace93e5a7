"""What each position adds to a measure of the whole; the parts sum to the measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from trading.errors import InvalidValue
from trading.risk.risk_model import RiskModel
from trading.risk.tail_measures import FloatArray, tail_mass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One position's part.

    Attributes:
        value: signed value held.
        amount: its part of the measure; below 0 when it lowers it.
        marginal: what the measure would rise by for 1 more of value.
    """

    symbol: str
    value: float
    amount: float
    marginal: float


def shortfall_contributions(model: RiskModel, held: Mapping[str, float], level: float) -> tuple[Contribution, ...]:
    """Return the parts of the historical expected shortfall of one session, the largest first.

    A part is the mean loss of the position in the scenarios of the whole portfolio's tail.

    Source: D. Tasche, Risk contributions and performance measurement, 1999, section 5; A. McNeil, R. Frey, P.
    Embrechts, Quantitative Risk Management, 2015, 8.5.
    """
    values = model.values(held)
    pnl = values @ model.returns
    mass, whole = tail_mass(len(pnl), level)
    order = np.argpartition(pnl, whole)
    weights = np.zeros(len(pnl))
    weights[order[:whole]], weights[order[whole]] = 1.0, mass - whole
    return _told(model, values, -(model.returns @ weights) / mass)


def normal_var_contributions(model: RiskModel, held: Mapping[str, float], level: float) -> tuple[Contribution, ...]:
    """Return the parts of the normal value at risk of one session ("component VaR"), the largest first.

    Raises:
        InvalidValue: the portfolio does not move at all, so nothing has a part in it.

    Source: P. Jorion, Value at Risk, 7.2.
    """
    values = model.values(held)
    centred = model.returns - model.returns.mean(axis=1, keepdims=True)
    pnl = values @ centred
    deviation = float(np.sqrt(pnl @ pnl / (len(pnl) - 1)))
    if not deviation > 0:
        raise InvalidValue("deviation of the portfolio", deviation, "greater than 0")
    covariances = centred @ pnl / (len(pnl) - 1)
    return _told(model, values, NormalDist().inv_cdf(level) * covariances / deviation)


def _told(model: RiskModel, values: FloatArray, marginal: FloatArray) -> tuple[Contribution, ...]:
    found = [
        Contribution(
            symbol=symbol, value=float(values[i]), amount=float(values[i] * marginal[i]), marginal=float(marginal[i])
        )
        for symbol, i in model.index.items()
        if values[i]
    ]
    return tuple(sorted(found, key=lambda part: -part.amount))
