"""Attend: put the watch of a session together, as it was left if it was begun before."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import psutil

from adapters.failover_ticks import FailoverTicks, FeedSwitch
from adapters.recorded_ticks import RecordedTicks
from adapters.tick_recorder import TickRecorder, store_what_was_left
from adapters.watch_files import WatchFiles
from adapters.watched_books import WatchedBooks
from blocks.desk import Desk, load, wall_clock
from blocks.market_feed import MarketFeed
from blocks.provider_access import Provider
from tasks.look import OwnAccount
from tasks.monitor import SECOND_US, Monitor, OwnWatch, standing_of
from tasks.value import last_prices
from trading.alerts import Alert, Severity
from trading.errors import InvalidValue, LedgerError, SourceUnavailable, StoreUnavailable, UnknownSymbol
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.feed_health import FeedHealth
from trading.monitoring.feeds import SubscriptionList, WatchPriority
from trading.monitoring.market_state import MarketState
from trading.monitoring.rule_book import Standing
from trading.monitoring.tick_stream import TickStream
from trading.monitoring.usual_volume import usual_volumes
from trading.monitoring.watch_status import microseconds_of, time_of
from trading.monitoring.watched_market import WatchedMarket
from trading.monitoring.watched_session import WatchedSession

LOGGER = logging.getLogger(__name__)
BEFORE_OPEN = timedelta(minutes=5)
AFTER_CLOSE = timedelta(minutes=2)  # the auction at the close prints late
_USUAL_SESSIONS = 20
_EARLIER = timedelta(days=10)  # what a watch that was killed, and never begun again, has left broken is over then
_LATE = timedelta(hours=1)  # by how much a tick may be older than its receipt, and is still found in the record


def watched_session(desk: Desk, session: date, symbols: Sequence[str]) -> WatchedSession:
    """Return what is watched, with the closes before and the usual volumes, as far as the desk has them."""
    calendar = desk.market.calendar
    closes = _closes_before(desk, session, symbols)
    opened, closed = calendar.open_at(session), calendar.close_at(session)
    minutes = (closed - opened) // timedelta(minutes=1)
    return WatchedSession(
        symbols=tuple(symbols),
        open_at=opened,
        close_at=closed,
        previous_closes=np.array([closes.get(symbol, np.nan) for symbol in symbols]),
        usual_volumes=_usual(desk, session, symbols, minutes),
    )


def _closes_before(desk: Desk, session: date, symbols: Sequence[str]) -> dict[str, float]:
    before = desk.market.calendar.previous_session(session)
    return {s: float(close) for s, close in last_prices(desk, before, symbols, shares_of=session).items()}


async def tap(
    desk: Desk, feeds: Sequence[str], session: date
) -> tuple[FailoverTicks, SubscriptionList, WatchedBooks | None]:
    """Return the stream of the feeds, each standing in for the one before, the list of who is to be watched, and books.

    Order books are those of the first feed that is to give some, whichever is listened to.

    Raises:
        InvalidValue: a block is missing, makes up prices for an account that is not simulated, or has no order books.
    """
    blocks = [await load(MarketFeed, name) for name in feeds]
    for name, block in zip(feeds, blocks, strict=True):
        if block.provider is Provider.SAMPLE and not desk.account.is_simulated:
            rule = f"a feed of real prices: account {desk.name} is not simulated, and breakers go by what is watched"
            raise InvalidValue("feed", name, rule)
    rooms = [block.most_symbols for block in blocks if block.most_symbols is not None]
    opens, closes = desk.market.calendar.open_at(session), desk.market.calendar.close_at(session)
    stream = FailoverTicks(
        [block.ticks(lambda symbols: _closes_before(desk, session, symbols)) for block in blocks],
        from_us=microseconds_of(opens),
        until_us=microseconds_of(closes),
    )
    books = next((books for block in blocks if (books := block.books()) is not None), None)
    return stream, SubscriptionList(min(rooms, default=None)), books


async def attend(
    desk: Desk,
    stream: FailoverTicks,
    session: date,
    wanted: SubscriptionList,
    own: OwnWatch,
    policy: ConditionPolicy,
    books: WatchedBooks | None,
) -> Monitor:
    """Return the watch of this moment: from its checkpoint if it has one, and what was recorded since then."""
    files = WatchFiles(desk.storage.home, desk.name)
    symbols = list(dict.fromkeys([*symbols_left(desk, session), *wanted.watched]))
    watched = watched_session(desk, session, symbols)
    store, source = desk.storage.tick_store(), f"watch-{desk.name}"
    folder = desk.storage.home / "watch" / "unstored"
    store_what_was_left(folder, store)
    begin = watched.open_at - BEFORE_OPEN
    rules, stood = desk.ledger.watches.rules(), desk.ledger.watches.standing(desk.name, begin - _EARLIER)
    own_stood = {key: s for key, s in stood.items() if s.broken_at >= microseconds_of(begin)}
    state, standing, ticks = _as_left(files, watched, session, own)
    places = {symbol: place for place, symbol in enumerate(symbols)}
    record = RecordedTicks(store, source, _since(state, watched), wall_clock() + timedelta(minutes=1))
    await record.subscribe(places)
    if state.at_us is not None:
        record.take(state.at_us)  # the checkpoint has it
    await subscribe(stream, {symbol: places[symbol] for symbol in wanted.watched})
    first_us, now_us = _first_us(files, session), time.time_ns() // 1000
    return Monitor(
        ledger=desk.ledger,
        watch=desk.name,
        symbols=symbols,
        stream=stream,
        market=WatchedMarket(state, symbols, rules, policy, standing, own_stood),
        files=files,
        about=about(desk.name, session, watched.close_at + AFTER_CLOSE, first_us),
        own=own,
        recorder=TickRecorder(folder, store, watched=symbols, source=source),
        record=record,
        live_from_us=(now_us // SECOND_US + 1) * SECOND_US if first_us < now_us else 0,
        first_us=first_us,
        books=books,
        health=FeedHealth(max(now_us, watched.open_us), until_us=microseconds_of(watched.close_at)),
        stood=stood,
        left_out=wanted.left_out(),
        ticks=ticks,
    )


async def widen(desk: Desk, session: date, monitor: Monitor, wanted: SubscriptionList, own: OwnAccount) -> None:
    """Watch what has come to be held or ordered, too, and tell of another feed that is listened to."""
    stream = monitor.stream
    if not isinstance(stream, FailoverTicks):
        return  # a replay has what there is
    for switch in stream.switched():
        monitor.switches.append(f"{time_of(switch.at_us):%H:%M:%S} {switch.before} -> {switch.after}: {switch.why}")
        monitor.untold.append(_switch_alert(desk.name, switch))
    try:
        while monitor.untold:
            await asyncio.to_thread(desk.ledger.outbox.raise_alert, monitor.untold[0])
            del monitor.untold[0]
        wanted.want(desk.name, WatchPriority.POSITIONS, await asyncio.to_thread(own.wanted, wall_clock()))
        wanted.settle()
        new = [symbol for symbol in wanted.watched if symbol not in monitor.symbols]
        if new:
            longer = await asyncio.to_thread(watched_session, desk, session, [*monitor.symbols, *new])
            await monitor.watch_more(longer)  # before it is subscribed: no tick may come of a symbol without a place
        await _follow(stream, monitor.symbols, wanted.watched)
        monitor.left_out = wanted.left_out()
    except (LedgerError, SourceUnavailable, StoreUnavailable) as exc:
        LOGGER.warning("What came to be held is not watched yet, or another feed not told of: %s", exc)


async def watch_books(monitor: Monitor, wanted: SubscriptionList) -> None:
    """Watch the order books of those that come first, as many as are to be watched."""
    if monitor.books is not None:
        places = {symbol: place for place, symbol in enumerate(monitor.symbols)}
        await monitor.books.want({symbol: places[symbol] for symbol in wanted.watched if symbol in places})


async def _follow(stream: FailoverTicks, symbols: Sequence[str], watched: Sequence[str]) -> None:
    """Have the ticks of those that are to be watched; whoever could not be asked for before is asked for now."""
    asked = stream.asked
    gone = [symbol for symbol in asked if symbol not in watched]
    new = {symbol: place for place, symbol in enumerate(symbols) if symbol in watched and symbol not in asked}
    if gone:
        await stream.unsubscribe(gone)
    if new:
        await subscribe(stream, new)


def _switch_alert(watch: str, switch: FeedSwitch) -> Alert:
    return Alert(
        fingerprint=f"{watch} feed {switch.before} {switch.after} {switch.at_us}",
        severity=Severity.WARNING,
        title=f"The watch of {watch} listens to {switch.after} instead of {switch.before}",
        text=f"Since {time_of(switch.at_us):%H:%M:%S} UTC: {switch.why}.",
        raised_at=time_of(switch.at_us),
    )


async def replayed(
    desk: Desk,
    watched: WatchedSession,
    session: date,
    policy: ConditionPolicy,
    source: str,
    *,
    one_sided_rows: bool,
) -> Monitor:
    """Return the watch of a past session by its record; what it finds is recorded, and nobody is told."""
    name, symbols = f"{desk.name}-replay", list(watched.symbols)
    until = watched.close_at + AFTER_CLOSE
    stream = RecordedTicks(
        desk.storage.tick_store(), source, watched.open_at - _LATE, until + _LATE, one_sided_rows=one_sided_rows
    )
    await stream.subscribe({symbol: place for place, symbol in enumerate(symbols)})
    begin_us = microseconds_of(watched.open_at - BEFORE_OPEN) + SECOND_US  # the end of the first second
    return Monitor(
        ledger=desk.ledger,
        watch=f"{name} {session} {source}",
        symbols=symbols,
        stream=stream,
        market=WatchedMarket(MarketState(watched), symbols, desk.ledger.watches.rules(), policy),
        files=WatchFiles(desk.storage.home, name),
        about=about(name, session, until, begin_us),
        tells=False,
        first_us=begin_us,
    )


async def subscribe(stream: TickStream, places: Mapping[str, int]) -> tuple[str, ...]:
    """Subscribe; return the symbols that the feed does not know: the others are watched."""
    try:
        await stream.subscribe(places)
    except UnknownSymbol as exc:
        return exc.symbols
    return ()


def about(account: str, session: date, until: datetime, first_us: int) -> dict[str, Any]:
    """Return what the status says for the whole of a watch."""
    process = psutil.Process()
    return {
        "account": account,
        "watch": account,
        "pid": process.pid,
        "created": process.create_time(),
        "session": session.isoformat(),
        "started_at": wall_clock().isoformat(),
        "until": until.isoformat(),
        "first_us": first_us,
        "note": "",
    }


def symbols_left(desk: Desk, session: date) -> list[str]:
    """Return the watch list of a watch of the session that was begun before, in its order; empty when there is none."""
    found = WatchFiles(desk.storage.home, desk.name).read_checkpoint()
    return list(found[1]["symbols"]) if found is not None and found[1]["session"] == session.isoformat() else []


def _as_left(
    files: WatchFiles, watched: WatchedSession, session: date, own: OwnWatch
) -> tuple[MarketState, dict[tuple[str, str], Standing], int]:
    """Return the state of the checkpoint, how its rules stood and how many ticks it had seen; anew without one."""
    found = files.read_checkpoint()
    if found is not None and found[1]["session"] == session.isoformat():
        arrays, told = found
        try:
            state = MarketState.from_arrays(_first(watched, len(told["symbols"])), arrays).with_symbols(watched)
        except InvalidValue as exc:
            LOGGER.warning("The watch is made anew from the record of ticks: %s", exc)
        else:
            own.arrivals = told["arrivals"]
            return state, standing_of(told["standing"]), told["ticks"]
    return MarketState(watched), {}, 0


def _first(watched: WatchedSession, count: int) -> WatchedSession:
    """Return the session of the first symbols of the watch list."""
    usual = None if watched.usual_volumes is None else watched.usual_volumes[:, :count]
    closes = watched.previous_closes[:count]
    return replace(watched, symbols=watched.symbols[:count], previous_closes=closes, usual_volumes=usual)


def _since(state: MarketState, watched: WatchedSession) -> datetime:
    if state.at_us is None:
        return watched.open_at - _LATE
    return time_of(state.at_us) - _LATE


def _first_us(files: WatchFiles, session: date) -> int:
    """Return the end of the first second of the watch: the one under way, unless it was begun before."""
    status = files.read_status()
    if status is not None and status["session"] == session.isoformat():
        return int(status["first_us"])
    return (time.time_ns() // 1000 // SECOND_US + 1) * SECOND_US


def _usual(desk: Desk, session: date, symbols: Sequence[str], minutes: int) -> Any:
    calendar, feed = desk.market.calendar, desk.market.settings.name
    past = calendar.sessions(calendar.sessions_before(session, _USUAL_SESSIONS), calendar.previous_session(session))
    opens = {day: calendar.open_at(day) for day in past if not calendar.is_half_day(day)}
    bars = desk.storage.minute_store().read(feed, symbols, calendar.open_at(past[0]), calendar.close_at(past[-1]))
    return usual_volumes(bars.frame, opens, symbols, minutes) if len(bars.frame) else None
