"""Whether a feed of ticks still tells what it should, by its own history of the session so far."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.errors import InvalidValue
from trading.monitoring.tick_batch import FloatArray, SymbolArray, TickBatch, TimeArray
from trading.validation import STRICT

_SECOND_US = 1_000_000
_NEVER = np.iinfo(np.int64).max
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Intervals = Annotated[float, Field(ge=1, le=1000)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class FeedPolicy:
    """When silence is too long, and what is done about it."""

    shortest_seconds: Annotated[Seconds, Field(description="No expected interval is shorter.")] = 1.0
    longest_times: Annotated[
        Intervals, Field(description="The expected interval is so many times the longest pause of late.")
    ] = 1.5
    fades_seconds: Annotated[Seconds, Field(description="After which the longest pause counts half.")] = 600.0
    learned_after: Annotated[
        int, Field(ge=1, le=1000, description="Pauses after which an interval is expected of a symbol.")
    ] = 20
    first_seconds: Annotated[Seconds, Field(description="Interval expected of the feed until then.")] = 10.0
    unheard_seconds: Annotated[
        Seconds, Field(description="A symbol never heard of for so long, while others are, is silent.")
    ] = 60.0
    silent_after: Annotated[Intervals, Field(description="Expected intervals after which a symbol is silent.")] = 3.0
    renew_after: Annotated[Intervals, Field(description="Those after which the feed is subscribed anew.")] = 1.5
    dead_after: Annotated[Intervals, Field(description="Those after which the feed is dead.")] = 2.0
    renew_again_seconds: Annotated[
        Seconds, Field(description="Before it is subscribed anew again; of a silent symbol doubled each time.")
    ] = 30.0
    back_after_seconds: Annotated[
        Seconds, Field(description="For how long a feed must tell again before it is listened to again.")
    ] = 60.0


class FeedHealth:
    """The silence of each symbol and of the feed as a whole, against what is expected.

    The expected interval is 1.5 times the longest pause of late: a longer pause counts at once, though no more than as
    two expected intervals, and from then on fades by half every ten minutes. So a symbol that is quiet over lunch is
    expected to be, and an outage is not learned. Ticks of the same batch, of a second or less, are none apart.

    What is ruled is a function of the ticks, their batches and the times given alone.

    Args:
        from_us: since when the feed is listened to; microseconds since the epoch, UTC, as all times.
        until_us: the feed as a whole falls no more silent than it was then, such as at the close; None: it does.
    """

    COLUMNS = ("wanted_at", "told_at", "longest", "pauses", "renewed_at", "renew_wait")

    def __init__(self, from_us: int, policy: FeedPolicy | None = None, *, until_us: int | None = None) -> None:
        self._policy, self._until_us = policy or FeedPolicy(), until_us
        # Row 0 is the feed as a whole, row n + 1 the symbol at place n.
        self.wanted_at, self.told_at, self.pauses, self.renewed_at = (np.zeros(1, dtype=np.int64) for _ in range(4))
        self.longest, self.renew_wait = np.zeros(1), np.zeros(1)
        self.wanted_at[0] = from_us

    def want(self, places: SymbolArray, at_us: int) -> None:
        """Expect these symbols of the watch list to be told from now on; those that are already are as they were."""
        rows = np.asarray(places, dtype=np.int64) + 1
        self._grow(int(rows.max(initial=0)) + 1)
        new = rows[self.wanted_at[rows] == 0]
        for name in self.COLUMNS:
            getattr(self, name)[new] = 0
        self.wanted_at[new] = at_us
        self.renew_wait[new] = self._policy.renew_again_seconds

    def want_no_more(self, places: SymbolArray) -> None:
        """Expect nothing of them."""
        rows = np.asarray(places, dtype=np.int64) + 1
        self.wanted_at[rows[rows < len(self.wanted_at)]] = 0

    def take(self, batch: TickBatch) -> None:
        """Take what the feed has told in the last second."""
        rows = np.concatenate([batch.trade_symbol, batch.quote_symbol]).astype(np.int64) + 1
        at = np.concatenate([batch.trade_received_at, batch.quote_received_at])
        if not len(rows):
            return
        self._grow(int(rows.max()) + 1)
        first, last = np.full(len(self.told_at), _NEVER), np.zeros(len(self.told_at), dtype=np.int64)
        np.minimum.at(first, rows, at)
        np.maximum.at(last, rows, at)
        first[0], last[0] = at.min(), at.max()
        told = np.flatnonzero(last)
        again = told[self.told_at[told] > 0]
        self._learn(again, first[again], last[again])
        self.told_at[told] = np.maximum(self.told_at[told], last[told])
        self.renew_wait[told] = self._policy.renew_again_seconds

    def expected_seconds(self) -> FloatArray:
        """Return the expected interval of each symbol; NaN where it is not known yet."""
        return np.where(self.pauses < self._policy.learned_after, np.nan, self._expected())[1:]

    def silence(self, at_us: int) -> FloatArray:
        """Return for how many expected intervals each symbol is silent; NaN of what is not expected, or not known."""
        seconds = (at_us - self.told_at[1:]) / _SECOND_US
        return np.where(self.wanted_at[1:] > 0, seconds / self.expected_seconds(), np.nan)

    def feed_expected_seconds(self) -> float:
        """Return the expected interval of the feed as a whole."""
        expected = float(self._expected()[0])
        if self.pauses[0] < self._policy.learned_after:
            return max(expected, self._policy.first_seconds)
        return expected

    def feed_silence(self, at_us: int) -> float:
        """Return for how many expected intervals the whole feed is silent."""
        since = max(int(self.told_at[0]), int(self.wanted_at[0]))
        if self._until_us is not None:
            at_us = min(at_us, max(self._until_us, since))
        return (at_us - since) / _SECOND_US / self.feed_expected_seconds()

    def is_dead(self, at_us: int) -> bool:
        """Tell whether the feed as a whole is dead."""
        return self.feed_silence(at_us) >= self._policy.dead_after

    def silent(self, at_us: int) -> SymbolArray:
        """Return the places of symbols that are silent while others are told; none where the whole feed is dead.

        A symbol is silent as it is halted, or as its line is dead: subscribed anew, a line that was dead tells again.
        """
        if self.feed_silence(at_us) >= self._policy.renew_after:
            return np.empty(0, dtype=np.int32)
        unheard_us = self._policy.unheard_seconds * _SECOND_US
        wanted, told = self.wanted_at[1:], self.told_at[1:]
        unheard = (wanted > 0) & (told == 0) & (at_us - wanted >= unheard_us)
        return np.flatnonzero(unheard | (self.silence(at_us) >= self._policy.silent_after)).astype(np.int32)

    def renewals(self, at_us: int) -> SymbolArray:
        """Return the places of silent symbols that are to be subscribed anew now, and note that they are."""
        rows = self.silent(at_us).astype(np.int64) + 1
        due = rows[at_us - self.renewed_at[rows] >= self.renew_wait[rows] * _SECOND_US]
        self.renew_wait[due] = np.where(self.renewed_at[due] > 0, 2 * self.renew_wait[due], self.renew_wait[due])
        self.renewed_at[due] = at_us
        return (due - 1).astype(np.int32)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all there is to know, as copies, for `numpy.savez`; no element is an object."""
        return {name: getattr(self, name).copy() for name in self.COLUMNS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], policy: FeedPolicy | None = None) -> Self:
        """Return what `to_arrays` has told; it goes on as if it had never stopped.

        Raises:
            InvalidValue: the arrays are of another version.
        """
        health = cls(0, policy)
        for name in cls.COLUMNS:
            kept, blank = arrays.get(name), getattr(health, name)
            if kept is None or kept.dtype != blank.dtype or kept.shape != arrays["told_at"].shape:
                raise InvalidValue(f"checkpoint, {name}", None if kept is None else kept.shape, "of this version")
            setattr(health, name, kept.copy())
        return health

    def _expected(self) -> FloatArray:
        return np.maximum(self._policy.longest_times * self.longest, self._policy.shortest_seconds)

    def _learn(self, rows: TimeArray, first: TimeArray, last: TimeArray) -> None:
        before = self.told_at[rows]
        pause = np.maximum(first - before, 0) / _SECOND_US
        counted = np.minimum(pause, 2 * self._expected()[rows])
        faded = self.longest[rows] * 0.5 ** (np.maximum(last - before, 0) / _SECOND_US / self._policy.fades_seconds)
        self.longest[rows] = np.maximum(counted, faded)
        self.pauses[rows] += 1

    def _grow(self, rows: int) -> None:
        more = rows - len(self.told_at)
        if more > 0:
            for name in self.COLUMNS:
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros(more, dtype=column.dtype)]))
