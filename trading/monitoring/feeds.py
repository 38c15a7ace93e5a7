"""Feeds of ticks: which symbols they are to tell, and which of several feeds is listened to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from math import isnan

from trading.errors import InvalidValue
from trading.monitoring.feed_health import FeedPolicy

_SECOND_US = 1_000_000


class WatchPriority(IntEnum):
    """Whose symbols come first where a feed has no room for all."""

    POSITIONS = 0
    ORDERS = 1
    UNIVERSE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange:
    """What is to be asked of the feed, and what no more."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


class SubscriptionList:
    """The symbols that several want watched, as many as the feed has room for.

    Positions come first, then working orders, then universes; among equals who was wanted first. A symbol is watched
    as long as anybody wants it.

    Args:
        most: of how many symbols the feed tells at once; None for any number.
    """

    def __init__(self, most: int | None) -> None:
        if most is not None and most < 1:
            raise InvalidValue("symbols at once", most, "at least 1, or None for any number")
        self._most = most
        self._wanted: dict[str, tuple[WatchPriority, frozenset[str]]] = {}
        self._turn: dict[str, int] = {}
        self._turns = 0
        self._watched: tuple[str, ...] = ()

    @property
    def watched(self) -> tuple[str, ...]:
        """Return what the feed is to tell, as of the last `settle`; first come first."""
        return self._watched

    def want(self, wanter: str, priority: WatchPriority, symbols: Iterable[str]) -> None:
        """Have these symbols watched for somebody, instead of those that it wanted before; none is none any more."""
        wanted = tuple(dict.fromkeys(symbols))
        self._wanted[wanter] = (priority, frozenset(wanted))
        for symbol in wanted:
            if symbol not in self._turn:
                self._turn[symbol] = self._turns
                self._turns += 1

    def settle(self) -> SubscriptionChange:
        """Rule on what is watched, and return what has changed since the last time."""
        before, ranked = self._watched, self._ranked()
        self._turn = {symbol: turn for symbol, turn in self._turn.items() if symbol in ranked}
        self._watched = tuple(ranked)[: self._most]
        return SubscriptionChange(
            added=tuple(s for s in self._watched if s not in before),
            removed=tuple(s for s in before if s not in self._watched),
        )

    def left_out(self) -> Mapping[str, str]:
        """Return who is wanted and not watched, and why."""
        ranked = self._ranked()
        return {s: self._why_not(s, priority) for s, priority in ranked.items() if s not in self._watched}

    def wanters(self, symbol: str) -> tuple[str, ...]:
        """Return who wants it watched."""
        return tuple(sorted(wanter for wanter, (_, symbols) in self._wanted.items() if symbol in symbols))

    def _ranked(self) -> dict[str, WatchPriority]:
        best: dict[str, WatchPriority] = {}
        for priority, symbols in self._wanted.values():
            for symbol in symbols:
                best[symbol] = min(priority, best.get(symbol, priority))
        return dict(sorted(best.items(), key=lambda item: (item[1], self._turn[item[0]])))

    def _why_not(self, symbol: str, priority: WatchPriority) -> str:
        who = ", ".join(self.wanters(symbol))
        return f"the feed has room for {self._most} symbols, and others come first ({priority.name.lower()}: {who})"


class FeedActionKind(StrEnum):
    """What is to be done about a feed."""

    RENEW = "renew"  # subscribe all of its symbols anew
    LISTEN = "listen"  # to it, from now on, and to no other


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAction:
    """Something to do about one of the feeds.

    Attributes:
        feed: its number, in the order of preference.
    """

    kind: FeedActionKind
    feed: int
    why: str


class FeedTurns:
    """Which of several feeds is listened to, the first as long as it tells.

    A feed that falls silent is subscribed anew, and again as long as it is dead. A feed that is dead gives way to the
    first that is not, or was not tried yet; the first gets its turn back when it has told for a while without a break.

    Attributes:
        listened: the feed that is listened to.
    """

    def __init__(self, feeds: int, policy: FeedPolicy) -> None:
        self._policy = policy
        self._alive_since: list[int | None] = [None] * feeds
        self._renewed_at = [-(2**62)] * feeds
        self.listened = 0

    def rule(self, at_us: int, silences: Sequence[float]) -> tuple[FeedAction, ...]:
        """Return what is to be done now.

        Args:
            at_us: microseconds since the epoch, UTC.
            silences: of each feed, in expected intervals (`FeedHealth.feed_silence`); NaN of one that is not open.
        """
        for feed, silence in enumerate(silences):
            alive = silence < self._policy.dead_after
            self._alive_since[feed] = (self._alive_since[feed] or at_us) if alive else None
        actions = [*self._renewals(at_us, silences), *self._turn(at_us, silences)]
        return tuple(actions)

    def _renewals(self, at_us: int, silences: Sequence[float]) -> Iterable[FeedAction]:
        for feed, silence in enumerate(silences):
            is_due = at_us - self._renewed_at[feed] >= self._policy.renew_again_seconds * _SECOND_US
            if silence >= self._policy.renew_after and is_due:
                self._renewed_at[feed] = at_us
                yield FeedAction(kind=FeedActionKind.RENEW, feed=feed, why=_silent(silence))

    def _turn(self, at_us: int, silences: Sequence[float]) -> Iterable[FeedAction]:
        silence = silences[self.listened]
        if silence < self._policy.dead_after:
            steady = self._policy.back_after_seconds * _SECOND_US
            back = (f for f in range(self.listened) if at_us - (self._alive_since[f] or at_us) >= steady)
            why = f"it has told again for {self._policy.back_after_seconds:g} s"
        else:
            others = (f for f in range(len(silences)) if f != self.listened)
            back = (f for f in others if isnan(silences[f]) or self._alive_since[f] is not None)
            why = f"the one before is dead: {_silent(silence)}"
        feed = next(back, None)
        if feed is not None:
            self.listened = feed
            yield FeedAction(kind=FeedActionKind.LISTEN, feed=feed, why=why)


def _silent(silence: float) -> str:
    return f"silent for {silence:.1f} expected intervals"
