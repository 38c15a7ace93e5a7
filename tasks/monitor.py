"""Monitor: the loop of a watch. Nothing in it asks Prefect, so a server that is gone holds nothing up."""

import asyncio
import gc
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from adapters.allocators import give_back_memory
from adapters.tick_recorder import TickRecorder
from adapters.watch_files import WatchFiles
from adapters.watched_books import WatchedBooks
from blocks.desk import Ledger
from tasks.pace import Pace
from trading.alerts import Alert
from trading.errors import LedgerError, StoreUnavailable
from trading.monitoring.feed_health import FeedHealth
from trading.monitoring.own_readings import Readings
from trading.monitoring.rule_book import RuleEvent, Standing
from trading.monitoring.tick_batch import TickBatch, joined
from trading.monitoring.tick_stream import TickStream
from trading.monitoring.watch_rules import OwnMetric, Subjects
from trading.monitoring.watch_status import broken_rows, condition_names, oddity_counts, symbol_rows, time_of
from trading.monitoring.watched_market import Second, WatchedMarket
from trading.monitoring.watched_session import WatchedSession

LOGGER = logging.getLogger(__name__)
SECOND_US = 1_000_000
STEP_US = 100_000  # a tick waits no longer; a part of a second, and never another: what was told depends on it
FEED = "feed"
_RULES_EVERY_US, _CHECKPOINT_EVERY_US = 5 * SECOND_US, 60 * SECOND_US
_HOUR_US = 3_600 * SECOND_US
_STATUS_EVERY, _LONGEST_TELLING = 0.5, 0.3
_LAST_TRIES, _MOST_TOLD = 20, 1_000


class OwnWatch(Protocol):
    """Our own side, as the monitor asks for it."""

    arrivals: dict[str, float]

    def look(self, second: Second, symbols: Sequence[str], at_us: int) -> Mapping[Subjects, Readings]:
        """Return the numbers of our own side; nothing in a second in which nobody looks.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what the status says of it: held, profits, own, orders, breakers."""
        ...


class NobodysWatch:
    """No own side: of a replay."""

    def __init__(self) -> None:
        self.arrivals: dict[str, float] = {}

    def look(self, second: Second, symbols: Sequence[str], at_us: int) -> Mapping[Subjects, Readings]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def status(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {"held": {}, "profits": {}, "own": {}, "orders": {}, "breakers": []}


@dataclass(slots=True)
class Monitor:
    """One watch of one session, step by step.

    At each step the market is measured, and the rules that are looked at every second; at the end of a second our own
    side, the feed and all else. A tick is on the disk before anything is made of it, and what a rule says is in the
    ledger with its alert in one transaction; a ledger that cannot be written is asked again each step. So a watch that
    was killed, and begins again from its checkpoint and the record, tells what it would have told, once.

    Attributes:
        watch: its name in the ledger.
        tells: whether events become alerts; those of a replay do not.
        switches: which feed was listened to instead of which, and why.
        told: the last events that were recorded; the ledger has all.
        untold: alerts of that, which wait for the ledger.
        left_out: symbols that are not watched, and why.
        about: what the status says for the whole of the watch.
        recorder: None in a replay.
        record: what was recorded before this process began to hear the feed, at `live_from_us`.
        first_us: the first second, where it is known; else the one under way.
        books: order books that are watched too; of a replay they are in the record.
        stood: what the ledger says is broken; what is not, once all is caught up, is looked at no more.
        health: None while silence of the feed is no fault, and in a replay.
    """

    ledger: Ledger
    watch: str
    symbols: list[str]
    stream: TickStream
    market: WatchedMarket
    files: WatchFiles
    about: Mapping[str, Any]
    own: OwnWatch = field(default_factory=NobodysWatch)
    recorder: TickRecorder | None = None
    record: TickStream | None = None
    live_from_us: int = 0
    first_us: int | None = None
    books: WatchedBooks | None = None
    health: FeedHealth | None = None
    stood: Mapping[tuple[str, str], Standing] | None = None
    tells: bool = True
    ticks: int = 0
    last: Second | None = None
    told: deque[RuleEvent] = field(default_factory=lambda: deque(maxlen=_MOST_TOLD))
    told_count: int = 0
    switches: list[str] = field(default_factory=list)
    untold: list[Alert] = field(default_factory=list)
    left_out: Mapping[str, str] = field(default_factory=dict)
    _wider: tuple[WatchedSession, Future[None]] | None = None
    _found: list[RuleEvent] = field(default_factory=list)
    _pending: list[RuleEvent] = field(default_factory=list)  # the teller's, while it tells
    _teller: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "watch-teller"))
    _telling: Future[bool] | None = None
    _heard: list[TickBatch] = field(default_factory=list)  # in the second under way
    _heard_us: int = 0
    _busy_ms: float = 0.0
    _rule_change: int = -1
    _status_at: float = 0.0

    async def run(self, pace: Pace, until_us: int) -> None:
        """Watch each step until that time; those that are over already, one after the other without a wait.

        It has a thread of its own, so what holds the loop up does not hold it up. Canceled, it ends after the step
        that is under way.
        """
        gc.freeze()  # all that is loaded stays: to look through it again takes some tenths of a second, and stops all
        watching = asyncio.ensure_future(asyncio.to_thread(self._watch, pace, until_us))
        try:
            await asyncio.shield(watching)
        finally:
            pace.stop()
            await asyncio.wait([watching])
            gc.unfreeze()

    async def watch_more(self, session: WatchedSession) -> None:
        """Go on, from the next step, with symbols added to the end of the watch list; return when that is so."""
        done: Future[None] = Future()
        self._wider = session, done
        await asyncio.wrap_future(done)

    def widen(self, session: WatchedSession, at_us: int) -> None:
        """Go on with symbols added to the end of the watch list, between two steps."""
        self._found += self.market.watch_more(session, at_us)
        self.symbols[:] = session.symbols

    def next_us(self, pace: Pace) -> int:
        """Return the end of the step that is watched next; the first is a whole second."""
        at_us = self.market.state.at_us
        if at_us is not None:
            return at_us + STEP_US
        return self.first_us or pace.now_us() // SECOND_US * SECOND_US + SECOND_US

    def step(self, at_us: int, pace: Pace) -> None:
        """Watch one step."""
        began, is_live = time.perf_counter(), self.record is None or at_us > self.live_from_us
        ends_second = at_us % SECOND_US == 0
        batch = self.stream.take(at_us) if is_live or self.record is None else self.record.take(at_us)
        if is_live and ends_second and self.books is not None:
            batch = self.books.added_to(batch, at_us)
        if is_live and self.recorder is not None:
            batch = _received_since(batch, self.market.state.at_us or at_us - SECOND_US)
            recorder = self.recorder
            _on_disk(lambda: recorder.write(batch, at_us), "Ticks were watched and not recorded")
        if len(batch):
            self._heard_us = at_us
        self._heard.append(batch)
        self.last = self.market.second(batch, at_us)
        self._found += self.last.events
        self.ticks += len(batch)
        if is_live and ends_second:
            self._look_at_feed(at_us)
            self._look_at_own_side(self.last, at_us)
        if at_us % _RULES_EVERY_US == 0:
            self._take_up_rules(at_us)
        if ends_second:  # before anything is told: who begins again knows by the status from which second it would be
            self._write_status(at_us, pace, "watching" if is_live else "catching up")
            self._heard.clear()
            self._busy_ms = 0.0
        self._hand_over(at_us, is_live=is_live and ends_second)
        self._busy_ms += 1000 * (time.perf_counter() - began)
        if self.recorder is not None and at_us % _CHECKPOINT_EVERY_US == 0:
            self.checkpoint()
        if at_us % _HOUR_US == 0:
            give_back_memory()

    def end(self) -> None:
        """Store and tell what is not yet, and say that the watch has ended in order."""
        self._teller.shutdown()
        self._take_found()
        self._tell()
        if self.recorder is not None:
            _on_disk(self.recorder.store, "The last ticks are left to the next start")
            self.checkpoint()
        status = (self.files.read_status() or dict(self.about)) | {"state": "ended", "ticks": self.ticks}
        if self.market.state.at_us is not None:
            status["at"] = time_of(self.market.state.at_us).isoformat()
        _on_disk(lambda: self.files.write_status(status), "The status does not say so")

    def checkpoint(self) -> None:
        """Write down how all stands, so that the next start need not read the record from the open.

        While events wait for the ledger, none is written: the next start finds them again, from the one before.
        """
        if not self._is_all_told:
            return
        standing = [[*key, s.since, s.broken_at] for key, s in self.market.standing().items()]
        told = {"session": self.about["session"], "symbols": self.symbols, "ticks": self.ticks, "standing": standing}
        told["arrivals"] = self.own.arrivals
        arrays = self.market.state.to_arrays()
        _on_disk(lambda: self.files.write_checkpoint(arrays, told), "The next start has more to read of the record")

    def _watch(self, pace: Pace, until_us: int) -> None:
        at_us = self.next_us(pace)
        while at_us <= until_us and pace.until(at_us):
            if self._wider is not None:
                (session, done), self._wider = self._wider, None
                self.widen(session, at_us)
                done.set_result(None)
            self.step(at_us, pace)
            at_us = self.next_us(pace)
        if at_us > until_us and self.tells:
            self._end_session(pace, at_us - STEP_US)

    @property
    def _is_all_told(self) -> bool:
        return not (self._found or self._pending)

    def _hand_over(self, at_us: int, *, is_live: bool) -> None:
        """Have told what was found; a ledger that takes long holds the step up for a moment only."""
        if self._telling is None or self._telling.done():
            if self._telling is not None:
                self._telling.result()
            self._take_found()
            # What is kept again by now is to be told as that, so nothing is forgotten while seconds are caught up.
            broken = self._broken() if is_live and self.stood is not None else None
            is_needed = self._pending or broken is not None
            self._telling = self._teller.submit(self._tell, at_us, still=broken) if is_needed else None
            if self._telling is not None:
                wait([self._telling], _LONGEST_TELLING)

    def _end_session(self, pace: Pace, at_us: int) -> None:
        """Tell what is left, and that the session has ended; a ledger that cannot be written is asked again."""
        for _ in range(_LAST_TRIES):
            if self._telling is not None:
                self._telling.result()
            self._take_found()
            if self._tell(at_us, over=self._broken()) or not pace.until(pace.now_us() + SECOND_US):
                return

    def _take_found(self) -> None:
        self._pending += self._found
        self._found.clear()

    def _broken(self) -> dict[tuple[str, str], Standing]:
        return {key: stood for key, stood in self.market.standing().items() if stood.broken_at}

    def _look_at_feed(self, at_us: int) -> None:
        if self.health is not None:
            self.health.take(joined(self._heard))
            silence = np.array([[self.health.feed_silence(at_us)]])
            read = Readings(metrics=(OwnMetric.FEED_SILENCE,), subjects=(FEED,), symbols=(FEED,), values=silence)
            self._found += self.market.own({Subjects.FEED: read}, at_us)

    def _look_at_own_side(self, second: Second, at_us: int) -> None:
        try:
            self._found += self.market.own(self.own.look(second, self.symbols, at_us), at_us)
        except (LedgerError, StoreUnavailable) as exc:
            LOGGER.warning("Our own side cannot be seen: %s", exc)

    def _tell(
        self,
        at_us: int = 0,
        *,
        still: Mapping[tuple[str, str], Standing] | None = None,
        over: Mapping[tuple[str, str], Standing] | None = None,
    ) -> bool:
        """Record what is not recorded yet, and return whether that was done; else it waits for the next step.

        Args:
            still: all that is broken still: what else stood when the watch began is looked at no more.
            over: what is broken at the end of the session.
        """
        try:
            if self._pending:
                new = self.ledger.watches.record(self.watch, self._pending, tells=self.tells)
                self.told.extend(new)
                self.told_count += len(new)
                self._pending.clear()
            if still is not None and self.stood is not None:
                gone = {k: s for k, s in self.stood.items() if k not in still or still[k].broken_at != s.broken_at}
                self.ledger.watches.forget(self.watch, gone, still.keys(), at_us)
                self.stood = None
            if over:
                self.ledger.watches.end_session(self.watch, over, at_us)
        except LedgerError as exc:
            LOGGER.error("%d events, or what is broken no more, wait for the ledger: %s", len(self._pending), exc)
            return False
        return True

    def _take_up_rules(self, at_us: int) -> None:
        try:
            newest = self.ledger.watches.newest_change()
            if newest != self._rule_change:
                self._found += self.market.change_rules(self.ledger.watches.rules(), at_us)
                self._rule_change = newest
        except LedgerError as exc:
            LOGGER.warning("The rules stay as they are, the ledger cannot be asked: %s", exc)

    def _write_status(self, at_us: int, pace: Pace, state: str) -> None:
        if self.last is None or time.monotonic() - self._status_at < _STATUS_EVERY:
            return  # a replay watches many seconds in one
        self._status_at = time.monotonic()
        own = self.own.status()
        status = (
            dict(self.about)
            | {name: own[name] for name in ("own", "orders", "breakers")}
            | {
                "at": time_of(at_us).isoformat(),
                "state": state,
                "feed": {
                    "name": self.stream.name,
                    "silent_seconds": (at_us - self._heard_us) / SECOND_US if self._heard_us else None,
                    "conflated": self.stream.conflated,
                    "problems": {
                        **(self.books.problems() if self.books else {}),
                        **self.stream.problems(),
                        **self.left_out,
                    },
                    "switches": self.switches,
                },
                "market": condition_names(self.last.market),
                "ticks": self.ticks,
                "ticks_per_second": sum(map(len, self._heard)),
                "busy_ms": self._busy_ms,
                "lag_seconds": (pace.now_us() - at_us) / SECOND_US,
                "symbols": symbol_rows(self.last, self.symbols, own["held"], own["profits"]),
                "watched": len(self.symbols),
                "broken": broken_rows(self.market.rules, self.market.standing()),
                "unheard_rules": self.market.unheard,
                "oddities": oddity_counts(self.market.state.oddities),
            }
        )
        _on_disk(lambda: self.files.write_status(status), "Nobody sees how the watch stands")


def _on_disk(write: Callable[[], object], lost: str) -> None:
    """Write; a disk that takes nothing ends no watch."""
    try:
        write()
    except StoreUnavailable as exc:
        LOGGER.error("%s: %s", lost, exc)


def _received_since(batch: TickBatch, begin_us: int) -> TickBatch:
    """Return the batch with what came late as of the step it is counted in, so that its record tells the same."""
    trades, quotes = (np.maximum(at, begin_us) for at in (batch.trade_received_at, batch.quote_received_at))
    return replace(batch, trade_received_at=trades, quote_received_at=quotes)


def standing_of(rows: Sequence[Sequence[Any]]) -> dict[tuple[str, str], Standing]:
    """Return what `Monitor.checkpoint` has written of the rules."""
    return {(rule_id, subject): Standing(since=since, broken_at=at) for rule_id, subject, since, at in rows}
