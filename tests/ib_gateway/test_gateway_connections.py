"""Who is let in, what clients hear while the link to IB is lost, and a gateway that goes away."""

import asyncio
from decimal import Decimal

import pytest
from gateway_client import a_stock, an_order, codes_of, faults, statuses, until


@pytest.mark.parametrize("silent", ["nextValidId", "handshake"])
async def test_a_gateway_that_never_lets_in_costs_no_more_than_the_clients_patience(lib, open_gateway, connect, silent):
    """A second factor that nobody answers, and a gateway that accepts the connection and says nothing."""
    gateway = await open_gateway(faults({"on": silent, "do": "hang"}))

    with pytest.raises(asyncio.TimeoutError):
        await connect(gateway, seconds=0.2)


async def test_a_gateway_too_old_is_left_by_the_client(lib, open_gateway, connect):
    gateway = await open_gateway(max_server_version=156)

    with pytest.raises((asyncio.TimeoutError, ConnectionError)):
        await connect(gateway, seconds=0.2)


@pytest.mark.parametrize("version", [157, 159, 163, 166, 170, 176, 178])
async def test_every_protocol_version_trades(lib, open_gateway, connect, version):
    gateway = await open_gateway(max_server_version=version)
    ib = await connect(gateway)
    trade = ib.placeOrder(a_stock(lib), an_order(lib, minQty=1, hidden=True))
    await until(lambda: trade.fills)
    ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 1, 150.0, tif="GTC", orderRef="rests"))
    await until(lambda: len(gateway.accepted) == 2)

    again = await connect(gateway, 2)
    [rests] = await again.reqAllOpenOrdersAsync()
    completed = await again.reqCompletedOrdersAsync(False)

    assert ib.client.serverVersion() == min(version, ib.client.MaxClientVersion)
    assert (rests.order.orderRef, rests.order.tif, rests.order.lmtPrice) == ("rests", "GTC", 150.0)
    assert [(t.order.orderRef, t.order.minQty, t.order.hidden, t.order.filledQuantity) for t in completed] == [
        ("t-1", 1, True, 10.0)
    ]


async def test_the_same_client_id_twice_is_refused_with_326(lib, open_gateway, connect):
    gateway = await open_gateway()
    await connect(gateway, 7)
    heard = []
    second = lib.IB()
    second.errorEvent += lambda _, code, *__: heard.append(code)

    with pytest.raises((asyncio.TimeoutError, ConnectionError)):
        await second.connectAsync(gateway.host, gateway.port, clientId=7, timeout=0.2)

    assert heard == [326]
    assert len(gateway.clients) == 1


async def test_a_client_id_is_free_again_once_its_client_is_gone(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway, 7)
    ib.disconnect()
    await until(lambda: gateway.clients == [])

    assert (await connect(gateway, 7)).isConnected()


async def test_while_the_link_is_lost_orders_wait_and_reports_are_late(lib, open_gateway, connect):
    """Reports that come late must not be dropped: https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/249"""
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    codes = codes_of(ib)
    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Submitted")

    gateway.lose_link()
    gateway.fill("t-1", price=Decimal(200))
    ib.placeOrder(a_stock(lib), an_order(lib, "t-2"))
    await ib.reqCurrentTimeAsync()
    assert (trade.fills, statuses(gateway)) == ([], {"t-1": "Filled"})
    gateway.restore_link(1102)
    await until(lambda: len(gateway.accepted) == 2 and trade.fills)

    assert codes == [1100, 1102]


async def test_who_connects_while_the_link_is_lost_is_told_instead_of_the_farms(lib, open_gateway):
    """2110 is the notice for it: https://interactivebrokers.github.io/tws-api/message_codes.html"""
    gateway = await open_gateway()
    gateway.lose_link()
    ib = lib.IB()
    codes = codes_of(ib)

    await ib.connectAsync("127.0.0.1", gateway.port, clientId=1)

    assert codes == [2110]
    ib.disconnect()


async def test_with_1101_the_data_subscriptions_are_lost(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    [apple] = await ib.qualifyContractsAsync(a_stock(lib))
    ib.reqMktData(apple)
    client = gateway.client(1)
    await until(lambda: client.subscriptions)

    gateway.lose_link()
    gateway.restore_link(1101)

    assert client.subscriptions == {}


async def test_a_link_lost_by_the_scenario_comes_back_by_itself(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "placeOrder", "do": "lose_link", "seconds": 0.02, "nth": 1}))
    ib = await connect(gateway)
    codes = codes_of(ib)

    ib.placeOrder(a_stock(lib), an_order(lib))

    await until(lambda: codes == [1100, 1102])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (2103, "Market data farm connection is broken:usfarm"),
        (2104, "Market data farm connection is OK:usfarm"),
        (2105, "HMDS data farm connection is broken:usfarm"),
        (2107, "HMDS data farm connection is inactive:usfarm"),
        (2158, "Sec-def data farm connection is OK:usfarm"),
    ],
)
async def test_data_farms_come_and_go(lib, open_gateway, connect, code, text):
    gateway = await open_gateway()
    ib = await connect(gateway)
    heard = []
    ib.errorEvent += lambda _, number, words, *__: heard.append((number, words))

    gateway.farm(code)

    await until(lambda: heard == [(code, text)])


async def test_a_restarted_gateway_keeps_orders_and_may_begin_its_order_ids_anew(lib, open_gateway, connect):
    """The same number then means another order: https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242"""
    gateway = await open_gateway(first_order_id=10)
    ib = await connect(gateway)
    first = ib.placeOrder(a_stock(lib), an_order(lib, "before"))
    await until(lambda: first.fills)
    assert first.order.orderId >= 10

    await gateway.restart(roll_back_ids=True)
    again = await connect(gateway)
    again.placeOrder(a_stock(lib), an_order(lib, "after", orderId=first.order.orderId))
    await until(lambda: len(gateway.accepted) == 2)

    before, after = gateway.accepted
    assert before.order_id == after.order_id
    assert before.perm_id != after.perm_id
    assert statuses(gateway) == {"before": "Filled", "after": "Filled"}


async def test_a_gateway_that_went_away_refuses_and_its_orders_go_on(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 10, 190.0, tif="DAY", orderRef="t-1"))
    await until(lambda: gateway.accepted)

    await gateway.go_away()
    await until(lambda: not ib.isConnected())
    with pytest.raises(ConnectionRefusedError):
        await connect(gateway)
    gateway.set_price("AAPL", Decimal(189))
    await gateway.come_back()

    assert [f.execution.orderRef for f in (await connect(gateway)).fills()] == ["t-1"]
