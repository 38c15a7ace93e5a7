"""What becomes of an order that is replaced (FIX appendix D, scenarios D.1 and D.2), restated, or in legs."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_bust, a_new_order, a_report, a_trade, at
from trading.orders.executions import ExecType, fold_order
from trading.orders.order_types import OrderLeg, PegOffsetType, combo_symbol
from trading.orders.orders import OrdStatus, OrdType, Side
from trading.positions.books import fold_books

NEW = a_report(ExecType.NEW, "n")
PENDING = a_report(ExecType.PENDING_REPLACE, "p")
LIMIT = {"ord_type": OrdType.LIMIT, "price": Decimal(10)}


def replaced(qty: int | None = None, px: str | None = None, exec_id: str = "r", **fields):
    values = {"order_qty": qty and Decimal(qty), "price": px and Decimal(px)}
    return a_report(ExecType.REPLACED, exec_id, **(values | {"transact_time": at(5)} | fields))


def fold(*reports, **fields):
    return fold_order(a_new_order(order_qty=Decimal(10_000), **fields), [], reports)


# FIX 4.2 D7: an order of 10,000 is raised to 11,000 after 1,000 have traded, and then fills.
def test_an_order_that_is_raised_fills_at_its_new_quantity():
    first, rest = a_trade(1000, 10, "e1"), a_trade(10_000, 10, "e2")

    raised = fold(NEW, first, PENDING, replaced(11_000))
    filled = fold(NEW, first, PENDING, replaced(11_000), rest)

    assert (raised.ord_status, raised.cum_qty, raised.leaves_qty) == (OrdStatus.PARTIALLY_FILLED, 1000, 10_000)
    assert (filled.ord_status, filled.cum_qty, filled.leaves_qty) == (OrdStatus.FILLED, 11_000, 0)
    assert filled.contradictions == ()


# FIX 4.2 D9: an order of 10,000 of which 8,000 have traded is lowered to 8,000 and is then filled.
def test_an_order_that_is_lowered_to_what_has_traded_is_filled():
    order = fold(NEW, a_trade(8000, 10, "e1"), replaced(8000, ord_status=OrdStatus.FILLED))

    assert (order.ord_status, order.leaves_qty, order.contradictions) == (OrdStatus.FILLED, 0, ())


def test_an_order_waiting_for_the_answer_to_a_replace_has_the_values_it_had():
    order = fold(NEW, PENDING)

    assert (order.ord_status, order.in_force.order_qty) == (OrdStatus.PENDING_REPLACE, 10_000)


def test_only_the_values_that_the_broker_states_have_changed():
    order = fold(NEW, replaced(None, "10.50"), **LIMIT)

    assert (order.in_force.order_qty, order.in_force.price) == (10_000, Decimal("10.50"))
    assert order.new_order.price == 10


@given(st.permutations([NEW, replaced(11_000, exec_id="r1"), replaced(9000, exec_id="r2", transact_time=at(6))]))
def test_the_last_change_to_happen_holds_in_whatever_order_they_arrive(reports):
    order = fold(*reports, a_trade(9000, 10, "e1"))

    assert (order.in_force.order_qty, order.ord_status) == (9000, OrdStatus.FILLED)


def test_a_trail_keeps_no_stop_price_that_the_broker_tells_of_it():
    trail = {"ord_type": OrdType.TRAILING_STOP, "peg_offset_value": Decimal(2), "peg_offset_type": PegOffsetType.PRICE}

    order = fold(NEW, replaced(stop_px=Decimal(98), peg_offset_value=Decimal(3)), **trail)

    assert (order.in_force.stop_px, order.in_force.peg_offset_value) == (None, 3)
    assert order.contradictions == ()


def test_values_that_cannot_be_are_told_and_the_last_good_ones_kept():
    order = fold(NEW, replaced(-5))

    assert order.in_force.order_qty == 10_000
    assert "REPLACED r cannot be true: order_qty of order t-1" in order.contradictions[0]


def test_more_than_the_new_quantity_is_an_excess():
    order = fold(NEW, replaced(1000), a_trade(1001, 10, "e1"))

    assert order.contradictions == ("order t-1 is filled 1001 of 1000; ask the broker to bust the excess",)


# --- legs: one AAPL bought and two MSFT sold, ten times

LEGS = (OrderLeg(symbol="AAPL", ratio=1, side=Side.BUY), OrderLeg(symbol="MSFT", ratio=2, side=Side.SELL))
COMBO = combo_symbol(LEGS)
AAPL = a_trade(10, 100, "a", commission=Decimal(1))
MSFT = a_trade(-20, 45, "m", symbol="MSFT", commission=Decimal(2))
WHOLE = a_trade(10, 10, "w", symbol=COMBO, ord_status=OrdStatus.FILLED)


@given(st.permutations([AAPL, MSFT, WHOLE]))
def test_legs_move_what_is_held_and_the_order_as_a_whole_only_the_order(reports):
    order = fold_order(a_new_order(symbol=COMBO, legs=LEGS, order_qty=Decimal(10)), [], [NEW_COMBO, *reports])
    books = fold_books(reports, (), ())

    assert (order.ord_status, order.cum_qty, order.avg_px, order.commission) == (OrdStatus.FILLED, 10, 10, 3)
    assert order.contradictions == ()
    assert books.held() == {"AAPL": 10, "MSFT": -20}
    assert books.cash == -10 * 100 + 20 * 45 - 3


NEW_COMBO = a_report(ExecType.NEW, "n", symbol=COMBO)


def test_a_busted_leg_leaves_the_order_and_takes_the_shares():
    bust = a_bust("a", "x")
    order = fold_order(
        a_new_order(symbol=COMBO, legs=LEGS, order_qty=Decimal(10)), [], [NEW_COMBO, AAPL, MSFT, WHOLE, bust]
    )

    assert order.cum_qty == 10
    assert fold_books([AAPL, MSFT, WHOLE, bust], (), ()).held() == {"MSFT": -20}


def test_a_sold_combo_trades_the_opposite_of_each_leg_and_anything_else_is_told():
    order = a_new_order(symbol=COMBO, legs=LEGS, order_qty=Decimal(10), side=Side.SELL)
    sold = a_trade(-10, 100, "a")

    assert [(p.symbol, p.side, p.order_qty) for p in order.parts()] == [
        ("AAPL", Side.SELL, 10),
        ("MSFT", Side.BUY, 20),
    ]
    assert fold_order(order, [], [sold]).contradictions == ()
    assert "a says BUY AAPL" in fold_order(order, [], [AAPL]).contradictions[0]


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_parts_of_an_order_in_one_instrument_are_itself(ratio):
    order = a_new_order(order_qty=Decimal(ratio))

    assert (order.parts(), order.ratios(), order.symbols) == ((order,), (1,), ("AAPL",))
