"""What a scenario makes go wrong, as an unmodified client meets it."""

import asyncio
import json
from decimal import Decimal

import pytest
from gateway_client import codes_of, statuses, until
from pydantic import ValidationError

from ib_gateway.scenarios import Action, Direction, Fault, Scenario


def a_stock(lib):
    return lib.Stock("AAPL", "SMART", "USD")


def an_order(lib, ref="t-1", **terms):
    return lib.MarketOrder("BUY", 10, **{"tif": "DAY", "orderRef": ref, **terms})


def faults(*rows, seed=0):
    return Scenario(seed=seed, faults=tuple(Fault(**row) for row in rows))


def sent(gateway, *names):
    return [message.name for message in gateway.wire_log if message.way == "out" and message.name in names]


async def test_a_dropped_message_never_arrives(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "commissionReport", "do": "drop"}))
    ib = await connect(gateway)

    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Filled")
    await ib.reqCurrentTimeAsync()

    assert trade.fills[0].commissionReport.execId == ""


async def test_a_delayed_message_comes_later(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "execDetails", "do": "delay", "seconds": 0.05}))
    ib = await connect(gateway)

    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Filled")
    assert trade.fills == []

    await until(lambda: trade.fills)


async def test_a_doubled_message_comes_twice(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "execDetails", "do": "double"}))
    ib = await connect(gateway)

    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Filled")

    assert sent(gateway, "execDetails") == ["execDetails", "execDetails"]
    assert trade.filled() == 10.0


async def test_a_doubled_order_of_a_client_is_one_order(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "placeOrder", "do": "double"}), fills="manual")
    ib = await connect(gateway)

    ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: gateway.accepted)
    await ib.reqCurrentTimeAsync()

    assert len(gateway.accepted) == 1


async def test_a_message_can_be_held_back_until_another_has_gone(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "execDetails", "do": "reorder", "until": "commissionReport"}))
    ib = await connect(gateway)

    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.fills)

    assert sent(gateway, "execDetails", "commissionReport") == ["commissionReport", "execDetails"]


async def test_a_clients_message_can_act_after_its_next_one(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "placeOrder", "do": "reorder", "nth": 1}), fills="manual")
    ib = await connect(gateway)

    ib.placeOrder(a_stock(lib), an_order(lib, "first", orderId=51))
    ib.placeOrder(a_stock(lib), an_order(lib, "second", orderId=50))
    await until(lambda: len(gateway.accepted) == 2)

    assert [order.order_ref for order in gateway.accepted] == ["second", "first"]


async def test_an_order_is_rejected_as_the_scenario_says(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "placeOrder", "do": "reject", "code": 201, "text": "no", "nth": 1}))
    ib = await connect(gateway)
    codes = codes_of(ib)

    ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: codes == [201])
    ib.placeOrder(a_stock(lib), an_order(lib, "t-2"))
    await until(lambda: gateway.accepted)

    assert statuses(gateway) == {"t-2": "Filled"}


@pytest.mark.parametrize(("do", "arrived"), [("kill_before", []), ("kill_after", ["t-1"])])
async def test_a_socket_dies_before_or_after_the_order_is_taken(lib, open_gateway, connect, do, arrived):
    """Only the order's reference tells which: https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242"""
    gateway = await open_gateway(faults({"on": "placeOrder", "do": do, "nth": 1}))
    ib = await connect(gateway)

    ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: not ib.isConnected())
    again = await connect(gateway)

    completed = await again.reqCompletedOrdersAsync(False)
    assert [t.order.orderRef for t in completed] == arrived
    assert [f.execution.orderRef for f in again.fills()] == arrived


async def test_a_socket_dies_right_after_the_acknowledgement(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "openOrder", "do": "kill_after", "nth": 1}), fills="manual")
    ib = await connect(gateway)

    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: not ib.isConnected())

    assert trade.orderStatus.status == "PendingSubmit"  # for ever: the client drops it
    assert statuses(gateway) == {"t-1": "Submitted"}


async def test_a_partial_fill_while_the_client_is_away_is_found_by_its_return(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Submitted")

    gateway.drop_connections()
    await until(lambda: not ib.isConnected())
    gateway.fill("t-1", Decimal(4), Decimal(200))
    again = await connect(gateway)

    [found] = again.openTrades()
    assert (found.order.orderRef, found.orderStatus.filled, found.orderStatus.remaining) == ("t-1", 4.0, 6.0)
    assert [f.execution.shares for f in again.fills()] == [4.0]


async def test_open_orders_that_never_end_leave_a_client_connected_without_them(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"on": "openOrderEnd", "do": "hang"}))

    ib = await connect(gateway, seconds=0.2)

    assert ib.isConnected()
    assert sent(gateway, "openOrderEnd") == []


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


async def test_a_scenario_can_liquidate_trade_by_hand_and_speak(lib, open_gateway, connect):
    gateway = await open_gateway(
        faults(
            {"on": "cancelOrder", "do": "manual_order", "symbol": "AAPL", "quantity": 7},
            {"on": "reqGlobalCancel", "do": "liquidate", "symbol": "AAPL"},
            {"on": "reqIds", "do": "say", "code": 10197, "text": "No market data during competing live session"},
        )
    )
    ib = await connect(gateway)
    codes = codes_of(ib)

    ib.client.cancelOrder(5)
    await until(lambda: gateway.positions() == {"AAPL": Decimal(7)})
    ib.reqGlobalCancel()
    await until(lambda: gateway.positions() == {})
    ib.client.reqIds(1)
    await until(lambda: 10197 in codes)


async def test_a_fault_may_wait_for_its_time(lib, open_gateway, connect):
    gateway = await open_gateway(faults({"at": 0.15, "do": "close_session"}))
    ib = await connect(gateway)

    await until(lambda: not ib.isConnected())


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


async def test_a_message_about_an_order_need_not_change_it(lib, open_gateway, connect):
    """A client library calls such an order canceled: https://github.com/ib-api-reloaded/ib_async/issues/191"""
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Submitted")

    gateway.say_of("t-1", 10349, "Order TIF was set to DAY based on order preset.")
    await until(lambda: trade.orderStatus.status == "Cancelled")

    assert statuses(gateway) == {"t-1": "Submitted"}


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


async def test_the_same_seed_brings_the_same_faults(lib, open_gateway, connect):
    async def dropped(seed):
        scenario = faults({"on": "placeOrder", "do": "drop", "probability": 0.5}, seed=seed)
        gateway = await open_gateway(scenario, fills="manual")
        ib = await connect(gateway)
        for number in range(12):
            ib.placeOrder(a_stock(lib), an_order(lib, str(number)))
        await ib.reqCurrentTimeAsync()
        return [order.order_ref for order in gateway.accepted]

    first, second, other = await dropped(1), await dropped(1), await dropped(2)

    assert first == second
    assert first != other
    assert 0 < len(first) < 12


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_scenario_is_read_from_a_file(tmp_path, suffix):
    path = tmp_path / f"night{suffix}"
    as_json = json.dumps({"seed": 7, "faults": [{"on": "openOrderEnd", "do": "hang"}]})
    path.write_text(as_json if suffix == ".json" else 'seed = 7\n[[faults]]\non = "openOrderEnd"\ndo = "hang"\n')

    scenario = Scenario.load(path)

    assert scenario == Scenario(seed=7, faults=(Fault(on="openOrderEnd", do=Action.HANG),))
    assert scenario.faults[0].way is Direction.OUT


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": "noSuchMessage", "do": "drop"},
        {"do": "drop"},
        {"on": "placeOrder", "at": 3.0, "do": "drop"},
        {"on": "*", "do": "drop"},
        {"on": "placeOrder", "do": "explode"},
        {"on": "placeOrder", "do": "drop", "whom": "me"},
    ],
)
def test_a_wrong_scenario_is_refused(wrong):
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)
