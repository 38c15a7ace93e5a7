"""European options by the formula of Black, Scholes and Merton, over arrays.

Source: J. Hull, Options, Futures, and Other Derivatives, 15.8, 17.4 and 19; F. Black, The pricing of commodity
contracts, 1976 (all is written by way of the forward).
"""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr  # type: ignore[import-untyped]  # scipy ships no types

from trading.options.vanilla import BoolArray, FloatArray, Greeks, VanillaOptions

POINT, DAY = 0.01, 1 / 365
_MAX_STEPS = 40  # ten do for what is traded
_PRECISION = 1e-12


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


def _normalised(total: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(x / 2) * ndtr(x / total + total / 2) - np.exp(-x / 2) * ndtr(x / total - total / 2))


def _total_volatility(beta: FloatArray, x: FloatArray) -> FloatArray:
    """Return volatility times the root of time for normalised prices of calls out of the money.

    Steps start where the price bends, sqrt(-2x), which never fails to arrive. Above it they are Halley's; below it
    Newton's on 1 / sqrt(-log price), which is all but a straight line there.

    Args:
        beta: price / sqrt(forward x strike), undiscounted; in (0, exp(x/2)).
        x: log(forward / strike) <= 0.

    Source: P. Jäckel, By implication, Wilmott 2006; Manaster and Koehler, Journal of Finance 37, 1982, p. 227.
    """
    bend = np.maximum(np.sqrt(-2 * x), 1e-8)
    at_bend = _normalised(bend, x)
    low: BoolArray = beta < at_bend
    total = np.where(low, bend, bend + (beta - at_bend) * np.sqrt(2 * np.pi))
    goal = 1 / np.sqrt(-np.log(beta))
    for _ in range(_MAX_STEPS):
        here = _normalised(total, x)
        vega = _density(np.hypot(x / total, total / 2))
        newton = (beta - here) / vega
        halley = newton / np.maximum(1 + 0.5 * newton * (x * x / total**3 - total / 4), 0.3)
        depth = -np.log(here)
        straight = (goal - 1 / np.sqrt(depth)) * 2 * here * depth**1.5 / vega
        step = np.clip(np.where(low, straight, halley), -2 / 3 * total, 2 * total)
        total = total + step
        if not (np.abs(step) > _PRECISION * (1 + total)).any():
            break
    return total
