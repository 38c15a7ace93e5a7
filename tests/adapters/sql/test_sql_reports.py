"""What a broker said is never refused and never counted twice; the state of an order follows from it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.adapters.sql.sql_desk import failing_at, some_orders
from tests.builders import ACCOUNT, DECIDED, a_bust, a_correction, a_new_order, a_report, a_trade, at
from trading.breaks import BreakType
from trading.orders.executions import ExecType, SendMark, fold_order
from trading.orders.orders import OrdStatus


@pytest.fixture
def sent(ledger):
    """A ledger with order t-1 for 100 AAPL on the wire."""
    ledger.sent(ledger.lease(), a_new_order())
    return ledger


def test_reports_move_the_order_and_come_back_as_they_were(sent):
    reports = [
        a_report(ExecType.NEW, "e-1", text="accepted"),
        a_trade(60, "10.25", "e-2", commission=Decimal("0.35"), transact_time=at(1)),
        a_trade(40, "10.50", "e-3", ord_status=OrdStatus.FILLED, cum_qty=Decimal(100), transact_time=at(2)),
    ]

    assert sent.journal.record(reports) == ()

    order = sent.journal.order("t-1")
    assert (order.ord_status, order.cum_qty, order.avg_px) == (OrdStatus.FILLED, 100, Decimal("10.35"))
    assert (order.order_id, order.commission) == ("b-1", Decimal("0.35"))
    assert sent.journal.history("t-1")[1] == sent.facts.executions(ACCOUNT) == tuple(reports)


def test_a_report_that_comes_again_changes_nothing(sent):
    fill = a_trade(60, 10)
    sent.journal.record([fill])

    assert sent.journal.record([fill]) == ()
    assert sent.journal.record([fill, fill]) == ()

    assert sent.journal.order("t-1").cum_qty == 60
    assert sent.facts.executions(ACCOUNT) == (fill,)


def test_a_report_that_comes_twice_in_one_answer_counts_once(sent):
    fill = a_trade(60, 10)

    assert sent.journal.record([fill, replace(fill)]) == ()

    assert sent.facts.executions(ACCOUNT) == (fill,)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_report_that_contradicts_a_known_one_is_a_break_and_the_first_is_kept(sent, at_once):
    first, other = a_trade(60, "10.00"), a_trade(60, "10.01", commission=Decimal(1))

    found = (
        sent.journal.record([first, other]) if at_once else sent.journal.record([first]) + sent.journal.record([other])
    )

    assert [(b.break_type, b.subject, b.ours, b.theirs) for b in found] == [
        (BreakType.EXECUTION, "e-1", "last_px 10, commission 0", "last_px 10.01, commission 1")
        if not at_once
        else (BreakType.EXECUTION, "e-1", "last_px 10.00, commission 0", "last_px 10.01, commission 1")
    ]
    assert sent.facts.executions(ACCOUNT) == (first,)


def test_a_report_of_an_order_that_is_not_ours_is_recorded_and_is_a_break_once(ledger):
    stranger = a_trade(5, 10, cl_ord_id="by hand")

    [found] = ledger.journal.record([stranger, stranger])

    assert (found.break_type, found.subject, found.ours) == (BreakType.ORDER, "by hand", "")
    assert "this desk never made" in found.text
    assert ledger.journal.record([stranger]) == ()
    assert ledger.facts.books(ACCOUNT, at(0)).held() == {"AAPL": 5}
    assert ledger.journal.orders(ACCOUNT) == ()


def test_the_same_exec_id_in_two_accounts_is_two_facts(ledger):
    mine, theirs = a_trade(5, 10), a_trade(7, 11, account="DU200")

    ledger.journal.record([mine, theirs])

    assert len(ledger.journal.record([replace(mine, text="else"), replace(theirs, text="else")])) == 2
    assert (ledger.facts.executions(ACCOUNT), ledger.facts.executions("DU200")) == ((mine,), (theirs,))


def test_a_correction_supersedes_and_a_bust_removes(sent):
    sent.journal.record([a_trade(60, 10, "e-1"), a_trade(40, 10, "e-2", ord_status=OrdStatus.FILLED)])
    assert sent.statuses() == {"t-1": OrdStatus.FILLED}

    sent.journal.record([a_correction("e-1", 50, 9, "e-3"), a_bust("e-2", "e-4")])

    order = sent.journal.order("t-1")
    assert (order.cum_qty, order.avg_px, order.ord_status) == (50, 9, OrdStatus.PARTIALLY_FILLED)
    assert [o.cl_ord_id for o in sent.journal.orders(ACCOUNT, open_only=True)] == ["t-1"]


def test_a_report_that_cannot_be_written_is_recorded_when_it_comes_again(sent):
    fill = a_trade(60, 10)
    with failing_at(sent.engine, "INSERT INTO order_state"), pytest.raises(InterruptedError):
        sent.journal.record([fill])
    assert sent.facts.executions(ACCOUNT) == ()

    sent.journal.record([fill])

    assert sent.journal.order("t-1").cum_qty == 60


def test_nothing_to_record_records_nothing(ledger):
    assert ledger.journal.record([]) == ()


class TestDerivedState:
    """`order_state` says nothing that does not follow from marks and reports."""

    @pytest.fixture
    def eventful(self, ledger):
        """A ledger whose seven orders have come as far as orders come."""
        lease = ledger.lease()
        ledger.intend(lease, *some_orders(7))
        ledger.journal.mark_sending(lease, [f"t-{n}" for n in range(2, 8)], DECIDED)
        ledger.journal.mark(lease, "t-3", SendMark.UNKNOWN, DECIDED, "no answer")
        ledger.journal.mark(lease, "t-4", SendMark.ABANDONED, DECIDED, "too late")
        ledger.journal.record(
            [
                a_report(ExecType.NEW, "e-5", cl_ord_id="t-5", symbol="S5"),
                a_trade(1, 10, "e-6", cl_ord_id="t-6", symbol="S6", ord_status=OrdStatus.FILLED),
                a_report(ExecType.CANCELED, "e-7", cl_ord_id="t-7", symbol="S7"),
            ]
        )
        return ledger

    def test_every_order_is_the_fold_of_its_facts(self, eventful):
        for order in eventful.journal.orders(ACCOUNT):
            assert order == fold_order(order.new_order, *eventful.journal.history(order.cl_ord_id))
        assert [s.name for s in eventful.statuses().values()] == [
            "PENDING_NEW",
            "PENDING_NEW",
            "UNKNOWN",
            "EXPIRED",
            "NEW",
            "FILLED",
            "CANCELED",
        ]

    def test_a_rebuild_of_an_honest_ledger_finds_no_drift(self, eventful):
        assert eventful.journal.rebuild() == 0
        assert [o.cl_ord_id for o in eventful.journal.orders(ACCOUNT, open_only=True)] == ["t-1", "t-2", "t-3", "t-5"]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE order_state SET ord_status = 'filled' WHERE cl_ord_id = 't-5'",
            "UPDATE order_state SET is_open = false WHERE cl_ord_id = 't-5'",
            "UPDATE order_state SET account = 'DU200' WHERE cl_ord_id = 't-5'",
            "DELETE FROM order_state WHERE cl_ord_id = 't-5'",
        ],
    )
    def test_a_rebuild_finds_a_state_that_was_tampered_with_and_mends_it(self, eventful, statement):
        eventful.tamper(statement)

        assert eventful.journal.rebuild() == 1

        assert eventful.journal.rebuild() == 0
        assert [o.cl_ord_id for o in eventful.journal.orders(ACCOUNT, open_only=True)] == ["t-1", "t-2", "t-3", "t-5"]
