"""What needs a person's approval is not sent without it, by whatever way."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.sql.audit import first_broken_entry
from tests.adapters.sql.sql_desk import SqlLedger, a_decision, failing_at
from tests.builders import ACCOUNT, DECIDED, SESSION, a_new_order, a_report, a_trade
from trading.errors import AnswerRefused, InvalidValue, NotApproved, TradingError
from trading.ledger import Lease
from trading.orders.executions import ExecType
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrderPurpose, OrdType, Side
from trading.risk.approvals import ApprovalRules, ApprovalTerms, ApprovalVerdict, ApprovalWhen
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskLimits

MINUTE = timedelta(minutes=1)
IN_TIME, DEADLINE = DECIDED + 5 * MINUTE, DECIDED + 15 * MINUTE
DECISION = f"{ACCOUNT}:{SESSION}:main"
AAPL, MSFT = a_new_order(), a_new_order(cl_ord_id="t-2", symbol="MSFT")


def asked(ledger: SqlLedger, *orders, mode: str = "paper", **rules) -> Lease:
    """Intend the orders of an account whose orders a person must approve."""
    lease, rules = ledger.lease(), {"when": ApprovalWhen.ALWAYS} | rules
    terms = ApprovalTerms(rules=ApprovalRules(**rules), asked_at=DECIDED)
    ledger.intend(lease, *(orders or (AAPL, MSFT)), decision=a_decision(mode=mode), approval=terms)
    return lease


def answer(ledger: SqlLedger, verdict=ApprovalVerdict.ALL, *only: str, actor: str = "Ada", now=IN_TIME, note: str = ""):
    return ledger.approvals.answer(DECISION, actor=actor, verdict=verdict, only=only, note=note, now=now)


def test_orders_that_wait_are_not_sent(ledger):
    lease = asked(ledger)

    with pytest.raises(NotApproved, match=r"orders t-1, t-2 of .* are not approved, so nothing was sent"):
        ledger.journal.mark_sending(lease, ["t-1", "t-2"], IN_TIME)

    assert ledger.count("send_mark") == 0
    assert set(ledger.approvals.withheld(ACCOUNT)) == {"t-1", "t-2"}
    assert [a.request.decision_id for a in ledger.approvals.waiting()] == [DECISION]


def test_approved_orders_are_sent_and_no_others(ledger):
    lease = asked(ledger)

    answer(ledger, ApprovalVerdict.SOME, "msft")

    ledger.journal.mark_sending(lease, ["t-2"], IN_TIME)
    with pytest.raises(NotApproved, match="orders t-1 of"):
        ledger.journal.mark_sending(lease, ["t-1"], IN_TIME)
    assert set(ledger.approvals.withheld(ACCOUNT)) == {"t-1"}
    assert ledger.approvals.waiting() == ()


def test_orders_that_protect_or_flatten_never_wait(ledger):
    ledger.journal.record([a_trade(100, 10, symbol="MSFT", cl_ord_id="t-0")])
    stop = replace(MSFT, purpose=OrderPurpose.PROTECT, side=Side.SELL)
    lease = asked(ledger, AAPL, stop)

    ledger.journal.mark_sending(lease, ["t-2"], IN_TIME)

    with pytest.raises(NotApproved, match="orders t-1 of"):
        ledger.journal.mark_sending(lease, ["t-1"], IN_TIME)
    assert list(ledger.approvals.of(DECISION).orders) == ["t-1"]


def test_orders_of_a_decision_that_only_flattens_are_asked_of_nobody(ledger):
    asked(ledger, replace(AAPL, purpose=OrderPurpose.FLATTEN))

    assert ledger.approvals.of(DECISION) is None


def test_the_value_of_all_orders_together_decides(ledger):
    asked(ledger, when=ApprovalWhen.ABOVE_NOTIONAL, above_notional=Decimal(1_999))

    (waiting,) = ledger.approvals.waiting(ACCOUNT)

    assert waiting.request.reason == "its orders are worth 2,000.00, and 1,999.00 is the most without approval"


def test_only_the_first_sessions_of_an_account_are_asked_for(ledger):
    rules = ApprovalRules(when=ApprovalWhen.FIRST_SESSIONS, first_sessions=2)
    terms = ApprovalTerms(rules=rules, asked_at=DECIDED)
    lease = ledger.lease()

    for day, book in enumerate(["main", "main", "main"]):
        session = SESSION + timedelta(days=day)
        order = a_new_order(cl_ord_id=f"t-{day}", session=session)
        ledger.intend(lease, order, decision=a_decision(session, book), approval=terms)

    assert [a.request.reason for a in ledger.approvals.waiting()] == [
        "session 1 of the first 2, which need approval",
        "session 2 of the first 2, which need approval",
    ]


def test_a_day_on_which_positions_were_only_closed_is_none_of_the_first_sessions(ledger):
    terms = ApprovalTerms(rules=ApprovalRules(when=ApprovalWhen.FIRST_SESSIONS, first_sessions=1), asked_at=DECIDED)
    lease = ledger.lease()
    ledger.intend(lease, decision=a_decision(SESSION - timedelta(days=1), "flatten 1", strategy="flatten"))

    ledger.intend(lease, a_new_order(), approval=terms)

    assert [a.request.reason for a in ledger.approvals.waiting()] == ["session 1 of the first 1, which need approval"]


def test_a_crash_leaves_no_orders_that_could_be_sent_unasked(ledger):
    with failing_at(ledger.engine, "INSERT INTO approval_request"), pytest.raises(InterruptedError):
        asked(ledger)

    assert ledger.journal.orders(ACCOUNT) == ()
    assert ledger.journal.decision(ACCOUNT, SESSION, "main") is None


def test_of_two_persons_who_answer_at_once_one_is_told_that_the_other_was_first(ledger):
    asked(ledger)

    def by(actor: str) -> str:
        try:
            answer(ledger, actor=actor)
        except TradingError as exc:
            return str(exc)
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(by, ("Ada", "Bob")))

    assert said[0] == ""
    assert "answered already: all by" in said[1]
    assert ledger.count("approval_answer") == 1


def test_live_orders_wait_for_a_second_person_where_that_is_set(ledger):
    lease = asked(ledger, mode="live", two_persons_when_live=True)

    answer(ledger, ApprovalVerdict.ALL)
    with pytest.raises(AnswerRefused, match="needs another person"):
        answer(ledger, ApprovalVerdict.ALL)
    with pytest.raises(NotApproved):
        ledger.journal.mark_sending(lease, ["t-1"], IN_TIME)
    settled = answer(ledger, ApprovalVerdict.SOME, "AAPL", actor="Bob")

    ledger.journal.mark_sending(lease, ["t-1"], IN_TIME)
    assert settled.approved == {"t-1"}


def test_paper_orders_need_one_person_only(ledger):
    asked(ledger, two_persons_when_live=True)

    assert not answer(ledger).waits


def test_an_approval_after_its_deadline_is_refused_and_counts_as_no(ledger):
    lease = asked(ledger)

    with pytest.raises(AnswerRefused, match="deadline was"):
        answer(ledger, now=DEADLINE)
    (late,) = ledger.approvals.close_late(ACCOUNT, DEADLINE)

    assert late.timed_out
    assert ledger.approvals.close_late(ACCOUNT, DEADLINE) == ()
    with pytest.raises(NotApproved):
        ledger.journal.mark_sending(lease, ["t-1"], DEADLINE)


def test_what_still_has_time_is_not_closed(ledger):
    asked(ledger)

    assert ledger.approvals.close_late(ACCOUNT, IN_TIME) == ()
    assert len(ledger.approvals.waiting()) == 1


def test_a_decision_that_waits_for_nobody_cannot_be_approved(ledger):
    ledger.intend(ledger.lease(), AAPL)

    with pytest.raises(InvalidValue, match=r"decision is .* `openbell approve` lists them"):
        answer(ledger)


def a_limit(side: Side = Side.BUY) -> NewOrderSingle:
    """Return an order for 100 at 10.00, the last price."""
    return a_new_order(ord_type=OrdType.LIMIT, side=side, price=Decimal(10))


def at_work(ledger: SqlLedger, lease: Lease) -> None:
    """Let the broker take t-1."""
    ledger.journal.mark_sending(lease, ["t-1"], IN_TIME)
    ledger.journal.record([a_report(ExecType.NEW)])


def amend(ledger: SqlLedger, lease: Lease, qty: int = 100, px: str = "10", **rules) -> bool:
    """Amend t-1 under these rules, and tell whether the gate let it."""
    request = OrderCancelReplaceRequest(
        cl_ord_id="t-1-r1",
        orig_cl_ord_id="t-1",
        account=ACCOUNT,
        order_qty=Decimal(qty),
        price=Decimal(px),
        transact_time=IN_TIME,
    )
    terms = ApprovalTerms(rules=ApprovalRules(**rules), asked_at=IN_TIME) if rules else None
    inputs = RiskInputs(limits=RiskLimits(), marks={"AAPL": Decimal(10), "MSFT": Decimal(10)}, approval=terms)
    return ledger.journal.intend_replace(lease, request, inputs).accepted


@pytest.mark.parametrize(
    ("side", "qty", "px"), [(Side.BUY, 101, "10"), (Side.BUY, 100, "10.01"), (Side.SELL, 100, "9.99")]
)
def test_an_approved_order_asks_no_more_than_what_was_approved(ledger, side, qty, px):
    lease = asked(ledger, a_limit(side))
    answer(ledger)
    at_work(ledger, lease)

    with pytest.raises(NotApproved, match="t-1-r1"):
        amend(ledger, lease, qty, px)

    assert ledger.count("order_request") == 0


@pytest.mark.parametrize(("side", "px"), [(Side.BUY, "9.99"), (Side.SELL, "10.01")])
def test_an_approved_order_may_ask_less(ledger, side, px):
    lease = asked(ledger, a_limit(side))
    answer(ledger)
    at_work(ledger, lease)

    assert amend(ledger, lease, 99, px)


def test_an_order_that_nobody_was_asked_for_does_not_grow_past_what_needs_approval(ledger):
    rules = {"when": ApprovalWhen.ABOVE_NOTIONAL, "above_notional": Decimal(2_500)}
    lease = asked(ledger, a_limit(), MSFT, **rules)  # 2,000 together, of which nobody was asked
    at_work(ledger, lease)

    with pytest.raises(NotApproved, match="t-1-r1"):
        amend(ledger, lease, 151, **rules)

    assert amend(ledger, lease, 150, **rules)


def test_an_order_from_before_a_person_was_asked_only_shrinks_without_one(ledger):
    lease = ledger.lease()
    ledger.intend(lease, a_limit())
    at_work(ledger, lease)

    with pytest.raises(NotApproved, match="t-1-r1"):
        amend(ledger, lease, 101, when=ApprovalWhen.ALWAYS)

    assert amend(ledger, lease, 99, when=ApprovalWhen.ALWAYS)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_entry",
        "UPDATE audit_entry SET text = 'all'",
        "DELETE FROM approval_answer",
        "UPDATE approval_answer SET actor = 'Eve'",
        "UPDATE approval_answer SET note = ''",
    ],
)
def test_an_answer_stands_in_the_audit_trail(ledger, statement):
    asked(ledger)
    answer(ledger, note="looked at every line")
    assert first_broken_entry(ledger.engine) is None

    ledger.tamper(statement)

    assert first_broken_entry(ledger.engine) == 1
