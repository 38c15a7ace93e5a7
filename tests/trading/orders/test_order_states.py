"""The state table against FIX 5.0 SP2, appendix D (https://www.onixs.biz/fix-dictionary/5.0.sp2/app_d.html)."""

from decimal import Decimal

import pytest

from trading.orders.order_states import NEXT_STATUS, ExecType, next_status
from trading.orders.orders import OrdStatus

# The values of OrdStatus (39) and ExecType (150) as FIX writes them; "?" is our UNKNOWN.
STATUS_CODES = {
    "A": OrdStatus.PENDING_NEW, "?": OrdStatus.UNKNOWN, "0": OrdStatus.NEW, "1": OrdStatus.PARTIALLY_FILLED,
    "2": OrdStatus.FILLED, "3": OrdStatus.DONE_FOR_DAY, "4": OrdStatus.CANCELED, "6": OrdStatus.PENDING_CANCEL,
    "7": OrdStatus.STOPPED, "8": OrdStatus.REJECTED, "9": OrdStatus.SUSPENDED, "B": OrdStatus.CALCULATED,
    "C": OrdStatus.EXPIRED, "E": OrdStatus.PENDING_REPLACE,
}  # fmt: skip
EVENT_CODES = {
    "A": ExecType.PENDING_NEW, "0": ExecType.NEW, "F": ExecType.TRADE, "G": ExecType.TRADE_CORRECT,
    "H": ExecType.TRADE_CANCEL, "3": ExecType.DONE_FOR_DAY, "4": ExecType.CANCELED, "6": ExecType.PENDING_CANCEL,
    "7": ExecType.STOPPED, "8": ExecType.REJECTED, "9": ExecType.SUSPENDED, "B": ExecType.CALCULATED,
    "C": ExecType.EXPIRED, "D": ExecType.RESTATED, "E": ExecType.PENDING_REPLACE, "5": ExecType.REPLACED,
    "I": ExecType.ORDER_STATUS,
}  # fmt: skip

# Precedence of OrdStatus in FIX: pending cancel 12, pending replace 11, done for day 10, calculated 9, filled 8,
# stopped 7, suspended 6, canceled and expired 5, partially filled 4, new, rejected and pending new 2.
# "=" is the status that the report states, "-" a step that contradicts FIX, 1 also stands for 0 and 2 (see quantities).
MATRIX = """
      A 0 F G H 3 4 6 7 8 9 B C D E 5 I
    A A 0 1 1 1 3 4 6 7 8 9 B C = E 1 =
    ? A 0 1 1 1 3 4 6 7 8 9 B C = E 1 =
    0 1 1 1 1 1 3 4 6 7 8 9 B C = E 1 =
    1 1 1 1 1 1 3 4 6 7 - 9 B C = E 1 =
    2 2 2 - = = 2 - 2 - - - 2 - = 2 2 =
    3 3 3 1 3 3 3 4 6 7 - 9 B C = E 1 =
    4 4 4 4 4 4 4 4 4 - - - 4 - = 4 - =
    6 6 6 6 6 6 6 4 6 6 - 6 6 C = 6 6 =
    7 7 7 1 7 7 3 4 6 7 - 7 B C = E 1 =
    8 8 8 - - - - - 8 - 8 - - - - - - =
    9 9 9 1 9 9 3 4 6 7 - 9 B C = E 9 =
    B B B 1 B B 3 4 6 7 - 9 B C = E 1 =
    C C C C C C C - C - - - C C = C - =
    E E E E E E E 4 6 E - E E C = E 1 =
"""

# Steps that the overview of appendix D marks with an asterisk. Filled to Pending Replace is marked too: we never ask
# for a larger quantity of a filled order, so here a filled order stays filled.
ILLUSTRATED = {
    "A": "08", "0": "0123678E", "1": "12346E", "2": "12", "3": "1", "6": "01246", "E": "0124E", "7": "1",
}  # fmt: skip


def test_the_whole_table_is_that_of_fix():
    header, *rows = (line.split() for line in MATRIX.strip().splitlines())

    expected = {
        (STATUS_CODES[row[0]], EVENT_CODES[column]): None if cell == "=" else STATUS_CODES[cell]
        for row in rows
        for column, cell in zip(header, row[1:], strict=True)
        if cell != "-"
    }

    assert len(rows) == len(OrdStatus)
    assert set(header) == set(EVENT_CODES)
    assert dict(NEXT_STATUS) == expected


@pytest.mark.parametrize(("before", "after"), [(a, b) for a, row in ILLUSTRATED.items() for b in row])
def test_every_step_that_fix_illustrates_can_be_taken(before, after):
    current, wanted = STATUS_CODES[before], STATUS_CODES[after]
    cum_qty = {OrdStatus.FILLED: Decimal(100), OrdStatus.PARTIALLY_FILLED: Decimal(40)}.get(wanted, Decimal(0))

    steps = {next_status(current, e, wanted, cum_qty=cum_qty, order_qty=Decimal(100)) for e in ExecType}

    assert (wanted, False) in steps


@pytest.mark.parametrize(
    ("cum_qty", "expected"), [(0, OrdStatus.NEW), (40, OrdStatus.PARTIALLY_FILLED), (100, OrdStatus.FILLED)]
)
def test_quantities_tell_new_partially_filled_and_filled_apart(cum_qty, expected):
    for exec_type in (ExecType.NEW, ExecType.TRADE, ExecType.TRADE_CANCEL):
        step = next_status(OrdStatus.NEW, exec_type, OrdStatus.NEW, cum_qty=Decimal(cum_qty), order_qty=Decimal(100))

        assert step == (expected, False)


def test_a_step_that_is_not_in_the_table_is_taken_as_the_broker_states_it_and_flagged():
    step = next_status(
        OrdStatus.REJECTED,
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        cum_qty=Decimal(40),
        order_qty=Decimal(100),
    )

    assert step == (OrdStatus.PARTIALLY_FILLED, True)


def test_an_answer_that_a_canceled_order_works_is_believed_and_flagged():
    ask = {"cum_qty": Decimal(0), "order_qty": Decimal(100)}

    assert next_status(OrdStatus.CANCELED, ExecType.ORDER_STATUS, OrdStatus.NEW, **ask) == (OrdStatus.NEW, True)
    assert next_status(OrdStatus.CANCELED, ExecType.ORDER_STATUS, OrdStatus.CANCELED, **ask) == (
        OrdStatus.CANCELED,
        False,
    )
