"""Replacing an order at the paper broker."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.adapters.paper.paper_desk import (
    MONDAY,
    TUESDAY,
    MemoryMarket,
    a_bar,
    a_broker,
    a_clock,
    a_limit,
    an_engine,
    an_order,
    in_words,
)
from trading.orders.executions import ExecType, fold_order
from trading.orders.orders import OrderCancelReplaceRequest, OrdStatus, TimeInForce


@pytest.fixture
def desk(tmp_path: Path):
    clock = a_clock()
    return a_broker(an_engine(tmp_path), MemoryMarket([a_bar(), a_bar(TUESDAY)]), clock), clock


def a_replace(number: int = 1, qty: int = 100, **changes) -> OrderCancelReplaceRequest:
    given = {
        "cl_ord_id": f"o-1-r{number}",
        "orig_cl_ord_id": "o-1",
        "account": "DU1",
        "transact_time": an_order().transact_time,
        "order_qty": Decimal(qty),
    }
    return OrderCancelReplaceRequest(**(given | changes))


async def test_a_replaced_order_goes_on_under_its_new_values(desk):
    broker, clock = desk
    order = a_limit("80")
    await broker.submit(order)

    reports = await broker.replace(a_replace(qty=150, price=Decimal(95)))

    assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.REPLACED]
    assert (reports[-1].order_qty, reports[-1].price) == (150, 95)
    assert fold_order(order, (), reports).leaves_qty == 150
    clock.set(MONDAY, 20)
    assert in_words((await broker.find("o-1"))[-1]) == ("150 at 95", "Mon 16:00:00", "")


async def test_asking_twice_is_asking_once_even_after_another_change(desk):
    broker, _ = desk
    await broker.submit(a_limit("80"))
    await broker.replace(a_replace(1, price=Decimal(81)))
    after = await broker.replace(a_replace(2, price=Decimal(82)))

    again = await broker.replace(a_replace(1, price=Decimal(81)))

    assert again == after
    assert [r.price for r in after] == [None, 81, 82]


async def test_a_price_that_came_at_noon_does_not_have_the_low_of_the_morning(desk):
    broker, clock = desk
    await broker.submit(a_limit("80", time_in_force=TimeInForce.GTC))
    clock.set(MONDAY, 12)
    await broker.replace(a_replace(price=Decimal(95)))

    clock.set(MONDAY, 20)
    assert (await broker.find("o-1"))[-1].exec_type is ExecType.REPLACED
    clock.set(TUESDAY, 20)
    assert in_words((await broker.find("o-1"))[-1]) == ("100 at 95", "Tue 16:00:00", "")


async def test_a_smaller_quantity_alone_keeps_its_place(desk):
    broker, clock = desk
    await broker.submit(a_limit("95"))
    clock.set(MONDAY, 12)

    await broker.replace(a_replace(qty=60, price=Decimal(95)))

    clock.set(MONDAY, 20)
    assert in_words((await broker.find("o-1"))[-1]) == ("60 at 95", "Mon 16:00:00", "")


async def test_replacing_a_filled_order_changes_nothing(desk):
    broker, clock = desk
    await broker.submit(an_order())
    clock.set(MONDAY, 10)
    before = await broker.find("o-1")

    assert await broker.replace(a_replace(qty=200)) == before


async def test_replacing_an_order_nobody_sent_makes_no_order(desk):
    broker, _ = desk

    assert await broker.replace(a_replace()) == ()


async def test_a_quantity_of_what_has_traded_already_fills_the_order(tmp_path):
    # A tenth of 300 shares is ours at the open: 30 of 100.
    clock = a_clock()
    broker = a_broker(an_engine(tmp_path), MemoryMarket([a_bar(volume=300.0)]), clock)
    order = an_order()
    await broker.submit(order)
    clock.set(MONDAY, 10)

    reports = await broker.replace(a_replace(qty=30))

    assert reports[-1].ord_status is OrdStatus.FILLED
    assert fold_order(order, (), reports).ord_status is OrdStatus.FILLED
    assert (await broker.statement()).working == ()


@pytest.mark.parametrize(
    ("order", "request_", "why"),
    [
        (a_limit("80"), a_replace(), "price None does not fit a limit order"),
        (an_order(), a_replace(price=Decimal(80)), "price 80 does not fit a market order"),
        (a_limit("80"), a_replace(price=Decimal("80.001")), "price 80.001 is not a multiple of the tick 0.01"),
    ],
)
async def test_values_that_do_not_fit_are_told_and_change_nothing(desk, order, request_, why):
    broker, _ = desk
    await broker.submit(order)

    reports = await broker.replace(request_)

    assert (reports[-1].exec_type, reports[-1].ord_status) == (ExecType.ORDER_STATUS, OrdStatus.NEW)
    assert reports[-1].text == f"not replaced by o-1-r1: {why}"
    assert fold_order(order, (), reports).in_force == order


async def test_less_than_has_traded_is_refused(tmp_path):
    clock = a_clock()
    broker = a_broker(an_engine(tmp_path), MemoryMarket([a_bar(volume=300.0)]), clock)
    await broker.submit(an_order())
    clock.set(MONDAY, 10)

    assert "30 have traded, more than 20" in (await broker.replace(a_replace(qty=20)))[-1].text
