"""The server: four ports, and the levers by which a test moves it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Final, Self
from zoneinfo import ZoneInfo

from iqfeed_server import wire
from iqfeed_server.admin import Admin
from iqfeed_server.client import Client
from iqfeed_server.faults import Faults, Port
from iqfeed_server.level1 import Level1
from iqfeed_server.level2 import Level2
from iqfeed_server.lookup import Lookup
from iqfeed_server.market import Level, Market
from iqfeed_server.server_settings import HOST, ServerSettings

log = logging.getLogger(__name__)

Desk = Level1 | Level2 | Lookup | Admin
DESKS: Final[Mapping[Port, type[Desk]]] = MappingProxyType(
    {Port.LEVEL1: Level1, Port.LEVEL2: Level2, Port.LOOKUP: Lookup, Port.ADMIN: Admin}
)
COMMAND_LIMIT: Final = 1 << 16


def new_york_now() -> datetime:
    """Return the time in New York, without its zone, as the protocol writes it."""
    return datetime.now(ZoneInfo("America/New_York")).replace(tzinfo=None)


class IqfeedServer:
    """A stand-in for IQConnect on loopback.

    Attributes:
        market: what it knows; shared by all clients.
        faults: what goes wrong; arm some.
        ports: where it listens.
        has_feed: whether it says that it is connected to DTN.
    """

    def __init__(self, settings: ServerSettings | None = None, *, now: Callable[[], datetime] = new_york_now) -> None:
        self.settings = settings or ServerSettings()
        self.market = Market(self.settings.seed, self.settings.symbols)
        self.faults = Faults()
        self.now = now
        self.has_feed = True
        self.ports = {
            Port.LEVEL1: self.settings.port_level1,
            Port.LEVEL2: self.settings.port_level2,
            Port.LOOKUP: self.settings.port_lookup,
            Port.ADMIN: self.settings.port_admin,
        }
        self._listening: list[asyncio.Server] = []
        self._desks: dict[Client, Desk] = {}
        self._unstamped: set[Client] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._jobs: list[asyncio.Task[None]] = []

    # its life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, stamp and move."""
        await self.come_back()
        self._jobs = [asyncio.create_task(self._stamp())]
        if self.settings.updates_per_second:
            self._jobs.append(asyncio.create_task(self._move()))

    async def stop(self) -> None:
        """Close all sockets and the ports."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self.go_away()

    async def go_away(self) -> None:
        """Close all sockets and refuse new ones."""
        for listening in self._listening:
            listening.close()
        self._listening.clear()
        for client in tuple(self._desks):
            client.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def come_back(self) -> None:
        """Listen again, on the same ports."""
        for port in Port:
            server = await asyncio.start_server(
                partial(self._serve, port),
                HOST,
                self.ports[port],
                limit=COMMAND_LIMIT,
            )
            self.ports[port] = server.sockets[0].getsockname()[1]
            self._listening.append(server)

    # levers

    @property
    def client_count(self) -> int:
        """Return how many clients there are."""
        return len(self._desks)

    @property
    def watched_count(self) -> int:
        """Return how many level 1 symbols are watched, over all clients."""
        return len({symbol for client in self._clients(Port.LEVEL1) for symbol in client.watched})

    def watched(self, port: Port) -> list[frozenset[str]]:
        """Return what each client of a port watches."""
        return [frozenset(client.watched) for client in self._clients(port)]

    async def update(self, *symbols: str) -> None:
        """Move the prices of these symbols, and tell all who watch them."""
        for symbol in symbols:
            self.market.move(symbol)
        await self.tell_quotes(*symbols)

    async def tell_quotes(self, *symbols: str) -> None:
        """Tell the prices of these symbols as they are."""
        if self.has_feed:
            for client, desk in tuple(self._desks.items()):
                if isinstance(desk, Level1):
                    await client.tell(desk.moved(symbols))

    async def flood(self, count: int) -> None:
        """Send each client of level 1 so many updates of all that it watches in turn, as fast as it takes them."""
        for client, desk in tuple(self._desks.items()):
            if not isinstance(desk, Level1) or not client.watched:
                continue
            lines = desk.moved(client.watched)
            rounds, rest = divmod(count, len(lines))
            raw = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
            for _ in range(rounds):
                await client.send(raw)
            await client.tell(lines[:rest])

    async def change_depth(self, symbol: str, level: Level) -> None:
        """Have a level of an order book changed; one without size is gone."""
        for client, desk in tuple(self._desks.items()):
            if isinstance(desk, Level2):
                await client.tell(desk.changed(symbol, level))

    async def clear_depth(self, symbol: str, side: str) -> None:
        """Have one side of an order book cleared."""
        await self.say(Port.LEVEL2, f"S,CLEAR DEPTH,{symbol},{side},")

    async def say(self, port: Port, *lines: str) -> None:
        """Say these lines to all clients of a port."""
        for client in self._clients(port):
            await client.tell(lines)

    async def send_raw(self, port: Port, raw: bytes) -> None:
        """Send bytes to all clients of a port as they are."""
        for client in self._clients(port):
            await client.send(raw)

    async def lose_feed(self) -> None:
        """Be disconnected from DTN; nothing moves until it is restored."""
        self.has_feed = False
        await self._say_on_streams("S,SERVER DISCONNECTED")

    async def restore_feed(self) -> None:
        """Be connected to DTN again."""
        self.has_feed = True
        await self._say_on_streams("S,SERVER CONNECTED")

    def drop_connections(self, port: Port) -> None:
        """Close all sockets of a port."""
        for client in self._clients(port):
            client.close()

    async def restart(self) -> None:
        """Go away and come back on the same ports; nobody's watches are remembered."""
        await self.go_away()
        await self.come_back()

    def stamped(self, client: Client, on: bool) -> None:
        """Send a client time stamps, or none."""
        (self._unstamped.discard if on else self._unstamped.add)(client)

    # one socket

    async def _serve(self, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        client = Client(port, reader, writer, self.faults)
        desk = self._desks[client] = DESKS[port](self, client)
        try:
            await desk.greet()
            async for command in client.commands():
                await desk.answer(command)
        except asyncio.CancelledError:
            log.debug("the server hangs up")
        finally:
            del self._desks[client]
            self._unstamped.discard(client)
            await client.closed()

    def _clients(self, port: Port) -> list[Client]:
        return [client for client in self._desks if client.port is port]

    async def _say_on_streams(self, line: str) -> None:
        await self.say(Port.LEVEL1, line)
        await self.say(Port.LEVEL2, line)

    async def _stamp(self) -> None:
        while True:
            await asyncio.sleep(self.settings.stamp_seconds)
            for client, desk in tuple(self._desks.items()):
                if isinstance(desk, Admin):
                    await client.tell([desk.statistics()])
                elif not isinstance(desk, Lookup) and client not in self._unstamped:
                    await client.tell([wire.stamp(self.now())])

    async def _move(self) -> None:
        while True:
            for symbol in self._all_watched():
                await asyncio.sleep(1 / self.settings.updates_per_second)
                await self.update(symbol)
            await asyncio.sleep(1 / self.settings.updates_per_second)

    def _all_watched(self) -> Iterable[str]:
        return sorted({symbol for client in self._clients(Port.LEVEL1) for symbol in client.watched})


def listening_text(server: IqfeedServer) -> str:
    """Return where a server listens, as it is told to people."""
    return ", ".join(f"{port.value} {number}" for port, number in server.ports.items())
