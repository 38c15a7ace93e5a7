"""The seam to a feed of ticks: everything that is said of some symbols, as it arrives."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from trading.monitoring.tick_batch import TickBatch


class TickStream(Protocol):
    """A feed that tells every trade and every change of the best quote; each symbol has its place in the watch list."""

    @property
    def name(self) -> str:
        """Return the provider's name, under which its ticks are recorded."""
        ...

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Have the ticks of these symbols too, each under its place in the watch list; a second time subscribes anew.

        Raises:
            UnknownSymbol: the provider does not know some; the others are had.
            SourceUnavailable: it cannot be asked; what was asked for is had once it can be.
        """
        ...

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        ...

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time and not taken yet; microseconds since the epoch, UTC."""
        ...

    @property
    def conflated(self) -> int:
        """Return how many quotes were left out since the start, each because a newer one of its symbol had come.

        A trade is never left out.
        """
        ...

    def problems(self) -> Mapping[str, str]:
        """Return why nothing comes, of each symbol that it is known of."""
        ...

    async def close(self) -> None:
        """End the stream; a second time does nothing."""
        ...
