"""What the books would count wrongly is not bought: futures, and what is paid in another currency."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.ib.ib_settings import ContractTerms
from tests.adapters.ib.ib_desk import Desk, a_market_order, kinds
from trading.orders.executions import ExecType
from trading.orders.orders import OrderPurpose, Side

FUTURE = "ESZ6"
YEN = {"YEN": ContractTerms(sec_type="CASH", symbol="USD", exchange="IDEALPRO", currency="JPY")}


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        (FUTURE, "a price of 1 is 50 USD of it at IB, and 1 USD in the books"),  # CME: 50 x the S&P 500
        ("YEN", "a price of 1 is 1 JPY of it at IB, and 1 USD in the books"),
    ],
)
async def test_what_the_books_count_otherwise_than_ib_is_rejected_and_nothing_is_sent(
    desk: Desk, symbol: str, why: str
):
    broker = desk.broker(contracts=YEN)
    order = a_market_order(symbol=symbol, qty=1)

    reports = await broker.submit(order)
    margin = await broker.margin([replace(order, cl_ord_id="o-2")], timedelta(seconds=20))

    assert kinds(reports) == [ExecType.REJECTED]
    assert why in reports[0].text
    assert why in margin.untold["o-2"]
    assert desk.placed() == 0


async def test_what_came_to_be_held_all_the_same_may_be_closed(desk: Desk):
    order = a_market_order(side=Side.SELL, symbol=FUTURE, qty=1, purpose=OrderPurpose.FLATTEN)

    assert kinds(await desk.broker().submit(order)) == [ExecType.NEW]
