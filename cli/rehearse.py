"""Run sessions from the shell: the same flows as the schedule's, one after the other."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from trading.errors import InvalidValue, TradingError
from trading.market.calendars import FIRST_DAY, LAST_DAY, TradingCalendar
from trading.strategies.catalogue import make_strategy

if TYPE_CHECKING:
    from blocks.bar_source import BarSource

BOOK = "main"  # the strategy book of the flows' default
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRun:
    """What one session's flows came to.

    Attributes:
        run_id: of the `trade_session` flow run, to be opened in the UI.
        message: what `trade_session` said at its end.
    """

    session: date
    run_id: str
    message: str


class RunFailed(TradingError):
    """A flow run of the session failed."""

    def __init__(self, flow: str, session: date, why: str, run_id: str) -> None:
        self.flow, self.session, self.run_id = flow, session, run_id
        super().__init__(f"{flow} of {session} failed: {why}")


async def sessions_to_run(account: str, session: date | None, first: date | None, last: date | None) -> list[date]:
    """Return the sessions asked for: one, a range, or the newest that the account's bar source has.

    Raises:
        InvalidValue: none is meant, or one that cannot be run any more or not yet; nothing was written.
        NotASession: the one meant is none.
    """
    from blocks.desk import open_desk
    from flows.guard import is_past

    desk = await open_desk(account, "desk")
    calendar = desk.market.calendar
    _require_known([day for day in (session, first, last) if day], calendar)
    if first is not None and last is not None:
        sessions = list(calendar.sessions(first, last))
        if not sessions:
            raise InvalidValue("--from and --to", f"{first} to {last}", f"a range with a session of {calendar.mic}")
    else:
        sessions = [calendar.require_session(session)] if session else [_newest(desk.market.settings, calendar)]
    _require_closed(sessions[-1], calendar)
    for each in sessions:
        is_past(desk, each, BOOK)
    return sessions


def _require_known(days: Sequence[date], calendar: TradingCalendar) -> None:
    known = calendar.session_index(date.fromisoformat(FIRST_DAY), date.fromisoformat(LAST_DAY))
    for day in days:
        if not known[0].date() < day <= known[-1].date():  # the first has none before it, to decide by
            rule = f"after {known[0]:%Y-%m-%d} and not after {known[-1]:%Y-%m-%d}, as sessions are known between them"
            raise InvalidValue("session", str(day), rule)


def _require_closed(session: date, calendar: TradingCalendar) -> None:
    from blocks.desk import wall_clock

    if wall_clock() < calendar.close_at(session):
        rule = "one that has closed, as its whole day is run at once; `openbell up` trades each day at its time"
        raise InvalidValue("session", str(session), rule)


def _newest(settings: "BarSource", calendar: TradingCalendar) -> date:
    from blocks.desk import wall_clock

    source = settings.source()
    symbols = (settings.symbols or list(source.instruments()))[:1]
    today = calendar.local_date(wall_clock())
    stamps = source.fetch(symbols, date.fromisoformat(FIRST_DAY), today).bars.frame["session"]
    return date.fromisoformat(f"{stamps.max():%Y-%m-%d}") if len(stamps) else calendar.previous_session(today)


async def run_sessions(
    sessions: Sequence[date], *, account: str, strategy: str, parameters: dict[str, Any], told: Told
) -> list[SessionRun]:
    """Run ingestion, trading and reconciliation of each session, each on the bars of the session before.

    Raises:
        RunFailed: a flow failed; the sessions after it were not run.
    """
    from blocks.broker_account import BrokerAccount
    from blocks.desk import load
    from flows.ingest_bars import ingest_bars
    from flows.reconcile_day import reconcile_day
    from flows.trade_session import trade_session
    from tasks.decide import StrategyChoice

    make_strategy(strategy, parameters)  # a name or parameter that is wrong is told before anything is written
    settings = (await load(BrokerAccount, account)).bar_source
    calendar, choice = TradingCalendar(settings.mic), StrategyChoice(name=strategy, parameters=parameters)
    source, runs = settings._block_document_name or settings.name, []
    before = calendar.previous_session(sessions[0]) if sessions else None
    if before is not None:
        await run_flow("ingest-bars", before, ingest_bars(before, source=source, return_state=True))
    for session in sessions:
        trade = trade_session(session, account=account, strategy=choice, return_state=True)
        run_id, message = await run_flow("trade-session", session, trade)
        await run_flow("ingest-bars", session, ingest_bars(session, source=source, return_state=True))
        _, outcome = await run_flow(
            "reconcile-day", session, reconcile_day(session, account=account, return_state=True)
        )
        told(f"{message}; after the close {outcome.split(': ', 1)[-1]}")
        runs.append(SessionRun(session=session, run_id=run_id, message=message))
    return runs


async def run_flow(flow: str, session: date, run: Awaitable[Any]) -> tuple[str, str]:
    """Return the id of a flow run, and what it said at its end.

    Raises:
        RunFailed: it failed.
    """
    state = await run
    run_id = str(state.state_details.flow_run_id)
    if state.is_completed():
        return run_id, state.message or ""
    error = await state.aresult(raise_on_failure=False)
    why = str(error) if isinstance(error, TradingError) else f"{type(error).__name__}: {error}"
    raise RunFailed(flow, session, why, run_id)
