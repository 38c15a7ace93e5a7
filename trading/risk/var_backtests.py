"""Whether value at risk was exceeded as often, and as much by chance, as it ought to be."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from trading.errors import InvalidValue
from trading.risk.tail_measures import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodRatio:
    """A test by likelihood ratio.

    Attributes:
        statistic: >= 0, the larger the worse.
        p_value: chance of one as large from a model that is right; below 0.05 the model is usually rejected.
    """

    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VarBacktest:
    """A history of value at risk held against what came.

    Attributes:
        coverage: Kupiec: are there as many exceptions as the level says?
        independence: Christoffersen: is one no likelier on the day after one?
        conditional: both at once.
    """

    observations: int
    exceptions: int
    coverage: LikelihoodRatio
    independence: LikelihoodRatio
    conditional: LikelihoodRatio


def exceptions_of(pnl: FloatArray, value_at_risk: FloatArray) -> BoolArray:
    """Return on which days the loss was larger than the value at risk forecast for that day.

    Raises:
        InvalidValue: the two are not equally many finite numbers.
    """
    if pnl.shape != value_at_risk.shape or not (np.isfinite(pnl).all() and np.isfinite(value_at_risk).all()):
        raise InvalidValue(
            "profits and values at risk", (pnl.shape, value_at_risk.shape), "as many finite numbers each"
        )
    return np.asarray(-pnl > value_at_risk)


def backtest_var(exceptions: BoolArray, level: float) -> VarBacktest:
    """Test a row of days, True where value at risk was exceeded.

    Raises:
        InvalidValue: there are fewer than two days, or the level is no fraction between 0.5 and 1.

    Source: P. Kupiec, Techniques for verifying the accuracy of risk measurement models, Journal of Derivatives 3(2),
    1995; P. Christoffersen, Evaluating interval forecasts, International Economic Review 39(4), 1998.
    """
    if len(exceptions) < 2:
        raise InvalidValue("days", len(exceptions), "two or more")
    if not 0.5 < level < 1:
        raise InvalidValue("level", level, "a fraction above 0.5 and below 1, such as 0.99 for 99 %")
    coverage = _coverage(len(exceptions), int(exceptions.sum()), 1 - level)
    independence = _independence(exceptions)
    return VarBacktest(
        observations=len(exceptions),
        exceptions=int(exceptions.sum()),
        coverage=_tested(coverage, 1),
        independence=_tested(independence, 1),
        conditional=_tested(coverage + independence, 2),
    )


def _coverage(days: int, exceptions: int, expected: float) -> float:
    found = exceptions / days
    return 2 * (
        _log_likelihood(days - exceptions, exceptions, found) - _log_likelihood(days - exceptions, exceptions, expected)
    )


def _independence(exceptions: BoolArray) -> float:
    before, after = exceptions[:-1], exceptions[1:]
    n00, n01, n10, n11 = (int((a & b).sum()) for a in (~before, before) for b in (~after, after))
    chance = (n01 + n11) / (n00 + n01 + n10 + n11)
    after_none, after_one = n01 / max(n00 + n01, 1), n11 / max(n10 + n11, 1)
    apart = _log_likelihood(n00, n01, after_none) + _log_likelihood(n10, n11, after_one)
    return 2 * (apart - _log_likelihood(n00 + n10, n01 + n11, chance))


def _log_likelihood(no: int, yes: int, chance: float) -> float:
    """Return the logarithm of (1 - chance)^no chance^yes, where what did not happen has no part."""
    return (no * math.log1p(-chance) if no else 0.0) + (yes * math.log(chance) if yes else 0.0)


def _tested(statistic: float, freedom: int) -> LikelihoodRatio:
    # Equal likelihoods may differ by a rounding, which must not make a statistic below 0.
    statistic = max(statistic, 0.0)
    return LikelihoodRatio(statistic=statistic, p_value=float(chi2.sf(statistic, freedom)))
