"""The rules that single bars must keep: when each is broken, how badly, and what a person is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from trading.market.bar_facts import incoherence
from trading.market.calendars import TradingCalendar
from trading.market.quality import QualityPolicy, Rule
from trading.market.row_rules import EITHER, WARNS, Grades, RowRule, column, critical, graded


def _own_session(row: Any, _calendar: TradingCalendar, _session: date) -> date | None:
    return None if pd.isna(row.session) else row.session.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRule(RowRule[QualityPolicy]):
    """One rule of daily bars.

    Attributes:
        concerns: names the first session concerned; usually the bar's own.
    """

    concerns: Callable[[Any, TradingCalendar, date], date | None] = _own_session


def log_return_limits(policy: QualityPolicy) -> tuple[float | None, float]:
    """Return the least and the largest log return that need no explanation; no least where a total loss needs none.

    A limit of 0.5 gives log(0.5) and log(1.5).
    """
    least = float(np.log1p(-policy.max_abs_return)) if policy.max_abs_return < 1 else None
    return least, float(np.log1p(policy.max_abs_return))


def _jump(facts: pd.DataFrame, policy: QualityPolicy) -> Grades:
    least, most = log_return_limits(policy)
    jump, alarming = (
        (facts[name].to_numpy() > most) | (facts[name].to_numpy() < (-np.inf if least is None else least))
        for name in ("jump_ret", "alarming_ret")
    )
    return graded(jump | (facts["unusual_move"].to_numpy() > 0), alarming)


def _gap(facts: pd.DataFrame, _policy: QualityPolicy) -> Grades:
    return graded(facts["sessions_missing"].to_numpy() > 0, facts["sessions_missing_lately"].to_numpy() > 0)


def _factor(row: Any) -> str:
    explained = "" if np.isclose(row.log_ret, np.log(row.close / row.prev_close)) else " beside its corporate actions"
    return f"close {row.close:g} after {row.prev_close:g}, a factor of {np.exp(row.log_ret):.4g}{explained}"


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _unit(row: Any) -> str:
    if abs(row.log_ret) > 1:
        return _factor(row)
    return f"prices from {row.lowest_px:g} to {row.highest_px:g} in one bar"


def _dividend(row: Any) -> str:
    told = f"a dividend of {row.paid:g} after a close of {row.prev_close:g} ({row.paid / row.prev_close:.1%})"
    if row.dividend_doubt == 2:
        return f"{told}, soon after another one like it"
    return f"{told}, and then a close of {row.close:g}"


def _volume(row: Any) -> str:
    return f"volume {row.volume:g}" + (f", {np.exp(row.volume_step):.4g} times the one before" if row.volume else "")


_AGAIN = "fetch the range again, or from another source"
_IF_TRUE = "if the move is true, `openbell data release` it; else"

BAR_RULES = (
    BarRule(
        rule=Rule.STALE,
        grade=lambda facts, _: critical(facts["sessions_behind"].to_numpy() > 0),
        value=lambda row: f"last bar {row.session:%Y-%m-%d}, {_sessions(row.sessions_behind)} behind",
        limit=lambda _: "a bar for the last session",
        remedy="fetch again later, or from another source",
        concerns=lambda _row, _calendar, session: session,
    ),
    BarRule(
        rule=Rule.MISSING_SESSION,
        severities=EITHER,
        grade=_gap,
        value=lambda row: f"{_sessions(row.sessions_missing)} missing before {row.session:%Y-%m-%d}",
        limit=lambda _: "a bar for each session",
        remedy=_AGAIN,
        concerns=lambda row, calendar, _: calendar.sessions_before(row.session.date(), row.sessions_missing),
    ),
    BarRule(
        rule=Rule.NOT_A_SESSION,
        severities=WARNS,
        grade=column("off_calendar"),
        value=lambda row: f"a bar on {row.session}",
        limit=lambda _: "bars on sessions only",
        remedy="the bar is left out; check the calendar of the instrument",
    ),
    BarRule(
        rule=Rule.FUTURE_SESSION,
        severities=EITHER,
        grade=column("future"),
        value=lambda row: f"a bar on {row.session:%Y-%m-%d}",
        limit=lambda _: "no bar after the last session asked for",
        remedy="the bar is left out; check the time zone of the source",
    ),
    BarRule(
        rule=Rule.DUPLICATE,
        severities=EITHER,
        grade=column("repeated"),
        value=lambda row: (
            "a second bar, " + ("the same" if row.repeated == 1 else f"other values (close {row.close:g})")
        ),
        limit=lambda _: "one bar for a session",
        remedy=f"the same bar is left out; of two that differ nobody knows which is right: {_AGAIN}",
    ),
    BarRule(
        rule=Rule.PRICE_MISSING,
        grade=lambda facts, _: critical(facts["missing_prices"].to_numpy() > 0),
        value=lambda row: f"{row.missing_prices} of its prices absent or infinite",
        limit=lambda _: "all prices there and finite",
        remedy=_AGAIN,
    ),
    BarRule(
        rule=Rule.PRICE_NOT_POSITIVE,
        grade=lambda facts, _: critical(facts["lowest_px"].to_numpy() <= 0),
        value=lambda row: f"lowest price {row.lowest_px:g}",
        limit=lambda _: "greater than 0",
        remedy=_AGAIN,
    ),
    BarRule(
        rule=Rule.OHLC_INCOHERENT,
        severities=EITHER,
        grade=lambda facts, _: incoherence(facts),
        value=lambda row: f"open {row.open:g}, high {row.high:g}, low {row.low:g}, close {row.close:g}",
        limit=lambda _: "no price above the high or below the low",
        remedy=_AGAIN,
    ),
    BarRule(
        rule=Rule.VOLUME_NEGATIVE,
        grade=lambda facts, _: critical(facts["regular_volume"].to_numpy() < 0),
        value=lambda row: f"volume {row.volume:g}",
        limit=lambda _: "0 or more",
        remedy=_AGAIN,
    ),
    BarRule(
        rule=Rule.UNIT_ERROR,
        grade=lambda facts, _: critical(facts["unit_error"].to_numpy() > 0),
        value=_unit,
        limit=lambda _: "one unit for all prices (pounds or pence, not both)",
        remedy=f"{_IF_TRUE} {_AGAIN}",
    ),
    BarRule(
        rule=Rule.SPLIT_NOT_APPLIED,
        severities=EITHER,
        grade=column("split_like"),
        value=_factor,
        limit=lambda _: "no move of the size of a split without one",
        remedy=f"{_IF_TRUE} record the split, or fetch prices that show it",
    ),
    BarRule(
        rule=Rule.JUMP,
        severities=EITHER,
        grade=_jump,
        value=_factor,
        limit=lambda policy: (
            f"at most {policy.max_abs_return:.0%} up or down, or {policy.unusual_return:.0%} where that is over "
            f"{policy.unusual_times:g} times the usual, unless a corporate action explains it"
        ),
        remedy=f"{_IF_TRUE} {_AGAIN}",
    ),
    BarRule(
        rule=Rule.DIVIDEND_DOUBTFUL,
        grade=lambda facts, _: critical(facts["dividend_doubt"].to_numpy() > 0),
        value=_dividend,
        limit=lambda _: "each dividend once, and a large one followed by a fall",
        remedy=f"{_IF_TRUE} correct the dividend, or fetch it from another source",
    ),
    BarRule(
        rule=Rule.FROZEN,
        severities=WARNS,
        grade=lambda facts, policy: (facts["frozen_sessions"] > policy.max_frozen_sessions).to_numpy().astype(np.int8),
        value=lambda row: f"the same bar for {row.frozen_sessions} sessions up to {row.session:%Y-%m-%d}",
        limit=lambda policy: f"at most {policy.max_frozen_sessions} equal bars in a row",
        remedy="see whether it still trades, or whether the source fills gaps",
        concerns=lambda row, calendar, _: calendar.sessions_before(row.session.date(), row.frozen_sessions - 1),
    ),
    BarRule(
        rule=Rule.REPEATED_BAR,
        severities=EITHER,
        grade=column("copied"),
        value=lambda row: f"open {row.open:g}, high {row.high:g}, low {row.low:g}, close {row.close:g} once more",
        limit=lambda _: "a bar of its own for each session",
        remedy=f"the source may have carried the session before forward: {_AGAIN}",
    ),
    BarRule(
        rule=Rule.VOLUME_ANOMALY,
        severities=WARNS,
        grade=column("volume_doubt"),
        value=_volume,
        limit=lambda policy: (
            f"at most a factor of {policy.unusual_volume:g} where that is over {policy.unusual_times:g} times the "
            "usual, and some volume where there always is some"
        ),
        remedy="see whether the source counts lots, or several markets",
    ),
    BarRule(
        rule=Rule.ROUNDED,
        severities=WARNS,
        grade=column("rounded"),
        value=lambda row: f"open {row.open:g}, high {row.high:g}, low {row.low:g}, close {row.close:g}",
        limit=lambda _: "prices with fractions, as on other days",
        remedy=_AGAIN,
    ),
)
