"""Readiness: which reports of a rehearsal on paper let real money be armed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trading.errors import NotProven
from trading.readiness import Check, ReadinessReport, require_proven

NOW = datetime(2026, 11, 16, 15, tzinfo=UTC)
WELL, BAD = Check(name="login", ok=True, text="fine"), Check(name="cancel", ok=False, text="no answer", remedy="look")


def a_report(*checks: Check, days_ago: float = 1, **changes: Any) -> ReadinessReport:
    fields: dict[str, Any] = {
        "account": "DU1234567",
        "host": "127.0.0.1",
        "port": 4002,
        "library": "ib_async",
        "server_version": 178,
        "checks": checks or (WELL,),
        "at": NOW - timedelta(days=days_ago),
    }
    return ReadinessReport(**fields | changes)


@pytest.mark.parametrize("days_ago", [0, 1, 30])
def test_a_report_that_passed_in_the_last_thirty_days_lets_it_be_armed(days_ago: float):
    require_proven("U7654321", [a_report(BAD, days_ago=60), a_report(days_ago=days_ago)], NOW)


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        ([], "there is no report of prove_readiness"),
        ([a_report(days_ago=30.01)], "of DU1234567 at 2026-10-17 14:45 UTC and not of the last 30 days"),
        ([a_report(WELL, BAD)], "did not pass (cancel)"),
        ([a_report(checks=())], "did not pass"),
        ([a_report(days_ago=-1)], "not of the last 30 days"),  # of a clock that was wrong
        ([a_report(days_ago=40), a_report(BAD, days_ago=2)], "did not pass (cancel)"),
    ],
)
def test_nothing_else_does_and_the_reason_is_told(reports: list[ReadinessReport], why: str):
    with pytest.raises(NotProven) as caught:
        require_proven("U7654321", reports, NOW)

    assert str(caught.value).startswith("account U7654321 may not be armed: ")
    assert why in str(caught.value)
    assert "prove-readiness" in str(caught.value)


def test_a_check_that_is_well_and_has_a_remedy_is_a_warning():
    assert [WELL.verdict, BAD.verdict] == ["yes", "NO"]
    assert Check(name="data", ok=True, text="delayed", remedy="subscribe").verdict == "warn"
