"""Requests to cancel and replace: recorded before they are sent, and gated where they may cost more."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.adapters.sql.sql_desk import SYMBOLS, a_decision, failing_at
from tests.builders import ACCOUNT, CLOSE, DECIDED, a_new_order, a_report, a_trade, at
from trading.errors import DeskHalted, InvalidValue, LeaseLost, OrderNotOpen, OrderUnknown
from trading.ledger import Lease
from trading.orders.execution_algos import Adaptive, AdaptivePriority, ArrivalPrice, RiskAversion, Twap, TwapStyle, Vwap
from trading.orders.executions import ExecType
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PositionEffect,
    PriceTrigger,
    TimeTrigger,
    TriggerDirection,
    combo_symbol,
)
from trading.orders.orders import OrderCancelReplaceRequest, OrdStatus, OrdType, Side, TimeInForce
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RefusalCode, RiskLimits

LIMIT = {"ord_type": OrdType.LIMIT, "price": Decimal(10)}


def a_working_order(ledger, **fields) -> Lease:
    """Have order t-1, to buy 100 AAPL at 10, acknowledged by the broker."""
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(**(LIMIT | fields)))
    ledger.journal.record([a_report(ExecType.NEW, "e-0")])
    return lease


def a_replace(number: int = 1, qty: int = 100, px: int | None = 10, **fields) -> OrderCancelReplaceRequest:
    given = {
        "cl_ord_id": f"t-1-r{number}",
        "orig_cl_ord_id": "t-1",
        "account": ACCOUNT,
        "transact_time": at(number),
        "order_qty": Decimal(qty),
        "price": None if px is None else Decimal(px),
    }
    return OrderCancelReplaceRequest(**(given | fields))


def intend(ledger, lease, request, **limits):
    marks = {symbol: Decimal(10) for symbol in SYMBOLS}
    return ledger.journal.intend_replace(lease, request, RiskInputs(limits=RiskLimits(**limits), marks=marks))


def replaced(exec_id: str, **values) -> object:
    return a_report(ExecType.REPLACED, exec_id, **values)


def test_all_that_an_order_says_comes_back(ledger):
    exits = {"list_id": "l-1", "contingency_type": ContingencyType.OCO, "parent_cl_ord_id": "t-0"}
    trigger = PriceTrigger(symbol="MSFT", price=Decimal("1.50"), direction=TriggerDirection.UP)
    algos = (
        Adaptive(priority=AdaptivePriority.URGENT),
        Twap(starts_at=DECIDED, ends_at=CLOSE, style=TwapStyle.LAST),
        Vwap(max_share=Decimal("0.25"), takes_liquidity=False, may_run_over=True),
        ArrivalPrice(max_share=Decimal("0.10"), risk_aversion=RiskAversion.PASSIVE, forces_completion=True),
    )
    orders = [
        a_new_order(
            cl_ord_id="t-1",
            ord_type=OrdType.TRAILING_STOP,
            peg_offset_value=Decimal("2.5"),
            peg_offset_type=PegOffsetType.PERCENT,
            position_effect=PositionEffect.CLOSE,
            outside_regular_hours=True,
            **exits,
        ),
        a_new_order(
            cl_ord_id="t-2",
            symbol="MSFT",
            time_in_force=TimeInForce.GTD,
            good_till=CLOSE,
            triggers=(trigger, TimeTrigger(at=DECIDED)),
        ),
        *(a_new_order(cl_ord_id=f"t-{number}", algo=algo) for number, algo in enumerate(algos, 3)),
    ]

    ledger.intend(ledger.lease(), *orders)

    assert [o.new_order for o in ledger.journal.orders(ACCOUNT)] == orders


LEGS = (OrderLeg(symbol="AAPL", ratio=1, side=Side.BUY), OrderLeg(symbol="MSFT", ratio=2, side=Side.SELL))


def test_an_order_in_legs_is_gated_by_each_leg_and_moves_only_its_legs_positions(ledger):
    order = a_new_order(symbol=combo_symbol(LEGS), legs=LEGS)
    lease = ledger.lease()

    assert ledger.intend(lease, order, blocked_symbols=("MSFT",))[0].code is RefusalCode.SYMBOL_BLOCKED

    other = replace(order, cl_ord_id="t-2", book="other")
    assert ledger.journal.order("t-1") is None

    ledger.intend(lease, other, decision=a_decision(book="other"))
    told = {"cl_ord_id": "t-2"}
    ledger.journal.record(
        [
            a_trade(100, 10, "e-1", **told),
            a_trade(-200, 4, "e-2", symbol="MSFT", **told),
            a_trade(100, 2, "e-3", symbol=order.symbol, ord_status=OrdStatus.FILLED, **told),
        ]
    )
    filled = ledger.journal.order("t-2")
    assert (filled.new_order, filled.ord_status, filled.cum_qty, filled.avg_px) == (other, OrdStatus.FILLED, 100, 2)
    assert filled.contradictions == ()
    books = ledger.facts.books(ACCOUNT, CLOSE)
    assert books.held() == {"AAPL": 100, "MSFT": -200}
    assert books.cash == -100 * 10 + 200 * 4


def test_a_cancel_is_recorded_once_before_it_is_sent(ledger):
    a_working_order(ledger)
    order = ledger.journal.order("t-1")

    ledger.journal.intend_cancel([order.cancel_request(at(1))])
    ledger.journal.intend_cancel([order.cancel_request(at(2))])

    assert ledger.count("order_request") == 1
    assert ledger.journal.order("t-1").ord_status is OrdStatus.NEW


def test_a_cancel_of_an_order_that_is_not_ours_is_refused(ledger):
    request = a_working_order(ledger) and ledger.journal.order("t-1").cancel_request(at(1))

    with pytest.raises(OrderUnknown, match="no order t-9"):
        ledger.journal.intend_cancel([request, replace(request, orig_cl_ord_id="t-9", cl_ord_id="t-9-x")])

    assert ledger.count("order_request") == 0


def test_a_replace_is_recorded_with_the_gates_word_and_asking_twice_is_asking_once(ledger):
    lease = a_working_order(ledger)

    verdict = intend(ledger, lease, a_replace(qty=200))
    again = intend(ledger, lease, a_replace(qty=200, transact_time=at(30)))

    assert (verdict.accepted, verdict.cl_ord_id, verdict.symbol) == (True, "t-1-r1", "AAPL")
    assert again == verdict
    assert ledger.journal.replaces("t-1") == (a_replace(qty=200),)
    with pytest.raises(InvalidValue, match="as it was recorded, or another id"):
        intend(ledger, lease, a_replace(qty=300))


def test_a_replaced_order_works_under_its_new_values(ledger):
    lease = a_working_order(ledger)
    ledger.journal.record([a_trade(30, 10, "e-1")])
    intend(ledger, lease, a_replace(qty=200, px=11))

    ledger.journal.record([replaced("e-2", order_qty=Decimal(200), price=Decimal(11), transact_time=at(1))])

    order = ledger.journal.order("t-1")
    assert (order.new_order.order_qty, order.in_force.order_qty, order.in_force.price) == (100, 200, 11)
    assert (order.leaves_qty, order.ord_status) == (170, OrdStatus.PARTIALLY_FILLED)


def test_a_replace_that_asks_for_too_much_is_refused_and_recorded(ledger):
    lease = a_working_order(ledger)

    # 200 at 10 are 2,000, above 1,500.
    verdict = intend(ledger, lease, a_replace(qty=200), max_position_notional=Decimal(1500))

    assert (verdict.accepted, verdict.code) == (False, RefusalCode.MAX_POSITION_NOTIONAL)
    assert intend(ledger, lease, a_replace(qty=200)) == verdict  # what was decided stays decided
    assert ledger.journal.replaces("t-1") == ()


def test_what_has_traded_counts_once_when_an_order_is_made_larger(ledger):
    lease = a_working_order(ledger)
    ledger.journal.record([a_trade(90, 10, "e-1")])

    # 90 held and 60 to come are worth 1,500: just allowed. 151 would be one too many.
    assert not intend(ledger, lease, a_replace(1, qty=151), max_position_notional=Decimal(1500)).accepted
    assert intend(ledger, lease, a_replace(2, qty=150), max_position_notional=Decimal(1500)).accepted


def test_a_smaller_quantity_passes_whatever_the_limits(ledger):
    lease = a_working_order(ledger)

    assert intend(ledger, lease, a_replace(qty=50), blocked_symbols=("AAPL",)).accepted
    assert not intend(ledger, lease, a_replace(2, qty=50, px=9), blocked_symbols=("AAPL",)).accepted


def test_the_larger_values_stay_reserved_until_the_broker_answers(ledger):
    lease = a_working_order(ledger)
    limits = {"max_position_notional": Decimal(3000)}
    intend(ledger, lease, a_replace(1, qty=250), **limits)  # 2,500 of 3,000
    more = a_new_order(cl_ord_id="t-2", order_qty=Decimal(100), book="other")

    refused = ledger.intend(lease, more, decision=a_decision(book="other"), **limits)

    assert refused[0].code is RefusalCode.MAX_POSITION_NOTIONAL

    intend(ledger, lease, a_replace(2, qty=120), **limits)
    ledger.journal.record([replaced("e-2", order_qty=Decimal(120), price=Decimal(10), transact_time=at(2))])

    third = replace(more, cl_ord_id="t-3", book="third")
    assert ledger.intend(lease, third, decision=a_decision(book="third"), **limits)[0].accepted


def test_a_change_counts_as_one_more_order_of_the_day(ledger):
    lease = a_working_order(ledger)

    assert intend(ledger, lease, a_replace(1, px=11), max_orders_per_day=2).accepted
    assert intend(ledger, lease, a_replace(2, px=10), max_orders_per_day=2).code is RefusalCode.MAX_ORDERS_PER_DAY


@pytest.mark.parametrize(
    ("report", "status"),
    [(None, "PENDING_NEW"), (a_report(ExecType.CANCELED, "e-1"), "CANCELED")],
)
def test_an_order_the_broker_does_not_have_open_cannot_be_replaced(ledger, report, status):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(**LIMIT))
    ledger.journal.record([report] if report else [])

    with pytest.raises(OrderNotOpen, match=status):
        intend(ledger, lease, a_replace(qty=50))


def test_values_that_do_not_fit_are_refused_and_nothing_is_written(ledger):
    lease = a_working_order(ledger)

    with pytest.raises(InvalidValue, match="price of order t-1"):
        intend(ledger, lease, a_replace(px=None))
    with pytest.raises(OrderUnknown):
        intend(ledger, lease, a_replace(orig_cl_ord_id="t-9"))

    assert ledger.count("order_request") == 0


def test_whoever_lost_the_lease_or_is_halted_replaces_nothing(ledger):
    lease = a_working_order(ledger)

    with pytest.raises(LeaseLost):
        intend(ledger, replace(lease, token=lease.token - 1), a_replace(qty=50))
    ledger.halts.halt("desk", "lunch", "Ada", DECIDED)
    with pytest.raises(DeskHalted):
        intend(ledger, lease, a_replace(qty=50))

    assert ledger.count("order_request") == 0


def test_a_replace_that_is_cut_off_leaves_nothing_and_can_be_asked_again(ledger):
    lease = a_working_order(ledger)

    with failing_at(ledger.engine, "INSERT INTO order_request"), pytest.raises(InterruptedError):
        intend(ledger, lease, a_replace(qty=200))

    assert ledger.count("order_request") == 0
    assert intend(ledger, lease, a_replace(qty=200, transact_time=at(0) + timedelta(hours=1))).accepted
