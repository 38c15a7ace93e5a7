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
TRADES = "233"  # RTVolume, a generic tick that is asked for
WITH_TRADES = ("STK", "OPT", "FUT")  # for others a request with it is refused, 321
_RT_VOLUME = 48
BestPrices = tuple[float | None, float | None, float | None, float | None]


class QuoteLine:
    """What was heard of one symbol, written at every tick.

    Attributes:
        number: of the request that it belongs to.
        volume: of the session so far.
    """

    __slots__ = (
        "_heard",
        "_told",
        "_trade",
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
        self._heard: set[str] = set()
        self._told: BestPrices | None = None
        self._trade = ""

    def begin(self, number: int) -> None:
        """Belong to a request that was just made; the values stay until it tells others."""
        self.number, self.error, self._told = number, "", None
        self._heard.clear()

    def take(self, what: str, value: Any) -> None:
        """Take what the receiver tells of it."""
        if what == "px":
            tick, px, size = value
            if (name := _PX.get(tick)) is not None:
                setattr(self, name, px if px > 0 else None)  # -1 says that there is none
                setattr(self, f"{name}_size", size)
                self._heard.add(name)
                self.error = ""  # it sends again what it refused, as after a competing session
        elif what == "size":
            tick, size = value
            if (name := _SIZE.get(tick)) is not None:
                setattr(self, name, size)
        elif what == "type":
            self.kind = _KINDS[value]

    def new_quote(self) -> BestPrices | None:
        """Return bid, ask and their sizes; None where they were told so before, or one side was never told."""
        quote = (self.bid, self.ask, self.bid_size, self.ask_size)
        if quote == self._told or not {"bid", "ask"} <= self._heard:
            return None
        self._told = quote
        return quote

    def new_trade(self, tick: int, text: str) -> tuple[float, float, int] | None:
        """Return price, size and time in microseconds of a trade; None where it is none, or the one told before.

        RTVolume is "price;size;milliseconds;volume of the day;VWAP;single". A line that is subscribed anew begins with
        the last one again, and the volume in it tells it from another trade. A price that is empty, or a size of 0, is
        of what changed the volume only.

        Source: interactivebrokers.github.io/tws-api/tick_types.html, "RT Volume".
        """
        if tick != _RT_VOLUME or text == self._trade:
            return None
        try:
            px, size, milliseconds = text.split(";")[:3]
            trade = float(px or 0), float(size or 0), int(milliseconds) * 1000
        except ValueError:
            self.error = f"it sent a trade that cannot be read: {text[:60]!r}"
            return None
        if not (trade[0] > 0 and trade[1] > 0):
            return None
        self._trade = text
        return trade

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
