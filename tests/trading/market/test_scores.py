"""Scores: what each broken rule takes, of a bar and of a symbol."""

import numpy as np
import pytest

from tests.bar_builders import LAST, calm_bars, check, one_more_bar, with_bar
from tests.trading.market.test_quality import a_finding
from trading.market.quality import Finding, FindingSeverity, QualityPolicy, Rule, SymbolVerdict
from trading.market.scores import bar_scores, low_scores, symbol_scores

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
POLICY = QualityPolicy(warning_cost=0.2, critical_cost=0.7, min_score=0.5)


def warned(*rules: Rule) -> list[Finding]:
    return [a_finding(rule=rule, severity=WARNING) for rule in rules]


def test_a_bar_loses_what_each_of_its_broken_rules_costs() -> None:
    graded = {
        Rule.JUMP: np.array([0, 1, 1, 2], dtype=np.int8),
        Rule.FROZEN: np.array([0, 0, 1, 2], dtype=np.int8),
    }

    # 1; 1 - 0.2; 1 - 0.2 - 0.2; 1 - 0.7 - 0.7, which is not below 0.
    assert bar_scores(graded, 4, POLICY).tolist() == [1.0, 0.8, 0.6, 0.0]


def test_a_symbol_loses_each_rule_once_by_its_worst_finding() -> None:
    findings = [*warned(Rule.JUMP, Rule.JUMP, Rule.FROZEN), a_finding(rule=Rule.JUMP, severity=CRITICAL)]

    scores = symbol_scores(["AAPL", "SPY"], findings, POLICY)

    assert (scores["AAPL"].score, scores["SPY"].score) == (pytest.approx(0.1), 1.0)
    assert scores["AAPL"].costs == ((Rule.JUMP, 0.7), (Rule.FROZEN, 0.2))
    assert scores["AAPL"].told() == "JUMP -0.7, FROZEN -0.2"


def test_warnings_that_leave_too_little_quarantine_and_name_what_they_took() -> None:
    three = warned(Rule.JUMP, Rule.FROZEN, Rule.ROUNDED)

    (low,) = low_scores(three, POLICY)

    assert (low.rule, low.severity, low.symbol) == (Rule.LOW_SCORE, CRITICAL, "AAPL")
    assert low.value == "0.40: FROZEN -0.2, JUMP -0.2, ROUNDED -0.2"
    assert list(low_scores(three[:2], POLICY)) == []
    assert list(low_scores([*three, a_finding()], POLICY)) == []  # it is quarantined as it is


def test_the_gate_quarantines_a_symbol_by_its_score() -> None:
    frame = one_more_bar(with_bar(calm_bars("AAPL", "SPY"), LAST, volume=0.0), LAST, like=LAST)

    lenient, strict = check(frame), check(frame, policy=QualityPolicy(min_score=0.85))

    assert dict(lenient.symbols)["AAPL"] is SymbolVerdict.WARN
    assert dict(strict.symbols) == {"AAPL": SymbolVerdict.QUARANTINE, "SPY": SymbolVerdict.PASS}
    assert strict.quarantined()["AAPL"].startswith("AAPL: LOW_SCORE: 0.80, below 0.85")
