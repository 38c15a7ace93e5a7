"""What survives the process: orders, executions, accounts, numbers."""

from decimal import Decimal

import pytest
from gateway_client import a_stock, statuses, until

from ib_gateway.journal import BrokenState


@pytest.fixture
def state(tmp_path):
    return tmp_path / "gateway.jsonl"


async def a_day(lib, gateway, connect):
    """Buy 10, correct it to 9, and leave an order that rests with 3 of 10 filled."""
    ib = await connect(gateway)
    trade = ib.placeOrder(a_stock(lib), lib.MarketOrder("BUY", 10, tif="DAY", orderRef="filled"))
    await until(lambda: trade.fills)
    gateway.correct(trade.fills[0].execution.execId, shares=Decimal(9))
    ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 10, 190.0, tif="GTC", orderRef="rests"))
    await until(lambda: len(gateway.accepted) == 2)
    gateway.fill("rests", Decimal(3))


async def test_a_new_process_knows_orders_executions_and_accounts(lib, open_gateway, connect, state):
    before = await open_gateway(state_file=state)
    await a_day(lib, before, connect)

    after = await open_gateway(state_file=state)  # the first one was never stopped: it might as well have been killed

    assert statuses(after) == {"filled": "Filled", "rests": "Submitted"}
    assert (after.cash(), after.positions()) == (before.cash(), before.positions())
    assert after.positions() == {"AAPL": Decimal(12)}
    assert after.exchange.executions() == before.exchange.executions()


async def test_a_new_process_goes_on_with_new_numbers(lib, open_gateway, connect, state):
    before = await open_gateway(state_file=state)
    await a_day(lib, before, connect)
    after = await open_gateway(state_file=state)
    ib = await connect(after)

    after.fill("rests", Decimal(2))
    trade = ib.placeOrder(a_stock(lib), lib.MarketOrder("BUY", 1, tif="DAY", orderRef="new"))
    await until(lambda: trade.fills)

    ids = [e.exec_id for e in after.exchange.executions()]
    assert len(set(ids)) == len(ids) == 5
    assert len({order.perm_id for order in after.accepted}) == 3
    assert len({order.order_id for order in after.accepted}) == 3


async def test_a_new_process_may_have_forgotten_which_order_ids_were_used(lib, open_gateway, connect, state):
    before = await open_gateway(state_file=state)
    await a_day(lib, before, connect)

    after = await open_gateway(state_file=state, forget_order_ids=True)

    assert before.exchange.next_order_id(1) > 1
    assert after.exchange.next_order_id(1) == 1
    assert after.exchange.known(1, before.order("filled").order_id) is None
    assert after.exchange.known(1, before.order("rests").order_id) is after.order("rests")


async def test_a_last_line_cut_off_by_a_kill_is_dropped(lib, open_gateway, connect, state):
    await a_day(lib, await open_gateway(state_file=state), connect)
    state.write_bytes(state.read_bytes() + b'{"perm_id": 14370')

    after = await open_gateway(state_file=state)

    assert statuses(after) == {"filled": "Filled", "rests": "Submitted"}
    assert state.read_bytes().endswith(b"\n")


async def test_a_broken_line_is_refused_with_its_number(open_gateway, state):
    state.write_bytes(b"not json\n")

    with pytest.raises(BrokenState, match="line 1"):
        await open_gateway(state_file=state)
