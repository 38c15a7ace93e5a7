"""The rules that single options of a chain must keep: when each is broken, how badly, and what a person is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.options.chain_quality import ChainPolicy, ChainRule

Grades = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """One rule.

    Attributes:
        fact: the column of the facts that it looks at.
        grade: gives for each value 0 where the rule is kept, 1 for a warning, 2 where it is critical.
        cost: what a warning takes off an option's score of 1; a critical finding takes all of it.
        value: tells what was found in a row of the facts.
        limit: tells what must be there.
        remedy: tells what a person can do.
    """

    rule: ChainRule
    fact: str
    grade: Callable[[pd.Series, ChainPolicy], Grades]
    cost: float
    value: Callable[[Any], str]
    limit: Callable[[ChainPolicy], str]
    remedy: str


def _warning(broken: pd.Series) -> Grades:
    return np.asarray(broken, dtype=np.int8)


def _critical(broken: pd.Series) -> Grades:
    return 2 * _warning(broken)


def _as_it_is(fact: pd.Series, _policy: ChainPolicy) -> Grades:
    return np.asarray(fact, dtype=np.int8)


def _quote(row: Any) -> str:
    return f"bid {row.bid:g}, ask {row.ask:g}"


def _gap_rule(rule: ChainRule, fact: str, wanted: str, *, cost: float, never_critical: bool = False) -> OptionRule:
    """Return a rule about a gap; it is never critical where nobody knows which of several options is the wrong one."""

    def grade(gap: pd.Series, policy: ChainPolicy) -> Grades:
        broken = gap > policy.max_gap_pct
        return _warning(broken) + _warning(broken & (gap > policy.critical_gap_pct) & (not never_critical))

    return OptionRule(
        rule=rule,
        fact=fact,
        grade=grade,
        cost=cost,
        value=lambda row: f"{_quote(row)}, {getattr(row, fact):.2g} % of the underlying off",
        limit=lambda policy: f"{wanted}, within {policy.max_gap_pct:g} %",
        remedy="compare quote, underlying, rate and dividends at that moment with another source",
    )


_AGAIN = "fetch the chain again, or from another source"

OPTION_RULES = (
    OptionRule(
        rule=ChainRule.NUMBER_INVALID,
        fact="invalid_numbers",
        grade=lambda fact, _: _critical(fact > 0),
        cost=1.0,
        value=lambda row: f"{row.invalid_numbers} of its numbers infinite or negative, or no strike or expiry",
        limit=lambda _: "numbers that can be",
        remedy=_AGAIN,
    ),
    OptionRule(
        rule=ChainRule.DUPLICATE,
        fact="repeated",
        grade=_as_it_is,
        cost=1.0,
        value=lambda row: (
            "a second row, " + ("the same" if row.repeated == 1 else f"with other values ({_quote(row)})")
        ),
        limit=lambda _: "one row for an option",
        remedy=_AGAIN,
    ),
    OptionRule(
        rule=ChainRule.EXPIRED,
        fact="years_left",
        grade=lambda fact, _: _critical(fact < 0),
        cost=1.0,
        value=lambda row: f"expired {-row.years_left * 365:.2g} days ago",
        limit=lambda _: "options that are alive",
        remedy="leave them out; if they are alive, check the hour of expiry and the zone",
    ),
    OptionRule(
        rule=ChainRule.STRIKE_SCALE,
        fact="strike_factor",
        grade=lambda fact, policy: _critical(fact > policy.max_strike_factor),
        cost=1.0,
        value=lambda row: f"a strike {row.strike_factor:.3g} times away from the underlying",
        limit=lambda policy: f"at most {policy.max_strike_factor:g} times",
        remedy="check the unit of its strikes, and splits",
    ),
    OptionRule(
        rule=ChainRule.ASK_MISSING,
        fact="ask_missing",
        grade=lambda fact, _: _critical(fact > 0),
        cost=1.0,
        value=_quote,
        limit=lambda _: "an ask above 0 where there is a bid",
        remedy=_AGAIN,
    ),
    OptionRule(
        rule=ChainRule.NO_QUOTE,
        fact="quoted",
        grade=lambda fact, _: _warning(~fact),
        cost=0.5,
        value=_quote,
        limit=lambda _: "a bid or an ask",
        remedy="nobody makes a market in it now",
    ),
    OptionRule(
        rule=ChainRule.CROSSED,
        fact="spread",
        grade=lambda fact, _: _critical(fact < 0),
        cost=1.0,
        value=_quote,
        limit=lambda _: "a bid below the ask",
        remedy=_AGAIN,
    ),
    OptionRule(
        rule=ChainRule.LOCKED,
        fact="spread",
        grade=lambda fact, _: _warning(fact == 0),
        cost=0.2,
        value=_quote,
        limit=lambda _: "a bid below the ask",
        remedy="look again in a second: markets are locked for moments only",
    ),
    OptionRule(
        rule=ChainRule.FUTURE_QUOTE,
        fact="age_minutes",
        grade=lambda fact, policy: _critical(fact < -policy.max_quote_lead_minutes),
        cost=1.0,
        value=lambda row: f"quoted {-row.age_minutes:.3g} minutes after the chain",
        limit=lambda policy: f"at most {policy.max_quote_lead_minutes:g} minutes ahead",
        remedy="check clock and time zone of the source",
    ),
    OptionRule(
        rule=ChainRule.STALE,
        fact="age_minutes",
        grade=lambda fact, policy: _warning(fact > policy.max_quote_age_minutes),
        cost=0.5,
        value=lambda row: f"quoted {row.age_minutes:.3g} minutes before",
        limit=lambda policy: f"at most {policy.max_quote_age_minutes:g} minutes old",
        remedy=_AGAIN,
    ),
    _gap_rule(ChainRule.BELOW_LEAST, "least_gap", "an ask not below what exercise is worth", cost=0.5),
    _gap_rule(ChainRule.ABOVE_MOST, "most_gap", "a bid not above what can be received at most", cost=0.5),
    _gap_rule(ChainRule.PARITY, "parity_gap", "call less put as parity says", cost=0.3),
    _gap_rule(ChainRule.STRIKE_ORDER, "order_gap", "prices in the order of strikes", cost=0.3, never_critical=True),
    _gap_rule(
        ChainRule.CONVEXITY, "convexity_gap", "butterflies for no less than nothing", cost=0.2, never_critical=True
    ),
    _gap_rule(ChainRule.CALENDAR, "calendar_gap", "more time for no less money", cost=0.2, never_critical=True),
    OptionRule(
        rule=ChainRule.WIDE_SPREAD,
        fact="wide_spread",
        grade=lambda fact, _: _warning(fact > 0),
        cost=0.3,
        value=_quote,
        limit=lambda policy: f"at most {policy.max_spread_pct:g} % of the middle",
        remedy="its middle is no price: use bid and ask",
    ),
    OptionRule(
        rule=ChainRule.NO_OPEN_INTEREST,
        fact="open_interest",
        grade=lambda fact, _: _warning(fact == 0),
        cost=0.05,
        value=lambda row: f"open interest {row.open_interest:g}",
        limit=lambda _: "contracts that somebody holds",
        remedy="nobody may be there to trade it with",
    ),
)
