"""Scores of bars and symbols, 0 to 1: what is left of 1 when each broken rule has taken its cost."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from trading.market.quality import Finding, FindingSeverity, Rule
from trading.market.row_rules import Grades


class ScorePolicy(Protocol):
    """What every policy says of scores."""

    @property
    def warning_cost(self) -> float:
        """Return what a rule broken with a warning takes."""
        ...

    @property
    def critical_cost(self) -> float:
        """Return what a rule broken critically takes."""
        ...

    @property
    def min_score(self) -> float:
        """Return the least score that warnings may leave."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolScore:
    """What is left to a symbol.

    Attributes:
        costs: the rules it broke, dearest first, with what each took.
    """

    symbol: str
    score: float
    costs: tuple[tuple[str, float], ...]

    def told(self) -> str:
        """Return the rules and their costs in words; [(JUMP, 0.1)] gives `JUMP -0.1`."""
        return ", ".join(f"{rule} -{cost:g}" for rule, cost in self.costs)


def bar_scores(graded: Mapping[Rule, Grades], rows: int, policy: ScorePolicy) -> npt.NDArray[np.float64]:
    """Return the score of each row.

    Args:
        graded: for each rule the grades of all rows: 0, 1 for a warning, 2 where it is critical.
    """
    cost = np.array([0.0, policy.warning_cost, policy.critical_cost])
    scores = np.ones(rows)
    for grades in graded.values():
        broken = np.flatnonzero(grades)
        scores[broken] -= cost[grades[broken]]
    return _left(scores)


def symbol_scores(symbols: Iterable[str], findings: Iterable[Finding], policy: ScorePolicy) -> dict[str, SymbolScore]:
    """Return the score of each symbol: each rule it broke costs once, by the worst of its findings.

    It is never above the score of its worst bar. That the score is low costs nothing by itself.
    """
    cost = {FindingSeverity.WARNING: policy.warning_cost, FindingSeverity.CRITICAL: policy.critical_cost}
    costs: dict[str, dict[str, float]] = {symbol: {} for symbol in symbols}
    for finding in findings:
        if finding.rule is not Rule.LOW_SCORE:
            taken = costs.setdefault(finding.symbol, {})
            taken[finding.rule] = max(taken.get(finding.rule, 0.0), cost[finding.severity])
    return {symbol: _score(symbol, taken) for symbol, taken in costs.items()}


def low_scores(findings: Iterable[Finding], policy: ScorePolicy) -> Iterator[Finding]:
    """Yield a critical finding for each symbol below the least score, unless it has a critical one already."""
    findings = tuple(findings)
    bad = {finding.symbol for finding in findings if finding.severity is FindingSeverity.CRITICAL}
    for symbol, scored in symbol_scores((), findings, policy).items():
        if symbol not in bad and scored.score < policy.min_score:
            yield Finding(
                rule=Rule.LOW_SCORE,
                severity=FindingSeverity.CRITICAL,
                symbol=symbol,
                session=None,
                value=f"{scored.score:.2f}: {scored.told()}",
                limit=f"at least {policy.min_score:.2f}",
                text=f"{symbol}: LOW_SCORE: {scored.score:.2f}, below {policy.min_score:.2f}: {scored.told()}; each "
                "alone would only warn: fetch again, or from another source, or look at each finding",
            )


def _score(symbol: str, taken: Mapping[str, float]) -> SymbolScore:
    dearest_first = sorted(taken.items(), key=lambda item: (-item[1], item[0]))
    return SymbolScore(symbol=symbol, score=float(_left(1 - sum(taken.values()))), costs=tuple(dearest_first))


def _left(score: npt.ArrayLike) -> npt.NDArray[np.float64]:
    # Rounded, for 1 - 0.1 - 0.1 - 0.1 is a hair above 0.7.
    return np.maximum(np.round(np.asarray(score, dtype=np.float64), 6), 0.0)
