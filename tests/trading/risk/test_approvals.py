"""Which decisions wait for a person, and what persons' answers come to."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tests.builders import ACCOUNT, DECIDED
from trading.errors import AnswerRefused, InvalidValue
from trading.risk.approvals import (
    NOBODY,
    Approval,
    ApprovalRequest,
    ApprovalRules,
    ApprovalTerms,
    ApprovalVerdict,
    ApprovalWhen,
)

MINUTE = timedelta(minutes=1)
IN_TIME, DEADLINE = DECIDED + 5 * MINUTE, DECIDED + 15 * MINUTE
ALL, SOME, NONE = ApprovalVerdict
ORDERS = {"t-1": "AAPL", "t-2": "MSFT", "t-3": "IBM"}


def an_approval(*answers: tuple[str, ApprovalVerdict, str], persons: int = 1) -> Approval:
    """Return the request for three orders, answered by (person, verdict, symbols) in that order."""
    request = ApprovalRequest(
        decision_id="d-1", account=ACCOUNT, asked_at=DECIDED, deadline=DEADLINE, reason="always", persons=persons
    )
    approval = Approval(request=request, orders=ORDERS)
    for actor, verdict, symbols in answers:
        approval = Approval(
            request=request,
            orders=ORDERS,
            answers=(*approval.answers, approval.answered(actor, verdict, symbols.split(), "", IN_TIME)),
        )
    return approval


@pytest.mark.parametrize(
    ("settings", "notional", "sessions_before", "needed"),
    [
        ({}, 10**9, 0, False),
        ({"when": "always"}, 1, 10**6, True),
        ({"when": "above_notional", "above_notional": 50_000}, 50_000, 0, False),
        ({"when": "above_notional", "above_notional": 50_000}, "50000.01", 0, True),
        ({"when": "above_notional", "above_notional": 50_000}, None, 0, True),
        ({"when": "first_sessions", "first_sessions": 3}, 1, 2, True),
        ({"when": "first_sessions", "first_sessions": 3}, 1, 3, False),
    ],
    ids=["never", "always", "at the value", "a cent above", "no price", "third session", "fourth session"],
)
def test_a_decision_needs_approval_when_its_account_says_so(settings, notional, sessions_before, needed):
    rules = ApprovalRules(**settings)

    reason = rules.why_needed(None if notional is None else Decimal(notional), sessions_before)

    assert (reason is not None) is needed


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"when": "sometimes"}, "'never', 'always', 'above_notional' or 'first_sessions'"),
        ({"when": "above_notional"}, "above_notional has no value, but when is above_notional; give it"),
        ({"when": "first_sessions", "first_sessions": 0}, "greater than 0"),
        ({"when": "always", "first_sessions": 5}, "first_sessions is 5, but when is always; leave one of them out"),
        ({"when": "above_notional", "above_notional": float("nan")}, "finite number"),
        ({"when": "above_notional", "above_notional": -1}, "greater than 0"),
        ({"when": "always", "timeout_minutes": 0}, "greater than 0"),
        ({"when": "always", "timeout_minutes": 1441}, "less than or equal to 1440"),
        ({"two_persons_when_live": True}, "two_persons_when_live is set, but when is never"),
        ({"wen": "always"}, "wen"),
    ],
    ids=str,
)
def test_rules_that_contradict_themselves_are_refused(settings: dict[str, Any], told: str):
    with pytest.raises(ValidationError, match=told):
        ApprovalRules(**settings)


@pytest.mark.parametrize(("latest", "deadline"), [(None, DEADLINE), (4, DECIDED + 4 * MINUTE), (60, DEADLINE)])
def test_an_answer_is_waited_for_until_orders_must_be_placed_at_most(latest, deadline):
    rules = ApprovalRules(when=ApprovalWhen.ALWAYS)

    terms = ApprovalTerms(rules=rules, asked_at=DECIDED, latest=None if latest is None else DECIDED + latest * MINUTE)

    assert terms.deadline == deadline


@pytest.mark.parametrize(
    ("answers", "approved"),
    [
        ([("Ada", ALL, "")], {"t-1", "t-2", "t-3"}),
        ([("Ada", SOME, "msft t-3")], {"t-2", "t-3"}),
        ([("Ada", NONE, "")], set()),
    ],
    ids=["all", "some", "none"],
)
def test_one_person_settles_a_request(answers, approved):
    approval = an_approval(*answers)

    assert not approval.waits
    assert approval.approved == approved


@pytest.mark.parametrize(
    ("answers", "approved"),
    [
        ([("Ada", ALL, "")], None),
        ([("Ada", ALL, ""), ("Bob", ALL, "")], {"t-1", "t-2", "t-3"}),
        ([("Ada", SOME, "AAPL MSFT"), ("Bob", SOME, "MSFT IBM")], {"t-2"}),
        ([("Ada", SOME, "AAPL"), ("Bob", SOME, "IBM")], set()),
        ([("Ada", NONE, "")], set()),
        ([("Ada", ALL, ""), ("Bob", NONE, "")], set()),
    ],
    ids=["one of two", "both", "what both approved", "nothing in common", "one no", "the second no"],
)
def test_where_two_persons_are_needed_both_must_say_yes(answers, approved):
    approval = an_approval(*answers, persons=2)

    assert approval.waits is (approved is None)
    assert approval.approved == (approved or set())


def test_the_same_person_is_not_two():
    approval = an_approval(("Ada", ALL, ""), persons=2)

    with pytest.raises(AnswerRefused, match="ADA has answered already; it needs another person too"):
        approval.answered(" ADA ", ALL, (), "", IN_TIME)


def test_the_second_answer_is_told_of_the_first():
    approval = an_approval(("Ada", NONE, ""))

    with pytest.raises(AnswerRefused, match="answered already: none by Ada at 2024-03-15 13:05:00 UTC"):
        approval.answered("Bob", ALL, (), "", IN_TIME)


def test_an_answer_at_the_deadline_is_too_late():
    with pytest.raises(AnswerRefused, match="deadline was 2024-03-15 13:15:00 UTC, so it counts as no"):
        an_approval().answered("Ada", ALL, (), "", DEADLINE)


@pytest.mark.parametrize(
    ("actor", "verdict", "only", "told"),
    [
        (" ", ALL, (), "name is ''"),
        (NOBODY, ALL, (), "that of the person who answers"),
        ("Ada", SOME, (), "given with `some`"),
        ("Ada", SOME, ("TSLA",), "symbol is 'TSLA', but must be one of the orders of d-1: AAPL, IBM, MSFT"),
        ("Ada", ALL, ("AAPL",), "left out, as the answer is all"),
    ],
    ids=["no name", "the name of nobody", "some of nothing", "unknown symbol", "all and some"],
)
def test_an_answer_that_makes_no_sense_is_refused(actor, verdict, only, told):
    with pytest.raises(InvalidValue, match=told):
        an_approval().answered(actor, verdict, only, "", IN_TIME)


def test_nobodys_answer_is_no():
    approval = an_approval()

    settled = Approval(request=approval.request, orders=ORDERS, answers=(approval.unanswered(DEADLINE),))

    assert (settled.waits, settled.timed_out, settled.approved) == (False, True, frozenset())
