"""Want bars of past sessions: what a person asks for, and what the calendar finds missing, goes into the queue."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.staged_bars import load_fetched
from blocks.desk import Ledger, Market
from tasks.fetch import FIRST_SESSIONS
from trading.errors import InvalidValue, SessionNotReached
from trading.market.backfills import BackfillRequest, asked_requests, gap_requests
from trading.market.bars import DailyBars
from trading.market.gaps import Listing, missing_ranges
from trading.market.quality import QualityReport, Rule
from trading.market.timetable import session_times


def wanted(market: Market, first: date, last: date, now: datetime) -> tuple[BackfillRequest, ...]:
    """Return a request for each symbol that belongs on some day of the range.

    Raises:
        InvalidValue: the range has no session.
        SessionNotReached: its last session has not closed.
    """
    calendar, settings = market.calendar, market.settings
    sessions = calendar.session_index(first, last)
    if not len(sessions):
        raise InvalidValue("range", f"{first} to {last}", f"one with a session of {calendar.mic}")
    begin, end = sessions[0].date(), sessions[-1].date()
    if now < session_times(calendar, end).settled_at:
        raise SessionNotReached(end, now)
    symbols, left_on = market.symbols(), {}
    if market.universe is not None:
        symbols, left_on = list(market.universe.members_between(begin, end)), market.universe.last_days()
    return asked_requests(settings.name, symbols, begin, end, left_on, calendar)


@task(name="queue_gaps", timeout_seconds=300, cache_policy=NO_CACHE)
async def queue_gaps(market: Market, ledger: Ledger, path: Path, report: QualityReport, now: datetime) -> int:
    """Queue what is missing between the fetched bars of symbols with a gap, and return how much of it is new."""
    with_gap = {f.symbol for f in report.findings if f.rule is Rule.MISSING_SESSION}
    if not with_gap:
        return 0
    return _queue(market, ledger, load_fetched(path).bars, sorted(with_gap), now)


@task(name="scan_for_gaps", timeout_seconds=300, cache_policy=NO_CACHE)
async def scan(market: Market, ledger: Ledger, now: datetime) -> int:
    """Queue what is missing between the stored bars of the last two years, and return how much of it is new."""
    today = market.calendar.local_date(now)
    first = market.calendar.sessions_before(market.calendar.previous_session(today), FIRST_SESSIONS)
    stored = market.store.read(market.settings.name, market.symbols(), first, today)
    return _queue(market, ledger, stored, market.symbols(), now)


def _queue(market: Market, ledger: Ledger, bars: DailyBars, symbols: Sequence[str], now: datetime) -> int:
    gaps = missing_ranges(bars.frame, calendar=market.calendar, listed=dict.fromkeys(symbols, Listing()))
    return ledger.backfills.queue(gap_requests(market.settings.name, gaps), now)
