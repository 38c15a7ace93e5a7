"""Whatever a client asks and whatever goes wrong, the gateway's own books agree."""

import random
from decimal import Decimal

import pytest
from gateway_client import until

from ib_gateway.presets import PRESETS, UnknownPreset, preset
from ib_gateway.scenarios import Action, Fault, Scenario

SEEDS = range(6)


def newest(executions):
    return {e.family: e for e in executions if e.moves_position}.values()


async def connected(gateway, connect):
    """Connect, and again if a fault falls into the middle of it."""
    for _ in range(20):
        try:
            return await connect(gateway)
        except (ConnectionError, TimeoutError):
            await until(lambda: gateway.sockets == set())
    raise AssertionError("no connection in 20 attempts")


async def has_caught_up(ib, gateway):
    """Wait until the gateway has acted on all that was sent to it."""

    def answers():
        return sum(message.name == "currentTime" for message in gateway.wire_log)

    before = answers()
    if ib.client.isReady():
        ib.client.reqCurrentTime()
    await until(lambda: not ib.client.isReady() or answers() > before)


async def traffic(lib, gateway, connect, chance):
    """Place, change, cancel, fill, correct, reconnect, in an order that the seed chooses."""
    ib, trades = await connected(gateway, connect), []
    for number in range(60):
        if not ib.client.isReady():
            await until(lambda: gateway.sockets == set())
            ib, trades = await connected(gateway, connect), []
        working = [order for order in gateway.accepted if not order.is_done]
        done = gateway.exchange.executions()
        match chance.choice(["place", "place", "place", "change", "cancel", "fill", "move", "correct"]):
            case "place":
                side, px = chance.choice(["BUY", "SELL"]), 200.0 + chance.randint(-5, 5)
                order = lib.LimitOrder(side, chance.randint(1, 20), px, tif="DAY", orderRef=str(number))
                trades.append(ib.placeOrder(lib.Stock("AAPL", "SMART", "USD"), order))
            case "change" if trades:
                trade = chance.choice(trades)
                trade.order.totalQuantity = chance.randint(1, 30)
                ib.client.placeOrder(trade.order.orderId, trade.contract, trade.order)
            case "cancel" if trades:
                ib.client.cancelOrder(chance.choice(trades).order.orderId)
            case "fill" if working:
                gateway.fill(chance.choice(working).perm_id, Decimal(chance.randint(1, 40)))
            case "move":
                gateway.set_price("AAPL", Decimal(chance.randint(194, 206)))
            case "correct" if done:
                last = list(newest(done))[-1]
                gateway.correct(last.exec_id, shares=Decimal(chance.randint(0, int(last.shares))))
        if ib.client.isReady() and number % 5 == 0:
            await has_caught_up(ib, gateway)
    await has_caught_up(ib, gateway)
    gateway.drop_connections()
    await until(lambda: gateway.sockets == set())


@pytest.mark.parametrize("seed", SEEDS)
async def test_positions_and_cash_are_what_the_executions_say(lib, open_gateway, connect, tmp_path, seed):
    faults = (
        Fault(on="placeOrder", do=Action.KILL_AFTER, probability=0.05),
        Fault(on="placeOrder", do=Action.DOUBLE, probability=0.1),
        Fault(on="execDetails", do=Action.DROP, probability=0.1),
        Fault(on="orderStatus", do=Action.REORDER, probability=0.1),
        Fault(on="openOrder", do=Action.KILL_BEFORE, probability=0.02),
    )
    state = tmp_path / "state.jsonl"
    gateway = await open_gateway(Scenario(seed=seed, faults=faults), state_file=state, messages_per_second=0)

    await traffic(lib, gateway, connect, random.Random(seed))

    moved = sum((e.signed for e in newest(gateway.exchange.executions())), Decimal(0))
    paid = sum((e.signed * e.price + e.commission for e in newest(gateway.exchange.executions())), Decimal(0))
    assert gateway.positions().get("AAPL", Decimal(0)) == moved
    assert gateway.cash() == {"USD": Decimal(1_000_000) - paid}
    assert len(gateway.accepted) > 5
    for order in gateway.accepted:
        assert order.filled == sum((e.shares for e in order.unique_executions), Decimal(0))
        assert order.filled <= order.qty
    again = await open_gateway(state_file=state)
    assert (again.cash(), again.positions(), again.accepted) == (gateway.cash(), gateway.positions(), gateway.accepted)


async def test_an_order_is_never_filled_beyond_its_size(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    ib.placeOrder(lib.Stock("AAPL", "SMART", "USD"), lib.LimitOrder("BUY", 10, 190.0, tif="DAY", orderRef="t-1"))
    await until(lambda: gateway.accepted)

    gateway.fill("t-1", Decimal(8))
    gateway.fill("t-1", Decimal(8))
    assert gateway.fill("t-1", Decimal(8)) == []

    assert [e.shares for e in gateway.exchange.executions()] == [8, 2]


@pytest.mark.parametrize("name", sorted(PRESETS))
async def test_a_scenario_can_be_had_by_name(open_gateway, name):
    gateway = await open_gateway(preset(name, seed=3))

    assert gateway.port > 0
    assert preset(name, seed=3).faults == PRESETS[name]


def test_a_scenario_with_no_such_name_is_refused_with_the_names_there_are():
    with pytest.raises(UnknownPreset, match="nightly-reset"):
        preset("sunshine")
