"""Intents: what is recorded before anything may be sent, and what may be sent."""

import signal
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.adapters.sql.ledger_child import children, intend_and_die
from tests.adapters.sql.sql_desk import a_decision, failing_at, some_orders
from tests.builders import ACCOUNT, CLOSE, DECIDED, SESSION, a_new_order, a_report, a_split, a_trade, at
from trading.errors import DeskHalted, OrderNotOpen, OrderUnknown
from trading.orders.executions import ExecType, SendMark
from trading.orders.orders import OrdStatus, OrdType, Side
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RefusalCode, RiskLimits

LIMITS = RiskLimits()
INTENDED = ("decision", "risk_decision", "new_order", "order_state")


def test_an_intent_records_the_decision_every_verdict_and_the_accepted_orders(ledger):
    orders = [a_new_order(cl_ord_id=f"t-{n}", symbol=s) for n, s in enumerate(("AAPL", "MSFT", "IBM"), start=1)]

    verdicts = ledger.intend(ledger.lease(), *orders, blocked_symbols=("MSFT",))

    assert [(v.cl_ord_id, v.accepted, v.code) for v in verdicts] == [
        ("t-1", True, None),
        ("t-2", False, RefusalCode.SYMBOL_BLOCKED),
        ("t-3", True, None),
    ]
    assert ledger.journal.risk_decisions("DU100:2024-03-15:main") == verdicts
    assert [o.new_order for o in ledger.journal.orders(ACCOUNT)] == [orders[0], orders[2]]
    assert {o.ord_status for o in ledger.journal.orders(ACCOUNT)} == {OrdStatus.PENDING_NEW}
    assert all(o.may_be_sent for o in ledger.journal.orders(ACCOUNT))


def test_a_refused_order_can_be_explained_and_is_no_order(ledger):
    ledger.intend(ledger.lease(), a_new_order(), blocked_symbols=("AAPL",))

    assert ledger.journal.decision_of("t-1")["strategy"] == "EqualWeight"
    assert ledger.journal.order("t-1") is None
    with pytest.raises(OrderUnknown, match="no order t-1 in the ledger"):
        ledger.journal.mark_sending(ledger.leases.current(ACCOUNT), ["t-1"], DECIDED)


def test_the_decision_is_kept_with_all_that_it_was_made_from(ledger):
    decision = a_decision()

    ledger.intend(ledger.lease(), a_new_order(), decision=decision)

    kept = ledger.journal.decision(ACCOUNT, SESSION, "main")
    for name in ("decision_id", "bars_hash", "first_session", "bars_session", "verdict_id", "equity", "decided_at"):
        assert kept[name] == getattr(decision, name)
    assert (kept["parameters"], kept["sizing"]) == ({"top": 5}, {"lot": "1"})
    assert kept["targets"][0]["reference_px"] == "10.00"
    assert ledger.journal.last_decision(ACCOUNT) == kept == ledger.journal.decision_of("t-1")
    assert ledger.journal.accounts() == (ACCOUNT,)


@pytest.mark.parametrize("purpose", ["flatten", "protect"])
def test_what_closed_or_protected_positions_for_the_next_session_is_not_the_last_that_was_decided(ledger, purpose):
    lease, tomorrow = ledger.lease(), SESSION + timedelta(days=1)
    ledger.intend(lease, a_new_order())

    ledger.intend(lease, decision=a_decision(tomorrow, f"{purpose} 1", strategy=purpose))

    assert ledger.journal.last_decision(ACCOUNT)["session"] == SESSION
    assert ledger.journal.decision(ACCOUNT, tomorrow, f"{purpose} 1") is not None


@pytest.mark.parametrize("statement", ["INSERT INTO risk_decision", "INSERT INTO new_order", "INSERT INTO order_state"])
def test_an_intent_that_fails_on_the_way_leaves_nothing(ledger, statement):
    lease = ledger.lease()

    with failing_at(ledger.engine, statement), pytest.raises(InterruptedError):
        ledger.intend(lease, a_new_order())
    assert [ledger.count(table) for table in INTENDED] == [0, 0, 0, 0]

    ledger.intend(lease, a_new_order())

    assert [ledger.count(table) for table in INTENDED] == [1, 1, 1, 1]


def test_a_run_that_is_killed_at_the_last_step_of_an_intent_leaves_nothing(ledger):
    with children(ledger.engine, (intend_and_die, "INSERT INTO order_state")) as [child]:
        child.go()
        assert child.join() == -signal.SIGKILL

    assert [ledger.count(table) for table in INTENDED] == [0, 0, 0, 0]
    assert ledger.intend(ledger.lease(), a_new_order())[0].accepted


def test_a_day_that_was_decided_is_not_decided_again(ledger):
    lease = ledger.lease()
    first = ledger.intend(lease, a_new_order())

    again = ledger.intend(
        lease, a_new_order(cl_ord_id="t-9", symbol="IBM"), decision=a_decision(decision_id="another id")
    )

    assert again == first
    assert [o.cl_ord_id for o in ledger.journal.orders(ACCOUNT)] == ["t-1"]
    assert [ledger.count(table) for table in INTENDED] == [1, 1, 1, 1]


def test_a_day_on_which_nothing_is_ordered_is_decided_too(ledger):
    assert ledger.intend(ledger.lease()) == ()

    assert ledger.journal.decision(ACCOUNT, SESSION, "main") is not None


def test_in_shadow_mode_every_verdict_is_recorded_and_no_order_is_made(ledger):
    verdicts = ledger.intend(ledger.lease(), a_new_order(), decision=a_decision(mode="shadow"))

    assert verdicts[0].accepted
    assert ledger.journal.risk_decisions("DU100:2024-03-15:main") == verdicts
    assert ledger.journal.orders(ACCOUNT) == ()


def test_orders_come_back_in_the_order_they_were_intended(ledger):
    lease, ids = ledger.lease(), ["z", "a", "m", "b"]
    tomorrow = SESSION + timedelta(days=1)
    later = [
        a_new_order(cl_ord_id=f"later-{i}", symbol=i, session=tomorrow, transact_time=DECIDED + timedelta(days=1))
        for i in ids
    ]

    ledger.intend(lease, *(a_new_order(cl_ord_id=i, symbol=i) for i in ids))
    ledger.intend(lease, *later, decision=a_decision(tomorrow))

    assert [o.cl_ord_id for o in ledger.journal.orders(ACCOUNT)] == [*ids, *(f"later-{i}" for i in ids)]
    assert [o.cl_ord_id for o in ledger.journal.orders(ACCOUNT, session=SESSION)] == ids
    assert ledger.journal.orders("DU200") == ()


def test_open_orders_are_those_that_may_still_trade(ledger):
    ledger.sent(ledger.lease(), *some_orders(4))
    ledger.journal.record(
        [
            a_report(ExecType.NEW, "e-1", cl_ord_id="t-1", symbol="S1"),
            a_trade(1, 10, "e-2", cl_ord_id="t-2", symbol="S2", ord_status=OrdStatus.FILLED),
            a_report(ExecType.REJECTED, "e-3", cl_ord_id="t-3", symbol="S3"),
        ]
    )

    assert [o.cl_ord_id for o in ledger.journal.orders(ACCOUNT, open_only=True)] == ["t-1", "t-4"]
    assert ledger.journal.orders(ACCOUNT, open_only=True, session=date(2024, 3, 14)) == ()


class TestSending:
    def test_an_order_that_was_marked_once_is_not_sent_a_second_time(self, ledger):
        lease = ledger.lease()
        ledger.sent(lease, a_new_order())

        with pytest.raises(OrderNotOpen, match="t-1 is PENDING_NEW and perhaps at the broker"):
            ledger.journal.mark_sending(lease, ["t-1"], DECIDED)

        assert ledger.journal.order("t-1").sent_count == 1

    @pytest.mark.parametrize("mark", [SendMark.UNKNOWN, SendMark.ABANDONED])
    def test_an_order_whose_fate_is_not_known_or_that_was_given_up_is_not_sent(self, ledger, mark):
        lease = ledger.lease()
        ledger.sent(lease, a_new_order())
        ledger.journal.mark(lease, "t-1", mark, DECIDED, "no answer")

        with pytest.raises(OrderNotOpen):
            ledger.journal.mark_sending(lease, ["t-1"], DECIDED)

    def test_an_order_that_the_broker_has_named_is_not_sent(self, ledger):
        lease = ledger.lease()
        ledger.intend(lease, a_new_order())
        ledger.journal.record([a_report(ExecType.NEW)])

        with pytest.raises(OrderNotOpen):
            ledger.journal.mark_sending(lease, ["t-1"], DECIDED)

    def test_one_order_that_may_not_be_sent_holds_back_the_whole_batch(self, ledger):
        lease = ledger.lease()
        ledger.intend(lease, *some_orders(3))
        ledger.journal.mark_sending(lease, ["t-2"], DECIDED)

        with pytest.raises(OrderNotOpen):
            ledger.journal.mark_sending(lease, ["t-1", "t-2", "t-3"], DECIDED)

        assert [o.sent_count for o in ledger.journal.orders(ACCOUNT)] == [0, 1, 0]

    def test_an_order_proven_not_to_be_at_the_broker_is_sent_again_under_its_name(self, ledger):
        lease = ledger.lease()
        ledger.sent(lease, a_new_order())
        ledger.journal.mark(lease, "t-1", SendMark.NOT_SENT, DECIDED, "refused before the wire")

        ledger.journal.mark_sending(lease, ["t-1"], at(1))

        marks, _ = ledger.journal.history("t-1")
        assert [(m.mark, m.marked_at, m.text) for m in marks] == [
            (SendMark.SENDING, DECIDED, ""),
            (SendMark.NOT_SENT, DECIDED, "refused before the wire"),
            (SendMark.SENDING, at(1), ""),
        ]

    def test_an_order_that_was_never_recorded_is_neither_sent_nor_marked(self, ledger):
        lease = ledger.lease()

        with pytest.raises(OrderUnknown, match="no order t-7 in the ledger"):
            ledger.journal.mark_sending(lease, ["t-7"], DECIDED)
        with pytest.raises(OrderUnknown):
            ledger.journal.mark(lease, "t-7", SendMark.UNKNOWN, DECIDED, "")

    def test_no_order_at_all_is_marked_when_there_is_none(self, ledger):
        ledger.journal.mark_sending(ledger.lease(), [], DECIDED)

        assert ledger.count("send_mark") == 0

    def test_an_unknown_order_locks_its_symbol_until_the_broker_has_named_it(self, ledger):
        lease = ledger.lease()
        ledger.sent(lease, a_new_order())
        ledger.journal.mark(lease, "t-1", SendMark.UNKNOWN, DECIDED, "no answer")
        assert set(ledger.journal.locked(ACCOUNT, "main")) == {"AAPL"}
        assert set(ledger.journal.locked(ACCOUNT, "second")) == {"AAPL"}
        assert ledger.journal.locked("DU200", "main") == {}

        refused = ledger.intend(lease, a_new_order(cl_ord_id="t-2"), decision=a_decision(book="second"))
        ledger.journal.record([a_report(ExecType.NEW)])

        assert refused[0].code is RefusalCode.SYMBOL_LOCKED
        assert ledger.journal.locked(ACCOUNT, "second") == {}

    def test_a_working_order_keeps_its_own_book_from_ordering_the_symbol_again(self, ledger):
        ledger.sent(ledger.lease(), a_new_order())
        ledger.journal.record([a_report(ExecType.NEW)])

        assert ledger.journal.locked(ACCOUNT, "main") == {"AAPL": "an order of it still works"}
        assert ledger.journal.locked(ACCOUNT, "second") == {}


class TestWhatTheGateSees:
    """Each intent is judged by what the ledger holds at that moment, in the same transaction."""

    def test_what_is_working_keeps_its_risk_reserved(self, ledger):
        # Position limit 1,500: 100 at 10.00 are working, so 60 more would make 1,600, and 50 make exactly 1,500.
        lease = ledger.lease()
        ledger.intend(lease, a_new_order())

        [first] = ledger.intend(
            lease,
            a_new_order(cl_ord_id="t-2", order_qty=Decimal(60)),
            decision=a_decision(book="second"),
            max_position_notional=Decimal(1500),
        )
        [second] = ledger.intend(
            lease,
            a_new_order(cl_ord_id="t-3", order_qty=Decimal(50)),
            decision=a_decision(book="third"),
            max_position_notional=Decimal(1500),
        )

        assert (first.code, second.accepted) == (RefusalCode.MAX_POSITION_NOTIONAL, True)

    def test_what_is_held_counts_in_the_shares_of_the_session_after_a_split(self, ledger):
        # 100 bought, then two for one before the session: 200 are held. Selling 200 closes; one more goes short.
        lease = ledger.lease()
        ledger.journal.record([a_trade(100, 20, cl_ord_id="t-0", transact_time=at(0, date(2024, 3, 14)))])
        ledger.facts.record_actions(ACCOUNT, [a_split(2)])

        [closing] = ledger.intend(
            lease, a_new_order(side=Side.SELL, order_qty=Decimal(200)), max_position_notional=Decimal("0.01")
        )
        [shorting] = ledger.intend(
            lease,
            a_new_order(cl_ord_id="t-2", side=Side.SELL, order_qty=Decimal(1)),
            decision=a_decision(book="second"),
            max_position_notional=Decimal("0.01"),
        )

        assert (closing.accepted, shorting.code) == (True, RefusalCode.MAX_POSITION_NOTIONAL)

    def test_orders_of_every_book_count_against_the_orders_of_the_day(self, ledger):
        lease = ledger.lease()
        ledger.intend(lease, *some_orders(2))

        verdicts = ledger.intend(
            lease,
            a_new_order(cl_ord_id="u-1"),
            a_new_order(cl_ord_id="u-2"),
            decision=a_decision(book="second"),
            max_orders_per_day=3,
        )

        assert [v.code for v in verdicts] == [None, RefusalCode.MAX_ORDERS_PER_DAY]

    @pytest.mark.parametrize("marks_know_it", [True, False])
    def test_what_was_ordered_today_counts_at_its_limit_price_when_that_is_higher(self, ledger, marks_know_it):
        # 100 IBM at a limit of 11.00 are 1,100, though the last price is 10.00; 90 AAPL at 10.00 make 2,000.
        lease = ledger.lease()
        earlier = a_new_order(symbol="IBM", ord_type=OrdType.LIMIT, price=Decimal(11))
        ledger.intend(lease, earlier)
        ledger.journal.record([a_report(ExecType.REJECTED, symbol="IBM")])

        marks = {"AAPL": Decimal(10)} | ({"IBM": Decimal(10)} if marks_know_it else {})
        limits = replace(LIMITS, max_notional_per_day=Decimal(2000))
        orders = [
            a_new_order(cl_ord_id="t-2", order_qty=Decimal(90)),
            a_new_order(cl_ord_id="t-3", order_qty=Decimal(1)),
        ]
        verdicts = ledger.journal.intend(
            lease, a_decision(book="second"), orders, RiskInputs(limits=limits, marks=marks)
        )

        assert [v.code for v in verdicts] == [None, RefusalCode.MAX_NOTIONAL_PER_DAY]

    def test_a_symbol_whose_bars_did_not_pass_is_refused_with_the_reason(self, ledger):
        [verdict] = ledger.intend(ledger.lease(), a_new_order(), blocked={"AAPL": "the bar of 14 March is missing"})

        assert verdict.code is RefusalCode.BARS_NOT_PASSED
        assert "the bar of 14 March is missing" in verdict.text


class TestHalted:
    def test_a_halted_account_intends_and_sends_nothing_until_it_is_resumed(self, ledger):
        lease = ledger.lease()
        ledger.intend(lease, a_new_order())
        ledger.halts.halt(ACCOUNT, "lost 5 %", "loss breaker", DECIDED)

        with pytest.raises(DeskHalted, match=r"DU100 is halted: lost 5 % \(loss breaker, 2024-03-15 13:00 UTC\)"):
            ledger.intend(lease, a_new_order(cl_ord_id="t-2"), decision=a_decision(book="second"))
        with pytest.raises(DeskHalted):
            ledger.journal.mark_sending(lease, ["t-1"], DECIDED)
        assert ledger.journal.decision(ACCOUNT, SESSION, "second") is None
        assert ledger.journal.history("t-1") == ((), ())

        ledger.halts.resume(ACCOUNT, "seen", "Ada", CLOSE)

        ledger.journal.mark_sending(lease, ["t-1"], DECIDED)

    def test_a_halt_of_the_desk_stops_every_account_and_one_of_an_account_only_that(self, ledger):
        ledger.halts.halt("DU200", "a fault", "Ada", DECIDED)
        ledger.intend(ledger.lease(), a_new_order())
        assert ledger.halts.halted(ACCOUNT, DECIDED) is None

        ledger.halts.halt("desk", "fire", "Ada", DECIDED)

        assert ledger.halts.halted(ACCOUNT, DECIDED) == "fire (Ada, 2024-03-15 13:00 UTC)"
        with pytest.raises(DeskHalted, match="desk is halted: fire"):
            ledger.journal.mark_sending(ledger.leases.current(ACCOUNT), ["t-1"], DECIDED)

    def test_a_STOP_file_halts_the_desk_and_taking_it_away_does_not_resume(self, ledger):  # noqa: N802 - its name
        lease = ledger.lease()
        ledger.intend(lease, a_new_order())
        ledger.stop_file.touch()

        with pytest.raises(DeskHalted, match=f"desk is halted: the file {ledger.stop_file} is there"):
            ledger.journal.mark_sending(lease, ["t-1"], DECIDED)
        with pytest.raises(DeskHalted, match="remove the STOP file"):
            ledger.halts.resume("desk", "seen", "Ada", CLOSE)
        ledger.stop_file.unlink()
        with pytest.raises(DeskHalted):
            ledger.intend(lease, decision=a_decision(book="second"))
        assert ledger.halts.status().keys() == {"desk"}
        assert ledger.journal.history("t-1") == ((), ())

        ledger.halts.resume("desk", "seen", "Ada", CLOSE)

        ledger.journal.mark_sending(lease, ["t-1"], DECIDED)
        assert ledger.halts.status() == {}

    def test_a_STOP_file_is_told_before_any_run_has_noticed_it(self, ledger):  # noqa: N802 - its name
        ledger.stop_file.touch()

        assert ledger.halts.status() == {"desk": f"the file {ledger.stop_file} is there"}
        assert ledger.count("halt") == 0

    def test_what_the_broker_says_is_recorded_however_halted_the_desk_is(self, ledger):
        lease = ledger.lease()
        ledger.sent(lease, a_new_order())
        ledger.stop_file.touch()

        ledger.journal.mark(lease, "t-1", SendMark.UNKNOWN, DECIDED, "no answer")
        ledger.journal.record([a_trade(100, 10, ord_status=OrdStatus.FILLED)])

        assert ledger.statuses() == {"t-1": OrdStatus.FILLED}
