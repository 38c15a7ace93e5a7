"""What the gateway refuses, with the broker's own codes. AAPL stands at 200.00."""

from decimal import Decimal

import pytest
from gateway_client import a_stock, errors_of, until

from ib_gateway.gateway_settings import GatewayAccount


async def refused(ib, lib, contract, order):
    errors = errors_of(ib)
    ib.placeOrder(contract, order)
    await until(lambda: errors)
    return errors


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"lmtPrice": 200.005}, 110),
        ({"lmtPrice": 200.0, "totalQuantity": 0}, 434),
        ({"lmtPrice": 200.0, "totalQuantity": 1.5}, 10243),
        ({"orderType": "NONSENSE"}, 387),
        ({"lmtPrice": 200.0, "tif": "SOON"}, 321),
        ({"lmtPrice": 200.0, "action": "HOLD"}, 321),
        ({"orderType": "STP"}, 321),
        ({"lmtPrice": 200.0, "tif": "GTD"}, 321),
        ({"lmtPrice": 200.0, "tif": "GTD", "goodTillDate": "20200101 10:00:00 UTC"}, 201),
        ({"lmtPrice": 200.0, "account": "U999"}, 321),
        ({"lmtPrice": 200.0, "parentId": 777}, 135),
        ({"lmtPrice": 200.0, "totalQuantity": 10_001}, 201),  # 10,001 x 200 / 2 is more than 1,000,000
    ],
)
async def test_a_wrong_order_is_refused_with_its_code(lib, open_gateway, connect, terms, code):
    gateway = await open_gateway()
    ib = await connect(gateway)
    order = lib.Order(**{"orderType": "LMT", "action": "BUY", "totalQuantity": 10, "tif": "DAY", **terms})

    errors = await refused(ib, lib, a_stock(lib), order)

    assert errors == [(order.orderId, code)]
    assert gateway.accepted == []


@pytest.mark.parametrize("symbol", ["NOSUCH", ""])
async def test_an_unknown_contract_is_refused_with_200(lib, open_gateway, connect, symbol):
    gateway = await open_gateway()
    ib = await connect(gateway)

    errors = await refused(ib, lib, a_stock(lib, symbol), lib.MarketOrder("BUY", 1, tif="DAY"))

    assert errors[0][1] == 200


async def test_with_several_accounts_an_order_must_name_one(lib, open_gateway, connect):
    accounts = (GatewayAccount(name="DU1"), GatewayAccount(name="DU2"))
    gateway = await open_gateway(accounts=accounts)
    ib = await connect(gateway)

    errors = await refused(ib, lib, a_stock(lib), lib.MarketOrder("BUY", 1, tif="DAY"))

    assert errors[0][1] == 435


async def test_the_21st_working_order_of_a_side_is_rejected(lib, open_gateway, connect):
    """At most 20 active orders per contract, side and account: https://interactivebrokers.github.io/tws-api/order_limitations.html"""
    gateway = await open_gateway()
    ib = await connect(gateway)
    errors = errors_of(ib)
    for _ in range(21):
        ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 1, 150.0, tif="DAY"))
    ib.placeOrder(a_stock(lib), lib.LimitOrder("SELL", 1, 250.0, tif="DAY"))

    await until(lambda: len(gateway.accepted) == 21 and errors)

    assert [code for _, code in errors] == [201]
    assert sum(order.side == "BUY" for order in gateway.accepted) == 20


async def test_the_same_order_id_is_a_duplicate_unless_its_order_still_works(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 1, 150.0, tif="DAY", orderId=100))
    await until(lambda: gateway.accepted)

    errors = await refused(ib, lib, a_stock(lib), lib.LimitOrder("BUY", 1, 150.0, tif="DAY", orderId=99))

    assert errors == [(99, 103)]
    assert len(gateway.accepted) == 1


async def test_more_than_fifty_messages_a_second_are_dropped_with_error_100(lib, open_gateway, connect):
    """The error has no request id, so nobody can say which orders were dropped: clients must pace themselves."""
    gateway = await open_gateway(fills="manual", working_orders=1000)
    ib = await connect(gateway)
    ib.client.MaxRequests = 0  # the library's own brake
    errors = errors_of(ib)

    for _ in range(80):
        ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 1, 150.0, tif="DAY"))
    await until(lambda: len(gateway.accepted) + len(errors) == 80)

    assert set(errors) == {(-1, 100)}
    assert len(gateway.accepted) <= 50
    assert ib.isConnected()


async def test_who_breaks_the_pace_for_three_seconds_is_disconnected(lib, open_gateway, connect):
    gateway = await open_gateway(pacing_strikes=1, messages_per_second=20)
    ib = await connect(gateway)
    ib.client.MaxRequests = 0

    for _ in range(60):
        ib.client.reqCurrentTime()

    await until(lambda: not ib.isConnected())


async def test_an_order_above_the_margin_is_accepted_when_it_closes_a_position(lib, open_gateway, connect):
    gateway = await open_gateway(accounts=(GatewayAccount(cash=Decimal(2000)),))
    ib = await connect(gateway)
    ib.placeOrder(a_stock(lib), lib.MarketOrder("BUY", 15, tif="DAY", orderRef="in"))
    await until(lambda: gateway.accepted)

    gateway.set_price("AAPL", Decimal(20))  # all is lost: what is left is below the margin
    ib.placeOrder(a_stock(lib), lib.MarketOrder("SELL", 15, tif="DAY", orderRef="out"))
    await until(lambda: len(gateway.accepted) == 2)

    assert gateway.positions() == {}
