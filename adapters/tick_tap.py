"""Where a client of a provider puts every tick that it hears, by symbol, on its way into the buffer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from adapters.tick_buffer import TickBuffer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TickTap:
    """The ticks of a client of quotes; what is said of a symbol that has no place in the watch list is left.

    Attributes:
        buffer: where they wait until they are taken.
    """

    def __init__(self, buffer: TickBuffer | None = None) -> None:
        self.buffer = buffer or TickBuffer()
        self._places: dict[str, int] = {}

    @property
    def places(self) -> Mapping[str, int]:
        """Return the place in the watch list of each symbol that is wanted."""
        return self._places

    def want(self, places: Mapping[str, int]) -> None:
        """Take what is said of these symbols too."""
        self._places |= places

    def want_no_more(self, symbols: Sequence[str]) -> None:
        """Leave what is said of them."""
        for symbol in symbols:
            self._places.pop(symbol, None)

    def trade(self, symbol: str, px: float, size: float, traded_at: int | None, received_at: datetime) -> None:
        """Take a trade.

        Args:
            traded_at: the provider's time in microseconds since the epoch, UTC; None where it tells none, and then the
                time at which it was received stands for it.
        """
        if (place := self._places.get(symbol)) is not None:
            received_us = microseconds(received_at)
            self.buffer.trade(place, px, size, received_us if traded_at is None else traded_at, received_us)

    def quote(
        self,
        symbol: str,
        bid: float | None,
        ask: float | None,
        bid_size: float | None,
        ask_size: float | None,
        quoted_at: int | None,
        received_at: datetime,
    ) -> None:
        """Take a quote; None is a side that nobody quotes, a size that is not told, or a time, as of a trade."""
        if (place := self._places.get(symbol)) is not None:
            received_us = microseconds(received_at)
            at = received_us if quoted_at is None else quoted_at
            self.buffer.quote(place, bid, ask, bid_size, ask_size, at, received_us)


def microseconds(at: datetime) -> int:
    """Return an aware time in microseconds since the epoch, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)
