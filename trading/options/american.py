"""American options by QuantLib; the functions are those of `european`.

Without a cash dividend before the expiry: Andersen, Lake and Offengenden's fixed-point iteration (`QdFpAmericanEngine`,
its fast scheme), within a hundred-thousandth of the strike at volatilities up to 60 %, four of them at 150 %. With one:
finite differences in the escrowed model, within about six hundred-thousandths and a hundred times slower. Options that
nobody would exercise early (a call on what pays nothing) are priced by the formula of `european`.

All time is measured in lives of the option, with rates and volatility scaled to match, so that the hour counts, one
set of QuantLib's objects does for all options, and neither its date of today nor its calendar is asked.

Source: L. Andersen, M. Lake, D. Offengenden, High-performance American option pricing, Journal of Computational
Finance 20(1), 2016.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from trading.errors import InvalidValue
from trading.options import european
from trading.options.vanilla import BoolArray, FloatArray, Greeks, VanillaOptions

_LIFE_DAYS = 10_000  # a life of an option in QuantLib's days; a dividend falls on one of them
_LIFE_YEARS = _LIFE_DAYS / 365
_GRID = (100, 100)  # steps in time and in price
_MAX_STEPS = 60
_PX_TOLERANCE = 1e-6  # of the strike
_LEAST_VOLATILITY, _MOST_VOLATILITY = 1e-4, 10.0
_SPOT_BUMP, _VOLATILITY_BUMP, _RATE_BUMP = 0.01, 1e-3, 1e-5  # the first in standard deviations until the expiry

Price = Callable[[float, float, float], float]


def price(options: VanillaOptions, volatility: npt.ArrayLike) -> FloatArray:
    """Return the prices; NaN where an option has expired or the volatility is not above 0.

    Raises:
        InvalidValue: QuantLib is not installed, or rate and dividend yield are both below 0 in the wrong order.
    """
    sigma = np.broadcast_to(np.asarray(volatility, dtype=np.float64), options.spot.shape)
    found = european.price(options, sigma)
    for i, worth in _exercised_early(options, np.isfinite(found)):
        found[i] = worth(options.spot[i], options.rate[i], sigma[i])
    return found


def implied_volatility(options: VanillaOptions, px: npt.ArrayLike) -> FloatArray:
    """Return the volatilities at which the options cost that much.

    Returns:
        NaN where no volatility gives the price: not above what exercise is worth, not below what is received at most,
        or expired.

    Raises:
        InvalidValue: as for `price`.
    """
    wanted = np.broadcast_to(np.asarray(px, dtype=np.float64), options.spot.shape)
    # The right to exercise early has its price, so the European volatility is an upper bound.
    found = european.implied_volatility(options, wanted)
    possible = (wanted > options.intrinsic) & (wanted < np.where(options.is_call, options.spot, options.strike))
    found[~possible] = np.nan
    vega = european.greeks(options, found).vega / european.POINT
    for i, worth in _exercised_early(options, possible & (options.years > 0)):
        spot, rate, tolerance = options.spot[i], options.rate[i], _PX_TOLERANCE * options.strike[i]
        found[i] = _root(partial(worth, spot, rate), wanted[i], found[i], vega[i], tolerance)
    return found


def greeks(options: VanillaOptions, volatility: npt.ArrayLike) -> Greeks:
    """Return the Greeks by differences of prices; NaN where an option has expired or the volatility is not above 0.

    Raises:
        InvalidValue: as for `price`.
    """
    sigma = np.broadcast_to(np.asarray(volatility, dtype=np.float64), options.spot.shape)
    plain = european.greeks(options, sigma)
    delta, gamma, vega, theta, rho = (a.copy() for a in (plain.delta, plain.gamma, plain.vega, plain.theta, plain.rho))
    worths, early = np.zeros_like(options.spot), np.zeros(options.spot.shape, dtype=np.bool_)
    for i, worth in _exercised_early(options, np.isfinite(plain.delta)):
        spot, rate, v = options.spot[i], options.rate[i], sigma[i]
        step = _SPOT_BUMP * spot * v * np.sqrt(options.years[i])
        here, above, below = worth(spot, rate, v), worth(spot + step, rate, v), worth(spot - step, rate, v)
        worths[i], early[i] = here, True
        delta[i], gamma[i] = (above - below) / (2 * step), (above - 2 * here + below) / step**2
        bump = min(_VOLATILITY_BUMP, v / 2)
        vega[i] = european.POINT * (worth(spot, rate, v + bump) - worth(spot, rate, v - bump)) / (2 * bump)
        rho[i] = european.POINT * (worth(spot, rate + _RATE_BUMP, v) - here) / _RATE_BUMP  # below 0 a rate may not go
    alive = early & (worths > options.intrinsic + _PX_TOLERANCE * options.strike)
    theta[early] = 0.0  # of one that should have been exercised
    theta[alive] = european.theta(options, sigma, worths, delta, gamma)[alive]
    return Greeks(delta=delta, gamma=gamma, vega=vega, theta=theta, rho=rho)


def _exercised_early(options: VanillaOptions, wanted: BoolArray) -> Iterator[tuple[int, Price]]:
    """Return each option wanted that is worth more than its European twin, and its price by spot, rate, volatility."""
    # Who exercises early gains interest on the strike with a put, dividends with a call, and loses the other.
    gain = np.where(options.is_call, options.dividend_yield, options.rate)
    cost = np.where(options.is_call, options.rate, options.dividend_yield)
    with_cash = options.present_value() > 0
    if (both := wanted & ~with_cash & (cost < gain) & (gain < 0)).any():
        first = int(np.flatnonzero(both)[0])
        told = f"rate {options.rate[first]:g}, dividend yield {options.dividend_yield[first]:g}"
        raise InvalidValue("rate and dividend_yield", told, "not both below 0 for an American option of that kind")
    never = ~with_cash & (gain <= 0) & (gain <= cost)
    chosen = np.flatnonzero(wanted & ~never)
    if not len(chosen):
        return
    ql = _quantlib()
    by_formula = {is_call: _fixed_point(ql, is_call) for is_call in (True, False)}
    for i in chosen:
        if with_cash[i]:
            yield int(i), _finite_differences(ql, options, int(i))
        else:
            strike, years, carry = options.strike[i], options.years[i], options.dividend_yield[i]
            yield int(i), _scaled(by_formula[bool(options.is_call[i])], strike, years, carry)


def _root(worth: Callable[[float], float], px: float, start: float, vega: float, tolerance: float) -> float:
    """Return the volatility at which it is worth `px`, by secants inside a bracket; NaN where there is none.

    Args:
        start: the European volatility, an upper bound but for rounding; NaN where there is none.
        vega: the slope there.
    """
    v = start if np.isfinite(start) else 1.0
    low, high = 0.0, 2 * start if np.isfinite(start) else _MOST_VOLATILITY
    slope, before = vega, (np.nan, np.nan)
    for _ in range(_MAX_STEPS):
        miss = worth(v) - px
        if abs(miss) <= tolerance:
            return v
        low, high = (v, high) if miss < 0 else (low, v)
        if high < _LEAST_VOLATILITY or v == before[0]:
            break
        if np.isfinite(before[0]):
            slope = (miss - before[1]) / (v - before[0])
        before = v, miss
        guess = v - miss / slope if slope > 0 else np.nan
        v = guess if low < guess < high else (low + high) / 2
    return np.nan


def _quantlib() -> ModuleType:
    try:
        return import_module("QuantLib")
    except ModuleNotFoundError as exc:
        rule = "european where QuantLib is not installed: install openbell with its extra `options`"
        raise InvalidValue("style", "american", rule) from exc


def _fixed_point(ql: ModuleType, is_call: bool) -> Callable[[float, float, float, float], float]:
    """Return the price of an option struck at 1 by spot, and by rate, yield and volatility over its whole life."""
    process, (spot, rate, carry, sigma) = _process(ql)
    option = _option(ql, is_call, 1.0)
    option.setPricingEngine(ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.fastScheme()))

    def worth(s: float, r: float, q: float, v: float) -> float:
        spot(s), rate(r / _LIFE_YEARS), carry(q / _LIFE_YEARS), sigma(v / _LIFE_YEARS**0.5)
        return float(option.NPV())

    return worth


def _scaled(unit: Callable[[float, float, float, float], float], strike: float, years: float, carry: float) -> Price:
    return lambda s, r, v: strike * unit(s / strike, r * years, carry * years, v * years**0.5)


def _finite_differences(ql: ModuleType, options: VanillaOptions, i: int) -> Price:
    process, (spot, rate, carry, sigma) = _process(ql)
    option = _option(ql, bool(options.is_call[i]), options.strike[i])
    life = options.years[i]
    scale = life / _LIFE_YEARS
    dividends = [
        ql.FixedDividend(flow.amount, _start(ql) + round(flow.years / life * _LIFE_DAYS))
        for flow in options.dividends
        if flow.years <= life
    ]
    damping_steps, scheme, local_volatility, overwrite = 0, ql.FdmSchemeDesc.Douglas(), False, -1.0  # its defaults
    escrowed = ql.FdBlackScholesVanillaEngine.Escrowed
    option.setPricingEngine(
        ql.FdBlackScholesVanillaEngine(
            process, dividends, *_GRID, damping_steps, scheme, local_volatility, overwrite, escrowed
        )
    )
    carry(options.dividend_yield[i] * scale)
    twin = options.take(np.arange(len(options.spot)) == i)

    def worth(s: float, r: float, v: float) -> float:
        spot(s), rate(r * scale), sigma(v * scale**0.5)
        held = replace(twin, spot=np.array([s]), rate=np.array([r]))
        least = max(european.price(held, v)[0], held.intrinsic[0])  # the grid is coarse for wild volatilities
        return float(max(option.NPV(), least))

    return worth


def _process(ql: ModuleType) -> tuple[Any, list[Callable[[float], object]]]:
    """Return a process, and what sets its spot, rate, dividend yield and volatility."""
    start, days = _start(ql), ql.Actual365Fixed()
    spot, rate, carry, sigma = (ql.SimpleQuote(1.0) for _ in range(4))
    curves = [ql.YieldTermStructureHandle(ql.FlatForward(start, ql.QuoteHandle(q), days)) for q in (carry, rate)]
    flat = ql.BlackConstantVol(start, ql.NullCalendar(), ql.QuoteHandle(sigma), days)
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(spot), *curves, ql.BlackVolTermStructureHandle(flat))
    return process, [spot.setValue, rate.setValue, carry.setValue, sigma.setValue]


def _option(ql: ModuleType, is_call: bool, strike: float) -> Any:
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
    return ql.VanillaOption(payoff, ql.AmericanExercise(_start(ql), _start(ql) + _LIFE_DAYS))


def _start(ql: ModuleType) -> Any:
    """Return a day in QuantLib's far future, so that no option has expired by its own date of today."""
    return ql.Date(1, 1, 2150)
