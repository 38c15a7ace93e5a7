"""The timetable of a session: when each step of the day is due, and what becomes of a run that is late."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from trading.errors import SessionNotReached
from trading.market.calendars import TradingCalendar

DECIDE_BEFORE_OPEN = timedelta(minutes=30)
PLACE_AFTER_OPEN = timedelta(minutes=30)  # later than this, the decision is stale
SETTLE_AFTER_CLOSE = timedelta(minutes=15)


class Step(StrEnum):
    """The three steps of a day that depend on the clock."""

    TRADE = "trade"
    INGEST = "ingest"
    RECONCILE = "reconcile"


class MissedRun(StrEnum):
    """What a run does that starts after its step was due."""

    SKIP = "skip"
    CATCH_UP = "catch_up"
    ASK = "ask"


class RunAction(StrEnum):
    """What a run shall do now."""

    GO = "go"
    SKIP = "skip"
    ASK = "ask"


_ACTIONS = {MissedRun.SKIP: RunAction.SKIP, MissedRun.CATCH_UP: RunAction.GO, MissedRun.ASK: RunAction.ASK}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimes:
    """Times of one session, UTC.

    Attributes:
        decide_at: when the daily rebalance is due.
        place_by: no order of the session is sent after it.
        settled_at: when bars and executions of the session may be asked for.
    """

    session: date
    decide_at: datetime
    open_at: datetime
    place_by: datetime
    close_at: datetime
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What one run shall do.

    Attributes:
        times: of the session meant; None when there is none.
        rehearsal: the session is over: the desk's clock is set to its times, and only a simulated broker may be used.
        reason: one phrase for the run's page.
    """

    action: RunAction
    times: SessionTimes | None
    rehearsal: bool
    reason: str


def session_times(calendar: TradingCalendar, session: date) -> SessionTimes:
    """Return the times of the session; half days close, and so settle, earlier."""
    open_at, close_at = calendar.open_at(session), calendar.close_at(session)
    return SessionTimes(
        session=session,
        decide_at=open_at - DECIDE_BEFORE_OPEN,
        open_at=open_at,
        place_by=min(open_at + PLACE_AFTER_OPEN, close_at),
        close_at=close_at,
        settled_at=close_at + SETTLE_AFTER_CLOSE,
    )


def plan_run(
    *,
    calendar: TradingCalendar,
    step: Step,
    session: date | None,
    scheduled: datetime | None,
    now: datetime,
    missed_run: MissedRun,
) -> RunPlan:
    """Say whether a run of the step goes, is skipped or asks a person.

    Args:
        session: the session asked for by name; one that is over is rehearsed. None means the session of the day for
            which the run was scheduled, which is never rehearsed.
        scheduled: when the run was due; None when it was started by hand.
        now: wall clock, UTC.

    Raises:
        NotASession: the session asked for by name is none.
        SessionNotReached: it lies in the future, or the step is not due yet.
    """
    if session is None:
        day = calendar.local_date(scheduled or now)
        if not calendar.is_session(day):
            return RunPlan(action=RunAction.SKIP, times=None, rehearsal=False, reason=f"{day} is no session")
        return _plan_today(calendar, session_times(calendar, day), step, now, missed_run)
    times = session_times(calendar, calendar.require_session(session))
    if calendar.local_date(now) < session or (step is not Step.TRADE and now < times.close_at):
        raise SessionNotReached(session, now)
    if now < times.close_at:
        return _plan_today(calendar, times, step, now, missed_run)
    return RunPlan(action=RunAction.GO, times=times, rehearsal=True, reason=f"rehearses {session}")


def _plan_today(
    calendar: TradingCalendar, times: SessionTimes, step: Step, now: datetime, missed_run: MissedRun
) -> RunPlan:
    def plan(action: RunAction, reason: str) -> RunPlan:
        return RunPlan(action=action, times=times, rehearsal=False, reason=reason)

    if step is not Step.TRADE:
        if now < times.close_at:
            raise SessionNotReached(times.session, now)
        if now < calendar.open_at(calendar.next_session(times.session)):
            return plan(RunAction.GO, f"{times.session} has closed")
        return _plan_late(calendar, times, step, now, missed_run)
    if now <= times.open_at:
        return plan(RunAction.GO, f"{times.session} opens at {times.open_at:%H:%M} UTC")
    if now > times.place_by:
        return plan(
            RunAction.SKIP, f"too late for {times.session}: orders had to be placed by {times.place_by:%H:%M} UTC"
        )
    late = f"{(now - times.open_at).total_seconds() / 60:.0f} minutes after the open of {times.session}"
    return plan(_ACTIONS[missed_run], late)


def _plan_late(
    calendar: TradingCalendar, times: SessionTimes, step: Step, now: datetime, missed_run: MissedRun
) -> RunPlan:
    """Plan a run after the close that starts when another session has opened already.

    Bars of a session can be fetched later. A broker, though, states an account as it is now: it is compared with, and
    valued at, the last session that has closed.
    """
    reason = f"late: {times.session} closed at {times.close_at:%Y-%m-%d %H:%M} UTC"
    if step is Step.RECONCILE:
        closed = calendar.previous_session(calendar.local_date(now) + timedelta(days=1))
        if now < calendar.close_at(closed):
            closed = calendar.previous_session(closed)
        times, reason = session_times(calendar, closed), f"{reason}; takes {closed} instead"
    return RunPlan(action=_ACTIONS[missed_run], times=times, rehearsal=False, reason=reason)
