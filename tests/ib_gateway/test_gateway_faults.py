"""What a scenario makes go wrong, as an unmodified client meets it."""

import json
from decimal import Decimal

import pytest
from gateway_client import a_stock, an_order, codes_of, faults, statuses, until
from pydantic import ValidationError

from ib_gateway.scenarios import Action, Direction, Fault, Scenario


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


async def test_a_message_about_an_order_need_not_change_it(lib, open_gateway, connect):
    """A client library calls such an order canceled: https://github.com/ib-api-reloaded/ib_async/issues/191"""
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    trade = ib.placeOrder(a_stock(lib), an_order(lib))
    await until(lambda: trade.orderStatus.status == "Submitted")

    gateway.say_of("t-1", 10349, "Order TIF was set to DAY based on order preset.")
    await until(lambda: trade.orderStatus.status == "Cancelled")

    assert statuses(gateway) == {"t-1": "Submitted"}


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
