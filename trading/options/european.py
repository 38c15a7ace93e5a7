"""European options by the formula of Black, Scholes and Merton, over arrays.

Source: J. Hull, Options, Futures, and Other Derivatives, 15.8, 17.4 and 19; F. Black, The pricing of commodity
contracts, 1976 (all is written by way of the forward).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from trading.options.vanilla import FloatArray, Greeks, VanillaOptions

POINT, DAY = 0.01, 1 / 365
_MAX_STEPS = 40  # ten do for what is traded
_SMALL_STEP = 1e-6  # of the volatility

Step = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def price(options: VanillaOptions, volatility: npt.ArrayLike) -> FloatArray:
    """Return the prices; NaN where an option has expired or the volatility is not above 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        d1, d2 = _d1_d2(options, volatility)
        sign, discount = options.sign, options.discount
        paid, received = options.strike * ndtr(sign * d2), options.forward * ndtr(sign * d1)
        return np.asarray(discount * sign * (received - paid))


def greeks(options: VanillaOptions, volatility: npt.ArrayLike) -> Greeks:
    """Return the Greeks; NaN where an option has expired or the volatility is not above 0."""
    sigma = np.asarray(volatility, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        d1, d2 = _d1_d2(options, volatility)
        root, sign, spot = np.sqrt(options.years), options.sign, options.net_spot
        carry = np.exp(-options.dividend_yield * options.years)
        density = _density(d1) * carry
        delta = sign * carry * ndtr(sign * d1)
        gamma = density / (spot * sigma * root)
        strike_leg = sign * options.strike * options.discount * ndtr(sign * d2)
        return Greeks(
            delta=delta,
            gamma=gamma,
            vega=POINT * spot * density * root,
            theta=theta(options, sigma, spot * delta - strike_leg, delta, gamma),
            rho=POINT * (options.years * strike_leg + delta * options.present_value(power=1)),
        )


def theta(
    options: VanillaOptions, volatility: FloatArray, worth: FloatArray, delta: FloatArray, gamma: FloatArray
) -> FloatArray:
    """Return theta for a day by the equation of Black and Scholes, which every option obeys that is not exercised."""
    spot, rate = options.net_spot, options.rate
    drift = (rate - options.dividend_yield) * spot + rate * options.present_value()
    return DAY * (rate * worth - drift * delta - 0.5 * (volatility * spot) ** 2 * gamma)


def implied_volatility(options: VanillaOptions, px: npt.ArrayLike) -> FloatArray:
    """Return the volatilities at which the options cost that much.

    Returns:
        NaN where no volatility gives the price: below what the forward contract is worth, not below what is received at
        most, or expired.
    """
    forward, strike, sign = options.forward, options.strike, options.sign
    with np.errstate(invalid="ignore", divide="ignore"):
        # The out-of-the-money twin by put-call parity; in units of the mean of strike and forward.
        time_value = np.asarray(px) / options.discount - np.maximum(sign * (forward - strike), 0.0)
        beta = time_value / np.sqrt(forward * strike)
        moneyness = -np.abs(np.log(forward / strike))
        solvable = (beta > 0) & (beta < np.exp(moneyness / 2)) & (options.years > 0)
        found = np.full(beta.shape, np.nan)
        total = _total_volatility(beta[solvable], moneyness[solvable])
        found[solvable] = total / np.sqrt(options.years[solvable])
    return found


def _d1_d2(options: VanillaOptions, volatility: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return d1 and d2 (Hull 15.20); NaN where the total volatility is not above 0."""
    total = np.asarray(volatility, dtype=np.float64) * np.sqrt(options.years)
    total = np.where(total > 0, total, np.nan)
    d1 = np.log(options.forward / options.strike) / total + total / 2
    return d1, d1 - total


def _density(d: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * d * d) / np.sqrt(2 * np.pi))


def _total_volatility(beta: FloatArray, x: FloatArray) -> FloatArray:
    """Return volatility times the root of time for normalised prices of calls out of the money.

    Steps start where the price bends, sqrt(-2x), from where they never fail to arrive.

    Args:
        beta: price / sqrt(forward x strike), undiscounted; in (0, exp(x/2)).
        x: log(forward / strike) <= 0.

    Source: P. Jäckel, By implication, Wilmott 2006; Manaster and Koehler, Journal of Finance 37, 1982, p. 227.
    """
    bend = np.maximum(np.sqrt(-2 * x), 1e-8)
    at_bend = _normalised(bend, x)
    low = beta < at_bend
    total = np.empty_like(beta)
    total[low] = _walk(_straight_step, bend[low], beta[low], x[low])
    above = bend + (beta - at_bend) * np.sqrt(2 * np.pi)
    total[~low] = _walk(_halley_step, above[~low], beta[~low], x[~low])
    return total


def _walk(step_of: Step, total: FloatArray, beta: FloatArray, x: FloatArray) -> FloatArray:
    """Take steps until they are so small that the error, their square at most, is none."""
    found, where = total.copy(), np.arange(len(total))
    for _ in range(_MAX_STEPS):
        step = np.clip(step_of(total, beta, x), -2 / 3 * total, 2 * total)
        total = total + step
        found[where] = total
        going = np.abs(step) > _SMALL_STEP * total
        if not going.any():
            break
        where, total, beta, x = where[going], total[going], beta[going], x[going]
    return found


def _halley_step(total: FloatArray, beta: FloatArray, x: FloatArray) -> FloatArray:
    newton = (beta - _normalised(total, x)) / _vega(total, x)
    bending = x * x / (total * total * total) - total / 4
    return np.asarray(newton / np.maximum(1 + 0.5 * newton * bending, 0.3))


def _straight_step(total: FloatArray, beta: FloatArray, x: FloatArray) -> FloatArray:
    """Return Newton's step for 1 / sqrt(-log price), which is all but a straight line for small prices."""
    here = _normalised(total, x)
    depth = -np.log(here)
    root = np.sqrt(depth)
    return np.asarray((1 / np.sqrt(-np.log(beta)) - 1 / root) * 2 * here * depth * root / _vega(total, x))


def _normalised(total: FloatArray, x: FloatArray) -> FloatArray:
    up, ratio = np.exp(x / 2), x / total
    return np.asarray(up * ndtr(ratio + total / 2) - ndtr(ratio - total / 2) / up)


def _vega(total: FloatArray, x: FloatArray) -> FloatArray:
    ratio = x / total
    return np.asarray(np.exp(-0.5 * (ratio * ratio + total * total / 4)) / np.sqrt(2 * np.pi))
