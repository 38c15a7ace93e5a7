"""After the close: our books against the broker's, and what the day was worth."""

from datetime import date
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.desk import open_desk, wall_clock
from flows.guard import Go, ended, guard, is_past
from flows.leasing import leasing
from flows.on_failure import tell_failure
from tasks.deliver import deliver
from tasks.draw import draw_equity
from tasks.measure import measure
from tasks.reconcile import reconcile_books
from tasks.recover import recover
from tasks.tell import tell_second_factor
from tasks.trip import trip
from trading.market.timetable import MissedRun, Step


@flow(
    name="reconcile-day",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def reconcile_day(
    session: date | None = None,
    account: str = "paper",
    book: Annotated[str, Field(min_length=1)] = "main",
    storage: str = "desk",
    missed_run: MissedRun = MissedRun.CATCH_UP,
) -> State[Any]:
    """Collect executions, positions and cash from the broker, compare them with ours, and value the account.

    It sends nothing. Running it again compares again.

    Args:
        session: Which session. None: today's.
        account: Name of the broker account block.
        book: Strategy book that was traded.
        storage: Name of the desk storage block.
        missed_run: What a late run does.
    """
    desk = await open_desk(account, storage)
    go = await guard(desk.market.calendar, Step.RECONCILE, session, missed_run)
    if not isinstance(go, Go):
        return go
    if go.rehearsal and is_past(desk, go.times.session, book):
        return ended(f"{go.times.session}: reconciled before, and the account has moved on", name="Skipped")
    clock = go.clock_at(go.times.settled_at) if desk.account.is_simulated else wall_clock
    tell_second_factor(desk, go.times.session, clock())
    async with leasing(desk, f"reconcile-day {runtime.flow_run.name} ({runtime.flow_run.id})") as (trader, lease):
        await recover(trader, lease, clock)
        outcome = await reconcile_books(trader, go.times.session, clock)
        tripped = await trip(trader, go.times.session, clock, reachable=True, lease=lease)
    await draw_equity(desk)
    await measure(desk, go.times.session, go.times.session, clock)
    await deliver(desk.storage, desk.ledger)
    message = f"{outcome.session}: {len(outcome.breaks)} breaks, equity {outcome.equity:,.2f}"
    if tripped:
        message += f"; tripped: {', '.join(change.name for change in tripped)}"
    return ended(message, name="Breaks" if outcome.breaks else None)
