"""Several processes write at once: no error, and nothing lost."""

from decimal import Decimal

from adapters.sql.audit import first_broken_entry
from tests.adapters.sql.ledger_child import all_at_once, fill, halt
from tests.builders import ACCOUNT, a_new_order
from trading.orders.orders import OrdStatus

FOUR = ("left", "right", "upper", "lower")


def test_halts_of_four_processes_are_all_in_one_unbroken_trail(ledger):
    # Each entry is numbered and hashed after the last one, which another process may be writing just then.
    all_at_once(ledger.engine, *((halt, name, 10) for name in FOUR))

    assert (ledger.count("halt"), ledger.count("audit_entry")) == (40, 40)
    assert first_broken_entry(ledger.engine) is None


def test_fills_of_one_order_that_four_processes_record_at_once_all_count(ledger):
    ledger.sent(ledger.lease(), a_new_order(order_qty=Decimal(100)))

    breaks = all_at_once(ledger.engine, *((fill, name, 25) for name in FOUR))

    assert breaks == [0, 0, 0, 0]
    order = ledger.journal.order("t-1")
    assert (order.cum_qty, order.ord_status) == (100, OrdStatus.FILLED)
    assert ledger.journal.orders(ACCOUNT, open_only=True) == ()
    assert ledger.journal.rebuild() == 0


def test_a_fill_that_four_processes_are_told_of_counts_once(ledger):
    ledger.sent(ledger.lease(), a_new_order(order_qty=Decimal(100)))

    breaks = all_at_once(ledger.engine, *((fill, "the same", 20) for _ in FOUR))

    assert breaks == [0, 0, 0, 0]
    assert ledger.journal.order("t-1").cum_qty == 20
    assert ledger.count("execution_report") == 20
