"""A server on loopback for the tests of the IQFeed adapters, and the settings to reach it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.iqfeed.iqfeed_settings import IqfeedSettings
from iqfeed_server.faults import Port
from iqfeed_server.server import IqfeedServer
from iqfeed_server.server_settings import ServerSettings

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
NOON_THERE = datetime(2026, 11, 20, 12, 0)  # noqa: DTZ001 - New York, as the protocol writes it


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def a_server(**settings: Any) -> IqfeedServer:
    """Return a server on free ports that moves only when told to; it is noon in New York."""
    free = dict.fromkeys(("port_level1", "port_level2", "port_lookup", "port_admin"), 0)
    return IqfeedServer(ServerSettings(**{**free, **settings}), now=lambda: NOON_THERE)


def settings_of(server: IqfeedServer, **settings: Any) -> IqfeedSettings:
    """Return how to reach it, with little patience."""
    ports = {f"{port.value}_port": server.ports[port] for port in Port}
    return IqfeedSettings(**{**ports, "answer_seconds": 2, "retry_seconds": 0.02, **settings})


async def until(true: Callable[[], object]) -> None:
    """Wait until it is true, 20 s at most."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


class ThreadedServer:
    """A server that runs beside a test which blocks."""

    def __init__(self, server: IqfeedServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self._loop = server, loop

    def do(self, lever: Coroutine[Any, Any, None]) -> None:
        """Pull a lever."""
        asyncio.run_coroutine_threadsafe(lever, self._loop).result(5)

    def settings(self, **settings: Any) -> IqfeedSettings:
        return settings_of(self.server, **settings)


@contextmanager
def threaded_server(**settings: Any) -> Iterator[ThreadedServer]:
    """Run a server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = ThreadedServer(a_server(**settings), loop)
    running.do(running.server.start())
    try:
        yield running
    finally:
        running.do(running.server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


class Scripted:
    """A lookup port that answers each request with given lines, `ID` standing for the request's id."""

    def __init__(self, *answers: str) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.settings = IqfeedSettings(lookup_port=self._socket.getsockname()[1], answer_seconds=2)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        with client, client.makefile("rwb") as lines:
            assert lines.readline() == b"S,SET PROTOCOL,6.2\r\n"
            lines.write(b"S,CURRENT PROTOCOL,6.2\r\n")
            lines.flush()
            for answer in self._answers:
                self.asked.append(lines.readline().decode().strip())
                request_id = next(term for term in self.asked[-1].split(",") if term.startswith("OB"))
                lines.write(answer.replace("ID", request_id).replace("\n", "\r\n").encode())
                lines.flush()

    def close(self) -> None:
        self._thread.join(5)
        self._socket.close()


@contextmanager
def scripted(*answers: str) -> Iterator[Scripted]:
    """Serve one client these answers."""
    server = Scripted(*answers)
    try:
        yield server
    finally:
        server.close()
