"""Every difference between the desk and its broker is found, and equality is silent."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.builders import (
    ACCOUNT,
    CLOSE,
    OPEN,
    a_bust,
    a_correction,
    a_dividend,
    a_movement,
    a_new_order,
    a_report,
    a_split,
    a_statement,
    a_trade,
    an_order,
    at,
)
from trading.breaks import BreakType, Clearance, symbols_locked_by, uncleared
from trading.broker import CashMovementType
from trading.market.corporate_actions import CashMerger, EffectiveAction
from trading.orders.executions import ExecType, fold_order
from trading.orders.orders import OrdStatus
from trading.positions.books import expected_payments, fold_books
from trading.reconciliation import action_breaks, reconcile

NEW, FILL = a_report(ExecType.NEW, "n"), a_trade(100, 170, "f", commission=Decimal("1.00"))
DEPOSIT = a_movement(20_000)
FILLED = fold_order(a_new_order(), [], [NEW, FILL])
EX_DATE = date(2024, 3, 18)


def breaks(*, ours=(NEW, FILL), theirs=(NEW, FILL), orders=(FILLED,), movements=(DEPOSIT,), since=OPEN, **statement):
    """Reconcile an account that bought 100 at 170, save for what the test changes."""
    given = {"cash": 2999, "held": {"AAPL": 100}} | statement
    return reconcile(
        statement=a_statement(**given),
        broker_reports=theirs,
        since=since,
        orders=orders,
        reports=ours,
        books=fold_books(ours, movements, []),
    )


def told(found):
    return [(b.break_type, b.subject, b.ours, b.theirs) for b in found]


def test_equal_books_have_no_break():
    assert breaks() == ()


def test_an_option_in_order_at_the_broker_has_no_break_and_an_adjusted_one_is_for_a_person_to_clear():
    call, adjusted = "AAPL  240621C00200000", "AAPL1 240621C00200000"

    def held(symbol):
        fill = a_trade(2, "3.10", "c", symbol=symbol, commission=Decimal("1.30"))
        return breaks(ours=(NEW, FILL, fill), theirs=(NEW, FILL, fill), cash="2377.70", held={"AAPL": 100, symbol: 2})

    (found,) = held(adjusted)
    named = {"account": ACCOUNT, "break_type": found.break_type, "subject": adjusted, "ours": "2", "theirs": "2"}
    cleared = Clearance(**named, actor="ann", reason="100 by memo 12345", cleared_at=CLOSE)

    assert held(call) == ()  # 2,999 - 2 x 3.10 x 100 - 1.30
    assert told([found]) == [(BreakType.POSITION, adjusted, "2", "2")]
    assert uncleared([found], [cleared]) == ()
    assert list(symbols_locked_by([found])) == [adjusted]


# --- orders


def test_an_order_that_works_at_the_broker_and_was_never_made_here_is_a_break():
    (found,) = breaks(working=("stranger",))

    assert told([found]) == [(BreakType.ORDER, "stranger", "", "working")]
    assert found.text == "order stranger was never made by this desk; find out who did, and cancel or book it"


def test_a_report_about_an_order_never_made_here_is_a_break():
    by_hand = a_report(ExecType.NEW, "h", cl_ord_id="stranger")

    assert told(breaks(theirs=(NEW, FILL, by_hand))) == [(BreakType.ORDER, "stranger", "", "reported")]


def test_an_order_never_made_here_locks_its_symbol_and_one_of_ours_that_ended_does_not():
    by_hand = a_report(ExecType.NEW, "h", cl_ord_id="stranger")
    over = an_order(cl_ord_id="o", ord_status=OrdStatus.CANCELED)

    strange, ours = breaks(theirs=(NEW, FILL, by_hand)), breaks(orders=(FILLED, over), working=("o",))

    assert list(symbols_locked_by(strange)) == [by_hand.symbol]
    assert ours
    assert symbols_locked_by(ours) == {}


@pytest.mark.parametrize("ord_status", [OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED])
def test_an_order_that_is_over_here_and_works_there_is_a_break(ord_status):
    over = an_order(cl_ord_id="o", ord_status=ord_status)

    found = breaks(orders=(FILLED, over), working=("o",))

    assert told(found) == [(BreakType.ORDER, "o", ord_status.name, "working")]


@pytest.mark.parametrize(
    "ord_status", [OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL, OrdStatus.UNKNOWN]
)
def test_an_order_that_is_open_here_and_does_not_work_there_is_a_break(ord_status):
    found = breaks(orders=(FILLED, an_order(cl_ord_id="o", ord_status=ord_status)))

    assert told(found) == [(BreakType.ORDER, "o", ord_status.name, "")]


def test_orders_that_the_broker_need_not_know_are_no_break():
    never_sent = fold_order(a_new_order(cl_ord_id="o"), [], [])
    resting = an_order(cl_ord_id="p", ord_status=OrdStatus.DONE_FOR_DAY)

    assert breaks(orders=(FILLED, never_sent, resting)) == ()


def test_an_order_working_on_both_sides_is_no_break():
    assert breaks(orders=(FILLED, an_order(cl_ord_id="o")), working=("o",)) == ()


def test_what_contradicts_an_order_is_a_break_as_long_as_the_broker_reports_it():
    overfill = a_trade(130, 170, "f")
    order = fold_order(a_new_order(), [], [NEW, overfill])
    account = {"held": {"AAPL": 130}, "cash": -2100, "orders": (order,), "ours": (NEW, overfill)}

    today, later = breaks(theirs=(NEW, overfill), **account), breaks(theirs=(), since=CLOSE, **account)

    assert [b.text for b in today] == ["order t-1 is filled 130 of 100; ask the broker to bust the excess"]
    assert later == ()


# --- executions


def test_an_execution_that_is_not_recorded_here_is_a_break_and_shows_in_position_and_cash():
    found = breaks(ours=(NEW,))

    assert told(found) == [
        (BreakType.EXECUTION, "f", "", "TRADE BUY 100 AAPL at 170, commission 1"),
        (BreakType.POSITION, "AAPL", "0", "100"),
        (BreakType.CASH, "USD", "20000", "2999"),
    ]


def test_an_execution_that_the_broker_does_not_report_is_a_break():
    assert told(breaks(theirs=(NEW,))) == [
        (BreakType.EXECUTION, "f", "TRADE BUY 100 AAPL at 170, commission 1", "")
    ]  # fmt: skip


def test_an_execution_before_the_time_asked_for_need_not_be_reported():
    assert breaks(theirs=(), since=at(1)) == ()


@pytest.mark.parametrize(
    "changed", [("101", "170", "1"), ("100", "170.01", "1"), ("100", "170", "1.01"), ("-100", "170", "1")]
)
def test_an_execution_of_other_quantity_price_side_or_commission_is_a_break(changed):
    qty, px, commission = changed

    found = breaks(theirs=(NEW, a_trade(qty, px, "f", commission=Decimal(commission))))

    assert [(b.break_type, b.subject) for b in found] == [(BreakType.EXECUTION, "f")]


def test_a_bust_that_is_not_recorded_here_is_a_break():
    found = breaks(theirs=(NEW, FILL, a_bust("f", "b")))

    assert told(found) == [(BreakType.EXECUTION, "b", "", "TRADE_CANCEL of f BUY 0 AAPL, commission 0")]


def test_a_broker_that_lists_only_the_correction_agrees_with_us():
    first = a_trade(100, 171, "g")
    fixed = a_correction("g", 100, 170, "h", commission=Decimal("1.00"))

    assert breaks(ours=(NEW, first, fixed), theirs=(NEW, fixed)) == ()


# --- positions and cash


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"AAPL": 99}, [("AAPL", "100", "99")]),
        ({}, [("AAPL", "100", "0")]),
        ({"AAPL": 100, "MSFT": -5}, [("MSFT", "0", "-5")]),
    ],
)
def test_every_position_that_differs_is_a_break(held, expected):
    found = breaks(held=held)

    assert [(b.subject, b.ours, b.theirs) for b in found] == expected
    assert {b.break_type for b in found} == {BreakType.POSITION}


def test_one_cent_of_cash_is_a_break():
    (found,) = breaks(cash="2999.01")

    assert told([found]) == [(BreakType.CASH, "USD", "2999", "2999.01")]
    assert found.text == (
        "cash is 2,999.00 USD here, 2,999.01 at the broker; look for a fee, dividend, commission or transfer of +0.01"
    )


def test_parts_of_a_cent_are_rounded_as_brokers_round_them():
    assert breaks(movements=(DEPOSIT, a_movement("0.004", movement_id="m-2"))) == ()


# --- dividends


def dividend_breaks(*booked, days_later=0, also=()):
    """Return the breaks of 100 shares that earned 0.24 each on 18 March 2024, as of so many days later."""
    movements = tuple(
        a_movement(amount, CashMovementType.DIVIDEND, f"d{n}", symbol="AAPL", value_time=at(60 * 24 * day))
        for n, (day, amount) in enumerate(booked)
    )
    statement = a_statement(
        cash=Decimal(2999) + sum((m.amount.amount for m in movements), Decimal(0)),
        held={"AAPL": 100},
        cash_movements=movements,
        as_of=CLOSE + timedelta(days=3 + days_later),
    )
    return reconcile(
        statement=statement,
        broker_reports=(NEW, FILL),
        since=OPEN,
        orders=(FILLED,),
        reports=(NEW, FILL),
        books=fold_books((NEW, FILL), (DEPOSIT, *movements), []),
        expected_payments=expected_payments((NEW, FILL), [a_dividend("0.24", EX_DATE), *also]),
        dividend_due_after=timedelta(days=45),
    )


def test_a_dividend_paid_as_expected_is_no_break():
    assert dividend_breaks((30, "24.00"), days_later=60) == ()


def test_two_dividends_paid_in_the_other_order_are_told_apart_by_their_amounts():
    special = a_dividend("1.50", EX_DATE + timedelta(days=2))

    assert dividend_breaks((10, "150.00"), (30, "24.00"), also=[special]) == ()


def test_a_dividend_may_be_paid_weeks_after_its_ex_date_and_then_is_missed():
    assert dividend_breaks(days_later=45) == ()

    (found,) = dividend_breaks(days_later=46)
    assert told([found]) == [(BreakType.DIVIDEND, "AAPL", "24", "")]
    assert found.text == "the dividend of AAPL of 2024-03-18 was never booked; ask the broker for it"


def test_a_dividend_booked_otherwise_is_a_break():
    assert told(dividend_breaks((30, "20.40"))) == [(BreakType.DIVIDEND, "AAPL", "24", "20.4")]


def test_a_dividend_that_nothing_explains_is_a_break():
    assert told(dividend_breaks((30, "24.00"), (31, "5.00"))) == [(BreakType.DIVIDEND, "AAPL", "", "5")]


def merger_breaks(*paid: str, held: int = 0, days_later: int = 0):
    """Return the breaks of 100 shares that became 60.00 each on 18 March 2024."""
    merger = CashMerger(symbol="AAPL", ex_date=EX_DATE, amount_per_share=Decimal("60"))
    actions = [EffectiveAction(action=merger, effective_at=at(0, EX_DATE))]
    movements = tuple(
        a_movement(amount, CashMovementType.MERGER, f"m{n}", symbol="AAPL", value_time=at(60, EX_DATE))
        for n, amount in enumerate(paid)
    )
    return reconcile(
        statement=a_statement(
            cash=Decimal(2999) + sum((m.amount.amount for m in movements), Decimal(0)),
            held={"AAPL": held} if held else {},
            cash_movements=movements,
            as_of=at(60 * 24 * days_later + 120, EX_DATE),
        ),
        broker_reports=(NEW, FILL),
        since=OPEN,
        orders=(FILLED,),
        reports=(NEW, FILL),
        books=fold_books((NEW, FILL), (DEPOSIT, *movements), actions),
        expected_payments=expected_payments((NEW, FILL), actions),
        actions=actions,
    )


def test_a_merger_paid_as_expected_is_no_break():
    assert merger_breaks("6000.00") == ()


def test_a_merger_that_the_broker_has_not_booked_yet_is_an_expected_break_for_five_days():
    (expected,) = merger_breaks(held=100, days_later=4)
    (unexpected,) = merger_breaks(held=100, days_later=5)

    assert (expected.break_type, expected.expected, expected.locks_symbol) == (BreakType.POSITION, True, True)
    assert expected.text.endswith(
        "expected until 2024-03-23: one side has not booked the cash merger of 2024-03-18 yet"
    )
    assert not unexpected.expected


def test_a_merger_that_pays_otherwise_is_a_break():
    assert told(merger_breaks("5900.00")) == [(BreakType.MERGER, "AAPL", "6000", "5900")]


def test_a_booked_split_that_is_believed_no_more_is_a_break_by_which_nothing_may_be_sized():
    booked, now = a_split(2), a_split(4).action

    assert action_breaks([booked], [booked.action]) == ()
    (withdrawn,), (corrected,) = action_breaks([booked], []), action_breaks([booked], [now])
    assert told([withdrawn]) == [(BreakType.ACTION, "AAPL split 2024-03-15", "2", "none")]
    assert told([corrected]) == [(BreakType.ACTION, "AAPL split 2024-03-15", "2", "4")]
    assert withdrawn.break_type.falsifies_sizing


def test_a_payment_before_the_ex_date_is_another_dividend():
    found = dividend_breaks((1, "24.00"), days_later=60)

    assert told(found) == [(BreakType.DIVIDEND, "AAPL", "24", ""), (BreakType.DIVIDEND, "AAPL", "", "24")]


def test_every_break_says_what_to_do():
    found = breaks(
        working=("stranger",), ours=(NEW, a_trade(5, 9, "z")), orders=(an_order(),), held={"X": 1}, cash=1
    ) + dividend_breaks((1, "1"), (30, "20"), days_later=60)
    found += merger_breaks("59.00")
    found += action_breaks([a_split(2)], [])

    assert {b.break_type for b in found} == set(BreakType)
    assert all("; " in b.text and (b.subject in b.text) for b in found)
