"""A break is cleared by name and reason, and only while it stays the same difference."""

from decimal import Decimal

import pytest

from adapters.sql.audit import first_broken_entry
from tests.adapters.sql.sql_desk import SqlLedger
from tests.builders import ACCOUNT, CLOSE, SESSION
from trading.breaks import Break, BreakType
from trading.broker import CashMovementType
from trading.errors import InvalidValue
from trading.reconciliation import Reconciliation


def a_break(break_type: BreakType = BreakType.POSITION, subject: str = "KO", ours: str = "700", theirs: str = "690"):
    symbol = subject if break_type is BreakType.POSITION else None
    text = f"{subject}: {ours} here, {theirs} at the broker"
    return Break(break_type=break_type, subject=subject, ours=ours, theirs=theirs, text=text, symbol=symbol)


def reconciled(ledger: SqlLedger, *breaks: Break) -> None:
    ledger.facts.record_reconciliation(
        ACCOUNT,
        Reconciliation(
            session=SESSION, reconciled_at=CLOSE, equity=Decimal(1), cash=Decimal(1), marks={}, breaks=breaks
        ),
    )


def clear(ledger: SqlLedger, subject: str, reason: str = "sold by hand") -> tuple[Break, ...]:
    return ledger.clearances.clear(ACCOUNT, subject, actor="Ada", reason=reason, now=CLOSE)


def test_a_position_that_differs_locks_its_symbol_until_it_is_cleared(ledger):
    reconciled(ledger, a_break())
    before = ledger.clearances.locked(ACCOUNT)

    cleared = clear(ledger, "KO")

    assert before == {"KO": "locked by a break: KO: 700 here, 690 at the broker"}
    assert cleared == (a_break(),)
    assert ledger.clearances.locked(ACCOUNT) == {}


def test_another_difference_of_the_same_symbol_locks_it_again(ledger):
    reconciled(ledger, a_break())
    clear(ledger, "KO")

    reconciled(ledger, a_break(ours="500", theirs="490"))
    same_difference = ledger.clearances.locked(ACCOUNT)
    reconciled(ledger, a_break(ours="500", theirs="480"))

    assert same_difference == {}
    assert list(ledger.clearances.locked(ACCOUNT)) == ["KO"]


def test_a_reconciliation_without_the_break_unlocks_by_itself(ledger):
    reconciled(ledger, a_break())

    reconciled(ledger)

    assert ledger.clearances.locked(ACCOUNT) == {}


def test_a_cleared_difference_in_cash_is_booked_with_its_reason(ledger):
    reconciled(ledger, a_break(BreakType.CASH, "USD", "1000.00", "1012.34"))

    clear(ledger, "USD", "interest of October")

    (movement,) = ledger.facts.cash_movements(ACCOUNT)
    assert (movement.movement_type, movement.amount.amount) == (CashMovementType.ADJUSTMENT, Decimal("12.34"))
    assert (movement.amount.currency, movement.text, movement.value_time) == ("USD", "interest of October", CLOSE)


def test_clearing_twice_finds_nothing_open_and_books_nothing(ledger):
    reconciled(ledger, a_break(BreakType.CASH, "USD", "1000.00", "1012.34"))
    clear(ledger, "USD")

    with pytest.raises(InvalidValue, match=r"USD.*none is open"):
        clear(ledger, "USD")

    assert ledger.count("cash_movement") == 1


def test_an_order_of_somebody_else_stays_cleared_whatever_becomes_of_it(ledger):
    reconciled(ledger, a_break(BreakType.ORDER, "ib-77", "", "working"))

    clear(ledger, "ib-77", "Grace placed it by hand")
    reconciled(ledger, a_break(BreakType.ORDER, "ib-77", "", "reported"))

    assert ledger.clearances.open_breaks(ACCOUNT) == ()


def test_a_subject_without_a_break_is_refused_with_those_that_are_open(ledger):
    reconciled(ledger, a_break())

    with pytest.raises(InvalidValue, match="KO"):
        clear(ledger, "PEP")


def test_a_clearance_without_a_reason_is_refused(ledger):
    reconciled(ledger, a_break())

    with pytest.raises(InvalidValue, match="reason"):
        clear(ledger, "KO", "  ")


def test_a_clearance_stands_in_the_audit_trail(ledger):
    reconciled(ledger, a_break())
    clear(ledger, "KO")
    intact = first_broken_entry(ledger.engine)

    ledger.tamper("UPDATE audit_entry SET actor = 'Eve'")

    assert intact is None
    assert first_broken_entry(ledger.engine) == 1
