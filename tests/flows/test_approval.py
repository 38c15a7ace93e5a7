"""A session whose orders a person must approve: it pauses, and sends what was approved in time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.flow_runs import aresume_flow_run
from prefect.settings import PREFECT_API_URL

from tests.cli.shell import openbell
from tests.flows.desk_process import start_flow
from tests.flows.desks import WEDNESDAY, Copy, DeskFolder
from trading.breaks import Break, BreakType
from trading.orders.orders import OrdStatus
from trading.risk.approvals import ApprovalVerdict

pytestmark = pytest.mark.usefixtures("quick")
DECISION = "paper:2022-12-28:main"
FIVE = ["CVX", "KO", "MRK", "PEP", "PG"]
TRADE = "flows.trade_session:trade_session"
Person = Callable[[DeskFolder, UUID], Awaitable[Any]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.pausing.LOOK_SECONDS", 0.05)


@pytest.fixture
def asking(fresh_desk: DeskFolder, copy_of: Copy) -> Callable[..., Awaitable[DeskFolder]]:
    """Make a desk of five stocks, whose orders a person must approve."""

    async def make(**rules: Any) -> DeskFolder:
        return await copy_of(fresh_desk, source={"symbols": FIVE}, approval={"when": "always"} | rules)

    return make


async def traded(desk: DeskFolder, person: Person) -> State[Any]:
    """Trade while a person does something as soon as the run is paused."""
    known = {run.id for run in await paused_runs()}
    trading = asyncio.create_task(desk.trade())
    run_id = await paused_run(known)
    await person(desk, run_id)
    return await trading


async def paused_run(known: set[UUID]) -> UUID:
    """Return the next run that waits for its form; the server tells nobody when it has written that down."""
    async with asyncio.timeout(60):
        while True:
            for run in await paused_runs():
                if run.id not in known and run.state and (keys := run.state.state_details.run_input_keyset):
                    async with get_client() as client:
                        if await client.filter_flow_run_input(run.id, keys["schema"], limit=1, exclude_keys=set()):
                            return run.id
            await asyncio.sleep(0.02)


async def paused_runs() -> list[FlowRun]:
    only = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=only)


def by_form(**answer: Any) -> Person:
    async def fill_in(desk: DeskFolder, run_id: UUID) -> None:
        assert desk.ledger.leases.current(desk.account) is None, "a paused run holds the account"
        await aresume_flow_run(run_id, run_input=answer)

    return fill_in


def in_the_ledger(*only: str) -> Person:
    async def answer(desk: DeskFolder, _run_id: UUID) -> None:
        verdict = ApprovalVerdict.SOME if only else ApprovalVerdict.NONE
        now = datetime.now(UTC)
        desk.ledger.approvals.answer(DECISION, actor="Bob", verdict=verdict, only=only, note="seen", now=now)

    return answer


async def test_what_a_person_approves_in_the_form_is_placed(asking):
    desk = await asking()

    state = await traded(desk, by_form(approve="all", your_name="Ada", note="as yesterday"))

    assert state.message.startswith("2022-12-28: 5 orders sent, 5 of 5 filled, 0 working; all by Ada at ")
    assert desk.at_broker() == FIVE
    assert [a.title.split(" until")[0] for a in desk.alerts()] == ["5 orders of paper wait for approval"]


async def test_some_are_placed_and_the_others_are_given_up(asking):
    desk = await asking()

    state = await traded(desk, in_the_ledger("KO", "PEP"))

    assert state.is_completed()
    assert desk.at_broker() == ["KO", "PEP"]
    left = {s: o for s, o in desk.orders().items() if s not in ("KO", "PEP")}
    assert {o.ord_status for o in left.values()} == {OrdStatus.EXPIRED}
    assert all(o.text.startswith("not approved: some by Bob at ") for o in left.values())


async def test_a_no_sends_nothing_and_a_later_run_sends_nothing_either(asking):
    desk = await asking()

    await traded(desk, in_the_ledger())
    again = await desk.trade()

    assert again.message.startswith("2022-12-28: 0 orders sent, 0 of 5 filled, 0 working")
    assert desk.at_broker() == []


async def test_a_time_out_sends_nothing_and_raises_an_alert(asking):
    desk = await asking(timeout_minutes=0.02)

    state = await desk.trade()

    assert state.is_completed()
    assert "none by nobody (time-out)" in state.message
    assert desk.at_broker() == []
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.EXPIRED}
    assert "Nobody approved 5 orders of paper in time, so none was sent" in [a.title for a in desk.alerts()]


async def test_what_a_breaker_forbids_by_the_time_a_person_has_approved_is_not_sent_and_is_told(asking):
    desk = await asking()

    async def approve_late(desk: DeskFolder, run_id: UUID) -> None:
        before = desk.ledger.facts.reconciliations(desk.account)[-1]
        theirs = before.cash - before.equity / 50  # 2 % of equity are not there
        text = "cash differs"
        found = Break(break_type=BreakType.CASH, subject="USD", ours=str(before.cash), theirs=str(theirs), text=text)
        desk.ledger.facts.record_reconciliation(desk.account, replace(before, breaks=(found,)))
        await by_form(approve="all", your_name="Ada")(desk, run_id)

    state = await traded(desk, approve_late)

    assert state.message.startswith("2022-12-28: 0 orders sent, 0 of 5 filled, 0 working; all by Ada at ")
    assert desk.at_broker() == []
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.EXPIRED}
    titles = [a.title for a in desk.alerts()]
    assert "Breaker reconciliation_break of account paper tripped: close_only" in titles
    assert "5 recorded orders of paper were given up before they were sent" in titles
    order = desk.orders()["KO"].cl_ord_id
    explained = openbell(desk.home, "explain", order, columns=400).out
    assert "never sent" in explained
    assert "abandoned not sent: BREAKER_CLOSE_ONLY: A breaker lets positions only be closed" in explained


async def test_an_answer_that_makes_no_sense_is_asked_for_again(asking):
    desk = await asking()

    async def twice(desk: DeskFolder, run_id: UUID) -> None:
        await aresume_flow_run(run_id, run_input={"approve": "some", "symbols": ["TSLA"], "your_name": "Ada"})
        again = await paused_run(set())
        await aresume_flow_run(again, run_input={"approve": "some", "symbols": ["KO"], "your_name": "Ada"})

    await traded(desk, twice)

    assert desk.at_broker() == ["KO"]


@pytest.mark.slow
async def test_after_a_kill_while_paused_the_next_run_asks_again(asking):
    desk = await asking()
    parameters = {"session": WEDNESDAY, "account": desk.account_block, "storage": desk.storage}
    known = {run.id for run in await paused_runs()}

    killed = start_flow(PREFECT_API_URL.value(), TRADE, parameters, desk.home)
    await paused_run(known)
    killed.process.kill()
    killed.wait()
    state = await traded(desk, by_form(approve="all", your_name="Ada"))

    assert state.message.startswith("2022-12-28: 5 orders sent, 5 of 5 filled, 0 working; all by Ada at ")
    assert desk.at_broker() == FIVE


async def test_another_book_is_traded_while_one_waits(asking):
    desk = await asking()

    async def trade_another(desk: DeskFolder, run_id: UUID) -> None:
        other = await desk.trade(book="other")  # the gate refuses its orders: what waits is reserved
        assert other.is_completed(), other.message
        await in_the_ledger()(desk, run_id)

    state = await traded(desk, trade_another)

    assert state.is_completed()
    assert desk.at_broker() == []
