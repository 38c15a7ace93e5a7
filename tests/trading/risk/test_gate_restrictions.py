"""What tripped breakers forbid, at the gate."""

from dataclasses import replace

import pytest

from tests.trading.risk.gate_accounts import D, a_state, an_order, codes, decision_on, limits
from trading.market.instruments import FxPair
from trading.orders.order_types import ContingencyType, OrderLeg, combo_symbol
from trading.orders.orders import OrderPurpose, Side
from trading.risk.gate import check_orders
from trading.risk.restrictions import Restriction, RestrictionKind, RiskScope
from trading.risk.trading_facts import TradingFacts

SCOPES = [
    (RiskScope.DESK, "desk"),
    (RiskScope.ACCOUNT, "DU1"),
    (RiskScope.STRATEGY, "main"),
    (RiskScope.INSTRUMENT, "A"),
]
HELD = {"A": 100}
BOOKS = {"main": {"A": D(100)}}


def tripped(kind: RestrictionKind, scope: RiskScope = RiskScope.DESK, subject: str = "desk", factor: str | None = None):
    cause = "daily loss of 6 % (limit 5 %)"
    size = None if factor is None else D(factor)
    return a_state(
        HELD,
        books=BOOKS,
        restrictions=(Restriction(scope=scope, subject=subject, kind=kind, cause=cause, size_factor=size),),
    )


@pytest.mark.parametrize(("scope", "subject"), SCOPES)
@pytest.mark.parametrize(
    ("kind", "code"), [(RestrictionKind.HALT, "BREAKER_HALTED"), (RestrictionKind.BLOCK, "BREAKER_BLOCKED")]
)
def test_what_is_halted_or_blocked_is_only_flattened(scope, subject, kind, code):
    state = tripped(kind, scope, subject)
    flatten = replace(an_order(-100), purpose=OrderPurpose.FLATTEN)

    assert codes([an_order(1), an_order(-1), flatten], state, limits()) == [code, code, None]
    assert "daily loss of 6 %" in decision_on(an_order(1), state, limits()).text


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RestrictionKind.HALT, "BREAKER_HALTED"),
        (RestrictionKind.BLOCK, "BREAKER_BLOCKED"),
        (RestrictionKind.CLOSE_ONLY, None),
        (RestrictionKind.REDUCE_SIZE, None),
    ],
)
def test_a_position_is_protected_while_it_may_be_closed(kind, code):
    stop = replace(an_order(-100, stop_px="9"), purpose=OrderPurpose.PROTECT)

    assert decision_on(stop, tripped(kind, factor="0.5"), limits()).code == code


@pytest.mark.parametrize(("scope", "subject"), SCOPES)
def test_close_only_lets_out_by_what_the_scope_holds(scope, subject):
    state = tripped(RestrictionKind.CLOSE_ONLY, scope, subject)

    assert codes([an_order(1), an_order(-100), an_order(-1)], state, limits()) == [
        "BREAKER_CLOSE_ONLY",
        None,
        "BREAKER_CLOSE_ONLY",
    ]


@pytest.mark.parametrize(
    ("scope", "subject"),
    [(RiskScope.ACCOUNT, "DU2"), (RiskScope.STRATEGY, "second"), (RiskScope.INSTRUMENT, "B")],
)
def test_a_breaker_of_another_account_book_or_symbol_forbids_nothing(scope, subject):
    for kind in (RestrictionKind.HALT, RestrictionKind.CLOSE_ONLY):
        assert decision_on(an_order(1), tripped(kind, scope, subject), limits()).accepted


def test_a_book_that_may_only_close_closes_what_is_its_own():
    # The account is flat: another book is short what this one is long.
    flat = replace(tripped(RestrictionKind.CLOSE_ONLY, RiskScope.STRATEGY, "main"), held={"A": D(0)})

    assert codes([an_order(-100), an_order(-1)], flat, limits()) == [None, "BREAKER_CLOSE_ONLY"]


@pytest.mark.parametrize(
    ("qty", "granted"),
    [
        (10, 5),
        (11, 5),  # whole lots
        (1, 0),  # never below one
        (-100, 100),  # what closes stays whole
        (-120, 110),  # and half of what does more
    ],
)
def test_a_breaker_that_reduces_cuts_what_adds_to_whole_lots(qty, granted):
    decision = decision_on(an_order(qty), tripped(RestrictionKind.REDUCE_SIZE, factor="0.5"), limits())

    assert (decision.granted_qty, decision.asked_qty, decision.accepted) == (granted, abs(qty), granted > 0)
    assert decision.code == (None if granted == abs(qty) else "BREAKER_REDUCED")


def test_what_a_breaker_has_reduced_still_has_to_pass_the_limits():
    state = tripped(RestrictionKind.REDUCE_SIZE, factor="0.5")

    assert decision_on(an_order(100), state, limits(max_position_qty="150")).granted_qty == 50
    assert decision_on(an_order(102), state, limits(max_position_qty="150")).code == "MAX_POSITION_QTY"
    assert decision_on(an_order(120), state, limits(max_position_qty="150", reduce_to_fit=True)).granted_qty == 50


def test_the_strictest_of_several_breakers_counts_in_lots_of_the_instrument():
    half, third = (tripped(RestrictionKind.REDUCE_SIZE, factor=f).restrictions[0] for f in ("0.5", "0.3"))
    pair = FxPair(symbol="A", mic="XNYS", base_currency="EUR", lot_size=D(20))
    state = a_state(restrictions=(half, third), facts={"A": TradingFacts(instrument=pair)})

    assert decision_on(an_order(200), state, limits()).granted_qty == 60


def test_an_order_in_legs_is_not_cut_but_refused():
    legs = (OrderLeg(symbol="A", ratio=1, side=Side.BUY), OrderLeg(symbol="B", ratio=2, side=Side.SELL))
    combo = replace(an_order(10), symbol=combo_symbol(legs), legs=legs)

    assert decision_on(combo, tripped(RestrictionKind.REDUCE_SIZE, factor="0.5"), limits()).code == "BREAKER_REDUCED"


def test_protective_orders_of_a_pair_are_cut_neither_way_for_they_only_close():
    # The book holds 50 of the 100 of the account; a breaker of it cuts what would turn it short.
    state = tripped(RestrictionKind.REDUCE_SIZE, RiskScope.STRATEGY, "main", "0.5")
    state = replace(state, books={"main": {"A": D(50)}})
    pair = [
        replace(
            an_order(-60, stop_px=stop, price=price, name=name),
            purpose=OrderPurpose.PROTECT,
            contingency_type=ContingencyType.OCO,
            list_id="l",
        )
        for name, stop, price in (("stop", "9.00", None), ("profit", None, "11.00"))
    ]

    granted = [decision.granted_qty for decision in check_orders(pair, state, limits())]

    assert granted == [60, 60]
