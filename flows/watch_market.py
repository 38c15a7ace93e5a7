"""From the open to the close: every tick watched, rules held against it, persons told, breakers fed."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Cancelled
from pydantic import Field
from pydantic.dataclasses import dataclass

from blocks.desk import Desk, open_desk, wall_clock
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.attend import AFTER_CLOSE, BEFORE_OPEN, attend, replayed, tap, watch_books, watched_session, widen
from tasks.deliver import deliver_for_ever
from tasks.hear import show_canceled, until_canceled
from tasks.look import OwnAccount
from tasks.monitor import Monitor
from tasks.pace import Pace
from tasks.report import publish_progress, publish_watch
from tasks.send import LEASE_TIME
from tasks.trip import trip
from trading.errors import LeaseHeld, LeaseLost, LedgerError, TradingError
from trading.ledger import Lease
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.feeds import WatchPriority
from trading.monitoring.watch_status import microseconds_of
from trading.orders.protection import ProtectionRules
from trading.validation import STRICT

LONGEST_WAIT = timedelta(hours=1)  # for the open; a run that comes earlier is not of this session's morning
LOOK_EVERY, BOOKS_EVERY, LEASE_EVERY, WIDEN_EVERY, PUBLISH_EVERY = 1.0, 5.0, 30.0, 30.0, 60.0  # seconds
TRIP_EVERY = timedelta(seconds=30)  # a look at all breakers costs some tenths of a second


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Replay:
    """A session that is watched once more, from the record of ticks; nobody is told."""

    source: Annotated[str, Field(min_length=1, description="Whose ticks, as they are in store, such as watch-paper.")]
    speed: Annotated[float, Field(ge=0, description="Seconds watched in one second; 0: as many as can be.")] = 0.0
    one_sided_rows: Annotated[
        bool, Field(description="Each quote tells one side only, as those of single exchanges do.")
    ] = False


@flow(
    name="watch-market",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def watch_market(
    session: date | None = None,
    account: str = "paper",
    feed: str | None = None,
    fallbacks: list[str] | None = None,
    symbols: list[str] | None = None,
    conditions: ConditionPolicy = ConditionPolicy(),
    protection: ProtectionRules | None = None,
    replay: Replay | None = None,
    storage: str = "desk",
) -> State[Any]:
    """Watch the market and the account until the session closes.

    A run that was killed is followed by one that goes on where it ended: no alert is lost, and none is told twice.
    One that was canceled, or ended by SIGTERM, is followed by the next of the schedule only. While one watches, another
    leaves at once.

    Args:
        session: Which session to replay. None: today's, which is watched as it happens.
        account: Name of the broker account block.
        feed: Name of the market feed block that tells every tick. None: nothing is watched.
        fallbacks: Names of the feeds that stand in for it, in order, while it is silent; the last may poll.
        symbols: What is watched besides what is held and ordered. None: all symbols of the account's bars.
        conditions: From where on the market is volatile, hard to trade, in a crisis.
        protection: As of trade-session, so that a position without its stop is noticed.
        replay: Watch the record of a past session instead of a feed.
        storage: Name of the desk storage block.
    """
    desk = await open_desk(account, storage)
    if replay is not None:
        return await _replay(desk, session, symbols, conditions, replay)
    day, now = desk.market.calendar.local_date(wall_clock()), wall_clock()
    if feed is None:
        return ended("no feed is named, so nothing is watched: name a market feed block in `feed`", name="Skipped")
    if not desk.market.calendar.is_session(day) or now >= desk.market.calendar.close_at(day) + AFTER_CLOSE:
        return ended(f"{desk.market.calendar.mic} is closed", name="Skipped")
    opens_at = desk.market.calendar.open_at(day) - BEFORE_OPEN
    if opens_at - now > LONGEST_WAIT:
        return ended(f"the watch of {day} begins at {opens_at:%H:%M} UTC, more than an hour from now", name="Skipped")
    try:
        lease = desk.ledger.leases.acquire(f"watch {desk.name}", f"watch-market {runtime.flow_run.name}", LEASE_TIME)
    except LeaseHeld as exc:
        return ended(f"another run watches: {exc}", name="Skipped")
    try:
        await asyncio.sleep(max(0.0, (opens_at - wall_clock()).total_seconds()))
        feeds = [feed, *(fallbacks or [])]
        is_canceled, monitor = await _watch(desk, lease, day, feeds, symbols, conditions, protection)
    except asyncio.CancelledError:
        await show_canceled()
        raise
    finally:
        desk.ledger.leases.release(lease)
    await publish_watch(monitor)
    if is_canceled:
        return Cancelled(message="canceled by a person")
    return ended(f"{day}: {monitor.ticks:,} ticks of {len(monitor.symbols)} symbols, {monitor.told_count} events")


async def _watch(
    desk: Desk,
    lease: Lease,
    day: date,
    feeds: Sequence[str],
    symbols: Sequence[str] | None,
    conditions: ConditionPolicy,
    protection: ProtectionRules | None,
) -> tuple[bool, Monitor]:
    """Watch, and return whether a person has canceled it."""
    own, calendar, pace = OwnAccount(desk, day, protection), desk.market.calendar, Pace(0)
    own.begin()
    until = calendar.close_at(day) + AFTER_CLOSE
    stream, wanted, books = await tap(desk, feeds, day)
    wanted.want("watch list", WatchPriority.UNIVERSE, desk.market.symbols(day) if symbols is None else symbols)
    wanted.want(desk.name, WatchPriority.POSITIONS, own.wanted(wall_clock()))
    wanted.settle()
    try:
        monitor = await attend(desk, stream, day, wanted, own, conditions, books)
        try:
            async with asyncio.TaskGroup() as beside:
                running = [
                    beside.create_task(work)
                    for work in (
                        deliver_for_ever(desk.storage, desk.ledger),
                        _every(LEASE_EVERY, lambda: _keep(desk, lease)),
                        _trip(desk, day, own),
                        _every(WIDEN_EVERY, lambda: widen(desk, day, monitor, wanted, own)),
                        _every(BOOKS_EVERY, lambda: watch_books(monitor, wanted)),
                        _every(PUBLISH_EVERY, lambda: publish_progress(monitor, own, until)),
                    )
                ]
                cancellation = beside.create_task(_stop_if_canceled(pace))
                await monitor.run(pace, microseconds_of(until))
                is_canceled = cancellation.done()
                for task in (*running, cancellation):
                    task.cancel()
        finally:
            monitor.end()
    finally:
        await stream.close()
        if books is not None:
            await books.close()
    return is_canceled, monitor


async def _replay(
    desk: Desk, session: date | None, symbols: Sequence[str] | None, conditions: ConditionPolicy, replay: Replay
) -> State[Any]:
    day = desk.market.calendar.require_session(session or desk.market.calendar.local_date(wall_clock()))
    watched = watched_session(desk, day, symbols or desk.market.symbols(day))
    monitor = await replayed(desk, watched, day, conditions, replay.source, one_sided_rows=replay.one_sided_rows)
    begin, until = watched.open_at - BEFORE_OPEN, watched.close_at + AFTER_CLOSE
    try:
        await monitor.run(Pace(microseconds_of(begin), replay.speed), microseconds_of(until))
    finally:
        monitor.end()
    await publish_watch(monitor)
    return ended(f"{day} replayed: {monitor.ticks:,} ticks, {monitor.told_count} events", name="Replayed")


async def _every(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await do()


async def _stop_if_canceled(pace: Pace) -> None:
    await until_canceled()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the worker's own way to say so, in the midst of an orderly end
    pace.stop()


async def _keep(desk: Desk, lease: Lease) -> None:
    """Keep the lease; who has lost it to another run leaves."""
    try:
        await asyncio.to_thread(desk.ledger.leases.renew, lease, LEASE_TIME)
    except LeaseLost:
        raise
    except LedgerError as exc:
        get_run_logger().warning("The lease could not be prolonged, and the watch goes on: %s", exc)


async def _trip(desk: Desk, day: date, own: OwnAccount) -> None:
    """Look at the breakers by the prices of the moment: every half minute, and at once when a loss is at its limit.

    It has a thread and a loop of its own: a ledger that is locked must not hold up the ticks that come in this one.
    """
    looked_at = desk.market.calendar.open_at(day)  # before it, a quote may be in the shares of yesterday
    while True:
        await asyncio.sleep(LOOK_EVERY)
        now = wall_clock()
        if now >= looked_at + TRIP_EVERY or (now >= looked_at and own.is_at_a_limit()):
            looked_at = now
            try:
                await asyncio.to_thread(lambda: asyncio.run(trip(desk, day, wall_clock, quotes=own.prices)))
            except TradingError as exc:
                get_run_logger().warning("The breakers could not be looked at, and are again: %s", exc)
