"""Level 2: order books, of futures by price level and of stocks by market maker.

Source: which symbol has which, and the messages, as in github.com/rburkholder/trade-frame, lib/TFIQFeed/Level2.
"""

from typing import TYPE_CHECKING

from iqfeed_server import wire
from iqfeed_server.client import Client
from iqfeed_server.level1 import SYNTAX_ERROR
from iqfeed_server.market import LEVELS, Level

if TYPE_CHECKING:
    from iqfeed_server.server import IqfeedServer

BY_PRICE, BY_ORDER = "WPL", "WOR"


class Level2:
    """What one client of port 9200 is answered."""

    def __init__(self, server: "IqfeedServer", client: Client) -> None:
        self._server, self._client = server, client

    async def greet(self) -> None:
        """Say what IQConnect says before it is asked."""
        await self._client.tell([f"S,SERVER {'CONNECTED' if self._server.has_feed else 'DISCONNECTED'}"])

    async def answer(self, command: list[str]) -> None:
        """Obey one command."""
        match command:
            case ["S", "SET PROTOCOL", _]:
                lines = [f"S,CURRENT PROTOCOL,{self._server.settings.protocol}"]
            case [("WPL" | "WOR") as how, symbol, *levels]:
                lines = self._watch(how, symbol.upper(), int(levels[0]) if levels and levels[0].isdigit() else LEVELS)
            case [("RPL" | "ROR"), symbol, *_]:
                self._client.watched.pop(symbol.upper(), None)
                lines = []
            case ["T"]:
                lines = [wire.stamp(self._server.now())]
            case _:
                lines = [SYNTAX_ERROR]
        await self._client.tell(lines)

    def changed(self, symbol: str, level: Level) -> list[str]:
        """Return the message of a changed level, or that it is gone, if it is watched."""
        how, at = self._client.watched.get(symbol), self._server.now()
        if how is None:
            return []
        if how == BY_ORDER:
            return [wire.order("4", symbol, level, at)]
        return [wire.price_level("8", symbol, level, at) if level.size else wire.gone_level(symbol, level, at)]

    def _watch(self, how: str, symbol: str, levels: int) -> list[str]:
        market, watched, at = self._server.market, self._client.watched, self._server.now()
        if not market.knows(symbol):
            return [f"n,{symbol}"]
        if (how == BY_PRICE) != market.has_depth_by_price(symbol):
            return [f"q,{symbol}"]
        if symbol not in watched and len(watched) >= self._server.settings.symbol_limit:
            return [f"S,SYMBOL LIMIT REACHED,{symbol}"]
        watched[symbol] = how
        book = market.book(symbol)
        if how == BY_ORDER:
            return [wire.order("6", symbol, level, at) for level in book if _is_a_makers_best(level, book)]
        sides = [[level for level in book if level.side == side][:levels] for side in "BA"]
        return [wire.price_level("7", symbol, level, at) for side in sides for level in side]


def _is_a_makers_best(level: Level, book: list[Level]) -> bool:
    return next(each for each in book if (each.maker, each.side) == (level.maker, level.side)) is level
