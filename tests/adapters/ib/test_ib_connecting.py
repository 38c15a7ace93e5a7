"""How a session connects, and what it says when it cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.ib.broker import IbBroker
from adapters.ib.ib_settings import Role
from adapters.ib.sessions import Sessions
from ib_gateway.scenarios import Action, Fault
from ib_gateway.wire import frame
from tests.adapters.ib.ib_desk import LIBRARY, UP, Desk, a_fault, an_order, refused, until
from trading.errors import BrokerUnavailable, InvalidValue
from trading.orders.executions import ExecType

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
    done, serving = asyncio.Event(), set[asyncio.Task[Any] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        if answers:
            await reader.read(1)
        for one in said:
            writer.write(one)
        await done.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()
        async with asyncio.timeout(20):
            await asyncio.gather(*filter(None, serving), return_exceptions=True)  # the other side may be gone


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
