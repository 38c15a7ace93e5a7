"""Guard: what every routine asks before it does anything."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.states import Completed
from pydantic import Field

from blocks.desk import Desk, wall_clock
from flows.pausing import pause
from trading.errors import InvalidValue
from trading.market.calendars import TradingCalendar
from trading.market.timetable import MissedRun, RunAction, RunPlan, SessionTimes, Step, plan_run

ASK_SECONDS = 900


class LateRun(RunInput):
    """A person's word on a run that is late."""

    go_ahead: bool = Field(default=False, description="Run now, although it is late?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """The run may go on.

    Attributes:
        clock_at: gives the clock that stands at a session time in a rehearsal, and the wall clock otherwise.
    """

    times: SessionTimes
    rehearsal: bool

    def clock_at(self, at: datetime) -> Callable[[], datetime]:
        """Return the clock of a stage that is due at that time."""
        return (lambda: at) if self.rehearsal else wall_clock


async def guard(calendar: TradingCalendar, step: Step, session: date | None, missed_run: MissedRun) -> Go | State[Any]:
    """Return the go-ahead, or the state in which the run ends as skipped.

    Raises:
        NotASession: the session asked for by name is none.
        SessionNotReached: it has not come yet.
    """
    plan = plan_run(
        calendar=calendar,
        step=step,
        session=session,
        scheduled=runtime.flow_run.scheduled_start_time,
        now=wall_clock(),
        missed_run=missed_run,
    )
    if plan.times is None or plan.action is RunAction.SKIP or not await _may_go(plan):
        return ended(plan.reason, name="Skipped")
    get_run_logger().info("%s", plan.reason)
    return Go(times=plan.times, rehearsal=plan.rehearsal)


def ended(message: str, *, name: str | None = None) -> State[Any]:
    """Return the state in which a routine ends well, its message in the log too."""
    get_run_logger().info("%s", message)
    return Completed(name=name, message=message)


def is_past(desk: Desk, session: date, book: str) -> bool:
    """Tell whether the account has decided that session, and a later one since: then there is nothing left to do in it.

    Raises:
        InvalidValue: a later session was decided and this one was not; an account's time only runs forward.
    """
    last = desk.ledger.journal.last_decision(desk.name)
    if last is None or session >= last["session"]:
        return False
    if desk.ledger.journal.decision(desk.name, session, book) is None:
        rule = f"{last['session']} or later, as account {desk.name} has traded that session; take another account"
        raise InvalidValue("session", str(session), rule)
    return True


async def _may_go(plan: RunPlan) -> bool:
    if plan.action is not RunAction.ASK:
        return True
    text = f"This run is late: {plan.reason}. Without an answer in {ASK_SECONDS // 60} minutes it is skipped."
    form, until = LateRun.with_initial_data(description=text), time.monotonic() + ASK_SECONDS
    answer = await pause(form, ASK_SECONDS, lambda: time.monotonic() > until, {"go_ahead": False})
    return bool(answer.go_ahead)
