"""Level 1: quotes of the symbols that a client watches."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from iqfeed_server import wire
from iqfeed_server.client import Client
from iqfeed_server.faults import Fault, Port

if TYPE_CHECKING:
    from iqfeed_server.server import IqfeedServer

SYNTAX_ERROR = "E,!SYNTAX_ERROR!,"


class Level1:
    """What one client of port 5009 is answered."""

    def __init__(self, server: "IqfeedServer", client: Client) -> None:
        self._server, self._client = server, client
        self._fields: tuple[str, ...] = wire.DEFAULT_FIELDS

    async def greet(self) -> None:
        """Say what IQConnect says before it is asked."""
        state = "CONNECTED" if self._server.has_feed else "DISCONNECTED"
        service = "delayed" if self._server.settings.delay_minutes else "real_time"
        limit = self._server.settings.symbol_limit
        await self._client.tell(
            (
                "S,KEY,99999",
                f"S,SERVER {state}",
                "S,IP,127.0.0.1 60002",
                f"S,CUST,{service},127.0.0.1,60002,99999,6.2.0.25,0,NASDAQ NYSE,,{limit},QT_API,,",
            )
        )

    async def answer(self, command: list[str]) -> None:
        """Obey one command."""
        if command[0] == "S":
            await self._client.tell(self._system(command[1:]))
        elif command == ["T"]:
            await self._client.tell([wire.stamp(self._server.now())])
        elif len(command) == 1 and command[0][:1] in "wtrf" and len(command[0]) > 1:
            await self._client.tell(self._watch(command[0][0], command[0][1:].upper()))
        else:
            await self._client.tell([SYNTAX_ERROR])

    def moved(self, symbols: Iterable[str]) -> list[str]:
        """Return the updates of those symbols that it watches."""
        return [self._update("Q", symbol) for symbol in symbols if symbol in self._client.watched]

    def _watch(self, how: str, symbol: str) -> list[str]:
        watched, limit = self._client.watched, self._server.settings.symbol_limit
        if how == "r":
            watched.pop(symbol, None)
            return []
        if not self._server.market.knows(symbol):
            return [f"n,{symbol}"]
        if symbol not in watched:
            if how == "f":
                return []
            if len(watched) >= limit:
                return [f"S,SYMBOL LIMIT REACHED,{symbol}"]
        watched[symbol] = how
        if not self._server.has_feed:
            return []
        return [wire.fundamental(symbol), self._update("P", symbol)]

    def _update(self, kind: str, symbol: str) -> str:
        tick = self._server.market.tick(symbol)
        known = wire.values(symbol, tick, self._server.now(), self._server.settings.delay_minutes)
        return wire.update(kind, self._fields, known)

    def _system(self, command: list[str]) -> list[str]:
        match command:
            case ["SET PROTOCOL", _]:
                return [f"S,CURRENT PROTOCOL,{self._server.settings.protocol}"]
            case ["SELECT UPDATE FIELDS", *fields]:
                return self._select(fields)
            case ["REQUEST CURRENT UPDATE FIELDNAMES"]:
                return [self._current_fields()]
            case ["UNWATCH ALL"]:
                self._client.watched.clear()
            case ["TIMESTAMPSOFF" | "TIMESTAMPSON" as name]:
                self._server.stamped(self._client, name == "TIMESTAMPSON")
            case ["CONNECT"] | ["SET CLIENT NAME", _]:
                pass
            case _:
                return [SYNTAX_ERROR]
        return []

    def _select(self, fields: list[str]) -> list[str]:
        allowed = {*wire.DEFAULT_FIELDS, *wire.FURTHER_FIELDS}
        if wrong := [field for field in fields if field not in allowed]:
            return [f"E,{wrong[0]} is not a valid fieldset field,"]
        if not self._server.faults.strikes(Fault.OWN_FIELDS, Port.LEVEL1):
            self._fields = ("Symbol", *(field for field in fields if field != "Symbol"))
        return [self._current_fields()]

    def _current_fields(self) -> str:
        return f"S,CURRENT UPDATE FIELDNAMES,{','.join(self._fields)}"
