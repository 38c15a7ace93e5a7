"""An IQFeed server in a process of its own: a line with a number in floods who watches, and an answer comes out."""

import asyncio
import sys

from iqfeed_server.faults import Port
from iqfeed_server.market import Tick
from iqfeed_server.server import IqfeedServer
from iqfeed_server.server_settings import ServerSettings

LAST = Tick(bid=99998, ask=100000, bid_size=1, ask_size=1, last=99999, last_size=1)  # ends a flood


async def serve(symbols: list[str]) -> None:
    """Serve until there is nothing more to read."""
    settings = ServerSettings(
        port_level1=0,
        port_level2=0,
        port_lookup=0,
        port_admin=0,
        symbols=tuple(symbols),
        symbol_limit=len(symbols),
        stamp_seconds=60,
    )
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with IqfeedServer(settings) as server:
        print(server.ports[Port.LEVEL1], flush=True)
        first = server.market.tick(symbols[-1])
        while line := await lines.readline():
            server.market.set_tick(symbols[-1], first)
            await server.flood(int(line) - 1)
            server.market.set_tick(symbols[-1], LAST)
            await server.tell_quotes(symbols[-1])


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1].split(",")))
