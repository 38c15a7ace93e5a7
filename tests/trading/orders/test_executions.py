"""What becomes of an order; scenarios from FIX appendix D (4.2: D34, D35; 5.0 SP2: A.1, B.1, J.1)."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_bust, a_correction, a_mark, a_new_order, a_report, a_trade, an_order, at
from trading.errors import InvalidValue, OrderNotOpen
from trading.orders.executions import ExecType, SendMark, effective_trades, fold_order
from trading.orders.orders import OrdStatus, Side

NEW, REJECTED = a_report(ExecType.NEW, "n"), a_report(ExecType.REJECTED, "r")
CANCELED = a_report(ExecType.CANCELED, "x")
PENDING_CANCEL = a_report(ExecType.PENDING_CANCEL, "p")


def ten_thousand():
    return a_new_order(order_qty=Decimal(10_000))


# --- what we know without the broker


@pytest.mark.parametrize(
    ("marks", "ord_status", "sent_count", "may_be_sent"),
    [
        ([], OrdStatus.PENDING_NEW, 0, True),
        ([SendMark.SENDING], OrdStatus.PENDING_NEW, 1, False),  # in flight
        ([SendMark.SENDING, SendMark.UNKNOWN], OrdStatus.UNKNOWN, 1, False),
        ([SendMark.SENDING, SendMark.NOT_SENT], OrdStatus.PENDING_NEW, 1, True),
        ([SendMark.SENDING, SendMark.UNKNOWN, SendMark.NOT_SENT, SendMark.SENDING], OrdStatus.PENDING_NEW, 2, False),
        ([SendMark.SENDING, SendMark.UNKNOWN, SendMark.ABANDONED], OrdStatus.EXPIRED, 1, False),
    ],
)
def test_an_order_the_broker_is_silent_about_is_what_its_last_send_mark_says(
    marks, ord_status, sent_count, may_be_sent
):
    order = fold_order(a_new_order(), [a_mark(m) for m in marks], [])

    assert (order.ord_status, order.sent_count, order.may_be_sent) == (ord_status, sent_count, may_be_sent)
    assert order.order_id is None


@pytest.mark.parametrize("mark", SendMark)
def test_any_report_beats_every_send_mark(mark):
    order = fold_order(a_new_order(), [a_mark(SendMark.SENDING), a_mark(mark, "we thought so")], [NEW])

    assert (order.ord_status, order.order_id, order.may_be_sent) == (OrdStatus.NEW, "b-1", False)


def test_the_last_reason_given_is_kept():
    rejected = a_report(ExecType.REJECTED, "r", text="not enough funds")

    assert fold_order(a_new_order(), [a_mark(SendMark.UNKNOWN, "timed out")], []).text == "timed out"
    assert fold_order(a_new_order(), [a_mark(SendMark.UNKNOWN, "timed out")], [rejected]).text == "not enough funds"


# --- FIX scenarios, message by message


def replay(order, steps):
    """Fold after each message and compare OrdStatus, CumQty, LeavesQty and AvgPx with the matrix of FIX."""
    for n in range(1, len(steps) + 1):
        folded = fold_order(order, [], [report for report, *_ in steps[:n]])

        seen = (folded.ord_status, folded.cum_qty, folded.leaves_qty, folded.avg_px)
        _, ord_status, cum_qty, leaves_qty, avg_px = steps[n - 1]
        assert seen == (ord_status, cum_qty, leaves_qty, avg_px)
        assert folded.contradictions == ()


def test_a_vanilla_order_is_filled_in_three_executions():
    """A.1.a."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (a_trade(2000, 50, "a"), OrdStatus.PARTIALLY_FILLED, 2000, 8000, 50),
            (a_trade(1000, 50, "b"), OrdStatus.PARTIALLY_FILLED, 3000, 7000, 50),
            (a_trade(7000, 50, "c"), OrdStatus.FILLED, 10_000, 0, 50),
        ],
    )


def test_executions_go_on_while_a_cancel_is_pending():
    """B.1.b."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (a_trade(2000, 50, "a"), OrdStatus.PARTIALLY_FILLED, 2000, 8000, 50),
            (PENDING_CANCEL, OrdStatus.PENDING_CANCEL, 2000, 8000, 50),
            (a_trade(3000, 50, "b"), OrdStatus.PENDING_CANCEL, 5000, 5000, 50),
            (CANCELED, OrdStatus.CANCELED, 5000, 0, 50),
        ],
    )


def test_an_order_filled_before_the_cancel_is_filled():
    """B.1.c, without the wait for the refusal of the cancel: nothing is left to be canceled."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (a_trade(5000, 50, "a"), OrdStatus.PARTIALLY_FILLED, 5000, 5000, 50),
            (PENDING_CANCEL, OrdStatus.PENDING_CANCEL, 5000, 5000, 50),
            (a_trade(5000, 50, "b"), OrdStatus.FILLED, 10_000, 0, 50),
        ],
    )


def test_a_refused_cancel_leaves_the_order_working():
    """B.1.c, the refusal of a cancel comes as an answer about the order's status."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (PENDING_CANCEL, OrdStatus.PENDING_CANCEL, 0, 10_000, None),
            (a_report(ExecType.ORDER_STATUS, "s", ord_status=OrdStatus.NEW), OrdStatus.NEW, 0, 10_000, None),
        ],
    )


def test_a_part_filled_day_order_is_done_for_the_day():
    """A.1.b; LeavesQty may be 0 or not when done for the day, and here the order may go on tomorrow."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (a_trade(2000, 50, "a"), OrdStatus.PARTIALLY_FILLED, 2000, 8000, 50),
            (a_report(ExecType.DONE_FOR_DAY, "d"), OrdStatus.DONE_FOR_DAY, 2000, 8000, 50),
        ],
    )


def test_a_filled_order_is_corrected_and_busted():
    """J.1.a (D34), up to the request for a larger quantity."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (a_trade(1000, 100, "C"), OrdStatus.PARTIALLY_FILLED, 1000, 9000, 100),
            (a_trade(9000, 110, "D"), OrdStatus.FILLED, 10_000, 0, 109),
            (
                a_bust("C", "E", ord_status=OrdStatus.PARTIALLY_FILLED),
                OrdStatus.PARTIALLY_FILLED,
                9000,
                1000,
                110,
            ),
            (a_correction("D", 9000, 100, "F"), OrdStatus.PARTIALLY_FILLED, 9000, 1000, 100),
            (a_trade(1000, 120, "G"), OrdStatus.FILLED, 10_000, 0, 102),
            (
                a_correction("F", 9000, 120, "H", ord_status=OrdStatus.FILLED),
                OrdStatus.FILLED,
                10_000,
                0,
                120,
            ),
        ],
    )


def test_a_canceled_order_stays_canceled_through_a_bust_and_a_new_execution():
    """J.1.b (D35)."""
    replay(
        ten_thousand(),
        [
            (NEW, OrdStatus.NEW, 0, 10_000, None),
            (a_trade(5000, 50, "B"), OrdStatus.PARTIALLY_FILLED, 5000, 5000, 50),
            (PENDING_CANCEL, OrdStatus.PENDING_CANCEL, 5000, 5000, 50),
            (CANCELED, OrdStatus.CANCELED, 5000, 0, 50),
            (a_bust("B", "E", ord_status=OrdStatus.CANCELED), OrdStatus.CANCELED, 0, 0, None),
            (a_trade(4000, 51, "F", ord_status=OrdStatus.CANCELED), OrdStatus.CANCELED, 4000, 0, 51),
        ],
    )


# --- late, doubled and impossible reports


def test_an_acknowledgement_after_the_trade_does_not_move_the_order_back():
    order = fold_order(a_new_order(), [], [a_trade(40, 10, "a"), NEW])

    assert (order.ord_status, order.contradictions) == (OrdStatus.PARTIALLY_FILLED, ())


def test_a_fill_that_crossed_the_cancel_makes_the_order_filled():
    order = fold_order(a_new_order(), [], [NEW, CANCELED, a_trade(100, 10, "a")])

    assert (order.ord_status, order.cum_qty) == (OrdStatus.FILLED, 100)


def test_a_bust_opens_a_filled_order_again():
    order = fold_order(a_new_order(), [], [NEW, a_trade(60, 10, "a"), a_trade(40, 11, "b"), a_bust("b", "c")])

    assert (order.ord_status, order.cum_qty, order.leaves_qty) == (OrdStatus.PARTIALLY_FILLED, 60, 40)


def test_a_bust_after_the_day_leaves_the_order_as_dead_as_the_broker_says():
    bust = a_bust("a", "b", ord_status=OrdStatus.EXPIRED)

    order = fold_order(a_new_order(), [], [NEW, a_trade(100, 10, "a"), bust])

    assert (order.ord_status, order.cum_qty, order.leaves_qty) == (OrdStatus.EXPIRED, 0, 0)


def test_a_trade_of_a_rejected_order_counts_and_is_flagged():
    order = fold_order(a_new_order(), [], [REJECTED, a_trade(40, 10, "a")])

    assert (order.ord_status, order.cum_qty) == (OrdStatus.PARTIALLY_FILLED, 40)
    assert order.contradictions == (
        "TRADE a came when order t-1 was REJECTED; it is taken as PARTIALLY_FILLED, ask the broker",
    )


def test_more_than_was_ordered_is_recorded_and_flagged():
    order = fold_order(a_new_order(), [], [NEW, a_trade(130, 10, "a")])

    assert (order.ord_status, order.cum_qty, order.leaves_qty) == (OrdStatus.FILLED, 130, 0)
    assert order.contradictions == ("order t-1 is filled 130 of 100; ask the broker to bust the excess",)


def test_a_broker_that_says_filled_without_the_executions_is_not_believed():
    answer = a_report(ExecType.ORDER_STATUS, "s", ord_status=OrdStatus.FILLED)

    order = fold_order(a_new_order(), [], [NEW, a_trade(40, 10, "a"), answer])

    assert (order.ord_status, order.leaves_qty) == (OrdStatus.PARTIALLY_FILLED, 60)
    assert order.contradictions == (
        "the broker calls order t-1 FILLED, but its executions add up to 40 of 100; fetch the missing ones",
    )


def test_a_report_of_another_side_or_symbol_is_flagged():
    order = fold_order(a_new_order(), [], [a_trade(-40, 10, "a", symbol="MSFT")])

    assert order.contradictions == ("a says SELL MSFT, but order t-1 is BUY AAPL; ask the broker",)


def test_leaves_qty_is_never_negative():
    assert an_order(ord_status=OrdStatus.PENDING_CANCEL, cum_qty=Decimal(130)).leaves_qty == 0


def test_a_filled_order_cannot_be_canceled():
    order = fold_order(a_new_order(), [], [NEW, a_trade(100, 10, "a")])

    with pytest.raises(OrderNotOpen, match="order t-1 is FILLED"):
        order.cancel_request(at(1))


def test_an_execution_without_a_price_is_no_execution():
    with pytest.raises(InvalidValue, match="last_px of execution e-1 is None"):
        a_report(ExecType.TRADE, last_qty=Decimal(10))
    with pytest.raises(InvalidValue, match="last_px of NEW n is None, but must be that of an execution"):
        _ = NEW.px


def test_a_report_has_an_aware_time():
    with pytest.raises(InvalidValue, match="aware"):
        a_report(ExecType.NEW, transact_time=datetime(2024, 3, 15))  # noqa: DTZ001 - the naive time is the test


# --- corrections and busts


def test_two_corrections_of_the_same_execution_leave_the_later():
    reports = [
        a_trade(10, 5, "a", transact_time=at(0)),
        a_correction("a", 10, 7, "a.3", transact_time=at(2)),
        a_correction("a", 10, 6, "a.2", transact_time=at(1)),
    ]

    assert [t.px for t in effective_trades(reports)] == [7]


def test_a_bust_of_a_corrected_execution_removes_it():
    reports = [a_trade(10, 5, "a"), a_correction("a", 12, 5, "b"), a_bust("a", "c")]

    assert effective_trades(reports) == ()


def test_a_corrected_execution_keeps_the_time_it_happened():
    reports = [a_correction("a", 10, 6, "b", transact_time=at(60)), a_trade(10, 5, "a", transact_time=at(1))]

    (trade,) = effective_trades(reports)

    assert (trade.exec_id, trade.transact_time) == ("b", at(1))


def test_a_correction_that_arrives_before_its_execution_replaces_it_all_the_same():
    order = fold_order(a_new_order(), [], [NEW, a_correction("a", 60, 10, "b"), a_trade(100, 10, "a")])

    assert (order.ord_status, order.cum_qty, order.contradictions) == (OrdStatus.PARTIALLY_FILLED, 60, ())


def test_an_execution_that_refers_to_itself_counts_once():
    assert len(effective_trades([a_correction("a", 10, 6, "a")])) == 1


def test_executions_come_in_the_order_they_happened_and_of_one_instant_in_the_order_received():
    reports = [
        a_trade(1, 5, "z", transact_time=at(1)),
        a_trade(1, 5, "a", transact_time=at(1)),
        a_trade(1, 5, "m", transact_time=at(0)),
    ]

    assert [t.exec_id for t in effective_trades(reports)] == ["m", "z", "a"]


# --- whatever arrives, in whatever order

QTY = st.integers(1, 500).map(Decimal)
PX = st.integers(1, 10_000).map(lambda cents: Decimal(cents) / 100)


@st.composite
def histories(draw):
    """Return reports of executions, some corrected again and again, some busted; and what holds in the end."""
    reports, held = [], []
    for n in range(draw(st.integers(1, 5))):
        exec_id, version = f"e{n}", None
        for depth in range(draw(st.integers(1, 4))):
            qty, px, commission = draw(QTY), draw(PX), draw(PX)
            fields = {"commission": commission, "transact_time": at(n + depth)}
            if version is None:
                reports.append(a_trade(str(qty), str(px), exec_id, **fields))
            else:
                reports.append(a_correction(version, str(qty), str(px), f"{exec_id}.{depth}", **fields))
            version = reports[-1].exec_id
        if draw(st.booleans()):
            reports.append(a_bust(version, f"{exec_id}.bust"))
        else:
            held.append((qty, px, commission))
    return reports, held


@given(histories(), st.data())
def test_no_order_of_arrival_and_no_double_changes_quantity_price_or_commission(history, data):
    reports, held = history
    doubled = reports + data.draw(st.lists(st.sampled_from(reports), max_size=5))

    order = fold_order(a_new_order(), [], data.draw(st.permutations(doubled)))

    cum_qty = sum(qty for qty, _, _ in held)
    assert order.cum_qty == cum_qty
    assert order.commission == sum(commission for _, _, commission in held)
    assert order.avg_px == (sum(qty * px for qty, px, _ in held) / cum_qty if cum_qty else None)


@st.composite
def any_reports(draw):
    """Return reports of every kind and status, as a broker out of its mind would send them."""
    reports = []
    for n in range(draw(st.integers(0, 12))):
        exec_type, stated = draw(st.sampled_from(ExecType)), draw(st.sampled_from(OrdStatus))
        fields = {"ord_status": stated, "side": draw(st.sampled_from(Side))}
        if exec_type in (ExecType.TRADE, ExecType.TRADE_CORRECT):
            fields |= {"last_qty": draw(QTY), "last_px": draw(PX)}
        if exec_type in (ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL):
            fields["exec_ref_id"] = draw(st.sampled_from([None, *(f"e{i}" for i in range(13))]))
        fields["order_qty"] = draw(st.sampled_from([None, Decimal(0), Decimal(-1), Decimal(40), Decimal(400)]))
        fields["price"] = draw(st.sampled_from([None, Decimal(0), Decimal(7)]))
        reports.append(a_report(exec_type, f"e{n}", **fields))
    return reports


@given(any_reports())
def test_what_is_executed_and_what_is_left_make_the_order_while_it_is_open(reports):
    order = fold_order(a_new_order(), [], reports)

    if order.ord_status.is_open:
        assert order.cum_qty + order.leaves_qty == order.in_force.order_qty
    else:
        assert order.leaves_qty == 0
    assert (order.ord_status is OrdStatus.FILLED) == (order.cum_qty >= order.in_force.order_qty)
