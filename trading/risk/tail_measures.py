"""Value at risk and expected shortfall of a profit and loss: three methods, all plain numpy.

A loss is above 0 throughout. The expected profit of a session is taken as zero by the normal and the Cornish-Fisher
methods, and what holds for one session is scaled to more by the square root of their number (Hull, 22.1 and 22.4).
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trading.errors import InvalidValue

FloatArray = npt.NDArray[np.float64]

_NORMAL = NormalDist()
_TIE = 1e-9  # a level such as 0.95 is not exact in binary; 100 x (1 - 0.95) is 5 scenarios


class TailMethod(StrEnum):
    """How value at risk and expected shortfall are found."""

    HISTORICAL = "HISTORICAL"  # the history's own scenarios, each as likely as the other
    NORMAL = "NORMAL"  # by the standard deviation alone
    CORNISH_FISHER = "CORNISH_FISHER"  # normal, bent by skewness and kurtosis


class TailRisk(NamedTuple):
    """Losses, in the unit of the profits they were found from."""

    value_at_risk: float
    expected_shortfall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodUsed:
    """A measured tail, and how it was measured in the end.

    Attributes:
        why: why another method stood in for the one asked for; empty when it did not.
    """

    tail: TailRisk
    method: TailMethod
    why: str = ""


def tail_risk(pnl: FloatArray, level: float, method: TailMethod = TailMethod.HISTORICAL) -> TailRisk:
    """Return the tail of a vector of profits, one for each scenario; see `tail_risk_told`."""
    if method is TailMethod.HISTORICAL:
        return historical_tail(pnl, level)
    if method is TailMethod.NORMAL:
        return normal_tail(_deviation(pnl), level)
    return tail_risk_told(pnl, level, method).tail


def tail_risk_told(pnl: FloatArray, level: float, method: TailMethod) -> MethodUsed:
    """Return the tail and how it was found.

    Where skewness and kurtosis lie outside the domain in which the Cornish-Fisher expansion is a distribution at all,
    the larger of the historical and the normal tail stands in for it, each of its two numbers for itself.

    Args:
        pnl: profit of each scenario, shape (n,), n > 1, finite.
        level: in (0.5, 1); 0.99 looks at the worst hundredth.

    Raises:
        InvalidValue: the level is no such fraction, or the profits are not finite or too few.
    """
    _check(pnl, level)
    if method is not TailMethod.CORNISH_FISHER:
        return MethodUsed(tail=tail_risk(pnl, level, method), method=method)
    deviation, skewness, kurtosis = moments(pnl)
    if in_domain(skewness, kurtosis):
        return MethodUsed(tail=cornish_fisher_tail(deviation, skewness, kurtosis, level), method=method)
    historical, normal = historical_tail(pnl, level), normal_tail(deviation, level)
    larger = TailMethod.HISTORICAL if historical.expected_shortfall >= normal.expected_shortfall else TailMethod.NORMAL
    return MethodUsed(
        tail=TailRisk(*(max(pair) for pair in zip(historical, normal, strict=True))),
        method=larger,
        why=f"skewness {skewness:.2f} and excess kurtosis {kurtosis:.2f} lie outside the domain of the Cornish-Fisher "
        "expansion, so the larger of the historical and the normal tail stands in for it",
    )


def historical_tail(pnl: FloatArray, level: float) -> TailRisk:
    """Return the tail of the scenarios themselves.

    With k = n (1 - level): value at risk is the (floor k + 1)-th largest loss, expected shortfall the mean of the k
    largest, of which the last counts by the fraction that is left. 1, 2, ..., 100 lost at 0.95 give 95 and 98.

    Source: R. Rockafellar, S. Uryasev, Conditional value-at-risk for general loss distributions, Journal of Banking
    and Finance 26, 2002; C. Acerbi, D. Tasche, On the coherence of expected shortfall, the same, p. 1487.
    """
    n = len(pnl)
    mass, whole = tail_mass(n, level)
    # np.partition puts the profit that is value at risk in its place, and all worse ones before it.
    ordered = np.partition(pnl, whole)
    at = float(ordered[whole])
    worst = float(ordered[:whole].sum())
    return TailRisk(-at, -(worst + (mass - whole) * at) / mass)


def tail_mass(scenarios: int, level: float) -> tuple[float, int]:
    """Return how many scenarios lie in the tail, and how many of them whole."""
    mass = scenarios * (1 - level)
    nearest = round(mass)
    if abs(mass - nearest) < _TIE * scenarios and nearest > 0:
        mass = float(nearest)
    return mass, min(math.floor(mass), scenarios - 1)


def normal_tail(deviation: float, level: float) -> TailRisk:
    """Return the tail of a normal distribution with mean 0; 10 at 0.99 gives 23.26 and 26.65.

    Source: J. Hull, Options, Futures, and Other Derivatives, 22.4; Risk Management and Financial Institutions, 12.3.
    """
    z = _NORMAL.inv_cdf(level)
    return TailRisk(z * deviation, deviation * _NORMAL.pdf(z) / (1 - level))


def in_domain(skewness: float, excess_kurtosis: float) -> bool:
    """Tell whether the Cornish-Fisher quantile rises with the normal one everywhere, as a quantile must.

    Its slope is a parabola in z: (K/8 - S²/6) z² + (S/3) z + 1 - K/8 + 5 S²/36, which may nowhere be below 0.

    Source: D. Maillard, A user's guide to the Cornish Fisher expansion, 2012, section 3.
    """
    s, k = skewness, excess_kurtosis
    bend, slope, base = k / 8 - s * s / 6, s / 3, 1 - k / 8 + 5 * s * s / 36
    return bend >= 0 and base >= 0 and slope * slope <= 4 * bend * base


def cornish_fisher_tail(deviation: float, skewness: float, excess_kurtosis: float, level: float) -> TailRisk:
    """Return the tail of the Cornish-Fisher distribution with mean 0 ("modified" value at risk).

    With z the normal quantile of 1 - level, S skewness and K excess kurtosis, the quantile is
    z + (z² - 1) S/6 + (z³ - 3z) K/24 - (2z³ - 5z) S²/36, and its mean below z has the factor
    1 + z S/6 + (z² - 1) K/24 - (2z² - 1) S²/36 on that of the normal distribution. S and K are those of the profits,
    as is usual; those of the resulting distribution are a little different.

    Source: P. Zangari, A VaR methodology for portfolios that include options, RiskMetrics Monitor Q1 1996; D. Maillard,
    A user's guide to the Cornish Fisher expansion, 2012, sections 2 and 6.
    """
    z, s, k = _NORMAL.inv_cdf(1 - level), skewness, excess_kurtosis
    quantile = z + (z * z - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s * s / 36
    factor = 1 + z * s / 6 + (z * z - 1) * k / 24 - (2 * z * z - 1) * s * s / 36
    return TailRisk(-quantile * deviation, deviation * _NORMAL.pdf(z) / (1 - level) * factor)


def moments(pnl: FloatArray) -> tuple[float, float, float]:
    """Return standard deviation (of a sample), skewness and excess kurtosis (of the vector); 0 where nothing moves."""
    centred = pnl - pnl.mean()
    squares = centred * centred
    variance = float(squares.mean())
    if variance <= 0:
        return 0.0, 0.0, 0.0
    skewness = float((squares * centred).mean()) / variance**1.5
    kurtosis = float((squares * squares).mean()) / variance**2 - 3
    return math.sqrt(variance * len(pnl) / (len(pnl) - 1)), skewness, kurtosis


def _deviation(pnl: FloatArray) -> float:
    centred = pnl - pnl.mean()
    return math.sqrt(float(centred @ centred) / (len(pnl) - 1))


def _check(pnl: FloatArray, level: float) -> None:
    if not 0.5 < level < 1:
        raise InvalidValue("level", level, "a fraction above 0.5 and below 1, such as 0.99 for 99 %")
    if len(pnl) < 2 or not np.isfinite(pnl).all():
        raise InvalidValue("profit and loss", pnl, "two or more finite numbers, one for each scenario")
