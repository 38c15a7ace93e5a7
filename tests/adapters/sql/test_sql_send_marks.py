"""What was forbidden after an order was recorded keeps it from being sent, in the transaction of its mark."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.adapters.sql.sql_desk import SqlLedger, a_decision, failing_at
from tests.breaker_builders import NEXT, seen
from tests.builders import ACCOUNT, DECIDED, SESSION, a_new_order, a_trade
from trading.breaks import Break, BreakType
from trading.errors import DeskHalted
from trading.market.quality import DayVerdict, Finding, FindingSeverity, QualityReport, Rule, SymbolVerdict
from trading.orders.executions import SendMark
from trading.orders.order_types import ContingencyType
from trading.orders.orders import NewOrderSingle, OrderPurpose, OrdStatus, OrdType, Side
from trading.reconciliation import Reconciliation
from trading.risk.breakers import BreakerRules
from trading.risk.restrictions import RestrictionKind, RiskScope

LATER = DECIDED + timedelta(minutes=10)


def trip(ledger: SqlLedger, action: RestrictionKind) -> None:
    """Trip the breaker of AAPL's concentration."""
    rule = replace(BreakerRules().concentration, scope=RiskScope.INSTRUMENT, action=action)
    if action is RestrictionKind.REDUCE_SIZE:
        rule = replace(rule, size_factor=Decimal("0.5"))
    rules = replace(BreakerRules(), concentration=rule)
    assert ledger.breakers.rule(rules, seen(100, values={"AAPL": Decimal(31)}), LATER, NEXT)


def holding_100(ledger: SqlLedger) -> None:
    ledger.journal.record([a_trade(100, 10, cl_ord_id="long-ago", ord_status=OrdStatus.FILLED)])


def recorded(ledger: SqlLedger, *orders: NewOrderSingle):
    lease = ledger.lease()
    ledger.intend(lease, *orders)
    return lease


def sell(cl_ord_id: str, qty: int, **fields: object) -> NewOrderSingle:
    return a_new_order(cl_ord_id=cl_ord_id, side=Side.SELL, order_qty=Decimal(qty), **fields)


def sending(ledger: SqlLedger, lease, *ids: str) -> dict[str, str]:
    """Mark the orders as sending, and return those that may not go with the code."""
    return {r.cl_ord_id: str(r.code) for r in ledger.journal.mark_sending(lease, ids, LATER)}


def test_where_only_closing_is_allowed_by_now_what_closes_is_sent_and_what_adds_is_given_up_and_told(ledger):
    holding_100(ledger)
    orders = [a_new_order(), sell("t-2", 60), sell("t-3", 60), a_new_order(cl_ord_id="t-4", symbol="IBM")]
    lease = recorded(ledger, *orders)
    trip(ledger, RestrictionKind.CLOSE_ONLY)
    breaker, *_ = ledger.outbox.due()

    refused = sending(ledger, lease, "t-1", "t-2", "t-3", "t-4")

    # 60 of the 100 held are sold by the second; the third would sell 20 more than are left.
    assert refused == {"t-1": "BREAKER_CLOSE_ONLY", "t-3": "BREAKER_CLOSE_ONLY"}
    assert {o.cl_ord_id for o in ledger.journal.orders(ACCOUNT, open_only=True)} == {"t-2", "t-4"}
    assert ledger.statuses()["t-1"] is OrdStatus.EXPIRED
    (mark,), _ = ledger.journal.history("t-1")
    assert (mark.mark, mark.text.split("breaker concentration AAPL")[0]) == (
        SendMark.ABANDONED,
        "not sent: BREAKER_CLOSE_ONLY: A breaker lets positions only be closed until it is reset: ",
    )
    (alert,) = [a for a in ledger.outbox.due() if a != breaker]
    assert alert.title == "2 recorded orders of DU100 were given up before they were sent"
    assert "AAPL: t-1 not sent: BREAKER_CLOSE_ONLY" in alert.text
    assert ledger.journal.rebuild() == 0


def test_what_an_order_that_was_given_up_had_reserved_is_free(ledger):
    lease = recorded(ledger, a_new_order())
    trip(ledger, RestrictionKind.CLOSE_ONLY)
    dear = {"max_gross_leverage": Decimal("0.015")}  # of 100,000: 150 units at 10

    before = ledger.intend(lease, a_new_order(cl_ord_id="t-2", symbol="IBM"), decision=a_decision(book="b"), **dear)
    sending(ledger, lease, "t-1")
    after = ledger.intend(lease, a_new_order(cl_ord_id="t-3", symbol="IBM"), decision=a_decision(book="c"), **dear)

    assert (before[0].accepted, after[0].accepted) == (False, True)


@pytest.mark.parametrize(
    ("action", "purpose", "code"),
    [
        (RestrictionKind.BLOCK, OrderPurpose.REBALANCE, "BREAKER_BLOCKED"),
        (RestrictionKind.BLOCK, OrderPurpose.PROTECT, "BREAKER_BLOCKED"),
        (RestrictionKind.BLOCK, OrderPurpose.FLATTEN, None),
        (RestrictionKind.CLOSE_ONLY, OrderPurpose.PROTECT, None),
        (RestrictionKind.REDUCE_SIZE, OrderPurpose.REBALANCE, None),  # a recorded order keeps its size
    ],
)
def test_what_a_breaker_forbids_by_now_binds_as_at_the_gate(ledger, action, purpose, code):
    holding_100(ledger)
    lease = recorded(ledger, sell("t-1", 100, purpose=purpose))
    trip(ledger, action)

    refused = sending(ledger, lease, "t-1")

    assert refused == ({"t-1": code} if code else {})
    assert ledger.journal.order("t-1").sent_count == (0 if code else 1)


def test_of_a_list_nothing_goes_when_one_may_not(ledger):
    entry = a_new_order(list_id="l", contingency_type=ContingencyType.OTO)
    fields = {"list_id": "l", "contingency_type": ContingencyType.OTO, "parent_cl_ord_id": "t-1"}
    profit = sell("t-2", 100, ord_type=OrdType.LIMIT, price=Decimal(11), **fields)
    lease = recorded(ledger, entry, profit)
    trip(ledger, RestrictionKind.CLOSE_ONLY)

    assert sending(ledger, lease, "t-1", "t-2") == {"t-1": "BREAKER_CLOSE_ONLY", "t-2": "BREAKER_CLOSE_ONLY"}


def test_a_symbol_that_a_break_has_locked_since_is_not_sent(ledger):
    lease = recorded(ledger, a_new_order(), a_new_order(cl_ord_id="t-2", symbol="IBM"))
    found = Break(
        break_type=BreakType.POSITION, subject="AAPL", ours="0", theirs="5", text="5 more are there", symbol="AAPL"
    )
    reconciled = Reconciliation(
        session=SESSION, reconciled_at=LATER, equity=Decimal(1), cash=Decimal(1), marks={}, breaks=(found,)
    )
    ledger.facts.record_reconciliation(ACCOUNT, reconciled)

    assert sending(ledger, lease, "t-1", "t-2") == {"t-1": "BARS_NOT_PASSED"}


def test_a_symbol_whose_bars_were_quarantined_since_the_decision_is_not_sent(ledger):
    def report(bars_hash: str, verdict: SymbolVerdict) -> QualityReport:
        bad = Finding(
            rule=Rule.STALE,
            severity=FindingSeverity.CRITICAL,
            symbol="AAPL",
            session=SESSION,
            value="",
            limit="",
            text="it is stale",
        )
        return QualityReport(
            source="sample",
            session=SESSION,
            bars_hash=bars_hash,
            rows=1,
            day_verdict=DayVerdict.TRADE,
            symbols=(("AAPL", verdict),),
            findings=(bad,),
            checked_at=LATER,
        )

    first = report("a", SymbolVerdict.QUARANTINE)  # the gate knew of it, and these orders passed it
    ledger.facts.record_quality(first)
    decided = {"verdict_id": first.verdict_id, "bars_session": SESSION}
    lease = ledger.lease()
    ledger.intend(lease, a_new_order(), decision=a_decision(**decided))
    ledger.intend(lease, a_new_order(cl_ord_id="t-2"), decision=a_decision(book="two", **decided))

    assert sending(ledger, lease, "t-1") == {}
    ledger.facts.record_quality(report("b", SymbolVerdict.QUARANTINE))
    assert sending(ledger, lease, "t-2") == {"t-2": "BARS_NOT_PASSED"}


def test_nothing_is_sent_in_a_symbol_of_which_an_order_has_become_unknown(ledger):
    lease = recorded(ledger, a_new_order(), a_new_order(cl_ord_id="t-2"))
    sending(ledger, lease, "t-1")
    ledger.journal.mark(lease, "t-1", SendMark.UNKNOWN, LATER, "no answer")

    assert sending(ledger, lease, "t-2") == {"t-2": "SYMBOL_LOCKED"}


@pytest.mark.parametrize("statement", ["INSERT INTO order_state", "INSERT INTO alert"])
def test_a_crash_while_it_is_given_up_leaves_it_as_it_was_and_the_next_run_comes_to_the_same(ledger, statement):
    lease = recorded(ledger, a_new_order(), a_new_order(cl_ord_id="t-2", symbol="IBM"))
    trip(ledger, RestrictionKind.BLOCK)

    with failing_at(ledger.engine, statement), pytest.raises(InterruptedError):
        sending(ledger, lease, "t-1", "t-2")
    assert all(o.may_be_sent for o in ledger.journal.orders(ACCOUNT))

    assert sending(ledger, lease, "t-1", "t-2") == {"t-1": "BREAKER_BLOCKED"}
    assert ledger.count("send_mark") == 2


def test_a_look_ahead_gives_up_nothing_under_a_halt_and_nothing_that_may_be_at_the_broker(ledger):
    lease = recorded(ledger, a_new_order(), a_new_order(cl_ord_id="t-2"))
    sending(ledger, lease, "t-1")
    trip(ledger, RestrictionKind.BLOCK)

    refused = ledger.journal.abandon_forbidden(lease, ["t-1", "t-2"], LATER)
    ledger.halts.halt("desk", "enough", "Ada", LATER)

    assert [r.cl_ord_id for r in refused] == ["t-2"]
    with pytest.raises(DeskHalted):
        ledger.journal.abandon_forbidden(lease, ["t-1"], LATER)
