"""Margin before there is an order: what IB's answers to what-ifs count for, and that no order ever comes of one.

The gateway asks half of a stock's value as initial margin, and quotes AAPL at 200 and MSFT at 400.
Source: "Checking Margin Changes" of the TWS API (https://interactivebrokers.github.io/tws-api/margin.html).
"""

from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.ib.receiver import Receiver
from adapters.ib.values import initial_margin
from adapters.request_budget import RequestBudget
from ib_gateway.scenarios import Action
from tests.adapters.ib.ib_desk import (
    LIBRARY,
    LONG_AGO,
    Desk,
    a_bracket,
    a_fault,
    a_market_order,
    an_order,
    kinds,
    until,
)
from trading.errors import BrokerUnavailable
from trading.orders.executions import ExecType
from trading.orders.orders import Side
from trading.risk.trading_facts import BrokerMargin

SOON = timedelta(seconds=20)


async def test_each_order_is_told_by_itself_against_what_is_held(desk: Desk):
    broker = desk.broker()
    await broker.submit(a_market_order("held", qty=100))
    desk.gateway.fill("held", price=Decimal(200))

    margin = await broker.margin(
        [a_market_order("more", symbol="MSFT", qty=50), a_market_order("turns", Side.SELL, qty=150)], SOON
    )

    # 100 x 200 / 2 is held; 50 x 400 / 2 would be added; 50 short of AAPL would need 5,000 instead of 10,000.
    changes = {"more": Decimal(10_000), "turns": Decimal(-5_000)}
    assert margin == BrokerMargin(initial=Decimal(10_000), changes=changes)


async def test_no_order_comes_of_a_what_if_and_none_is_mistaken_for_one(desk: Desk):
    broker, bracket = desk.broker(), a_bracket()

    told = await broker.margin(bracket, SOON)

    messages = [m for m in desk.gateway.wire_log if m.way == "in" and m.name == "placeOrder"]
    assert told.changes.keys() == {"p", "t", "s"}
    assert len(messages) == 3
    assert not any({order.cl_ord_id, order.list_id} & set(m.fields) for m in messages for order in bracket)
    assert desk.placed() == 0
    assert (await broker.statement()).working == ()
    assert await broker.reports_since(LONG_AGO) == ()
    assert await broker.find("p") == ()
    assert kinds(await broker.submit(bracket[0])) == [ExecType.NEW]  # under the same ClOrdID, and at once
    assert desk.placed() == 1


async def test_what_ib_refuses_to_take_is_untold_in_its_words_and_the_others_are_told(desk: Desk):
    orders = [
        an_order("good", price=Decimal("150.019")),  # brought onto the price steps, as the order itself will be
        an_order("large", qty=10_001),  # 10,001 x 200 / 2 is more than the account's million
        an_order("nowhere", symbol="NOSUCH"),
    ]

    margin = await desk.broker().margin(orders, SOON)

    assert margin.changes == {"good": Decimal(10_000)}
    assert margin.untold.keys() == {"large", "nowhere"}
    assert "MUST EXCEED THE INITIAL MARGIN" in margin.untold["large"]
    assert "IB does not know 'NOSUCH'" in margin.untold["nowhere"]


async def test_an_answer_that_does_not_come_in_time_is_untold_and_the_others_are_told(tmp_path: Path):
    async with Desk(tmp_path, a_fault("openOrder", Action.DROP, nth=2)) as desk:
        margin = await desk.broker().margin([an_order("one"), an_order("two"), an_order("three")], timedelta(seconds=1))

    assert len(margin.changes) == 2
    assert list(margin.untold.values()) == ["no answer within 1 s"]


async def test_an_answer_that_comes_too_late_is_no_order_either(tmp_path: Path):
    async with Desk(tmp_path, a_fault("openOrder", Action.DELAY, seconds=0.3)) as desk:
        broker = desk.broker()

        margin = await broker.margin([an_order()], timedelta(seconds=0.1))
        await until(lambda: any(m.name == "openOrder" for m in desk.gateway.wire_log))

        assert margin.changes == {}
        assert await broker.reports_since(LONG_AGO) == ()
        assert (await broker.statement()).working == ()


async def test_a_connection_that_breaks_tells_nothing(tmp_path: Path):
    async with Desk(tmp_path, a_fault("placeOrder", Action.KILL_BEFORE)) as desk:
        with pytest.raises(BrokerUnavailable, match="went away"):
            await desk.broker().margin([an_order("one"), an_order("two")], SOON)

        assert desk.placed() == 0


@pytest.mark.parametrize("nothing", ["", "1.7976931348623157E308", "1.7976931348623157e+308", "inf", "nan"])
async def test_a_number_that_stands_for_none_is_no_answer(nothing: str):
    """An answer without numbers comes before the one with them: https://github.com/erdewit/ib_insync/issues/380"""
    library, receiver = import_module(LIBRARY), Receiver(SimpleNamespace(), "UTC")
    question, order = receiver.ask(7), library.Order(whatIf=True)

    receiver.openOrder(7, library.Contract(), order, library.order.OrderState(initMarginChange=nothing))
    unanswered = not question.answer.done()
    receiver.openOrder(7, library.Contract(), order, library.order.OrderState(initMarginChange="12.5"))

    assert unanswered
    assert [state.initMarginChange for state in question.answer.result()] == ["12.5"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({("InitMarginReq", "EUR"): "10.00", ("CashBalance", "USD"): "5.00"}, "it is told in EUR"),
        ({("InitMarginReq", "USD"): "1.7976931348623157E308"}, "it is not told"),
        ({("InitMarginReq", "USD"): "nan"}, "it is not told"),
        ({}, "it is not told"),
    ],
)
def test_margin_in_another_currency_or_without_a_number_is_no_margin(values: dict[tuple[str, str], str], why: str):
    with pytest.raises(BrokerUnavailable, match=f"no initial margin in USD; {why}"):
        initial_margin(values, "USD")


async def test_many_orders_keep_to_the_gateways_pace(desk: Desk, tmp_path: Path):
    budget = RequestBudget(tmp_path / "budget", limit=45, seconds=1.0)
    orders = [an_order(f"o-{number}") for number in range(60)]

    margin = await desk.broker(budget=budget).margin(orders, SOON)

    errors = {m.fields[2] for m in desk.gateway.wire_log if m.way == "out" and m.name == "error"}
    assert set(margin.changes.values()) == {Decimal(10_000)}
    assert len(margin.changes) == 60
    assert "100" not in errors  # "Max rate of messages per second has been exceeded"
