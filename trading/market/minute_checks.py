"""The quality gate of bars within the day: the rules, and the verdict on every symbol."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as settings

from trading.market.bars import DailyBars
from trading.market.calendars import TradingCalendar
from trading.market.minute_bars import MinuteBars
from trading.market.minute_facts import MinuteFacts, minute_facts
from trading.market.quality import Finding, FindingSeverity, Rule, SymbolVerdict
from trading.market.row_rules import (
    EITHER,
    WARNS,
    Grades,
    RowRule,
    column,
    critical,
    graded,
    row_findings,
    verdicts,
    worst_first,
)
from trading.market.scores import SymbolScore, bar_scores, low_scores, symbol_scores
from trading.validation import STRICT

MINUTE = timedelta(minutes=1)


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class MinutePolicy:
    """Thresholds of the quality gate of bars within the day."""

    extended_hours: Annotated[
        bool, Field(description="Whether bars before the open and after the close are as they should be.")
    ] = True
    max_gap_minutes: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False, description="Longest time without a bar while the exchange trades."),
    ] = 60.0
    max_move: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Largest move from bar to bar of a session before a warning, as a fraction.",
        ),
    ] = 0.2
    daily_tolerance: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="How far the minutes' high, low and close may be from those of the daily bar, as a fraction.",
        ),
    ] = 0.01
    warning_cost: Annotated[
        float, Field(ge=0, le=1, description="What a rule broken with a warning takes off the score of 1.")
    ] = 0.1
    critical_cost: Annotated[
        float, Field(ge=0, le=1, description="What a rule broken critically takes off the score of 1.")
    ] = 1.0
    min_score: Annotated[
        float, Field(ge=0, le=1, description="Quarantine a symbol whose warnings leave it a lower score.")
    ] = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MinuteReport:
    """The verdict on bars within the day.

    Attributes:
        symbols: every symbol with bars, with its verdict.
        scores: of the same symbols, in the same order.
        low_bars: `symbol`, `bar_start` and `score` of each bar whose score is below 1.
    """

    source: str
    symbols: tuple[tuple[str, SymbolVerdict], ...]
    findings: tuple[Finding, ...]
    scores: tuple[SymbolScore, ...]
    low_bars: pd.DataFrame

    def quarantined(self) -> dict[str, str]:
        """Return the symbols that must not be used, each with its first critical finding."""
        bad = [f for f in self.findings if f.severity is FindingSeverity.CRITICAL]
        return {f.symbol: f.text for f in reversed(bad)}


def check_minutes(
    bars: MinuteBars,
    *,
    calendar: TradingCalendar,
    policy: MinutePolicy,
    now: datetime,
    length: timedelta = MINUTE,
    daily: DailyBars | None = None,
) -> MinuteReport:
    """Hold bars within the day against every rule and return the verdict on them.

    Args:
        now: aware; a bar that begins later is critical, and none is owed beyond it.
        length: of each bar.
        daily: raw bars of the same symbols, to be compared with; a session without one is not.
    """
    facts = minute_facts(bars, calendar=calendar, length=length, until=now)
    facts.frame["ahead"] = (facts.frame["bar_start"] > now).to_numpy().astype(np.int8)
    grades = {rule.rule: rule.grade(facts.frame, policy) for rule in MINUTE_RULES}
    findings: list[Finding] = []
    for rule in MINUTE_RULES:
        findings += row_findings(rule, grades[rule.rule], facts.frame, facts.codes, policy, _concerns)
    if daily is not None:
        findings += _beside_daily(facts, daily, policy)
    findings = worst_first([*findings, *low_scores(findings, policy)])
    told = verdicts(set(facts.symbols), findings)
    scores = bar_scores(grades, len(facts.frame), policy)
    low = np.flatnonzero(scores < 1)
    return MinuteReport(
        source=bars.source,
        symbols=tuple(told.items()),
        findings=tuple(findings),
        scores=tuple(symbol_scores(told, findings, policy).values()),
        low_bars=facts.frame[["symbol", "bar_start"]].iloc[low].assign(score=scores[low]).reset_index(drop=True),
    )


def _off_session(facts: pd.DataFrame, policy: MinutePolicy) -> Grades:
    phase = facts["phase"].to_numpy()
    return graded((phase == 1) & (not policy.extended_hours), phase == 2)


def _jump(facts: pd.DataFrame, policy: MinutePolicy) -> Grades:
    traded = np.where(facts["phase"] == 0, facts["log_move"], 0.0)
    return (np.abs(np.expm1(traded)) > policy.max_move).astype(np.int8)


def _gap(facts: pd.DataFrame, policy: MinutePolicy) -> Grades:
    broken: npt.NDArray[np.bool_] = facts["gap_s"].to_numpy() > 60 * policy.max_gap_minutes
    return broken.astype(np.int8)


def _bar(row: Any) -> str:
    return f"open {row.open:g}, high {row.high:g}, low {row.low:g}, close {row.close:g}"


_AGAIN = "fetch the session again, or from another source"

MINUTE_RULES: tuple[RowRule[MinutePolicy], ...] = (
    RowRule(
        rule=Rule.DUPLICATE,
        severities=EITHER,
        grade=column("repeated"),
        value=lambda row: "the same bar twice" if row.repeated == 1 else f"two bars that differ ({_bar(row)})",
        limit=lambda _: "one bar for each time",
        remedy=_AGAIN,
    ),
    RowRule(
        rule=Rule.OUT_OF_SESSION,
        severities=EITHER,
        grade=_off_session,
        value=lambda row: "the exchange is closed all day" if row.phase == 2 else "before the open or after the close",
        limit=lambda policy: "bars of sessions" + ("" if policy.extended_hours else ", between open and close"),
        remedy="check the calendar of the instrument, and the time zone of the source",
    ),
    RowRule(
        rule=Rule.FUTURE_TIME,
        grade=lambda facts, _: critical(facts["ahead"].to_numpy() > 0),
        value=lambda _: "a bar that has not begun",
        limit=lambda _: "bars of the past",
        remedy="check the clocks, and the time zone of the source",
    ),
    RowRule(
        rule=Rule.PRICE_MISSING,
        grade=lambda facts, _: critical(facts["missing_prices"].to_numpy() > 0),
        value=lambda row: f"{row.missing_prices} of its prices absent or infinite",
        limit=lambda _: "all prices there and finite",
        remedy=_AGAIN,
    ),
    RowRule(
        rule=Rule.PRICE_NOT_POSITIVE,
        grade=lambda facts, _: critical(facts["lowest_px"].to_numpy() <= 0),
        value=lambda row: f"lowest price {row.lowest_px:g}",
        limit=lambda _: "greater than 0",
        remedy=_AGAIN,
    ),
    RowRule(
        rule=Rule.OHLC_INCOHERENT,
        grade=lambda facts, _: critical(facts["incoherent"].to_numpy() > 0),
        value=_bar,
        limit=lambda _: "no price above the high or below the low",
        remedy=_AGAIN,
    ),
    RowRule(
        rule=Rule.VOLUME_NEGATIVE,
        grade=lambda facts, _: critical(facts["volume"].to_numpy() < 0),
        value=lambda row: f"volume {row.volume:g}",
        limit=lambda _: "0 or more",
        remedy=_AGAIN,
    ),
    RowRule(
        rule=Rule.UNIT_ERROR,
        grade=lambda facts, _: critical(facts["unit_error"].to_numpy() > 0),
        value=_bar,
        limit=lambda _: "one unit for all prices (pounds or pence, not both)",
        remedy=_AGAIN,
    ),
    RowRule(
        rule=Rule.JUMP,
        severities=WARNS,
        grade=_jump,
        value=lambda row: f"close {row.close:g}, a factor of {np.exp(row.log_move):.4g} of the one before",
        limit=lambda policy: f"at most {policy.max_move:.0%} up or down from bar to bar",
        remedy=f"look at the news; else {_AGAIN}",
    ),
    RowRule(
        rule=Rule.GAP,
        severities=WARNS,
        grade=_gap,
        value=lambda row: f"{row.gap_s / 60:,.0f} minutes of trading without a bar",
        limit=lambda policy: f"at most {policy.max_gap_minutes:g} minutes",
        remedy="see whether it was halted, or hardly trades; else fetch the session again",
    ),
)


def _concerns(row: Any) -> tuple[date | None, str]:
    return row.day.date(), f"at {row.bar_start:%Y-%m-%d %H:%M} UTC"


def _beside_daily(facts: MinuteFacts, daily: DailyBars, policy: MinutePolicy) -> Iterator[Finding]:
    """Yield a warning for each symbol whose minutes do not fit a daily bar: the first session, with the count of all.

    Minutes miss the auctions, so the daily bar may reach further; minutes beyond it are wrong, or it is.
    """
    traded = facts.frame[facts.frame["phase"] == 0]
    minutes = traded.groupby(["symbol", "day"]).agg(high=("high", "max"), low=("low", "min"), close=("close", "last"))
    day_bars = daily.frame.rename(columns={"session": "day"})[["symbol", "day", "high", "low", "close"]]
    both = minutes.reset_index().merge(day_bars, on=["symbol", "day"], suffixes=("", "_day"))
    slack = policy.daily_tolerance
    off = both[
        (both["high"] > both["high_day"] * (1 + slack))
        | (both["low"] < both["low_day"] * (1 - slack))
        | ((both["close"] - both["close_day"]).abs() > slack * both["close_day"])
    ]
    for symbol, rows in off.groupby("symbol"):
        row, times = rows.iloc[0], "" if len(rows) == 1 else f", {len(rows)} times in all"
        value = (
            f"minutes reach from {row['low']:g} to {row['high']:g} and close at {row['close']:g}, the daily bar from "
            f"{row['low_day']:g} to {row['high_day']:g} at {row['close_day']:g}"
        )
        limit = f"the same within {slack:.1%}"
        yield Finding(
            rule=Rule.DAILY_DIFFERS,
            severity=FindingSeverity.WARNING,
            symbol=str(symbol),
            session=row["day"].date(),
            value=value,
            limit=limit,
            text=f"{symbol} on {row['day']:%Y-%m-%d}: DAILY_DIFFERS{times}: {value}; wanted: {limit}; see whether both "
            "are raw and of the same markets",
        )
