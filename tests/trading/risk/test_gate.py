from dataclasses import replace

import pytest

from tests.trading.risk.gate_accounts import D, a_state, an_order, codes, decision_on, limits
from trading.errors import InvalidValue
from trading.orders.order_types import OrderLeg, PegOffsetType, combo_symbol
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side
from trading.risk.gate import check_orders
from trading.risk.limits import RefusalCode, RiskLimits

WORKING_UNKNOWN = Order(new_order=an_order(1, name="lost"), ord_status=OrdStatus.UNKNOWN, sent_count=1)


@pytest.mark.parametrize(
    ("code", "limit", "at", "over", "state"),
    [
        ("MAX_ORDER_NOTIONAL", limits(max_order_notional="1000"), an_order(100), an_order(101), a_state()),
        ("MAX_ORDER_NOTIONAL", limits(max_order_notional="1000"), an_order(-100), an_order(-101), a_state({"A": 999})),
        ("MAX_POSITION_NOTIONAL", limits(max_position_notional="1000"), an_order(40), an_order(41), a_state({"A": 60})),
        (
            "MAX_POSITION_NOTIONAL",
            limits(max_position_notional="1000"),
            an_order(-160),
            an_order(-161),
            a_state({"A": 60}),
        ),
        ("MAX_POSITION_PCT", limits(max_position_pct="25"), an_order(250), an_order(251), a_state()),
        ("MAX_POSITION_PCT", limits(max_position_pct="25"), an_order(-250), an_order(-251), a_state()),
        ("MAX_GROSS_LEVERAGE", limits(max_gross_leverage="2"), an_order(500), an_order(501), a_state({"B": -1500})),
        ("BUYING_POWER", limits(buying_power_multiple="1"), an_order(400), an_order(401), a_state({"B": 600})),
        ("BUYING_POWER", limits(buying_power_multiple="1"), an_order(-400), an_order(-401), a_state({"B": 600})),
        (
            "MAX_NOTIONAL_PER_DAY",
            limits(max_notional_per_day="1000"),
            an_order(30),
            an_order(31),
            a_state(notional_today=D(700)),
        ),
        ("PRICE_BAND", limits(price_band_pct="10"), an_order(1, price="11"), an_order(1, price="11.01"), a_state()),
        ("PRICE_BAND", limits(price_band_pct="10"), an_order(-1, price="9"), an_order(-1, price="8.99"), a_state()),
        ("PRICE_BAND", limits(price_band_pct="10"), an_order(1, stop_px="11"), an_order(1, stop_px="11.01"), a_state()),
    ],
)
def test_an_order_exactly_at_a_limit_passes_and_one_step_over_is_refused(code, limit, at, over, state):
    assert decision_on(at, state, limit).accepted
    assert decision_on(over, state, limit).code == RefusalCode(code)


def test_the_last_order_of_the_day_passes_and_the_next_is_refused():
    orders = [an_order(name="one"), an_order(name="two")]

    assert codes(orders, a_state(orders_today=8), limits(max_orders_per_day=10)) == [None, None]
    assert codes(orders, a_state(orders_today=9), limits(max_orders_per_day=10)) == [None, "MAX_ORDERS_PER_DAY"]


@pytest.mark.parametrize(
    ("code", "state", "limit", "order"),
    [
        ("HALTED", a_state(halted="drawdown of 6 %"), limits(), an_order()),
        ("SYMBOL_BLOCKED", a_state(), limits(blocked_symbols=("A",)), an_order()),
        ("SYMBOL_NOT_ALLOWED", a_state(), limits(allowed_symbols=("B", "C")), an_order()),
        ("SYMBOL_LOCKED", a_state(working=(WORKING_UNKNOWN,)), limits(), an_order()),
        ("BARS_NOT_PASSED", a_state(blocked={"A": "5 sessions missing."}), limits(), an_order()),
        ("NO_PRICE", a_state(), limits(), an_order(symbol="X")),
        ("NO_PRICE", a_state(marks={"A": D("NaN")}), limits(), an_order()),
        ("NO_PRICE", a_state(marks={"A": D(0)}), limits(), an_order()),
    ],
)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_what_may_not_be_traded_may_be_neither_bought_nor_sold(code, state, limit, order, side):
    assert decision_on(replace(order, side=side), state, limit).code == RefusalCode(code)


def test_these_conditions_concern_no_other_symbol():
    state = a_state(working=(WORKING_UNKNOWN,), blocked={"C": "stale"})

    assert codes([an_order(symbol="B")], state, limits(blocked_symbols=("A",), allowed_symbols=("B",))) == [None]


def test_every_refusal_says_limit_value_and_a_sentence():
    decision = decision_on(an_order(3000), a_state(), RiskLimits(max_order_notional=D(25_000)))

    assert (decision.cl_ord_id, decision.symbol, decision.accepted) == ("o", "A", False)
    assert (decision.limit, decision.value) == ("25,000.00 USD", "30,000.00 USD")
    assert decision.text == "The order is worth 30,000.00 USD, but one order may be worth 25,000.00 USD at most."


@pytest.mark.parametrize(
    ("order", "state", "limit", "value", "most"),
    [
        (an_order(300), a_state(), limits(max_position_pct="25"), "30.00 % of equity", "25 % of equity"),
        (an_order(2500), a_state(), limits(max_gross_leverage="2"), "2.5000 x equity", "2 x equity"),
        (an_order(1, price="11.5"), a_state(), limits(price_band_pct="10"), "15.00 %", "10 %"),
        (an_order(), a_state(orders_today=5), limits(max_orders_per_day=5), "6 orders", "5 orders"),
        (an_order(), a_state(currency="EUR"), limits(max_order_notional="99.5"), "100.00 EUR", "99.50 EUR"),
    ],
)
def test_limit_and_value_bear_their_units(order, state, limit, value, most):
    decision = decision_on(order, state, limit)

    assert (decision.value, decision.limit) == (value, most)


def test_each_accepted_order_leaves_less_for_the_next():
    orders = [an_order(60, name="1"), an_order(60, name="2"), an_order(40, name="3"), an_order(1, name="4")]

    assert codes(orders, a_state(), limits(max_position_notional="1000")) == [
        None,
        "MAX_POSITION_NOTIONAL",
        None,
        "MAX_POSITION_NOTIONAL",
    ]


def test_a_full_rotation_needs_twice_the_equity_until_the_sells_are_filled():
    orders = [an_order(-1000, name="sell"), an_order(1000, symbol="B", name="buy")]

    assert codes(orders, a_state({"A": 1000}), limits(max_gross_leverage="2")) == [None, None]
    assert codes(orders, a_state({"A": 1000}), limits(max_gross_leverage="1.9")) == [None, "MAX_GROSS_LEVERAGE"]


def test_working_orders_reserve_what_they_have_left():
    working = Order(new_order=an_order(60, name="w"), ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty=D(20))
    state = a_state({"A": 20}, working=(working,))

    assert codes([an_order(40)], state, limits(max_position_notional="1000")) == [None]
    assert codes([an_order(41)], state, limits(max_position_notional="1000")) == ["MAX_POSITION_NOTIONAL"]


@pytest.mark.parametrize(("held", "closing"), [(900, -900), (-900, 900), (900, -1), (-900, 1)])
def test_whoever_is_over_every_limit_can_still_get_out(held, closing):
    tight = limits(
        max_position_notional="1", max_position_pct="1", max_gross_leverage="0.1", buying_power_multiple="0.1"
    )

    for equity in (D(10_000), D(0), D(-500)):
        assert codes([an_order(closing)], a_state({"A": held}, equity=equity), tight) == [None]


def test_orders_that_close_together_more_than_is_held_add_exposure():
    orders = [an_order(-60, name="1"), an_order(-40, name="2"), an_order(-1, name="3")]

    assert codes(orders, a_state({"A": 100}), limits(max_position_notional="5")) == [
        None,
        None,
        "MAX_POSITION_NOTIONAL",
    ]


def test_an_order_to_close_still_counts_for_the_day_and_for_its_own_size():
    state = a_state({"A": 900}, orders_today=3, notional_today=D(100))

    assert codes([an_order(-11)], state, limits(max_order_notional="100")) == ["MAX_ORDER_NOTIONAL"]
    assert codes([an_order(-11)], state, limits(max_notional_per_day="200")) == ["MAX_NOTIONAL_PER_DAY"]
    assert codes([an_order(-11)], state, limits(max_orders_per_day=3)) == ["MAX_ORDERS_PER_DAY"]


@pytest.mark.parametrize("equity", [D(0), D(-1)])
def test_nothing_is_added_without_equity(equity):
    decision = decision_on(an_order(1), a_state(equity=equity), limits())

    assert decision.code is RefusalCode.BUYING_POWER
    assert "positions may only be closed" in decision.text


def test_nothing_is_added_while_another_position_has_no_price():
    state = a_state({"X": 5, "A": 10})

    assert decision_on(an_order(1), state, limits()).code is RefusalCode.NO_PRICE
    assert decision_on(an_order(-10), state, limits()).accepted


def test_a_contract_counts_with_its_multiplier():
    state = a_state(multipliers={"A": D(100)})

    assert codes([an_order(1)], state, limits(max_order_notional="1000")) == [None]
    assert codes([an_order(1)], state, limits(max_order_notional="999")) == ["MAX_ORDER_NOTIONAL"]
    assert codes([an_order(2)], state, limits(max_position_notional="1000")) == ["MAX_POSITION_NOTIONAL"]


def test_a_refused_order_counts_for_nothing():
    orders = [an_order(1000, name="1"), an_order(100, name="2")]
    tight = limits(max_order_notional="1000", max_position_notional="1000", max_orders_per_day=1)

    assert codes(orders, a_state(), tight) == ["MAX_ORDER_NOTIONAL", None]


def test_no_orders_need_no_decision():
    assert check_orders([], a_state(), limits()) == ()


@pytest.mark.parametrize("field", ["equity", "cash", "notional_today"])
def test_an_account_is_not_judged_by_what_is_no_number(field):
    with pytest.raises(InvalidValue, match=f"{field} is .*NaN.*, but must be a finite number"):
        a_state(**{field: D("NaN")})


# --- legs and trails


LEGS = (OrderLeg(symbol="A", ratio=1, side=Side.BUY), OrderLeg(symbol="B", ratio=2, side=Side.SELL))


def a_combo(qty: int) -> NewOrderSingle:
    return replace(an_order(qty), symbol=combo_symbol(LEGS), legs=LEGS)


@pytest.mark.parametrize(
    ("code", "limit", "at", "over"),
    [
        # 2 B a unit at 10.00 are the larger leg; both legs of a unit are worth 30.00.
        ("MAX_ORDER_NOTIONAL", limits(max_order_notional="1000"), 50, 51),
        ("MAX_POSITION_NOTIONAL", limits(max_position_notional="1000"), 50, 51),
        ("MAX_NOTIONAL_PER_DAY", limits(max_notional_per_day="1500"), 50, 51),
        ("MAX_GROSS_LEVERAGE", limits(max_gross_leverage="0.3"), 100, 101),
    ],
)
def test_an_order_in_legs_counts_with_each_leg_on_top_of_the_others(code, limit, at, over):
    assert decision_on(a_combo(at), a_state(), limit).accepted
    assert decision_on(a_combo(over), a_state(), limit).code == RefusalCode(code)


def test_an_order_in_legs_is_one_order_of_the_day_and_a_refused_one_leaves_nothing_reserved():
    limit = limits(max_orders_per_day=2, max_position_notional="1000")

    assert codes([a_combo(51), a_combo(1), an_order(99), an_order(1)], a_state(), limit) == [
        RefusalCode.MAX_POSITION_NOTIONAL,
        None,
        None,
        RefusalCode.MAX_ORDERS_PER_DAY,
    ]


def test_the_legs_of_a_working_order_are_reserved_and_an_unknown_one_locks_them():
    state = a_state(working=[Order(new_order=a_combo(30), ord_status=OrdStatus.UNKNOWN)])

    # 60 B sold are worth 600 of 1,000; 41 more would be one too many.
    free = replace(state, working=[Order(new_order=a_combo(30), ord_status=OrdStatus.NEW)])
    limit = limits(max_position_notional="1000")
    assert decision_on(an_order(-40, symbol="B"), free, limit).accepted
    assert not decision_on(an_order(-41, symbol="B"), free, limit).accepted
    assert codes([an_order(symbol="A"), an_order(symbol="B")], state, limits()) == [RefusalCode.SYMBOL_LOCKED] * 2


@pytest.mark.parametrize(("unit", "offset"), [(PegOffsetType.PRICE, "2"), (PegOffsetType.PERCENT, "20")])
def test_a_trailing_stop_that_buys_may_pay_up_to_its_offset_above_the_price(unit, offset):
    def trail(qty: int) -> NewOrderSingle:
        return replace(an_order(qty), ord_type=OrdType.TRAILING_STOP, peg_offset_value=D(offset), peg_offset_type=unit)

    limit = limits(max_position_notional="1200")  # 100 at 12.00

    assert decision_on(trail(100), a_state(), limit).accepted
    assert not decision_on(trail(101), a_state(), limit).accepted
    assert decision_on(trail(-120), a_state(), limit).accepted
