"""The link between the gateway and IB, which comes and goes while the socket stays, and once a night for sure."""

import asyncio
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.ib.ib_settings import MaintenanceWindow
from adapters.ib.session_states import SessionState
from ib_gateway.scenarios import Action, Fault
from tests.adapters.ib.ib_desk import UP, Desk, a_cancel, a_fault, an_order, until
from trading.errors import BrokerUnavailable
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus

# -- the link between the gateway and IB


async def test_1100_stops_new_orders_and_keeps_listening(desk: Desk):
    """Fills that come while the link is lost are fills.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/249
    """
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.say(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
    await until(lambda: desk.states()[-1] == "DEGRADED")

    with pytest.raises(BrokerUnavailable, match="lost its link to IB"):
        await broker.submit(an_order("o-2"))
    desk.gateway.fill("o-1")
    desk.gateway.say(1102, "restored")
    await until(lambda: desk.states()[-1] == "READY")

    assert desk.states() == [*UP, "DEGRADED", "SYNCHRONIZING", "READY"]
    assert (await broker.find("o-1"))[-1].ord_status is OrdStatus.FILLED
    assert desk.placed() == 1


async def test_nothing_is_called_absent_while_the_link_is_lost(desk: Desk):
    """What cannot be asked for is not proven absent.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/249
    """
    broker = desk.broker()
    await broker.connect()
    desk.gateway.lose_link()
    await until(lambda: desk.states()[-1] == "DEGRADED")

    with pytest.raises(BrokerUnavailable):
        await broker.find("o-1")


async def test_who_connects_while_the_link_is_lost_is_not_ready_before_it_is_back(desk: Desk):
    """The gateway still has the order of the process before; who called it absent would send it twice.

    The gateway says 2110 to who connects then: https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    broker = desk.broker(answer_seconds=0.1)
    await broker.connect()
    desk.gateway.lose_link()
    await until(lambda: desk.states()[-1] == "DEGRADED")
    await desk.as_after_a_restart()

    with pytest.raises(BrokerUnavailable, match="2110"):
        await desk.broker().find("o-1")

    assert desk.states()[-1] == "DEGRADED"
    desk.gateway.restore_link()
    await until(lambda: desk.states()[-1] == "READY")
    assert await desk.broker().find("o-1") == ()


async def test_a_link_that_goes_and_comes_during_the_synchronisation_has_all_asked_again(tmp_path: Path):
    """What was asked while the link was gone is no answer, though the link is back when it ends."""
    async with Desk(tmp_path, a_fault("reqAllOpenOrders", Action.DELAY, seconds=0.1, nth=1)) as desk:
        connecting = asyncio.ensure_future(desk.broker().connect())
        await until(lambda: desk.heard("reqAllOpenOrders") == 1)
        desk.gateway.lose_link()
        desk.gateway.restore_link()

        await connecting

        told = [m.name for m in desk.gateway.wire_log if m.way == "out"]
        assert (told.count("positionEnd"), told.count("accountUpdateMultiEnd")) == (2, 2)


async def test_a_trade_in_the_moment_of_the_first_sight_is_not_part_of_the_opening_balance(tmp_path: Path):
    """1,000,000 at first; 5 are bought at 200.01, with a dollar of commission, after the executions were told."""
    slow = a_fault("reqAccountUpdatesMulti", Action.DELAY, seconds=0.1, nth=1)
    async with Desk(tmp_path, slow, fills="auto") as desk:
        broker = desk.broker()
        connecting = asyncio.ensure_future(broker.connect())
        await until(lambda: desk.heard("reqAccountUpdatesMulti"))
        desk.gateway.place_manual("AAPL", Decimal(5))

        await connecting
        statement = await broker.statement()

        assert statement.cash.amount == 1_000_000 - 5 * Decimal("200.01") - 1
        assert [m.amount.amount for m in statement.cash_movements] == [1_000_000]


async def test_what_happened_behind_a_lost_link_is_told_and_said_to_be_late(desk: Desk):
    """Lean loses these fills, since it drops its callbacks.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/249
    """
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.lose_link()
    await until(lambda: desk.states()[-1] == "DEGRADED")
    desk.gateway.fill("o-1")

    desk.gateway.restore_link(1102)
    await until(lambda: desk.states()[-1] == "READY")

    assert (await broker.find("o-1"))[-1].ord_status is OrdStatus.FILLED


@pytest.mark.parametrize("code", [1101, 1102, 2104, 2106])
async def test_what_may_have_been_missed_is_asked_for_again(desk: Desk, code: int):
    """After 1101 subscriptions are lost, and bars die silently when a farm flaps.

    https://github.com/nautechsystems/nautilus_trader/pull/3968
    """
    await desk.broker().connect()
    before = desk.heard("reqAllOpenOrders")

    desk.gateway.farm(code, "ushmds" if code == 2106 else "usfarm")
    await until(lambda: desk.states() == [*UP, "SYNCHRONIZING", "READY"])

    assert desk.heard("reqAllOpenOrders") == before + 1


@pytest.mark.parametrize("code", [2103, 2105, 2107, 2108, 2119, 2157, 2158])
async def test_a_farm_that_goes_does_not_stop_orders(desk: Desk, code: int):
    """Farms are of data; orders take another way.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    broker = desk.broker()
    await broker.connect()

    desk.gateway.farm(code)

    assert (await broker.submit(an_order()))[0].exec_type is ExecType.NEW
    assert desk.states() == UP


async def test_a_resynchronisation_that_hangs_ends_in_a_new_connection(desk: Desk):
    broker = desk.broker(ask_seconds=1)
    await broker.connect()
    desk.gateway.faults.add(Fault(on="openOrderEnd", do=Action.HANG, times=1))

    desk.gateway.say(1102, "restored")

    await until(lambda: desk.states() == [*UP, "SYNCHRONIZING", "DISCONNECTED", *UP])


# -- IB's nightly reset


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (datetime(2026, 11, 17, 4, 44, tzinfo=UTC), False),  # 23:44 in New York
        (datetime(2026, 11, 17, 4, 45, tzinfo=UTC), True),
        (datetime(2026, 11, 17, 5, 44, tzinfo=UTC), True),
        (datetime(2026, 11, 17, 5, 45, tzinfo=UTC), False),
    ],
)
def test_a_maintenance_window_may_reach_over_midnight(at: datetime, holds: bool):
    window = MaintenanceWindow(starts=time(23, 45), ends=time(0, 45))

    assert window.holds(at) is holds


async def test_nothing_new_is_sent_in_a_maintenance_window_and_cancels_still_are(desk: Desk):
    """IB resets itself each night.

    https://github.com/IbcAlpha/IBC/issues/251
    """
    window = MaintenanceWindow(starts=time(12), ends=time(13))
    broker = desk.broker(maintenance=(window,))
    await broker.submit(an_order())
    desk.clock.at = datetime(2026, 11, 16, 17, 30, tzinfo=UTC)  # 12:30 in New York

    with pytest.raises(BrokerUnavailable, match="maintenance window until 13:00"):
        await broker.submit(an_order("o-2"))

    assert (await broker.cancel(a_cancel()))[-1].ord_status is OrdStatus.CANCELED
    assert desk.placed() == 1


async def test_a_connection_lost_in_a_maintenance_window_is_no_fault(desk: Desk):
    """IB resets itself each night.

    https://github.com/IbcAlpha/IBC/issues/251
    """
    await desk.broker(maintenance=(MaintenanceWindow(starts=time(9), ends=time(11)),)).connect()

    desk.gateway.drop_connections()

    await until(lambda: desk.states()[4:5] == [SessionState.MAINTENANCE.name])
