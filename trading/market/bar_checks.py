"""The quality gate: bars are held against every rule, and get their verdict."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bar_facts import BarFacts, bar_facts
from trading.market.bar_rules import BAR_RULES, BarRule
from trading.market.bars import BAR_COLUMNS, DailyBars, FetchedBars, FetchStatus
from trading.market.calendars import TradingCalendar
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
from trading.market.quality import (
    DayVerdict,
    Finding,
    FindingSeverity,
    OnBadSymbol,
    QualityPolicy,
    QualityReport,
    Rule,
    SymbolVerdict,
)
from trading.market.repairs import Acceptance, accepted_rows, is_true, softened
from trading.market.row_rules import Grades, outcome_finding, row_findings, verdicts, worst_first
from trading.market.scores import bar_scores, low_scores

ROWS_AT_ONCE = 1_000_000
RESTATED_TOLERANCE = 0.01  # a vendor's corrections of a close are smaller, a split and most dividends larger


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """The verdict on bars, with the bars that broke a rule.

    Attributes:
        low_bars: `symbol`, `session` and `score` of each bar whose score is below 1.
    """

    report: QualityReport
    low_bars: pd.DataFrame


def assess_bars(
    fetched: FetchedBars,
    *,
    calendar: TradingCalendar,
    first: date,
    session: date,
    policy: QualityPolicy,
    now: datetime,
    listed_since: Mapping[str, date] | None = None,
    second_reader: Collection[Finding] = (),
    acceptances: Collection[Acceptance] = (),
) -> Assessment:
    """Hold bars against every rule; return the verdict on them, and the bars that broke one.

    Args:
        first: first session asked for.
        session: the newest session that must be there.
        now: aware; a bar of a day after it is critical, one between `session` and it is only left out.
        second_reader: what another reader of the same bars found beyond these rules; it counts as much.
        acceptances: what a person has found true: it warns, and neither quarantines nor costs any more.
        listed_since: first session of some symbols; bars missing from then on are found even if none stands before.

    Raises:
        NotASession: `session` is not one.
    """
    parts = [
        _held_against_rules(
            bar_facts(
                part, calendar=calendar, policy=policy, first=first, session=session, now=now, listed_since=listed_since
            ),
            calendar,
            session,
            policy,
            acceptances,
        )
        for part in _parts(fetched)
    ]
    findings = list(_outcome_findings(fetched, {symbol for part in parts for symbol in part.traded}))
    findings += [finding for part in parts for finding in part.findings]
    findings += [softened(finding, acceptances) for finding in second_reader]
    findings += low_scores([finding for finding in findings if not is_true(finding, acceptances)], policy)
    findings = worst_first([*findings, *(finding for part in parts for finding in part.true)])
    symbols = {symbol for part in parts for symbol in part.symbols}
    told = verdicts({outcome.symbol for outcome in fetched.outcomes} | symbols, findings)
    report = QualityReport(
        source=fetched.bars.source,
        session=session,
        bars_hash=fetched.bars.content_hash(),
        rows=len(fetched.bars.frame),
        day_verdict=_day_verdict(told, policy),
        symbols=tuple(told.items()),
        findings=tuple(findings),
        days_left_out=tuple(sorted({day for part in parts for day in part.days_left_out})),
        checked_at=now,
    )
    return Assessment(report=report, low_bars=pd.concat([part.low_bars for part in parts], ignore_index=True))


def restated(bars: DailyBars, stored: DailyBars, policy: QualityPolicy) -> list[Finding]:
    """Return a critical finding for each symbol whose oldest bar has another close than the one in store.

    A source that has adjusted its prices anew, or another source, gives bars that are coherent in themselves and do not
    fit what is stored before them. Where nothing is stored before them, there is nothing to fit.
    """
    oldest = bars.frame.drop_duplicates("symbol").set_index("symbol")
    before = stored.frame.join(oldest["session"].rename("oldest"), on="symbol", how="inner")
    older = set(before.loc[before["session"] < before["oldest"], "symbol"])
    same_day = before[before["session"] == before["oldest"]].set_index("symbol")["close"]
    looked_at = {(move.symbol, move.session) for move in policy.accepted_moves}
    findings = []
    for symbol, was in same_day.items():
        session, close = oldest.at[symbol, "session"].date(), oldest.at[symbol, "close"]
        differs = abs(close - was) > RESTATED_TOLERANCE * abs(was)  # an absent close has a finding of its own
        if symbol in older and differs and (symbol, session) not in looked_at:
            findings.append(
                Finding(
                    rule=Rule.RESTATED,
                    severity=FindingSeverity.CRITICAL,
                    symbol=str(symbol),
                    session=session,
                    value=f"close {close:g}, in store {was:g}",
                    limit=f"the same within {RESTATED_TOLERANCE:.0%}",
                    text=f"{symbol} on {session}: RESTATED: close {close:g}, in store {was:g}, a factor of "
                    f"{close / was:.4g}; what is stored before no longer fits: ingest all of it anew with "
                    "history_sessions, or fetch from the source it came from",
                )
            )
    return findings


def clean_rows(fetched: FetchedBars, report: QualityReport) -> tuple[DailyBars, DailyBars]:
    """Return the bars to store and the bars to quarantine.

    Quarantined are all bars of bad symbols, and bars off the calendar or after the report's session. Of bars that are
    the same in every value one is kept, so that nothing but repetitions is lost.
    """
    bars = fetched.bars
    frame = bars.frame
    if frame.duplicated(["symbol", "session"]).any():
        frame = frame[~frame.duplicated(list(BAR_COLUMNS))]
    sessions = frame["session"]
    left_out = sessions.isin(pd.to_datetime(report.days_left_out)) | (sessions != sessions.dt.normalize())
    good = ~left_out & (sessions <= pd.Timestamp(report.session)) & ~frame["symbol"].isin(list(report.quarantined()))
    kept, set_aside = (
        DailyBars(frame=rows.reset_index(drop=True), source=bars.source, price_basis=bars.price_basis)
        for rows in (frame[good], frame[~good])
    )
    return kept, set_aside


def clean_actions(fetched: FetchedBars, report: QualityReport) -> list[CorporateAction]:
    """Return the corporate actions to keep: those that the prices leave out, and bear out.

    What is kept is booked. So no dividend of a symbol with a doubt is kept, and no split that the prices do not show:
    as long as they do not, what is held is worth what it was in old shares.
    """
    critical = [finding for finding in report.findings if finding.severity is FindingSeverity.CRITICAL]
    doubted = {f.symbol for f in critical if f.rule is Rule.DIVIDEND_DOUBTFUL}
    unseen = {(f.symbol, f.session) for f in critical if f.rule in (Rule.SPLIT_NOT_APPLIED, Rule.JUMP, Rule.UNIT_ERROR)}

    def is_borne_out(action: CorporateAction) -> bool:
        match action:
            case CashDividend():
                return action.symbol not in doubted
            case Split():
                return (action.symbol, action.ex_date) not in unseen
            case _:
                return True

    return [a for a in fetched.actions if fetched.bars.price_basis.leaves_out(a) and is_borne_out(a)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What is found in the bars of some symbols.

    Attributes:
        traded: those with a bar that can be traded on.
        true: what a person has found true; it warns, and costs nothing.
    """

    symbols: tuple[str, ...]
    traded: tuple[str, ...]
    findings: tuple[Finding, ...]
    true: tuple[Finding, ...]
    low_bars: pd.DataFrame
    days_left_out: tuple[date, ...]


def _parts(fetched: FetchedBars) -> Iterator[FetchedBars]:
    """Yield the bars by symbol, as many symbols at once as fit into the memory that the facts of some bars take."""
    frame = fetched.bars.frame
    if len(frame) <= ROWS_AT_ONCE:
        yield fetched
        return
    codes, _ = pd.factorize(frame["symbol"], sort=True, use_na_sentinel=False)
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")
        frame, codes = frame.iloc[order], codes[order]
    ends = np.bincount(codes).cumsum()
    cuts = ends[np.flatnonzero(np.diff(ends // ROWS_AT_ONCE, append=-1))]
    for begin, end in pairwise([0, *cuts]):
        yield replace(fetched, bars=replace(fetched.bars, frame=frame.iloc[begin:end]))


def _held_against_rules(
    facts: BarFacts,
    calendar: TradingCalendar,
    session: date,
    policy: QualityPolicy,
    acceptances: Collection[Acceptance],
) -> _Part:
    found = {bar_rule.rule: bar_rule.grade(facts.frame, policy) for bar_rule in BAR_RULES}
    true = {rule: _true(rule, facts, acceptances) for rule in {word.rule for word in acceptances} & set(found)}
    graded = {rule: np.where(true[rule], 0, grades) if rule in true else grades for rule, grades in found.items()}
    regular = np.bincount(facts.codes, weights=facts.frame["regular"], minlength=len(facts.symbols)) > 0
    return _Part(
        symbols=facts.symbols,
        traded=tuple(symbol for symbol, some in zip(facts.symbols, regular, strict=True) if some),
        findings=tuple(
            finding
            for bar_rule in BAR_RULES
            for finding in _bar_findings(bar_rule, graded[bar_rule.rule], facts, calendar, session, policy)
        ),
        true=tuple(
            softened(finding, acceptances)
            for bar_rule in BAR_RULES
            if bar_rule.rule in true
            for finding in _bar_findings(
                bar_rule,
                np.where(true[bar_rule.rule], np.minimum(found[bar_rule.rule], 1), 0),
                facts,
                calendar,
                session,
                policy,
            )
        ),
        low_bars=_low_bars(facts, graded, policy),
        days_left_out=_days_left_out(facts),
    )


def _outcome_findings(fetched: FetchedBars, with_bars: Collection[str]) -> Iterator[Finding]:
    """Return one finding for each symbol that was not answered, or has no bar that can be traded on."""
    for outcome in fetched.outcomes:
        status = outcome.status
        if status is FetchStatus.OK and outcome.symbol not in with_bars:
            status = FetchStatus.NO_BARS
        if status is FetchStatus.OK and outcome.provider:
            yield Finding(
                rule=Rule.FALLBACK,
                severity=FindingSeverity.WARNING,
                symbol=outcome.symbol,
                session=None,
                value=outcome.provider,
                limit=fetched.bars.source,
                text=f"{outcome.symbol}: given by {outcome.provider}, since {outcome.text}",
            )
        if status is not FetchStatus.OK:
            yield outcome_finding(outcome, status, fetched.bars.source)


def _low_bars(facts: BarFacts, graded: Mapping[Rule, Grades], policy: QualityPolicy) -> pd.DataFrame:
    scores = bar_scores(graded, len(facts.frame), policy)
    low = np.flatnonzero(scores < 1)
    return facts.frame[["symbol", "session"]].iloc[low].assign(score=scores[low]).reset_index(drop=True)


def _true(rule: Rule, facts: BarFacts, acceptances: Collection[Acceptance]) -> npt.NDArray[np.bool_]:
    """Return which rows a person has found true under that rule."""
    sessions = facts.frame["session"].to_numpy()
    return accepted_rows(rule, facts.symbols, facts.codes, sessions, acceptances)


def _bar_findings(
    bar_rule: BarRule,
    grades: Grades,
    facts: BarFacts,
    calendar: TradingCalendar,
    session: date,
    policy: QualityPolicy,
) -> Iterator[Finding]:
    def concerns(row: Any) -> tuple[date | None, str]:
        on = bar_rule.concerns(row, calendar, session)
        return on, f"on {on}"

    return row_findings(bar_rule, grades, facts.frame, facts.codes, policy, concerns)


def _days_left_out(facts: BarFacts) -> tuple[date, ...]:
    days = facts.frame.loc[facts.frame["off_calendar"] > 0, "session"].dropna().drop_duplicates()
    return tuple(day.date() for day in days if day == day.normalize())


def _day_verdict(told: Mapping[str, SymbolVerdict], policy: QualityPolicy) -> DayVerdict:
    bad = sum(verdict is SymbolVerdict.QUARANTINE for verdict in told.values())
    passed = len(told) - bad
    if policy.on_bad_symbol is OnBadSymbol.BLOCK_DAY and bad:
        return DayVerdict.HOLD
    if not passed or 100 * passed / len(told) < policy.min_passed_pct:
        return DayVerdict.HOLD
    return DayVerdict.TRADE
