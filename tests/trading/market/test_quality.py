"""Reports of the quality gate, and the settings that it obeys."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from trading.market.quality import (
    DayVerdict,
    Finding,
    FindingSeverity,
    QualityPolicy,
    QualityReport,
    Rule,
    SymbolVerdict,
)


def a_finding(**fields: Any) -> Finding:
    defaults: dict[str, Any] = {
        "rule": Rule.STALE,
        "severity": FindingSeverity.CRITICAL,
        "symbol": "AAPL",
        "session": date(2024, 6, 12),
        "value": "last bar 2024-06-10, 2 sessions behind",
        "limit": "a bar for the last session",
        "text": "AAPL is stale",
    }
    return Finding(**(defaults | fields))


def a_report(**fields: Any) -> QualityReport:
    defaults: dict[str, Any] = {
        "source": "sample",
        "session": date(2024, 6, 12),
        "bars_hash": "ab" * 32,
        "rows": 60,
        "day_verdict": DayVerdict.TRADE,
        "symbols": (("AAPL", SymbolVerdict.QUARANTINE), ("SPY", SymbolVerdict.WARN)),
        "findings": (a_finding(), a_finding(symbol="SPY", rule=Rule.FROZEN, severity=FindingSeverity.WARNING)),
        "checked_at": datetime(2024, 6, 13, 1, tzinfo=UTC),
    }
    return QualityReport(**(defaults | fields))


def test_the_same_verdict_on_the_same_bars_has_the_same_id_whenever_it_is_reached() -> None:
    again = a_report(checked_at=datetime(2024, 6, 14, 1, tzinfo=UTC))

    assert again.verdict_id == a_report().verdict_id
    assert a_report().verdict_id.startswith("qv-")
    assert len(a_report().verdict_id) == len("qv-") + 20


@pytest.mark.parametrize(
    "change",
    [
        {"source": "yahoo"},
        {"session": date(2024, 6, 11)},
        {"bars_hash": "cd" * 32},
        {"day_verdict": DayVerdict.HOLD},
        {"symbols": (("AAPL", SymbolVerdict.PASS), ("SPY", SymbolVerdict.WARN))},
        {"findings": (a_finding(value="last bar 2024-06-11, 1 session behind"),)},
    ],
)
def test_another_verdict_has_another_id(change: dict[str, Any]) -> None:
    assert replace(a_report(), **change).verdict_id != a_report().verdict_id


def test_a_quarantined_symbol_is_told_with_its_first_critical_finding() -> None:
    warning = a_finding(severity=FindingSeverity.WARNING, rule=Rule.FROZEN, text="AAPL stands still")
    report = a_report(findings=(warning, a_finding(), a_finding(rule=Rule.JUMP, text="AAPL jumped")))

    assert report.quarantined() == {"AAPL": "AAPL is stale"}


def test_a_symbol_that_another_provider_contradicts_twice_disagrees_once() -> None:
    twice = [a_finding(rule=Rule.DISAGREEMENT, value=value) for value in ("close", "volume")]

    assert a_report(findings=(*twice, a_finding(symbol="SPY"))).disagreeing() == Decimal("0.5")
    assert a_report().disagreeing() == 0
    assert a_report(symbols=(), findings=()).disagreeing() == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"min_passed_pct": 101},
        {"min_passed_pct": -1},
        {"max_abs_return": 0},
        {"max_frozen_sessions": 1},
        {"max_return": 1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        QualityPolicy(**settings)


def test_accepted_moves_may_be_written_as_a_form_sends_them() -> None:
    moves: Any = [{"symbol": "AAPL", "session": "2000-09-29"}]

    policy = QualityPolicy(accepted_moves=moves)

    assert [(m.symbol, m.session) for m in policy.accepted_moves] == [("AAPL", date(2000, 9, 29))]
