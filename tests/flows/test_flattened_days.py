"""`stop --flatten`: nothing is sent after it, what works is canceled, positions go to zero, and the books agree."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from adapters.heartbeats import heartbeats
from adapters.ib.broker import IbBroker
from adapters.paper.broker import PaperBroker
from blocks.desk import open_desk, wall_clock
from cli.watchdog import Watch
from tasks.stop import Stopped, stop_account
from tests.flows.desk_process import SENT_TWICE, WIRE, Moment, StopAt, start_flow
from tests.flows.desks import TUESDAY, WEDNESDAY, Copy, DeskFolder, a_copy
from tests.flows.ib_days import ACCOUNT, EVENING, IbDay
from tests.flows.kills import killed_everywhere
from trading.errors import BrokerUnavailable, OutcomeUnknown
from trading.orders.executions import ExecutionReport
from trading.orders.flatten import FlattenRules
from trading.orders.orders import NewOrderSingle, OrderPurpose, OrdStatus

TRADE = "flows.trade_session:trade_session"
STOP = "flows.stop_trading:stop_trading"
MARKET = FlattenRules()


async def stopped(desk: DeskFolder, clock: Callable[..., object] = wall_clock) -> Stopped:
    opened = await open_desk(desk.account_block, desk.storage)
    return await stop_account(opened, reason="enough", flatten=MARKET, clock=clock)  # type: ignore[arg-type]  # a test's


def openbell(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command where there is no Prefect server, and none can be started."""
    command = [sys.executable, "-c", "from cli.openbell import main; main()", *arguments]
    nowhere = {"OPENBELL_HOME": str(home), "COLUMNS": "200", "PREFECT_API_URL": "http://127.0.0.1:1/api"}
    return subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, timeout=100)


async def test_a_stop_in_the_middle_of_a_batch_at_ib_leaves_no_order_no_position_and_no_break(
    day: IbDay, monkeypatch: pytest.MonkeyPatch
):
    stops: list[asyncio.Task[Stopped]] = []
    desk = day.desk

    class StoppedAfterSeven(IbBroker):
        async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
            answer = await super().submit(order)
            if len(day.gateway.accepted) == 7 and not stops:
                stops.append(asyncio.create_task(stopped(desk, lambda: day.now)))
                async with asyncio.timeout(20):
                    while not desk.ledger.halts.status():  # noqa: ASYNC110 - it is in the ledger that it is seen
                        await asyncio.sleep(0.01)
            return answer

    with monkeypatch.context() as patched:
        patched.setattr("blocks.broker_account.IbBroker", StoppedAfterSeven)
        traded = await desk.trade(None)
    came_to = await stops[0]

    assert traded.is_failed()
    assert "is halted: enough" in traded.message
    bought, sold = day.gateway.accepted[:7], day.gateway.accepted[7:]
    assert {(o.symbol, o.qty) for o in bought} == {(o.symbol, o.qty) for o in sold}
    assert (came_to.is_safe, came_to.ended) == (True, ())
    assert day.gateway.positions() == {}
    assert not list(desk.ledger.journal.orders(ACCOUNT, open_only=True))
    day.it_is(EVENING)
    await desk.ingest(WEDNESDAY, history_sessions=10)
    assert (await desk.reconcile(None)).message.startswith("2022-12-28: 0 breaks")


async def test_a_second_flatten_sells_nothing_and_a_resumed_session_buys_nothing_back(day: IbDay):
    await day.desk.trade(None)

    first = await stopped(day.desk, lambda: day.now)
    again = await stopped(day.desk, lambda: day.now)
    day.desk.ledger.halts.resume(ACCOUNT, "looked at", "tester", day.now)
    resumed = await day.desk.trade(None)

    assert (first.flattened.sent, again.flattened.sent) == (20, 0)
    assert day.gateway.positions() == {}
    assert resumed.is_completed()
    assert len(day.gateway.accepted) == 40


async def test_the_largest_position_is_closed_first_and_what_no_book_holds_too(day: IbDay):
    await day.desk.trade(None)
    bought = {o.symbol: o.qty for o in day.gateway.accepted}["KO"]
    day.gateway.place_manual("KO", Decimal(5_000))
    day.gateway.fill_all()

    came_to = await stopped(day.desk, lambda: day.now)

    closing = [(o.symbol, o.qty) for o in day.gateway.accepted[21:]]
    assert closing[0] == ("KO", Decimal(5_000))
    assert ("KO", bought) in closing
    assert day.gateway.positions() == {}
    assert "KO: 5000 belong to no strategy book; they are closed too" in came_to.lines()[-1]
    assert day.desk.ledger.facts.held(ACCOUNT, day.now) == {}


async def test_less_than_a_share_is_told_and_keeps_nothing_else_from_being_closed(day: IbDay):
    day.gateway.place_manual("KO", Decimal("300.5"))
    day.gateway.place_manual("PG", Decimal("0.25"))
    day.gateway.fill_all()

    came_to = await stopped(day.desk, lambda: day.now)

    assert came_to.errors == ()
    assert came_to.flattened.left == {"KO": Decimal("0.5"), "PG": Decimal("0.25")}
    assert "DU1234567: KO: 0.5 is less than one lot, which no order can close" in came_to.lines()
    assert not came_to.is_safe


async def test_a_position_whose_closing_order_nobody_answers_for_is_not_safe_because_others_wait_for_the_open(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    await desk.trade(TUESDAY)
    evening = datetime(2022, 12, 27, 22, 0, tzinfo=UTC)

    class DeafToKo(PaperBroker):
        async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
            if order.symbol == "KO":
                raise OutcomeUnknown("the broker", order.cl_ord_id, "no answer")
            return await super().submit(order)

    monkeypatch.setattr("blocks.broker_account.PaperBroker", DeafToKo)
    monkeypatch.setattr("tasks.flatten.CLOSED_SECONDS", 0.0)
    monkeypatch.setattr("tasks.flatten.ROUNDS", 2)
    came_to = await stopped(desk, lambda: evening)

    assert (came_to.flattened.working, came_to.flattened.unclosed) == (20, ("KO",))
    assert not came_to.is_safe


async def test_closing_orders_that_a_stop_could_not_send_are_not_sent_when_the_session_is_resumed(
    day: IbDay, monkeypatch: pytest.MonkeyPatch
):
    await day.desk.trade(None)

    class AwayAfterSeven(IbBroker):
        async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
            if len(day.gateway.accepted) == 27:
                raise BrokerUnavailable("the gateway", "it is away")
            return await super().submit(order)

    with monkeypatch.context() as patched:
        patched.setattr("blocks.broker_account.IbBroker", AwayAfterSeven)
        came_to = await stopped(day.desk, lambda: day.now)
    day.desk.ledger.halts.resume(ACCOUNT, "looked at", "tester", day.now)
    resumed = await day.desk.trade(None)

    assert not came_to.is_safe
    assert resumed.is_completed()
    assert not day.desk.ledger.journal.orders(ACCOUNT, open_only=True)
    assert len(day.gateway.accepted) == 27  # a person may have closed the others by now


async def test_the_paper_account_is_flattened_in_its_own_time(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    await desk.trade(TUESDAY)
    await desk.reconcile(TUESDAY)

    came_to = await stopped(desk)

    assert came_to.is_safe, came_to.lines()
    assert came_to.flattened.left == {}
    orders = desk.orders(WEDNESDAY)
    assert len(orders) == 20
    assert {(o.new_order.purpose, o.new_order.book) for o in orders.values()} == {(OrderPurpose.FLATTEN, "main")}
    assert {o.ord_status for o in orders.values()} == {OrdStatus.FILLED}
    reconciled = await desk.reconcile(WEDNESDAY)
    assert "0 breaks" in reconciled.message


def test_a_trader_that_is_stopped_in_the_middle_of_a_batch_is_ended_and_its_account_flattened_without_prefect(
    fresh_desk: DeskFolder, tmp_path: Path
):
    desk = asyncio.run(a_copy(fresh_desk, tmp_path / "desk"))
    parameters = {"session": WEDNESDAY, "account": desk.account_block, "storage": desk.storage}
    frozen = start_flow(
        PREFECT_API_URL.value(),
        TRADE,
        parameters,
        desk.home,
        StopAt(step=WIRE, moment=Moment.BEFORE, signal=signal.SIGSTOP),
    )
    frozen.wait_until_stopped()
    later = datetime.now(UTC) + timedelta(minutes=2)

    need = Watch(home=desk.home, lost_after=timedelta(minutes=1)).need(later)
    done = openbell(desk.home, "stop", "--flatten")

    assert need is not None
    assert need.account == desk.account
    assert "has orders at work and was not heard" in need.reason
    assert done.returncode == 0, done.stdout + done.stderr
    assert heartbeats(desk.home) == ()
    assert "did not end and was killed" in done.stdout
    assert frozen.wait().exit_code in (-signal.SIGKILL, None)
    assert desk.at_broker() == []  # what was never sent is given up
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.EXPIRED}


@pytest.mark.slow
def test_a_flatten_killed_at_any_step_and_done_again_sells_everything_once(invested_desk: DeskFolder, tmp_path: Path):
    parameters = {"reason": "enough", "account": invested_desk.account_block, "flatten": True}

    problems = killed_everywhere(invested_desk, tmp_path, STOP, parameters, what_was_flattened)

    assert not problems, "\n".join(problems)


def what_was_flattened(desk: DeskFolder) -> dict[str, Any]:
    """Return what was bought and sold, as the broker's own tables have it."""
    assert not (desk.home / SENT_TWICE).exists(), "an order was sent to a broker that had it"
    traded: dict[str, dict[str, Decimal]] = {"buy": defaultdict(Decimal), "sell": defaultdict(Decimal)}
    for row in desk.rows("paper_report"):
        if row.exec_type == "trade":
            traded[row.side][row.symbol] += Decimal(row.last_qty)
    assert traded["buy"] == traded["sell"], "not everything was sold once"
    assert desk.ledger.facts.books(desk.account, wall_clock()).held() == {}
    assert not desk.ledger.journal.orders(desk.account, open_only=True)
    assert desk.ledger.halts.recorded(desk.account) is not None
    return {"sold": traded["sell"]}
