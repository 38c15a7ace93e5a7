"""On demand, after the close: minute bars of a session, fetched, checked, stored or put aside."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.desk import load, wall_clock
from blocks.market_feed import MarketFeed
from flows.guard import Go, ended, guard
from flows.on_failure import tell_failure
from tasks.ask import ask_minutes
from tasks.judge import judge_minutes, publish_verdict
from tasks.keep import keep_minutes
from trading.market.calendars import TradingCalendar
from trading.market.timetable import MissedRun, Step


@flow(
    name="ingest-minutes",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def ingest_minutes(
    feed: str,
    symbols: Annotated[list[str], Field(min_length=1)],
    session: date | None = None,
    daily_source: str | None = None,
    fallbacks: list[str] | None = None,
    storage: str = "desk",
) -> State[Any]:
    """Fetch the minute bars of a session, check them, store those of good symbols and quarantine the rest.

    Running it again changes nothing that is right already.

    Args:
        feed: Name of the market feed block.
        symbols: Of whom.
        session: Which session. None: today's.
        daily_source: Name under which the daily bars are stored that the minutes must fit. None: that of the feed.
        fallbacks: Names of other market feed blocks, asked in this order for the symbols that this one cannot give.
        storage: Name of the desk storage block.
    """
    settings = await load(MarketFeed, feed)
    go = await guard(TradingCalendar(settings.mic), Step.INGEST, session, MissedRun.CATCH_UP)
    if not isinstance(go, Go):
        return go
    day = go.times.session
    fetched = await ask_minutes(feed, fallbacks or [], storage, symbols, day)
    verdict = await judge_minutes(feed, storage, fetched, day, daily_source, wall_clock())
    count = await keep_minutes(storage, fetched, verdict)
    await publish_verdict(verdict, fetched.outcomes)
    bad = verdict.quarantined()
    message = (
        f"{settings.name} {day}: minutes of {len(verdict.verdicts)} symbols, {len(bad)} quarantined, "
        f"{count.added} bars added, {count.changed} changed"
    )
    return ended(message, name="Quarantined" if bad else None)
