"""A quote as it grows, tick by tick, on a market data line or in a snapshot."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trading.market.quotes import Quote, QuoteKind

# By IB's tick type: live, then delayed.
_PX: Mapping[int, str] = {1: "bid", 2: "ask", 4: "last", 66: "bid", 67: "ask", 68: "last"}
_SIZE: Mapping[int, str] = {
    0: "bid_size",
    3: "ask_size",
    5: "last_size",
    8: "volume",
    69: "bid_size",
    70: "ask_size",
    71: "last_size",
    74: "volume",
}
# As IB numbers them in reqMarketDataType.
_KINDS: Mapping[int, QuoteKind] = {
    1: QuoteKind.LIVE,
    2: QuoteKind.FROZEN,
    3: QuoteKind.DELAYED,
    4: QuoteKind.DELAYED_FROZEN,
}
NUMBERS: Mapping[QuoteKind, int] = {kind: number for number, kind in _KINDS.items()}


class QuoteLine:
    """What was heard of one symbol, written at every tick.

    Attributes:
        number: of the request that it belongs to.
        volume: of the session so far.
    """

    __slots__ = (
        "ask",
        "ask_size",
        "at",
        "bid",
        "bid_size",
        "error",
        "kind",
        "last",
        "last_size",
        "number",
        "symbol",
        "volume",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol, self.kind, self.error, self.number = symbol, QuoteKind.LIVE, "", 0
        self.at: datetime | None = None
        self.bid: float | None = None
        self.ask: float | None = None
        self.last: float | None = None
        self.bid_size: float | None = None
        self.ask_size: float | None = None
        self.last_size: float | None = None
        self.volume: float | None = None

    def take(self, what: str, value: Any) -> None:
        """Take what the receiver tells of it."""
        if what == "px":
            tick, px, size = value
            if (name := _PX.get(tick)) is not None:
                setattr(self, name, px if px > 0 else None)  # -1 says that there is none
                setattr(self, f"{name}_size", size)
                self.error = ""  # it sends again what it refused, as after a competing session
        elif what == "size":
            tick, size = value
            if (name := _SIZE.get(tick)) is not None:
                setattr(self, name, size)
        else:
            self.kind = _KINDS[value]

    def quote(self) -> Quote:
        """Return it as it is now."""
        return Quote(
            symbol=self.symbol,
            bid=self.bid,
            ask=self.ask,
            last=self.last,
            bid_size=self.bid_size,
            ask_size=self.ask_size,
            last_size=self.last_size,
            kind=self.kind,
            at=self.at,
            error=self.error,
        )
