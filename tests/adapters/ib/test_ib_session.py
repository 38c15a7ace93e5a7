"""The session: what becomes of orders when its socket dies, and how it comes by another."""

import asyncio
from pathlib import Path

import pytest

from adapters.ib.connection import ConnectionLost
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.records import Records
from adapters.ib.session import IbSession
from adapters.ib.session_states import backoff_seconds
from ib_gateway.scenarios import Action, Fault
from tests.adapters.ib.ib_desk import (
    LONG_AGO,
    QUICK,
    UP,
    Desk,
    a_cancel,
    a_fault,
    a_market_order,
    an_order,
    refused,
    until,
)
from trading.errors import BrokerUnavailable, OutcomeUnknown
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus

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
    session = IbSession(settings, Role.TRADER, Records(desk.engine), now=desk.clock, sleep=record, chance=lambda: 1.0)
    with pytest.raises(BrokerUnavailable):
        await session.ready()
    await asyncio.wait_for(enough.wait(), 5)
    await session.close()

    assert waits == [1, 2, 4, 6, 6]
    await desk.gateway.start()


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
        session = IbSession(desk.settings(), Role.TRADER, Records(desk.engine), now=desk.clock)
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
