"""Every kind of order says at IB what was meant, and is read back as the same."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.ib.heard import Terms
from adapters.ib.orders import terms_of
from adapters.ib.session_states import SessionState
from tests.adapters.ib.ib_desk import LONG_AGO, Desk, a_bracket, a_cancel, a_market_order, a_replace, an_order, linked
from trading.orders.execution_algos import (
    Adaptive,
    AdaptivePriority,
    ArrivalPrice,
    ExecutionAlgo,
    RiskAversion,
    Twap,
    TwapStyle,
    Vwap,
)
from trading.orders.executions import ExecType, fold_order
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
from trading.orders.orders import NewOrderSingle, OrdStatus, OrdType, Side, TimeInForce

CALL, PUT = "AAPL  261218C00250000", "AAPL  261218P00250000"
FRIDAY = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


def a_stop(**changes: Any) -> NewOrderSingle:
    return an_order(side=Side.SELL, ord_type=OrdType.STOP, stop_px=Decimal("190.5"), **changes)


def a_trail(unit: PegOffsetType, value: str) -> NewOrderSingle:
    return an_order(
        side=Side.SELL, ord_type=OrdType.TRAILING_STOP, peg_offset_value=Decimal(value), peg_offset_type=unit
    )


# What "Available Orders" of the TWS API calls them, and the fields it names for each.
SPELLINGS = {
    "market": (a_market_order(), {"orderType": "MKT", "tif": "DAY"}),
    "limit": (an_order(), {"orderType": "LMT", "lmtPrice": "150.0"}),
    "stop": (a_stop(), {"orderType": "STP", "auxPrice": "190.5", "action": "SELL"}),
    "stop limit": (
        an_order(side=Side.SELL, ord_type=OrdType.STOP_LIMIT, stop_px=Decimal(190), price=Decimal(189)),
        {"orderType": "STP LMT", "auxPrice": "190.0", "lmtPrice": "189.0"},
    ),
    "trailing by amount": (a_trail(PegOffsetType.PRICE, "2.5"), {"orderType": "TRAIL", "auxPrice": "2.5"}),
    "trailing by percent": (a_trail(PegOffsetType.PERCENT, "3"), {"orderType": "TRAIL", "trailingPercent": "3.0"}),
    "market on open": (a_market_order(time_in_force=TimeInForce.OPG), {"orderType": "MKT", "tif": "OPG"}),
    "limit on open": (an_order(time_in_force=TimeInForce.OPG), {"orderType": "LMT", "tif": "OPG"}),
    "market on close": (a_market_order(time_in_force=TimeInForce.CLS), {"orderType": "MOC", "tif": "DAY"}),
    "limit on close": (an_order(time_in_force=TimeInForce.CLS), {"orderType": "LOC", "lmtPrice": "150.0"}),
    "good till canceled": (an_order(time_in_force=TimeInForce.GTC), {"tif": "GTC"}),
    "good till date": (
        an_order(time_in_force=TimeInForce.GTD, good_till=FRIDAY),
        {"tif": "GTD", "goodTillDate": "20261120-21:00:00"},
    ),
    "immediate or cancel": (an_order(time_in_force=TimeInForce.IOC), {"tif": "IOC"}),
    "fill or kill": (an_order(time_in_force=TimeInForce.FOK), {"tif": "FOK"}),
    "outside regular hours": (an_order(outside_regular_hours=True), {"outsideRth": "1"}),
    "to close": (an_order(symbol=CALL, position_effect=PositionEffect.CLOSE, qty=1), {"openClose": "C"}),
    "to open": (an_order(symbol=CALL, position_effect=PositionEffect.OPEN, qty=1), {"openClose": "O"}),
}


@pytest.mark.parametrize("kind", SPELLINGS)
async def test_every_kind_of_order_says_at_ib_what_was_meant(desk: Desk, kind: str):
    order, said = SPELLINGS[kind]

    reports = await desk.broker().submit(order)

    assert [r.exec_type for r in reports] == [ExecType.NEW], reports[-1].text
    fields = desk.gateway.accepted[0].fields
    assert {name: fields.get(name) for name in said} == said
    assert fields.get("account") == "DU1234567"
    assert fields.get("orderRef") == "o-1"


@pytest.mark.parametrize("kind", SPELLINGS)
async def test_every_kind_of_order_is_read_back_as_it_was_sent(desk: Desk, kind: str):
    order, _ = SPELLINGS[kind]
    broker = desk.broker()
    await broker.submit(order)

    await desk.as_after_a_restart()
    known = await _known(desk, order.cl_ord_id)

    assert (known.symbol, known.side) == (order.symbol, order.side)
    assert known.terms == Terms(
        order_qty=order.order_qty,
        price=order.price,
        stop_px=order.stop_px,
        peg_offset_value=order.peg_offset_value,
    )


NOON, THREE = datetime(2026, 11, 16, 17, tzinfo=UTC), datetime(2026, 11, 16, 20, tzinfo=UTC)
SHARE = Decimal("0.1")
ALGOS: list[tuple[ExecutionAlgo, str, dict[str, str]]] = [
    (Adaptive(priority=AdaptivePriority.PATIENT), "Adaptive", {"adaptivePriority": "Patient"}),
    (
        Twap(starts_at=NOON, ends_at=THREE, style=TwapStyle.MIDPOINT),
        "Twap",
        {
            "strategyType": "Matching Midpoint",
            "startTime": "20261116-17:00:00 UTC",
            "endTime": "20261116-20:00:00 UTC",
            "allowPastEndTime": "0",
        },
    ),
    (
        Vwap(max_share=SHARE, takes_liquidity=False, may_run_over=True),
        "Vwap",
        {"maxPctVol": "0.1", "allowPastEndTime": "1", "noTakeLiq": "1"},
    ),
    (
        ArrivalPrice(max_share=SHARE, risk_aversion=RiskAversion.GET_DONE, forces_completion=True),
        "ArrivalPx",
        {"maxPctVol": "0.1", "riskAversion": "Get Done", "forceCompletion": "1", "allowPastEndTime": "0"},
    ),
]


@pytest.mark.parametrize(("algo", "name", "values"), ALGOS, ids=[name for _, name, _ in ALGOS])
async def test_an_algorithm_is_said_with_its_values_and_kept_when_the_order_changes(
    desk: Desk, algo: ExecutionAlgo, name: str, values: dict[str, str]
):
    """https://docs.rs/twsapi/0.1.0/i686-unknown-linux-gnu/twsapi/core/algo_params/index.html"""
    broker = desk.broker()
    await broker.submit(an_order(algo=algo))

    assert desk.gateway.accepted[0].fields.get("algoStrategy") == name
    assert dict(desk.gateway.accepted[0].fields.groups["algoParams"]) == values

    await broker.replace(a_replace(qty=50, price=Decimal(150)))

    (order,) = desk.gateway.accepted
    assert (order.qty, order.fields.get("algoStrategy"), dict(order.fields.groups["algoParams"])) == (50, name, values)


async def _known(desk: Desk, cl_ord_id: str) -> Any:
    broker = desk.broker()
    await broker.find(cl_ord_id)
    [(session, _)] = desk.sessions[-1]._open.values()
    assert session.state is SessionState.READY
    return session.memory.of(cl_ord_id)[0]


async def test_conditions_reach_ib_with_the_number_of_the_other_contract(desk: Desk):
    trigger = PriceTrigger(symbol="MSFT", price=Decimal(450), direction=TriggerDirection.DOWN)

    await desk.broker().submit(an_order(triggers=(trigger, TimeTrigger(at=FRIDAY))))

    msft = next(m.fields for m in desk.gateway.wire_log if m.name == "contractDetails" and m.fields[1] == "MSFT")
    price, time = desk.gateway.accepted[0].fields.groups["conditions"]
    assert price[:4] == ("1", "a", "0", "450.0")  # type, and, at or below, price
    assert price[4] in msft
    assert time == ("3", "a", "1", "20261120-21:00:00")


async def test_a_bracket_goes_to_work_with_its_last_child_and_one_child_cancels_the_other(desk: Desk):
    """Only the last order transmits.

    https://github.com/erdewit/ib_insync/issues/71
    """
    broker = desk.broker()

    reports = await broker.submit_list(a_bracket())

    parent, target, stop = desk.gateway.accepted
    assert [r.exec_type for r in reports if r.cl_ord_id == "p"] == [ExecType.PENDING_NEW, ExecType.NEW]
    assert {r.cl_ord_id for r in reports} == {"p", "t", "s"}
    assert [o.fields.get("parentId") for o in (target, stop)] == [str(parent.order_id)] * 2
    placed = [m.fields for m in desk.gateway.wire_log if m.way == "in" and m.name == "placeOrder"]
    assert len(placed) == 3
    desk.gateway.fill("p")
    desk.gateway.fill("t")
    ends = {r.cl_ord_id: r.ord_status for r in await broker.reports_since(LONG_AGO)}
    assert ends == {"p": OrdStatus.FILLED, "t": OrdStatus.FILLED, "s": OrdStatus.CANCELED}


async def test_the_same_bracket_twice_is_one_bracket(desk: Desk):
    broker = desk.broker()
    first = await broker.submit_list(a_bracket())

    second = await broker.submit_list(a_bracket())

    assert second == first
    assert desk.placed() == 3


async def test_a_bracket_of_which_one_is_no_contract_is_not_sent_at_all(desk: Desk):
    parent, target, _ = a_bracket()
    legs = [parent, target, an_order("s", Side.SELL, symbol="NONE", price=Decimal(1), **linked("p"))]

    reports = await desk.broker().submit_list(legs)

    assert [r.ord_status for r in reports] == [OrdStatus.REJECTED] * 3
    assert desk.placed() == 0


async def test_one_order_of_a_group_that_fills_cancels_the_others(desk: Desk):
    broker = desk.broker()
    link = {"list_id": "g", "contingency_type": ContingencyType.OCO}
    await broker.submit_list([an_order("a", **link), an_order("b", symbol="MSFT", price=Decimal(300), **link)])

    desk.gateway.fill("a")

    ends = {r.cl_ord_id: r.ord_status for r in await broker.reports_since(LONG_AGO)}
    assert ends == {"a": OrdStatus.FILLED, "b": OrdStatus.CANCELED}


async def test_a_combo_moves_by_its_own_fill_and_positions_by_those_of_its_legs(desk: Desk):
    """A debit of 1.00 for 2 combos of +1 call -1 put: each leg trades 2 contracts, the combo 2 units.

    https://github.com/erdewit/ib_insync/issues/36
    """
    legs = (OrderLeg(symbol=CALL, ratio=1, side=Side.BUY), OrderLeg(symbol=PUT, ratio=1, side=Side.SELL))
    order = an_order(qty=2, price=Decimal(1), symbol=combo_symbol(legs), legs=legs)
    broker = desk.broker()
    await broker.submit(order)
    before = (await broker.statement()).cash.amount

    desk.gateway.fill("o-1")
    reports = await broker.reports_since(LONG_AGO)
    statement = await broker.statement()

    trades = {r.symbol: r for r in reports if r.exec_type is ExecType.TRADE}
    assert {s: (r.side, r.last_qty) for s, r in trades.items()} == {
        order.symbol: (Side.BUY, 2),
        CALL: (Side.BUY, 2),
        PUT: (Side.SELL, 2),
    }
    assert {p.symbol: p.qty for p in statement.positions} == {CALL: 2, PUT: -2}
    fees = sum(r.commission for r in trades.values())
    assert statement.cash.amount == before - 2 * 100 * 1 - fees
    assert fold_order(order, (), reports).ord_status is OrdStatus.FILLED


async def test_a_combo_is_known_by_its_legs_after_a_restart(desk: Desk):
    legs = (OrderLeg(symbol="AAPL", ratio=2, side=Side.BUY), OrderLeg(symbol="MSFT", ratio=1, side=Side.SELL))
    order = an_order(qty=1, price=Decimal(-5), symbol=combo_symbol(legs), legs=legs)
    await desk.broker().submit(order)

    await desk.as_after_a_restart()

    assert (await _known(desk, "o-1")).symbol == "+2 AAPL|-1 MSFT"


async def test_a_replaced_order_keeps_its_id_and_says_its_new_values(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())

    reports = await broker.replace(a_replace(qty=70, price=Decimal("151.5")))

    assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.REPLACED]
    assert reports[-1].cl_ord_id == "o-1"
    assert (reports[-1].order_qty, reports[-1].price) == (70, Decimal("151.5"))
    assert desk.placed() == 1
    assert desk.gateway.order("o-1").qty == 70


async def test_the_same_replace_twice_is_one(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())
    once = await broker.replace(a_replace(qty=70, price=Decimal(151)))

    twice = await broker.replace(a_replace(qty=70, price=Decimal(151)))

    assert twice == once
    assert desk.heard("placeOrder") == 2


async def test_a_replace_back_and_forth_is_three_states(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())

    for number, px in enumerate((151, 150, 151), start=1):
        reports = await broker.replace(a_replace(number=number, price=Decimal(px)))

    assert [r.price for r in reports] == [None, 151, 150, 151]


async def test_a_filled_order_cannot_be_replaced_and_stays_as_it_is(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.fill("o-1")
    before = await broker.find("o-1")

    assert await broker.replace(a_replace(price=Decimal(160))) == before


async def test_a_change_that_was_never_heard_of_is_told_after_a_restart(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())
    await desk.as_after_a_restart()
    desk.gateway.order("o-1").fields.scalars["lmtPrice"] = "149.0"

    reports = await desk.broker().find("o-1")

    assert [(r.exec_type, r.price) for r in reports] == [(ExecType.NEW, None), (ExecType.REPLACED, Decimal(149))]


async def test_cancel_all_cancels_what_other_clients_and_people_placed(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order("a"))
    desk.gateway.place_manual("MSFT", Decimal(10), price=Decimal(300))

    await broker.cancel_all()

    assert (await broker.statement()).working == ()
    assert all(o.is_done for o in desk.gateway.accepted)
    assert [r.exec_type for r in await broker.find("a")] == [ExecType.NEW, ExecType.CANCELED]


async def test_prices_are_brought_onto_ibs_steps_and_never_to_a_worse_price(desk: Desk):
    """AAPL trades in cents: a buy limit of 150.019 goes down to 150.01, a sell limit up to 250.02.

    https://interactivebrokers.github.io/tws-api/minimum_increment.html
    """
    broker = desk.broker()

    await broker.submit(an_order("b", price=Decimal("150.019")))
    await broker.submit(an_order("s", Side.SELL, price=Decimal("250.011")))

    assert [o.fields.get("lmtPrice") for o in desk.gateway.accepted] == ["150.01", "250.02"]


def test_a_limit_order_that_is_stated_with_an_unused_stop_price_of_0_has_none():
    unset = 1.7976931348623157e308
    stated = SimpleNamespace(orderType="LMT", totalQuantity=100.0, lmtPrice=150.25, auxPrice=0.0, trailingPercent=unset)

    assert terms_of(stated) == Terms(order_qty=Decimal(100), price=Decimal("150.25"))


async def test_an_order_placed_by_hand_is_told_under_an_id_of_its_own(desk: Desk):
    broker = desk.broker()
    order = desk.gateway.place_manual("AAPL", Decimal(5), price=Decimal(150))
    desk.gateway.fill(order.perm_id)

    reports = await broker.reports_since(LONG_AGO)

    assert {r.cl_ord_id for r in reports} == {f"ib-{order.perm_id}"}
    assert sum(r.last_qty for r in reports) == 5


async def test_a_canceled_part_filled_order_keeps_what_it_traded(desk: Desk):
    broker = desk.broker()
    order = an_order()
    await broker.submit(order)
    desk.gateway.fill("o-1", Decimal(40))

    reports = await broker.cancel(a_cancel())

    folded = fold_order(order, (), reports)
    assert (folded.ord_status, folded.cum_qty) == (OrdStatus.CANCELED, 40)
