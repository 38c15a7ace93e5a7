"""Ticks of the record, told once more at the times at which they were received."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from trading.errors import InvalidValue
from trading.market.ticks import TickKind, TickStore
from trading.monitoring.tick_batch import FIELDS, TickBatch

_HOUR = timedelta(hours=1)
_AHEAD_US = 60_000_000  # by how much a provider's clock may run ahead of ours
_ARRIVED = "arrived"
_NOTHING = TickBatch()

Columns = dict[str, npt.NDArray[np.generic]]


class RecordedTicks:
    """A stream of what is in the store of ticks; the same ticks come with every take as came when they were recorded.

    Args:
        source: whose ticks, as they were recorded.
        start: from when on, by the provider's time; `end` is beyond the last.
        one_sided_rows: as `TickBatch` has it.
    """

    conflated = 0

    def __init__(
        self, store: TickStore, source: str, start: datetime, end: datetime, *, one_sided_rows: bool = False
    ) -> None:
        if not start < end:
            raise InvalidValue("start of the record", str(start), f"before its end, {end}")
        self.name = source
        self._store, self._next, self._end, self._one_sided = store, start, end, one_sided_rows
        self._places: dict[str, int] = {}
        self._waiting = {kind: _columns(TickBatch(), kind) for kind in TickKind}

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Have the ticks of these symbols too, from the next hour on that is read."""
        self._places |= places

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them, from the next hour on that is read."""
        for symbol in symbols:
            self._places.pop(symbol, None)

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time and not taken yet.

        Raises:
            StoreCorrupt: a file of the record cannot be read.
        """
        while self._next < self._end and _microseconds(self._next) < until_us + _AHEAD_US:
            self._read_on()
        taken: Columns = {}
        for kind, waiting in self._waiting.items():
            if count := int(np.searchsorted(waiting[_ARRIVED], until_us)):
                taken |= {name: waiting[name][:count] for name in FIELDS[kind]}
                self._waiting[kind] = {name: column[count:] for name, column in waiting.items()}
        if not taken:
            return _NOTHING
        return TickBatch(**taken, one_sided_rows=self._one_sided)  # type: ignore[arg-type] # the names tell the types

    def problems(self) -> Mapping[str, str]:
        """Return nothing: what is not in the record never comes."""
        return {}

    async def close(self) -> None:
        """Do nothing: the store has nothing open."""

    def _read_on(self) -> None:
        """Read the next hour, and put it among what waits by the time at which it was received."""
        until = min(self._end, self._next.replace(minute=0, second=0, microsecond=0) + _HOUR)
        symbols = sorted(self._places, key=self._places.__getitem__)
        for kind in TickKind:
            ticks = {kind: self._store.read(self.name, kind, symbols, self._next, until)}
            batch = TickBatch.of_ticks(
                symbols,
                trades=ticks.get(TickKind.TRADES),
                quotes=ticks.get(TickKind.QUOTES),
                depth=ticks.get(TickKind.DEPTH),
            )
            hour = _columns(batch, kind)
            hour[FIELDS[kind][0]] = self._watched(symbols)[hour[FIELDS[kind][0]]]
            self._waiting[kind] = _merged(self._waiting[kind], hour)
        self._next = until

    def _watched(self, symbols: Sequence[str]) -> npt.NDArray[np.int32]:
        return np.array([self._places[s] for s in symbols], dtype=np.int32)


def _columns(batch: TickBatch, kind: TickKind) -> Columns:
    """Return the columns of a kind, and when each tick had arrived: after those before it, whatever the clock said."""
    names = FIELDS[kind]
    columns: Columns = {name: getattr(batch, name) for name in names}
    return columns | {_ARRIVED: np.maximum.accumulate(getattr(batch, names[-1]))}


def _merged(first: Columns, second: Columns) -> Columns:
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    order = np.argsort(both[_ARRIVED], kind="stable")
    return {name: column[order] for name, column in both.items()}


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
