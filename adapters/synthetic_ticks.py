"""Ticks that nobody traded: a load of any size, to try the desk's watching with."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trading.errors import InvalidValue
from trading.monitoring.tick_batch import QUOTE_FIELDS, TRADE_FIELDS, FloatArray, TickBatch, joined

# Returns prices, of those symbols that have one; it may wait for a disk.
Levels = Callable[[Sequence[str]], Mapping[str, float]]
_SECOND_US = 1_000_000
_QUOTES_A_TRADE = 9
_SWING, _NOISE = 0.02, 2e-4  # of the price: how far it goes in its waves, and by how much a tick differs


class SyntheticTicks:
    """A stream of waves with noise; nine quotes come for each trade.

    The ticks of a second follow from the seed, the levels and the second alone, so a process that begins anew hears the
    same.

    Args:
        ticks_per_second: of all symbols together.
        seed: of the random numbers.
        levels: what the waves of a symbol go about; by chance where it is not said.
    """

    conflated = 0

    def __init__(
        self, *, ticks_per_second: int, seed: int = 0, name: str = "synthetic", levels: Levels | None = None
    ) -> None:
        if ticks_per_second < 1:
            raise InvalidValue("ticks per second", ticks_per_second, "at least 1")
        self.name = name
        self._rate, self._seed, self._levels = ticks_per_second, seed, levels
        self._level: dict[int, float] = {}
        self._places = np.empty(0, dtype=np.int32)
        self._taken_us: int | None = None
        self._newest = -1, TickBatch()  # the second that was made last

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Have ticks of these symbols too."""
        if self._levels is not None:
            levels = await asyncio.to_thread(self._levels, [*places])
            self._level |= {places[symbol]: level for symbol, level in levels.items()}
        self._places = np.union1d(self._places, np.array([*places.values()], dtype=np.int32)).astype(np.int32)

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Go on as before: a load is what it is for."""

    def take(self, until_us: int) -> TickBatch:
        """Return the ticks received since the last time; the first time those of a second."""
        since_us = until_us - _SECOND_US if self._taken_us is None else self._taken_us
        self._taken_us = until_us
        if not len(self._places):
            return TickBatch()
        seconds = range(since_us // _SECOND_US, -(-until_us // _SECOND_US))
        return joined([_between(self._made(second), since_us, until_us) for second in seconds])

    def problems(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    async def close(self) -> None:
        """Do nothing."""

    def _made(self, second: int) -> TickBatch:
        if self._newest[0] != second:
            self._newest = second, self._second(second)
        return self._newest[1]

    def _second(self, second: int) -> TickBatch:
        random = np.random.default_rng([self._seed, second])
        at = second * _SECOND_US + np.sort(random.integers(0, _SECOND_US, self._rate))
        which = random.integers(0, len(self._places), self._rate)
        is_trade = random.integers(0, _QUOTES_A_TRADE + 1, self._rate) == 0
        px = (self._prices(second)[which] * (1 + random.normal(0, _NOISE, self._rate))).round(2)
        sizes = random.integers(1, 10, (2, self._rate)).astype(np.float64) * 100
        return TickBatch(
            trade_symbol=self._places[which[is_trade]],
            trade_px=px[is_trade],
            trade_size=sizes[0, is_trade],
            traded_at=at[is_trade],
            trade_received_at=at[is_trade],
            quote_symbol=self._places[which[~is_trade]],
            bid=px[~is_trade] - 0.01,
            ask=px[~is_trade] + 0.01,
            bid_size=sizes[0, ~is_trade],
            ask_size=sizes[1, ~is_trade],
            quoted_at=at[~is_trade],
            quote_received_at=at[~is_trade],
        )

    def _prices(self, second: int) -> FloatArray:
        """Return the price of each symbol, without noise."""
        waves = np.random.default_rng([self._seed, 2**31])
        most = int(self._places.max()) + 1
        level, period, phase = (waves.uniform(low, high, most) for low, high in ((20, 400), (60, 1200), (0, 2 * np.pi)))
        for place, price in self._level.items():
            level[place] = price
        px: FloatArray = level * (1 + _SWING * np.sin(2 * np.pi * second / period + phase))
        return px[self._places]


def _between(batch: TickBatch, since_us: int, until_us: int) -> TickBatch:
    columns: dict[str, Any] = {}
    for names in (TRADE_FIELDS, QUOTE_FIELDS):
        first, last = np.searchsorted(getattr(batch, names[-1]), (since_us, until_us))
        columns |= {name: getattr(batch, name)[first:last] for name in names}
    return TickBatch(**columns)
