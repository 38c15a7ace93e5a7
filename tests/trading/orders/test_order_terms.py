"""Which values of an order go together, and what is said of those that do not."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.builders import CLOSE, DECIDED, a_new_order, an_order, at
from trading.errors import InvalidValue, OrderNotOpen
from trading.orders.execution_algos import ArrivalPrice, Twap, Vwap
from trading.orders.order_lists import require_list
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PriceTrigger,
    TimeTrigger,
    TriggerDirection,
    combo_symbol,
    is_combo,
)
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrdStatus, OrdType, Side, TimeInForce

OCO, OTO = ContingencyType.OCO, ContingencyType.OTO
TRAIL = {"ord_type": OrdType.TRAILING_STOP, "peg_offset_value": Decimal(2), "peg_offset_type": PegOffsetType.PRICE}
LEGS = (OrderLeg(symbol="MSFT", ratio=2, side=Side.SELL), OrderLeg(symbol="AAPL", ratio=1, side=Side.BUY))
COMBO = {"symbol": "+1 AAPL|-2 MSFT", "legs": LEGS}
LIMIT = {"ord_type": OrdType.LIMIT, "price": Decimal(5)}


@pytest.mark.parametrize(
    "fields",
    [
        TRAIL,
        TRAIL | {"peg_offset_type": PegOffsetType.PERCENT, "peg_offset_value": Decimal("99.9")},
        {"time_in_force": TimeInForce.GTD, "good_till": CLOSE + timedelta(days=7)},
        {"time_in_force": TimeInForce.OPG},
        LIMIT | {"time_in_force": TimeInForce.CLS},
        LIMIT | {"time_in_force": TimeInForce.FOK},
        {"triggers": (PriceTrigger(symbol="SPY", price=Decimal(500), direction=TriggerDirection.DOWN),)},
        {"triggers": (TimeTrigger(at=DECIDED),), "outside_regular_hours": True},
        COMBO,
        COMBO | LIMIT,
        COMBO | LIMIT | {"price": Decimal(0)},
        COMBO | LIMIT | {"price": Decimal("-3.10")},  # a spread that pays whoever buys it
        {"list_id": "l-1", "contingency_type": OCO},
        LIMIT | {"algo": Vwap(max_share=Decimal("0.5"))},
        {"algo": Twap(starts_at=DECIDED, ends_at=CLOSE)},
        {"list_id": "l-1", "contingency_type": OTO, "parent_cl_ord_id": "t-0"},
    ],
)
def test_an_order_may_say_all_that_goes_together(fields):
    assert a_new_order(**fields).cl_ord_id == "t-1"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (TRAIL | {"peg_offset_value": None}, "peg_offset_value of order t-1 is None, .* how far behind the price"),
        (TRAIL | {"peg_offset_value": Decimal(-1)}, "peg_offset_value"),
        (TRAIL | {"peg_offset_type": None}, "peg_offset_type of order t-1 is None, but must be PRICE or PERCENT"),
        (TRAIL | {"peg_offset_type": PegOffsetType.PERCENT, "peg_offset_value": Decimal(100)}, "less than 100"),
        (TRAIL | {"stop_px": Decimal(5)}, "stop_px of order t-1 .* absent for a trailing_stop order"),
        ({"peg_offset_value": Decimal(1)}, "peg_offset_value of order t-1 .* absent for a market order"),
        (TRAIL | {"time_in_force": TimeInForce.CLS}, "MARKET or LIMIT with time_in_force CLS, or use DAY"),
        ({"time_in_force": TimeInForce.OPG, "outside_regular_hours": True}, "auctions are in regular hours"),
        ({"time_in_force": TimeInForce.GTD}, "good_till of order t-1 is None, .* or use GTC"),
        ({"good_till": CLOSE}, "good_till of order t-1 .* absent unless time_in_force is GTD"),
        ({"time_in_force": TimeInForce.GTD, "good_till": DECIDED}, "after its transact_time"),
        ({"time_in_force": TimeInForce.GTD, "good_till": datetime(2024, 3, 16)}, "aware"),  # noqa: DTZ001 - the test
        (COMBO | {"symbol": "AAPL"}, r"symbol of order t-1 is 'AAPL', but must be '\+1 AAPL\|-2 MSFT'"),
        (COMBO | {"legs": ()}, "legs of order t-1"),
        (COMBO | {"legs": LEGS[:1]}, "two or more different symbols"),
        (COMBO | {"legs": LEGS + LEGS[:1]}, "two or more different symbols"),
        (COMBO | {"ord_type": OrdType.STOP, "stop_px": Decimal(1)}, "MARKET or LIMIT for an order in legs"),
        (COMBO | {"order_qty": Decimal("1.5")}, "whole units"),
        (COMBO | LIMIT | {"price": Decimal("NaN")}, "a finite net price"),
        (COMBO | {"algo": Twap()}, "ord_type of order t-1, which is worked by TWAP .* in one instrument"),
        (TRAIL | {"algo": Twap()}, "ord_type of order t-1, which is worked by TWAP .*trailing_stop"),
        ({"algo": Twap(), "time_in_force": TimeInForce.GTC}, "time_in_force of order t-1, .* TWAP .* must be DAY"),
        ({"list_id": "l-1"}, "list_id of order t-1 .* together with contingency_type"),
        ({"contingency_type": OCO}, "list_id of order t-1 is None"),
        ({"parent_cl_ord_id": "t-0"}, "parent_cl_ord_id of order t-1 .* absent without contingency_type"),
        ({"list_id": "l-1", "contingency_type": OTO, "parent_cl_ord_id": "t-1"}, "that of another order"),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_the_rule(fields, told):
    with pytest.raises(InvalidValue, match=told):
        a_new_order(**fields)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: OrderLeg(symbol="", ratio=1, side=Side.BUY), "symbol of a leg"),
        (lambda: OrderLeg(symbol="A", ratio=0, side=Side.BUY), "ratio of leg A is 0, but must be 1 or more"),
        (lambda: OrderLeg(symbol="+1 A|-1 B", ratio=1, side=Side.BUY), "one instrument"),
        (lambda: PriceTrigger(symbol="A", price=Decimal(0), direction=TriggerDirection.UP), "price of the trigger"),
        (lambda: TimeTrigger(at=datetime(2024, 3, 15)), "aware"),  # noqa: DTZ001 - the test
        (lambda: Twap(starts_at=datetime(2024, 3, 15)), "starts_at of the algorithm .* aware"),  # noqa: DTZ001
        (lambda: Twap(starts_at=CLOSE, ends_at=DECIDED), "ends_at of the algorithm .* after its starts_at"),
        (lambda: Vwap(max_share=Decimal("0.51")), "max_share of the algorithm is .*0.51.*, but must be 0.1 to 0.5"),
        (lambda: ArrivalPrice(max_share=Decimal("NaN")), "max_share of the algorithm"),
    ],
)
def test_a_leg_trigger_or_algorithm_that_cannot_be_meant_is_refused(make, told):
    with pytest.raises(InvalidValue, match=told):
        make()


def test_the_symbol_of_a_combo_is_the_same_in_whatever_order_its_legs_are_named():
    assert combo_symbol(LEGS) == combo_symbol(LEGS[::-1]) == "+1 AAPL|-2 MSFT"
    assert is_combo(combo_symbol(LEGS))
    assert not is_combo("BRK.B")


# A stop loss and a profit target round an entry: a bracket.
def a_bracket() -> list[NewOrderSingle]:
    exits = {"list_id": "l-1", "contingency_type": OCO, "parent_cl_ord_id": "in", "side": Side.SELL}
    return [
        a_new_order(cl_ord_id="in", list_id="l-1", contingency_type=OTO),
        a_new_order(cl_ord_id="target", ord_type=OrdType.LIMIT, price=Decimal(120), **exits),
        a_new_order(cl_ord_id="stop", ord_type=OrdType.STOP, stop_px=Decimal(90), **exits),
    ]


def test_a_bracket_an_oco_pair_and_one_order_after_another_are_lists():
    bracket = a_bracket()
    pair = [a_new_order(cl_ord_id=i, list_id="l-1", contingency_type=OCO) for i in "ab"]
    child = a_new_order(cl_ord_id="b", list_id="l-1", contingency_type=OTO, parent_cl_ord_id="in")

    for orders in (bracket, pair, [bracket[0], child]):
        require_list(orders)


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        (a_bracket()[:1], "two or more; send one alone"),
        ([], "two or more"),
        ([a_new_order(), a_new_order(cl_ord_id="t-2")], "list_id of list None"),
        (a_bracket()[1:], "parent_cl_ord_id of order target is 'in', but must be None"),
        (a_bracket()[:2], "contingency_type of order target .* must be OTO"),
        ([*a_bracket(), a_bracket()[2]], "of one order each"),
        ([*a_bracket(), a_new_order(cl_ord_id="x", list_id="l-1", contingency_type=OCO)], "'in', the first order"),
        ([*a_bracket(), a_new_order(cl_ord_id="x", list_id="l-2", contingency_type=OCO)], "the same for all"),
    ],
)
def test_orders_that_make_no_list_are_refused(orders, told):
    with pytest.raises(InvalidValue, match=told):
        require_list(orders)


def test_a_replace_request_has_its_own_id_and_keeps_the_values_it_does_not_change():
    order = an_order(ord_type=OrdType.LIMIT, price=Decimal(5))

    first, second = (order.replace_request(1, at(0), price=Decimal(6)) for _ in range(2))

    assert first == second
    assert (first.cl_ord_id, first.orig_cl_ord_id) == ("t-1-r1", "t-1")
    assert (first.order_qty, first.price, first.stop_px) == (100, 6, None)
    assert order.new_order.replaced(first) == a_new_order(ord_type=OrdType.LIMIT, price=Decimal(6))


def test_values_that_do_not_fit_the_order_are_refused_before_they_are_asked_for():
    with pytest.raises(InvalidValue, match=r"price of order t-1 .* absent for a market order"):
        an_order().replace_request(1, at(0), price=Decimal(6))
    with pytest.raises(OrderNotOpen, match="order t-1 is FILLED"):
        an_order(ord_status=OrdStatus.FILLED).replace_request(1, at(0), order_qty=Decimal(50))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"order_qty": Decimal(0)}, "order_qty of replace request t-1-r1"),
        ({"price": Decimal("NaN")}, "price of replace request t-1-r1"),
        ({"stop_px": Decimal(0)}, "stop_px of replace request t-1-r1"),
        ({"cl_ord_id": "t-1"}, "its own, not that of the order it changes"),
        ({"transact_time": datetime(2024, 3, 15)}, "aware"),  # noqa: DTZ001 - the test
    ],
)
def test_a_replace_request_that_cannot_be_meant_is_refused(fields, told):
    given = {"cl_ord_id": "t-1-r1", "orig_cl_ord_id": "t-1", "account": "DU100", "transact_time": DECIDED}

    with pytest.raises(InvalidValue, match=told):
        OrderCancelReplaceRequest(**(given | {"order_qty": Decimal(1)} | fields))
