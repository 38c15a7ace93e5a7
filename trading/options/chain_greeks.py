"""Implied volatilities and Greeks of a whole chain."""

from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import InvalidValue
from trading.options import american, european
from trading.options.chains import CHAIN_KEYS, ExerciseStyle, OptionChain
from trading.options.terms import PricingTerms
from trading.options.vanilla import BoolArray, FloatArray, VanillaOptions

VOLATILITIES, GREEKS = ("iv_bid", "iv_mid", "iv_ask"), ("delta", "gamma", "vega", "theta", "rho")
GREEK_COLUMNS = (*CHAIN_KEYS, *VOLATILITIES, *GREEKS, "reason")


class NoVolatility(StrEnum):
    """Why an option has no implied volatility; these words never change their meaning."""

    NO_UNDERLYING_PRICE = "NO_UNDERLYING_PRICE"
    NO_EXPIRY = "NO_EXPIRY"
    NO_STRIKE = "NO_STRIKE"  # absent, infinite or not above 0
    EXPIRED = "EXPIRED"
    NO_BID = "NO_BID"
    NO_ASK = "NO_ASK"
    CROSSED = "CROSSED"  # the bid above the ask, so there is no middle
    BELOW_INTRINSIC = "BELOW_INTRINSIC"  # not above what exercise is worth without any volatility
    ABOVE_MAXIMUM = "ABOVE_MAXIMUM"  # not below what can be received at most


def chain_greeks(chain: OptionChain, terms: PricingTerms, at: datetime | None = None) -> pd.DataFrame:
    """Return implied volatilities and Greeks, one row for each option in the chain's order, GREEK_COLUMNS.

    Args:
        at: aware, from when time to expiry counts; the chain's own moment when None.

    Returns:
        `iv_bid`, `iv_mid`, `iv_ask`: volatility a year, 0.2 is 20 %. `delta` to `rho`: at `iv_mid`, per unit of the
        underlying, in the units of `Greeks`. `reason`: a word of NoVolatility for the first of middle, bid and ask
        that has no volatility, empty where all three have one; NaN stands for what there is not.

    Raises:
        InvalidValue: `at` has no zone, the terms do not fit, or the chain is American and QuantLib is not installed.
    """
    now = at or chain.at
    if now.tzinfo is None:
        raise InvalidValue("at", now, "a time with its zone")
    frame = chain.frame
    numbers = {name: np.full(len(frame), np.nan) for name in (*VOLATILITIES, *GREEKS)}
    reason = _unpriceable(chain, terms, now)
    priced = reason == ""
    if priced.any() and chain.underlying_px is not None:
        found, reason[priced] = _priced(
            terms.options(frame[priced], chain.underlying_px, now),
            frame["bid"].to_numpy()[priced],
            frame["ask"].to_numpy()[priced],
            chain.style,
        )
        for name, values in found.items():
            numbers[name][priced] = values
    return frame[list(CHAIN_KEYS)].assign(**numbers, reason=pd.array(reason, dtype="str"))


def _unpriceable(chain: OptionChain, terms: PricingTerms, now: datetime) -> npt.NDArray[np.object_]:
    """Return why an option has no volatility at all, whatever its quote; empty where it may have one."""
    strike, spot = chain.frame["strike"].to_numpy(), chain.underlying_px
    years = terms.expires.years(chain.frame["expiry"], now)
    given = spot is not None and np.isfinite(spot) and spot > 0
    return _first_of(
        (np.full(len(strike), not given), NoVolatility.NO_UNDERLYING_PRICE),
        (np.isnan(years), NoVolatility.NO_EXPIRY),
        (~(np.isfinite(strike) & (strike > 0)), NoVolatility.NO_STRIKE),
        (~(years > 0), NoVolatility.EXPIRED),
    )


def _priced(
    options: VanillaOptions, bid: FloatArray, ask: FloatArray, style: ExerciseStyle
) -> tuple[dict[str, FloatArray], npt.NDArray[np.object_]]:
    model = american if style is ExerciseStyle.AMERICAN else european
    bid, ask = (np.where(np.isfinite(px) & (px > 0), px, np.nan) for px in (bid, ask))
    mid = np.where(bid <= ask, (bid + ask) / 2, np.nan)
    sides = {"iv_mid": mid, "iv_bid": bid, "iv_ask": ask}
    found = {name: model.implied_volatility(options, px) for name, px in sides.items()}
    most = _most(options, style)
    no_bid, no_ask = (np.isnan(bid), NoVolatility.NO_BID), (np.isnan(ask), NoVolatility.NO_ASK)
    no_root = [
        trouble
        for name, px in sides.items()
        for trouble in (
            (np.isnan(found[name]) & (px >= most), NoVolatility.ABOVE_MAXIMUM),
            (np.isnan(found[name]), NoVolatility.BELOW_INTRINSIC),
        )
    ]
    reason = _first_of(no_bid, no_ask, (bid > ask, NoVolatility.CROSSED), *no_root)
    greeks = model.greeks(options, found["iv_mid"])
    return found | {name: getattr(greeks, name) for name in GREEKS}, reason


def _most(options: VanillaOptions, style: ExerciseStyle) -> FloatArray:
    if style is ExerciseStyle.AMERICAN:
        return np.where(options.is_call, options.spot, options.strike)
    return options.discount * np.where(options.is_call, options.forward, options.strike)


def _first_of(*troubles: tuple[BoolArray, NoVolatility]) -> npt.NDArray[np.object_]:
    """Return the word of the first trouble that each row has; empty where it has none."""
    words = np.select([where for where, _ in troubles], [word.value for _, word in troubles], default="")
    return words.astype(object)
