"""The rules that quotes must keep, and their thresholds."""

from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as settings

from trading.market.quality import Rule
from trading.market.quotes import QuoteKind
from trading.market.row_rules import EITHER, WARNS, Grades, RowRule, column, critical, graded
from trading.validation import STRICT


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class QuotePolicy:
    """Thresholds of the quality gate of quotes."""

    max_spread_pct: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False, description="Widest spread, in per cent of the middle, before a warning."),
    ] = 2.0
    critical_spread_pct: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="Widest spread that may be traded on, in per cent.")
    ] = 20.0
    stale_after_seconds: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="Oldest quote of an open market before a warning.")
    ] = 60.0
    critical_after_seconds: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="Oldest quote of an open market that may be traded on.")
    ] = 900.0
    clock_tolerance_seconds: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="How far ahead of ours a provider's clock may be.")
    ] = 5.0
    max_move: Annotated[
        float,
        Field(
            gt=0, allow_inf_nan=False, description="Largest move from the last close before a warning, as a fraction."
        ),
    ] = 0.3
    delayed_allowed: Annotated[
        bool, Field(description="Whether quotes that are minutes late by contract are only shown, not refused.")
    ] = False
    warning_cost: Annotated[
        float, Field(ge=0, le=1, description="What a rule broken with a warning takes off the score of 1.")
    ] = 0.1
    critical_cost: Annotated[
        float, Field(ge=0, le=1, description="What a rule broken critically takes off the score of 1.")
    ] = 1.0
    min_score: Annotated[
        float, Field(ge=0, le=1, description="Quarantine a symbol whose warnings leave it a lower score.")
    ] = 0.5


def _spread(facts: pd.DataFrame, policy: QuotePolicy) -> Grades:
    spread = facts["spread_pct"].to_numpy()
    return graded(spread > policy.max_spread_pct, spread > policy.critical_spread_pct)


def _stale(facts: pd.DataFrame, policy: QuotePolicy) -> Grades:
    late = facts["late_s"].to_numpy()
    return graded(late > policy.stale_after_seconds, late > policy.critical_after_seconds)


def _not_live(facts: pd.DataFrame, policy: QuotePolicy) -> Grades:
    delayed = facts["kind"].isin([QuoteKind.DELAYED, QuoteKind.DELAYED_FROZEN]).to_numpy()
    frozen = (facts["kind"] == QuoteKind.FROZEN).to_numpy() & (facts["open"].to_numpy() > 0)
    return graded(delayed, frozen | (delayed & (not policy.delayed_allowed)))


def _jump(facts: pd.DataFrame, policy: QuotePolicy) -> Grades:
    move = np.abs(facts["move_pct"].to_numpy())
    return graded(move > 100 * policy.max_move, facts["alarming_move"].to_numpy() > 0)


def _size(facts: pd.DataFrame, _policy: QuotePolicy) -> Grades:
    least = facts["lowest_size"].to_numpy()
    return graded(least <= 0, least < 0)


def _side(row: Any) -> str:
    return f"bid {row.bid:g}, ask {row.ask:g}, last {row.last:g}"


def _age(row: Any) -> str:
    return f"quoted {row.age_s:,.0f} s ago"


_ASK_AGAIN = "ask again, or another source"

QUOTE_RULES: tuple[RowRule[QuotePolicy], ...] = (
    RowRule(
        rule=Rule.PRICE_MISSING,
        grade=lambda facts, _: critical(facts["infinite"].to_numpy() > 0),
        value=lambda row: f"{row.infinite} of its numbers infinite",
        limit=lambda _: "finite numbers",
        remedy=_ASK_AGAIN,
    ),
    RowRule(
        rule=Rule.PRICE_NOT_POSITIVE,
        grade=lambda facts, _: critical(facts["lowest_px"].to_numpy() <= 0),
        value=_side,
        limit=lambda _: "prices greater than 0",
        remedy=_ASK_AGAIN,
    ),
    RowRule(
        rule=Rule.SIDE_MISSING,
        severities=EITHER,
        grade=column("sides_missing"),
        value=_side,
        limit=lambda _: "a bid and an ask",
        remedy="trade it with a limit price only, or wait",
    ),
    RowRule(
        rule=Rule.CROSSED,
        grade=lambda facts, _: critical(facts["bid"].to_numpy() > facts["ask"].to_numpy()),
        value=_side,
        limit=lambda _: "the bid below the ask",
        remedy=_ASK_AGAIN,
    ),
    RowRule(
        rule=Rule.LOCKED,
        severities=WARNS,
        grade=column("locked"),
        value=_side,
        limit=lambda _: "the bid below the ask",
        remedy="wait for the next quote",
    ),
    RowRule(
        rule=Rule.SPREAD_WIDE,
        severities=EITHER,
        grade=_spread,
        value=lambda row: f"{_side(row)}, {row.spread_pct:.3g} % of the middle",
        limit=lambda policy: (
            f"at most {policy.max_spread_pct:g} %, and {policy.critical_spread_pct:g} % to be traded on"
        ),
        remedy="trade it with a limit price only, or wait",
    ),
    RowRule(
        rule=Rule.SIZE_NOT_POSITIVE,
        severities=EITHER,
        grade=_size,
        value=lambda row: f"bid size {row.bid_size:g}, ask size {row.ask_size:g}, last size {row.last_size:g}",
        limit=lambda _: "a size beside each price",
        remedy=_ASK_AGAIN,
    ),
    RowRule(
        rule=Rule.QUOTE_STALE,
        severities=EITHER,
        grade=_stale,
        value=_age,
        limit=lambda policy: (
            f"{policy.stale_after_seconds:g} s, and {policy.critical_after_seconds:g} s to be traded on, while the "
            "exchange trades"
        ),
        remedy=_ASK_AGAIN,
    ),
    RowRule(
        rule=Rule.OUT_OF_SESSION,
        grade=lambda facts, _: critical(facts["other_session"].to_numpy() > 0),
        value=_age,
        limit=lambda _: "a quote of this session",
        remedy=f"the source shows the session before, or tells its time in another zone: {_ASK_AGAIN}",
    ),
    RowRule(
        rule=Rule.FUTURE_TIME,
        grade=lambda facts, policy: critical(facts["ahead_s"].to_numpy() > policy.clock_tolerance_seconds),
        value=lambda row: f"quoted {row.ahead_s:,.0f} s from now",
        limit=lambda policy: f"at most {policy.clock_tolerance_seconds:g} s ahead",
        remedy="check the clocks, and the time zone of the source",
    ),
    RowRule(
        rule=Rule.NOT_LIVE,
        severities=EITHER,
        grade=_not_live,
        value=lambda row: f"kind {row.kind}",
        limit=lambda policy: "live" + (" or delayed" if policy.delayed_allowed else ""),
        remedy="subscribe to live quotes, or let delayed ones be used",
    ),
    RowRule(
        rule=Rule.UNIT_ERROR,
        grade=lambda facts, _: critical(facts["unit_error"].to_numpy() > 0),
        value=lambda row: f"{_side(row)}, after a close of {row.close:g}",
        limit=lambda _: "one unit for all prices (pounds or pence, not both)",
        remedy=_ASK_AGAIN,
    ),
    RowRule(
        rule=Rule.JUMP,
        severities=EITHER,
        grade=_jump,
        value=lambda row: f"{row.reference:g} after a close of {row.close:g}, a move of {row.move_pct:+.3g} %",
        limit=lambda policy: f"at most {policy.max_move:.0%} up or down",
        remedy="look at the news and at corporate actions before it is traded on",
    ),
)
