"""After the close: fetch, check, store or put aside."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.bar_source import BarSource
from blocks.desk import Ledger, Market, load
from blocks.desk_storage import DeskStorage
from flows.guard import Go, ended, guard
from flows.on_failure import tell_failure
from tasks.check import check
from tasks.compare import compare_bars
from tasks.deliver import deliver
from tasks.fetch import fetch_bars, fetched_before, publish_providers
from tasks.repair import file_away, repair
from tasks.store import store
from tasks.want import queue_gaps
from trading.market.quality import DayVerdict, Finding
from trading.market.timetable import MissedRun, Step


@flow(
    name="ingest-bars", retries=0, on_failure=[tell_failure], on_crashed=[tell_failure], on_cancellation=[tell_failure]
)
async def ingest_bars(
    session: date | None = None,
    source: str = "sample",
    storage: str = "desk",
    history_sessions: Annotated[int, Field(gt=0)] | None = None,
    missed_run: MissedRun = MissedRun.CATCH_UP,
    fetch: bool = True,
) -> State[Any]:
    """Fetch the session's bars, check every one, store what passes and quarantine the rest.

    Running it again, for the same session or after a failure, changes nothing that is right already.

    Args:
        session: Which session. None: today's.
        source: Name of the bar source block.
        storage: Name of the desk storage block.
        history_sessions: How many sessions to fetch. None: what is new, and two years when a symbol has none stored.
        missed_run: What a late run does.
        fetch: Whether the provider is asked. No: what it gave for that session last is checked anew, as after a repair.
    """
    settings, places = await load(BarSource, source), await load(DeskStorage, storage)
    market, ledger = Market.of(settings, places), Ledger.of(places)
    if settings.fallbacks:
        market = market.with_fallbacks([await load(BarSource, name) for name in settings.fallbacks], ledger)
    go = await guard(market.calendar, Step.INGEST, session, missed_run)
    if not isinstance(go, Go):
        return go
    clock, day = go.clock_at(go.times.settled_at), go.times.session
    if fetch:
        fetched = await fetch_bars(market, places, ledger, day, history_sessions)
    else:
        fetched = fetched_before(market, places, day)
    path = await repair(market, ledger, fetched, day)
    differences = await _compare(market, ledger, path, day, clock())
    report = await check(market, places, ledger, path, day, clock(), differences)
    await queue_gaps(market, ledger, path, report, clock())
    count = await store(market, places, ledger, path, report, clock())
    file_away(market, places, fetched, path, day)
    if settings.fallbacks or settings.compare_with:
        await publish_providers(ledger)
    await deliver(places, ledger)
    message = (
        f"{settings.name} {day}: {report.day_verdict.value}, {len(report.quarantined())} quarantined, "
        f"{count.added} bars added, {count.changed} changed"
    )
    held = report.day_verdict is DayVerdict.HOLD
    return ended(message, name="Held" if held else None)


async def _compare(market: Market, ledger: Ledger, path: Path, session: date, now: datetime) -> tuple[Finding, ...]:
    if market.settings.compare_with is None:
        return ()
    other = await load(BarSource, market.settings.compare_with)
    market.settings.require_same_prices("compare_with", [other])
    return await compare_bars(market, other, ledger, path, session, now)
