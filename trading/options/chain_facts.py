"""Facts about the options of a chain: what every rule looks at, found in one vectorised pass.

A quote is *fit* when it is there, not crossed, not stale, of an option alive and not repeated. Only fit quotes are held
against each other, so that one bad quote does not put its neighbours in doubt. A *gap* is what somebody who buys at
the asks and sells at the bids would earn for nothing, in per cent of the underlying; 0 where there is none.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.options.chain_quality import ChainPolicy
from trading.options.chains import CHAIN_KEYS, CHAIN_NUMBERS, ExerciseStyle, OptionChain
from trading.options.terms import PricingTerms
from trading.options.vanilla import BoolArray, FloatArray, VanillaOptions

IntArray = npt.NDArray[np.intp]


def chain_facts(chain: OptionChain, terms: PricingTerms, policy: ChainPolicy, now: datetime) -> pd.DataFrame:
    """Return CHAIN_KEYS, `bid`, `ask`, `open_interest` and a column for each fact, in the chain's order.

    * `invalid_numbers`: how many numbers are infinite or negative; an absent strike or expiry counts too.
    * `repeated`: 1 for a row that repeats an earlier one, 2 for all that contradict each other.
    * `years_left`: to the expiry; NaN without one.
    * `strike_factor`: how far the strike is from the underlying, as a factor >= 1; NaN without a price.
    * `ask_missing`: 1 for an ask that is absent or 0 beside a bid.
    * `quoted`: whether there is a bid or an ask above 0.
    * `spread`: ask less bid; NaN unless both are above 0.
    * `wide_spread`: 1 for a spread that is too wide.
    * `age_minutes`: age of the quote, below 0 when it comes from the future; 0 where nobody told.
    * `least_gap`, `most_gap`, `parity_gap`, `order_gap`, `convexity_gap`, `calendar_gap`: see above.
    """
    frame = chain.frame
    spot = chain.underlying_px if chain.underlying_px and 0 < chain.underlying_px < np.inf else np.nan
    bid, ask = (np.where((frame[side] > 0) & (frame[side] < np.inf), frame[side], np.nan) for side in ("bid", "ask"))
    age = ((pd.Timestamp(now) - frame["quoted_at"]) / pd.Timedelta(minutes=1)).fillna(0.0).to_numpy()
    facts = frame[[*CHAIN_KEYS, "bid", "ask", "open_interest"]].assign(
        invalid_numbers=_invalid_numbers(frame),
        repeated=_repeated(frame),
        years_left=terms.expires.years(frame["expiry"], now),
        strike_factor=np.maximum(frame["strike"] / spot, spot / frame["strike"].where(frame["strike"] > 0)),
        ask_missing=((bid > 0) & np.isnan(ask)).astype(np.intp),
        quoted=~(np.isnan(bid) & np.isnan(ask)),
        spread=ask - bid,
        wide_spread=_wide(bid, ask, spot, policy),
        age_minutes=age,
    )
    fit = (facts["invalid_numbers"] == 0) & (facts["repeated"] == 0) & (facts["years_left"] >= 0)
    fit &= (age >= -policy.max_quote_lead_minutes) & (age <= policy.max_quote_age_minutes)
    fit &= ~(facts["spread"] < 0) & (facts["ask_missing"] == 0) & (facts["strike_factor"] <= policy.max_strike_factor)
    return facts.assign(**_gaps(chain, terms, now, facts, fit.to_numpy(), spot))


def _invalid_numbers(frame: pd.DataFrame) -> IntArray:
    numbers = frame[list(CHAIN_NUMBERS)].to_numpy()
    strike = frame["strike"].to_numpy()
    wrong = (np.isinf(numbers) | (numbers < 0)).sum(axis=1)
    no_strike = ~(np.isfinite(strike) & (strike > 0))
    return np.asarray(wrong + no_strike + frame["expiry"].isna().to_numpy(), dtype=np.intp)


def _repeated(frame: pd.DataFrame) -> IntArray:
    again = frame.duplicated(list(CHAIN_KEYS)).to_numpy()
    repeated: IntArray = again.astype(np.intp)
    if again.any():
        keys = pd.MultiIndex.from_frame(frame[list(CHAIN_KEYS)])
        repeated[keys.isin(keys[again & ~frame.duplicated().to_numpy()])] = 2
    return repeated


def _wide(bid: FloatArray, ask: FloatArray, spot: float, policy: ChainPolicy) -> IntArray:
    spread, middle = ask - bid, (ask + bid) / 2
    wide = (spread > policy.max_spread_pct / 100 * middle) & (spread > policy.narrow_spread_pct / 100 * spot)
    return np.asarray(wide, dtype=np.intp)


def _gaps(
    chain: OptionChain, terms: PricingTerms, now: datetime, facts: pd.DataFrame, fit: BoolArray, spot: float
) -> dict[str, FloatArray]:
    """Return the gaps; what has no bid could be sold for nothing at least, so a bid that is absent counts as 0."""
    bid = np.where(fit, facts["bid"].where(facts["bid"] > 0, 0.0), np.nan)
    ask = np.where(fit, facts["ask"].where(facts["ask"] > 0), np.nan)
    bounds = _Bounds(len(facts))
    if fit.any():
        bounds.fill(fit, terms.options(facts[fit], spot, now), chain.style)
    quotes = _Quotes(
        expiry=facts["expiry"].to_numpy().astype(np.int64),
        strike=facts["strike"].to_numpy(),
        is_call=(facts["right"] == "C").to_numpy(),
        bid=bid,
        ask=ask,
    )
    american = chain.style is ExerciseStyle.AMERICAN
    gaps = {
        "least_gap": bounds.least - ask,
        "most_gap": bid - bounds.most,
        "parity_gap": _parity_gap(quotes, bounds.difference_least, bounds.difference_most),
        "order_gap": _order_gap(quotes),
        "convexity_gap": _convexity_gap(quotes),
        "calendar_gap": _calendar_gap(quotes) if american else np.zeros(len(facts)),
    }
    return {name: np.nan_to_num(np.fmax(gap, 0.0) / spot * 100) for name, gap in gaps.items()}


class _Bounds:
    """What options must be worth at least and at most, and a call less its put; NaN for what is not fit."""

    def __init__(self, count: int) -> None:
        self.least, self.most, self.difference_least, self.difference_most = (np.full(count, np.nan) for _ in range(4))

    def fill(self, fit: BoolArray, options: VanillaOptions, style: ExerciseStyle) -> None:
        """Set the bounds (Hull 11.3, 11.4, 11.6, 17.1)."""
        strike, now_worth, net = options.strike * options.discount, options.spot, options.forward * options.discount
        waiting = np.maximum(options.sign * (net - strike), 0.0)
        if style is ExerciseStyle.AMERICAN:
            self.least[fit] = np.maximum(waiting, options.intrinsic)
            self.most[fit] = np.where(options.is_call, now_worth, options.strike)
            self.difference_least[fit] = np.minimum(net, now_worth) - np.maximum(options.strike, strike)
            self.difference_most[fit] = np.maximum(net, now_worth) - np.minimum(options.strike, strike)
        else:
            self.least[fit] = waiting
            self.most[fit] = np.where(options.is_call, net, strike)
            self.difference_least[fit] = self.difference_most[fit] = net - strike


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Quotes:
    """Fit quotes by column, NaN where there is none; expiries as numbers."""

    expiry: IntArray
    strike: FloatArray
    is_call: BoolArray
    bid: FloatArray
    ask: FloatArray

    def neighbours(self, by: str, *same: str) -> tuple[IntArray, IntArray]:
        """Return the rows with an ask that follow each other when sorted by one column, the others being the same."""
        rows = np.flatnonzero(np.isfinite(self.ask))
        order = rows[np.lexsort([getattr(self, name)[rows] for name in (by, *same)])]
        first, second = order[:-1], order[1:]
        alike = np.logical_and.reduce([getattr(self, name)[first] == getattr(self, name)[second] for name in same])
        return first[alike], second[alike]

    def told_of(self, gap: FloatArray, *rows: IntArray) -> FloatArray:
        """Return for each row the largest gap that is told of it."""
        largest = np.full(self.strike.shape, np.nan)
        for of in rows:
            largest[of] = np.fmax(largest[of], gap)  # a row is in each only once
        return largest


def _parity_gap(quotes: _Quotes, least: FloatArray, most: FloatArray) -> FloatArray:
    """Return how far a call less its put is from where it must be; told of both."""
    put, call = quotes.neighbours("is_call", "strike", "expiry")
    too_little = least[call] - (quotes.ask[call] - quotes.bid[put])
    too_much = (quotes.bid[call] - quotes.ask[put]) - most[call]
    return quotes.told_of(np.fmax(too_little, too_much), put, call)


def _order_gap(quotes: _Quotes) -> FloatArray:
    """Return what a vertical spread with the next strike yields for nothing; told of both.

    Of two neighbours, the one nearer to being exercised costs more, but by no more than the difference of strikes.
    """
    lower, higher = quotes.neighbours("strike", "expiry", "is_call")
    calls = quotes.is_call[lower]
    dear, cheap = np.where(calls, lower, higher), np.where(calls, higher, lower)
    width = quotes.strike[higher] - quotes.strike[lower]
    gap = np.fmax(quotes.bid[cheap] - quotes.ask[dear], quotes.bid[dear] - quotes.ask[cheap] - width)
    return quotes.told_of(gap, lower, higher)


def _convexity_gap(quotes: _Quotes) -> FloatArray:
    """Return what the butterfly round an option yields for nothing; told of its middle."""
    first, second = quotes.neighbours("strike", "expiry", "is_call")
    triple = second[:-1] == first[1:]
    lower, middle, upper = first[:-1][triple], second[:-1][triple], second[1:][triple]
    share = (quotes.strike[upper] - quotes.strike[middle]) / (quotes.strike[upper] - quotes.strike[lower])
    wings = share * quotes.ask[lower] + (1 - share) * quotes.ask[upper]
    return quotes.told_of(quotes.bid[middle] - wings, middle)


def _calendar_gap(quotes: _Quotes) -> FloatArray:
    """Return what the next expiry of the same strike yields for nothing; told of both."""
    nearer, later = quotes.neighbours("expiry", "strike", "is_call")
    return quotes.told_of(quotes.bid[nearer] - quotes.ask[later], nearer, later)
