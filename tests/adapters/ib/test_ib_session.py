"""The session: how it connects, what it does when it cannot, and what it makes of a link that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.ib.broker import IbBroker
from adapters.ib.connection import ConnectionLost
from adapters.ib.ib_settings import IbSettings, MaintenanceWindow, Role
from adapters.ib.session import IbSession
from adapters.ib.session_states import SessionState, backoff_seconds
from adapters.ib.sessions import Sessions
from ib_gateway.scenarios import Action, Fault, Scenario
from ib_gateway.wire import frame
from tests.adapters.ib.ib_desk import LIBRARY, LONG_AGO, QUICK, Desk, a_cancel, a_market_order, an_order, until
from trading.errors import BrokerUnavailable, InvalidValue, OutcomeUnknown
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus

UP = ["CONNECTING", "AUTHENTICATING", "SYNCHRONIZING", "READY"]


def a_fault(on: str, do: Action, **values: Any) -> Scenario:
    return Scenario(faults=(Fault(on=on, do=do, **values),))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path) as desk:
        yield desk


async def refused(broker: IbBroker) -> str:
    """Return why it could not be connected."""
    with pytest.raises(BrokerUnavailable) as caught:
        await broker.connect()
    return str(caught.value)


# -- connecting


async def test_a_session_passes_through_its_states_until_it_is_ready(desk: Desk):
    accounts = await desk.broker().connect()

    assert accounts == ("DU1234567",)
    assert desk.states() == UP


async def test_ready_means_that_everything_was_asked_for_on_this_socket(desk: Desk):
    """Open orders alone say nothing of what was filled or canceled.

    https://interactivebrokers.github.io/tws-api/open_orders.html
    """
    await desk.broker().connect()

    asked = [m.name for m in desk.gateway.wire_log if m.way == "in"]
    assert set(asked) >= {
        "reqAllOpenOrders",
        "reqCompletedOrders",
        "reqExecutions",
        "reqPositions",
        "reqAccountUpdatesMulti",
    }


async def test_a_wrong_port_is_told_with_what_to_check(desk: Desk):
    port = desk.gateway.port
    await desk.gateway.stop()

    why = await refused(desk.broker())

    assert f"nothing answers on 127.0.0.1:{port}" in why
    assert "7497 (paper)" in why
    assert "4002 or 4001" in why
    assert desk.states() == ["CONNECTING", "DISCONNECTED"]
    await desk.gateway.start()


async def test_a_client_id_in_use_is_told_with_who_may_have_it(desk: Desk):
    """Both libraries tell of it by a bare TimeoutError.

    https://github.com/ib-api-reloaded/ib_async/issues/143
    """
    await desk.broker().connect()
    other = Sessions()
    desk.sessions.append(other)

    why = await refused(desk.broker())

    assert "client id 10 is in use" in why
    assert "another Openbell process has it as its trader" in why


async def test_roles_have_client_ids_of_their_own(desk: Desk):
    """One socket has an id, and orders belong to the id that placed them.

    https://interactivebrokers.github.io/tws-api/open_orders.html
    """
    for role in Role:
        await desk.broker(role).connect()

    assert sorted(c.client_id for c in desk.gateway.clients) == [10, 11, 12, 13]


async def test_an_account_that_the_login_does_not_have_is_refused(desk: Desk):
    broker = IbBroker(
        desk.engine, account="DU999", settings=desk.settings(), now=desk.clock, sessions=desk.sessions[-1]
    )

    with pytest.raises(BrokerUnavailable, match="has DU1234567, and not account DU999"):
        await broker.statement()


@pytest.mark.parametrize("role", [Role.READER, Role.STOPPER])
async def test_only_the_trader_sends_orders(desk: Desk, role: Role):
    with pytest.raises(InvalidValue, match="TRADER"):
        await desk.broker(role).submit(an_order())


async def test_a_library_that_is_not_installed_is_named_with_its_extra(desk: Desk):
    other = {"ib_async": "ib_insync", "ib_insync": "ib_async"}[LIBRARY]

    with pytest.raises(InvalidValue, match="extra `ib"):
        await desk.broker(library=other).connect()


# -- gateways that are none, or are silent


@asynccontextmanager
async def a_server(*said: bytes, answers: bool = True) -> AsyncIterator[int]:
    """Listen on a port, and say those bytes to whoever has said something."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answers:
            await reader.read(1)
        for one in said:
            writer.write(one)
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()
        await asyncio.sleep(0.01)


async def test_a_gateway_that_takes_the_connection_and_never_answers_is_given_up(desk: Desk):
    async with a_server() as port:
        why = await refused(desk.broker(port=port, connect_seconds=0.2))

    assert f"127.0.0.1:{port} took the connection and said nothing within 0.2 s" in why


async def test_a_login_that_waits_for_its_second_factor_is_given_up_and_named(tmp_path: Path):
    """Once a week somebody has to answer it.

    https://ibkrguides.com/traderworkstation/auto-restart-considerations.htm
    """
    async with Desk(tmp_path, a_fault("startApi", Action.HANG)) as desk:
        why = await refused(desk.broker(connect_seconds=0.3))

        assert "a second factor may be pending" in why
        assert desk.states() == ["CONNECTING", "AUTHENTICATING", "DISCONNECTED"]


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b"SSH-2.0-OpenSSH_9.6\r\n"])
async def test_what_is_not_the_protocol_is_told_at_once(desk: Desk, said: bytes):
    async with a_server(said) as port:
        why = await refused(desk.broker(port=port, connect_seconds=30))

    assert "sent what is not the TWS protocol" in why


async def test_a_frame_of_two_gigabytes_is_not_waited_for(desk: Desk):
    await desk.broker().connect()

    desk.gateway.befall(Fault(on="*", direction="out", do=Action.HUGE_FRAME), None)

    await until(lambda: desk.states() == [*UP, "DISCONNECTED", *UP])
    assert "not the TWS protocol" in desk.transitions[4].cause


async def test_a_message_of_garbage_is_passed_over(desk: Desk):
    broker = desk.broker()
    await broker.connect()

    desk.gateway.befall(Fault(on="*", direction="out", do=Action.GARBAGE), None)

    assert (await broker.submit(an_order()))[0].exec_type is ExecType.NEW
    assert desk.states() == UP


async def test_a_gateway_older_than_the_protocol_is_refused(tmp_path: Path):
    async with Desk(tmp_path, max_server_version=150) as desk:
        why = await refused(desk.broker())

    assert "before 157; update TWS or Gateway" in why


async def test_a_gateway_that_ignores_what_we_offered_is_refused(desk: Desk):
    """With a version above what the client offered every openOrder is dropped by its decoder.

    https://github.com/ib-api-reloaded/ib_async/issues/138
    """
    hello = frame(("201", "20261116 10:00:00 UTC"))
    start = frame((15, 1, "DU1234567")) + frame((9, 1, 1))
    async with a_server(hello + start) as port:
        why = await refused(desk.broker(port=port))

    assert "speaks version 201" in why


@pytest.mark.parametrize(
    ("end", "what"),
    [
        ("openOrderEnd", "open orders"),
        ("completedOrdersEnd", "completed orders"),
        ("execDetailsEnd", "executions"),
        ("positionEnd", "positions"),
        ("accountUpdateMultiEnd", "the values of account"),
    ],
)
async def test_a_synchronisation_that_hangs_is_never_ready(tmp_path: Path, end: str, what: str):
    """The libraries connect all the same, with a part of the orders.

    https://github.com/ib-api-reloaded/ib_async/issues/82
    """
    async with Desk(tmp_path, a_fault(end, Action.HANG)) as desk:
        why = await refused(desk.broker(ask_seconds=0.2))

        assert f"did not finish its answer about {what}" in why
        assert "READY" not in desk.states()


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


# -- sockets that die


async def test_an_order_whose_socket_died_before_it_arrived_is_unknown_and_then_proven_absent(desk: Desk):
    """Such an order stays PendingSubmit in the libraries for ever; only orderRef tells.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242
    """
    broker = desk.broker()
    await broker.connect()
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.KILL_BEFORE, times=1))

    with pytest.raises(OutcomeUnknown, match="was lost"):
        await broker.submit(an_order())

    assert await broker.find("o-1") == ()
    assert (await broker.submit(an_order()))[0].exec_type is ExecType.NEW
    assert desk.placed() == 1


async def test_an_order_whose_socket_died_after_it_arrived_is_unknown_and_then_found(desk: Desk):
    """The gateway has it, and only orderRef tells.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242
    """
    broker = desk.broker()
    await broker.connect()
    desk.gateway.faults.add(Fault(on="openOrder", do=Action.KILL_BEFORE, times=1))

    with pytest.raises(OutcomeUnknown):
        await broker.submit(an_order())

    assert [r.exec_type for r in await broker.find("o-1")] == [ExecType.NEW]
    assert [r.exec_type for r in await broker.submit(an_order())] == [ExecType.NEW]
    assert desk.placed() == 1


async def test_an_order_that_the_gateway_reads_late_is_not_called_absent_and_doubled(desk: Desk):
    """Questions may overtake it, so only a new socket proves that it never came."""
    broker = desk.broker(answer_seconds=0.2)
    await broker.connect()
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.DELAY, seconds=0.6, times=1))
    with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.2 s"):
        await broker.submit(an_order())
    (late,) = desk.gateway._tasks

    found = await broker.find("o-1")
    again = await broker.submit(an_order())
    await late

    assert (found, [r.exec_type for r in again]) == ((), [ExecType.NEW])
    assert desk.states()[4:] == ["DISCONNECTED", *UP]
    assert "o-1 was not answered, and may still be under way" in desk.transitions[4].cause
    assert desk.placed() == 1


async def test_an_order_that_was_not_answered_is_not_sent_again_before_it_was_looked_for(desk: Desk):
    broker = desk.broker(answer_seconds=0.2)
    await broker.connect()
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.DROP, times=1))
    with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.2 s"):
        await broker.submit(an_order())

    with pytest.raises(OutcomeUnknown, match="find it first"):
        await broker.submit(an_order())

    assert desk.heard("placeOrder") == 1
    assert await broker.find("o-1") == ()
    await broker.submit(an_order())
    assert desk.placed() == 1


async def test_a_cancel_whose_socket_died_is_unknown_and_may_be_asked_again(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.faults.add(Fault(on="cancelOrder", do=Action.KILL_BEFORE, times=1))

    with pytest.raises(OutcomeUnknown):
        await broker.cancel(a_cancel())

    assert (await broker.cancel(a_cancel()))[-1].ord_status is OrdStatus.CANCELED


async def test_a_lost_socket_is_replaced_and_what_was_missed_is_told(desk: Desk):
    """The libraries' trades are gone after a reconnect.

    https://github.com/erdewit/ib_insync/issues/130
    """
    broker = desk.broker()
    await broker.submit(a_market_order())
    desk.gateway.drop_connections()
    desk.gateway.fill("o-1")

    await until(lambda: desk.states() == [*UP, "DISCONNECTED", *UP])

    [trade] = [r for r in await broker.reports_since(LONG_AGO) if r.exec_type is ExecType.TRADE]
    assert desk.transitions[-1].missed == (trade.exec_id,)
    assert "1 report(s) came only now" in desk.transitions[-1].cause
    assert trade.commission == 1


async def test_a_gateway_that_restarts_is_found_again(desk: Desk):
    broker = desk.broker()
    await broker.submit(an_order())

    await desk.gateway.restart()

    assert [r.exec_type for r in await broker.find("o-1")] == [ExecType.NEW]


# -- patience


def test_waits_double_up_to_the_longest_and_half_of_each_is_chance():
    """With a first wait of 1 s: at most 1, 2, 4, 8, then 10; at least half of it."""
    longest = [backoff_seconds(n, first=1, most=10, jitter=1) for n in range(1, 7)]
    shortest = [backoff_seconds(n, first=1, most=10, jitter=0) for n in range(1, 7)]

    assert longest == [1, 2, 4, 8, 10, 10]
    assert shortest == [0.5, 1, 2, 4, 5, 5]
    assert backoff_seconds(10_000, first=1, most=10, jitter=1) == 10


async def test_attempts_follow_one_another_at_growing_distance(desk: Desk):
    waits: list[float] = []
    enough = asyncio.Event()

    async def record(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            enough.set()
            await asyncio.Event().wait()

    await desk.gateway.stop()
    settings = IbSettings(**{**QUICK, "port": desk.gateway.port, "backoff_first_seconds": 1, "backoff_most_seconds": 6})
    session = IbSession(settings, Role.TRADER, _records(desk), now=desk.clock, sleep=record, chance=lambda: 1.0)
    with pytest.raises(BrokerUnavailable):
        await session.ready()
    await asyncio.wait_for(enough.wait(), 5)
    await session.close()

    assert waits == [1, 2, 4, 6, 6]
    await desk.gateway.start()


def _records(desk: Desk) -> Any:
    from adapters.ib.records import Records

    return Records(desk.engine)


async def test_who_needs_the_session_does_not_wait_for_the_next_attempt(desk: Desk):
    await desk.gateway.stop()
    broker = desk.broker(backoff_first_seconds=3000, backoff_most_seconds=3000)
    await refused(broker)
    await desk.gateway.start()
    desk.gateway.port = desk.gateway.port

    assert await broker.connect() == ("DU1234567",)


async def test_closing_twice_is_closing_once_and_the_next_call_opens_again(desk: Desk):
    broker = desk.broker()
    await broker.connect()

    await broker.close()
    await broker.close()

    assert desk.states()[-1] == "DISCONNECTED"
    assert await broker.connect() == ("DU1234567",)


async def test_a_session_closed_in_the_moment_in_which_its_socket_dies_is_closed(tmp_path: Path):
    """The end of a question and the end of the task that asked come in the same turn of the loop."""
    async with Desk(tmp_path, a_fault("positionEnd", Action.HANG)) as desk:
        session = IbSession(desk.settings(), Role.TRADER, _records(desk), now=desk.clock)
        connecting = asyncio.ensure_future(session.ready())
        await until(lambda: desk.heard("reqPositions"))

        session.connection.receiver.fail_all(ConnectionLost("reset by peer"))
        await asyncio.wait_for(session.close(), 3)

        with pytest.raises(BrokerUnavailable):
            await connecting


async def test_a_session_that_ends_between_two_tasks_is_not_the_tasks_concern(desk: Desk):
    """Each task makes a broker of its own, on an event loop of its own; the connection stays.

    https://github.com/erdewit/ib_insync/issues/33
    """
    await desk.broker().submit(an_order())

    def elsewhere() -> int:
        async def ask() -> int:
            return len(await desk.broker().find("o-1"))

        return asyncio.run(ask())

    assert await asyncio.to_thread(elsewhere) == 1
    assert len(desk.gateway.clients) == 1


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
