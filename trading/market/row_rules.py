"""Rules that are held against every row of a frame at once, and the findings that come of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quality import Finding, FindingSeverity, Rule, SymbolVerdict

Policy = TypeVar("Policy")
Bools = npt.NDArray[np.bool_]
Grades = npt.NDArray[np.int8]

WARNS = (FindingSeverity.WARNING,)
EITHER = (FindingSeverity.WARNING, FindingSeverity.CRITICAL)
OUTCOME_RULES = {
    FetchStatus.UNKNOWN_SYMBOL: (Rule.UNKNOWN_SYMBOL, "check the spelling, or name another source"),
    FetchStatus.FAILED: (Rule.FETCH_FAILED, "run again later, or name another source"),
    FetchStatus.NO_BARS: (Rule.NO_BARS, "check whether it traded in the range, or name another source"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule(Generic[Policy]):
    """One rule.

    Attributes:
        grade: gives for each row of the facts 0 where the rule is kept, 1 for a warning, 2 where it is critical.
        value: tells what was found in a row.
        limit: tells what must be there.
        remedy: tells what a person can do.
        severities: what a finding can be.
    """

    rule: Rule
    grade: Callable[[pd.DataFrame, Policy], Grades]
    value: Callable[[Any], str]
    limit: Callable[[Policy], str]
    remedy: str
    severities: tuple[FindingSeverity, ...] = (FindingSeverity.CRITICAL,)


def critical(broken: Bools) -> Grades:
    """Return 2 where the rule is broken."""
    return (2 * broken).astype(np.int8)


def graded(broken: Bools, critically: Bools) -> Grades:
    """Return 2 where the rule is broken critically, else 1 where it is broken."""
    return np.where(critically, 2, broken).astype(np.int8)


def column(name: str) -> Callable[[pd.DataFrame, Any], Grades]:
    """Return a grade that is a column of the facts."""

    def grade(facts: pd.DataFrame, _policy: Any) -> Grades:
        grades: Grades = facts[name].to_numpy()
        return grades

    return grade


def row_findings(
    rule: RowRule[Policy],
    grades: Grades,
    frame: pd.DataFrame,
    codes: npt.NDArray[np.int64],
    policy: Policy,
    concerns: Callable[[Any], tuple[date | None, str]],
) -> Iterator[Finding]:
    """Yield one finding for each symbol that breaks the rule: the earliest of the worst, with the count of all.

    Args:
        frame: facts, with a column `symbol`.
        codes: the number of each row's symbol.
        concerns: gives the session that a row is about, and how the text names it.
    """
    broken = np.flatnonzero(grades)
    if not len(broken):
        return
    worst_first = broken[np.lexsort((broken, -grades[broken], codes[broken]))]
    _, firsts, counts = np.unique(codes[worst_first], return_index=True, return_counts=True)
    chosen = worst_first[firsts]
    limit = rule.limit(policy)
    for row, grade, count in zip(frame.iloc[chosen].itertuples(), grades[chosen], counts, strict=True):
        value, (session, when) = rule.value(row), concerns(row)
        times = "" if count == 1 else f", {count} times in all"
        yield Finding(
            rule=rule.rule,
            severity=FindingSeverity.CRITICAL if grade == 2 else FindingSeverity.WARNING,
            symbol=str(row.symbol),
            session=session,
            value=value,
            limit=limit,
            text=f"{row.symbol} {when}: {rule.rule}{times}: {value}; wanted: {limit}; {rule.remedy}",
        )


def outcome_finding(outcome: FetchOutcome, status: FetchStatus, source: str) -> Finding:
    """Return the finding about a symbol that was not answered; `status` is any but OK."""
    rule, remedy = OUTCOME_RULES[status]
    said = outcome.text or "the source gave no reason"
    return Finding(
        rule=rule,
        severity=FindingSeverity.CRITICAL,
        symbol=outcome.symbol,
        session=None,
        value=status.value,
        limit=FetchStatus.OK.value,
        text=f"{outcome.symbol} at {source}: {rule}: {said}; {remedy}",
    )


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings by symbol, the critical ones of each before its warnings."""
    rank: dict[str, int] = {rule: place for place, rule in enumerate(Rule)}
    return sorted(findings, key=lambda f: (f.symbol, f.severity is FindingSeverity.WARNING, rank[f.rule]))


def verdicts(symbols: set[str], findings: Sequence[Finding]) -> dict[str, SymbolVerdict]:
    """Return the verdict on every symbol, by symbol; a critical finding quarantines it."""
    told = dict.fromkeys(sorted(symbols), SymbolVerdict.PASS)
    for finding in reversed(worst_first(findings)):  # critical ones stand before warnings, so they are written last
        bad = finding.severity is FindingSeverity.CRITICAL
        told[finding.symbol] = SymbolVerdict.QUARANTINE if bad else SymbolVerdict.WARN
    return told
