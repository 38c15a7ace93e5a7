"""Several feeds of ticks behind one seam: the first as long as it tells, then those that stand in for it, in order."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np

from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.monitoring.feed_health import FeedHealth, FeedPolicy
from trading.monitoring.feeds import FeedActionKind, FeedTurns
from trading.monitoring.tick_batch import QUOTE_FIELDS, TRADE_FIELDS, BoolArray, TickBatch, joined
from trading.monitoring.tick_stream import TickStream

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSwitch:
    """One feed was listened to instead of another from a moment on.

    Attributes:
        at_us: what was received before is of the one, what is received from then on of the other; microseconds since
            the epoch, UTC.
        before: the name of the one.
        after: that of the other.
    """

    at_us: int
    before: str
    after: str
    why: str


class FailoverTicks:
    """A stream of ticks of which one feed at a time is listened to.

    The others are subscribed when they are first needed, and given back when one before them is listened to again; a
    feed that is dead stays subscribed, and is subscribed anew, so that its return is heard. A symbol that is silent
    while others are told is subscribed anew too. Each moment is told by one feed only, by the time of receipt; what a
    feed says while another is listened to is not told.

    `subscribe` and `close` belong to one event loop; `take` may be called in any thread.

    Args:
        feeds: by preference, each with a name of its own; the last may poll.
        from_us: before that time silence is no fault, such as before the open; microseconds since the epoch, UTC.
        until_us: nor after that time, such as the close; None: it always is.

    Attributes:
        switches: how often another feed was listened to.
    """

    def __init__(
        self,
        feeds: Sequence[TickStream],
        *,
        policy: FeedPolicy | None = None,
        from_us: int = 0,
        until_us: int | None = None,
    ) -> None:
        names = [feed.name for feed in feeds]
        if len(set(names)) < len(names) or not names:
            raise InvalidValue("feeds", names, "one or more, each named once")
        self._policy, self._from_us, self._until_us = policy or FeedPolicy(), from_us, until_us
        self._feeds = tuple(_Feed(stream) for stream in feeds)
        self._feeds[0].is_open = True
        self._turns = FeedTurns(len(self._feeds), self._policy)
        self._listened = self._floor_us = 0
        self._places: dict[str, int] = {}
        self._switched: list[FeedSwitch] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._doing: set[asyncio.Task[None]] = set()
        self.switches = 0

    @property
    def name(self) -> str:
        """Return the name of the feed that has told what was last taken; record that under it."""
        return self._feeds[self._listened].stream.name

    @property
    def conflated(self) -> int:
        """Return how many quotes were left out since the start of those that were listened to."""
        return sum(feed.conflated for feed in self._feeds)

    @property
    def asked(self) -> frozenset[str]:
        """Return the symbols that the feeds are asked for."""
        return frozenset(self._places)

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Have the ticks of these symbols too; a feed that cannot be asked is asked again, and another listened to.

        Raises:
            UnknownSymbol: the feed that is listened to does not know some; the others are had.
        """
        self._loop = asyncio.get_running_loop()
        self._places |= places
        unknown: UnknownSymbol | None = None
        for number, feed in enumerate(self._feeds):
            if feed.is_open:
                refused = await feed.subscribe(places)
                unknown = refused if number == self._listened else unknown
        if unknown is not None:
            raise unknown

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        gone = [self._places.pop(symbol) for symbol in symbols if symbol in self._places]
        for feed in self._feeds:
            if feed.is_open:
                if feed.health is not None:
                    feed.health.want_no_more(np.array(gone, dtype=np.int32))
                await feed.stream.unsubscribe(symbols)

    def take(self, until_us: int) -> TickBatch:
        """Return what the feed that is listened to has received before that time; a step is a second or less.

        At the end of each second it is ruled which feed is listened to.
        """
        self._listened, listens = self._turns.listened, until_us > self._from_us
        rules = listens and until_us % _SECOND_US == 0
        told = TickBatch()
        for number, feed in enumerate(self._feeds):
            if feed.is_open:
                batch = feed.take(until_us, is_told=number == self._listened)
                told = batch if number == self._listened else told
                if listens:
                    feed.heard.append(batch)
                if rules:
                    feed.listen([*self._places.values()], until_us, self._policy)
        told = _received_from(told, self._floor_us)
        if rules and (self._until_us is None or until_us <= self._until_us):
            self._rule(until_us)
        return told

    def switched(self) -> tuple[FeedSwitch, ...]:
        """Return which switches there were since this was last asked."""
        switched = []
        while self._switched:  # one by one: another may come from another thread meanwhile
            switched.append(self._switched.pop(0))
        return tuple(switched)

    def problems(self) -> Mapping[str, str]:
        """Return why nothing comes, of each symbol that it is known of, by the feed that is listened to."""
        return self._feeds[self._listened].stream.problems()

    async def close(self) -> None:
        """End all feeds; a second time does nothing."""
        self._loop = None
        for task in tuple(self._doing):
            task.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)
        for feed in self._feeds:
            await feed.stream.close()

    def _rule(self, at_us: int) -> None:
        silences = [nan if feed.health is None else feed.health.feed_silence(at_us) for feed in self._feeds]
        for action in self._turns.rule(at_us, silences):
            feed = self._feeds[action.feed]
            if action.kind is FeedActionKind.RENEW:
                self._do(feed.renew(dict(self._places)))
            else:
                self._listen_to(action.feed, at_us, action.why)
        self._renew_silent_symbols(at_us)

    def _listen_to(self, number: int, at_us: int, why: str) -> None:
        feed = self._feeds[number]
        self._floor_us = at_us
        self.switches += 1
        self._switched.append(FeedSwitch(at_us=at_us, before=self.name, after=feed.stream.name, why=why))
        if not feed.is_open:
            feed.is_open = True
            self._do(feed.renew(dict(self._places)))
        for later in self._feeds[number + 1 :]:
            if later.is_open:
                later.is_open, later.health = False, None
                self._do(later.give_back(tuple(self._places)))

    def _renew_silent_symbols(self, at_us: int) -> None:
        feed = self._feeds[self._turns.listened]
        if feed.health is not None and len(silent := feed.health.renewals(at_us)):
            silent_places = frozenset(silent.tolist())
            self._do(feed.renew({s: n for s, n in dict(self._places).items() if n in silent_places}))

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        """Have it done in the loop, from whatever thread."""
        if self._loop is None:
            what.close()
        else:
            self._loop.call_soon_threadsafe(self._start, what)

    def _start(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)


class _Feed:
    """One feed, and how it is.

    Attributes:
        health: None until it was first listened to since it is open.
        heard: what it has received since.
        conflated: quotes that it left out while it was listened to.
    """

    def __init__(self, stream: TickStream) -> None:
        self.stream, self.is_open = stream, False
        self.health: FeedHealth | None = None
        self.heard: list[TickBatch] = []
        self.conflated = 0
        self._left_out = 0
        self._one_at_a_time = asyncio.Lock()

    async def subscribe(self, places: Mapping[str, int]) -> UnknownSymbol | None:
        """Subscribe, and return what the feed does not know; that it cannot be asked it tells among its problems."""
        async with self._one_at_a_time:
            return await self._subscribe(places)

    async def renew(self, places: Mapping[str, int]) -> None:
        """Subscribe anew, unless the feed was given back meanwhile."""
        async with self._one_at_a_time:
            if self.is_open:
                await self._subscribe(places)

    async def give_back(self, symbols: Sequence[str]) -> None:
        """Have no more of it, unless it was opened again meanwhile; what is not taken would pile up."""
        async with self._one_at_a_time:
            if not self.is_open:
                await self.stream.unsubscribe(symbols)

    async def _subscribe(self, places: Mapping[str, int]) -> UnknownSymbol | None:
        try:
            await self.stream.subscribe(places)
        except UnknownSymbol as exc:
            return exc
        except SourceUnavailable:
            return None
        return None

    def take(self, until_us: int, *, is_told: bool) -> TickBatch:
        """Return what it has received, and count what it left out."""
        batch = self.stream.take(until_us)
        left_out = self.stream.conflated
        if is_told:
            self.conflated += left_out - self._left_out
        self._left_out = left_out
        return batch

    def listen(self, places: Sequence[int], at_us: int, policy: FeedPolicy) -> None:
        """Take what it has received in the last second for its health."""
        if self.health is None:
            self.health = FeedHealth(at_us, policy)
        self.health.want(np.array(places, dtype=np.int32), at_us)
        self.health.take(joined(self.heard))
        self.heard.clear()


def _received_from(batch: TickBatch, floor_us: int) -> TickBatch:
    """Return the ticks received at that time or later; others are of a moment that another feed has told."""
    trades, quotes = batch.trade_received_at >= floor_us, batch.quote_received_at >= floor_us
    if trades.all() and quotes.all():
        return batch
    return replace(batch, **_picked(batch, TRADE_FIELDS, trades), **_picked(batch, QUOTE_FIELDS, quotes))


def _picked(batch: TickBatch, names: Sequence[str], which: BoolArray) -> dict[str, Any]:
    return {name: getattr(batch, name)[which] for name in names}
