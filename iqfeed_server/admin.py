"""The admin port: statistics, by themselves and when asked."""

from typing import TYPE_CHECKING

from iqfeed_server import wire
from iqfeed_server.client import Client
from iqfeed_server.level1 import SYNTAX_ERROR

if TYPE_CHECKING:
    from iqfeed_server.server import IqfeedServer


class Admin:
    """What one client of port 9300 is answered."""

    def __init__(self, server: "IqfeedServer", client: Client) -> None:
        self._server, self._client = server, client

    async def greet(self) -> None:
        """Tell how things are."""
        await self._client.tell([self.statistics()])

    async def answer(self, command: list[str]) -> None:
        """Obey one command."""
        match command:
            case ["S", "SET PROTOCOL", _]:
                lines = [f"S,CURRENT PROTOCOL,{self._server.settings.protocol}"]
            case ["S", "REQUEST STATS"] | ["T"]:
                lines = [self.statistics()]
            case ["S", "CLIENTSTATS ON" | "CLIENTSTATS OFF"]:
                lines = []
            case _:
                lines = [SYNTAX_ERROR]
        await self._client.tell(lines)

    def statistics(self) -> str:
        """Return the statistics."""
        server = self._server
        limit, now = server.settings.symbol_limit, server.now()
        return wire.stats(server.has_feed, server.watched_count, limit, server.client_count, now)
