"""IQFeed: how many updates of level 1 the adapter takes in a second, and a bare loop, from the same flood."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from adapters.iqfeed.iqfeed_settings import IqfeedSettings
from adapters.iqfeed.level1 import HANDSHAKE, IqfeedQuotes
from benchmarks.iqfeed_child import LAST
from benchmarks.measurement import Measurement, Run, at_least, percentile
from cli.children import clean_environment

SYMBOLS = tuple(f"SYM{number:04d}" for number in range(1_000))
LAST_PX = LAST.last / 100
_PATIENCE, _LOOK_EVERY = 60, 0.2  # s; looking at 1,000 quotes takes time too


def ticks(run: Run) -> Iterator[Measurement]:
    """Take in a flood of updates of 1,000 symbols, as fast as the server sends."""
    count, rates, bare = (10_000 if run.quick else 500_000), [], []
    for _ in range(run.repeats(5)):
        with _running_server() as server:
            rates.append(count / asyncio.run(_ours(server, count)))
        with _running_server() as server:
            bare.append(count / _bare(server, count))
    value = percentile(rates, 50)
    yield Measurement(
        name="iqfeed.ticks",
        value=value,
        unit="updates/s",
        baseline=percentile(bare, 50),
        note=f"{count:,} updates of {len(SYMBOLS):,} symbols until the last is in the adapter's quotes, the server in "
        "a process of its own; baseline: a blocking socket and line.split(',') alone",
        aim=at_least(value, 100_000),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    port: int
    orders: IO[str]

    def flood(self, count: int) -> None:
        print(count, file=self.orders, flush=True)


@contextmanager
def _running_server() -> Iterator[_Server]:
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.iqfeed_child", ",".join(SYMBOLS)],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        try:
            yield _Server(port=int(child.stdout.readline()), orders=child.stdin)
        finally:
            child.terminate()


class _LastHeard:
    """A clock that knows when it was last asked: as the last piece of the flood came."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> datetime:
        self.at = time.perf_counter()
        return datetime.now(UTC)


async def _ours(server: _Server, count: int) -> float:
    clock = _LastHeard()
    quotes = IqfeedQuotes(settings=IqfeedSettings(level1_port=server.port), now=clock)
    await quotes.subscribe(SYMBOLS)
    started = time.perf_counter()
    server.flood(count)
    async with asyncio.timeout(_PATIENCE):
        while quotes.quotes()[SYMBOLS[-1]].last != LAST_PX:  # noqa: ASYNC110 - a quote has no event to wait for
            await asyncio.sleep(_LOOK_EVERY)
    assert quotes.strange_lines == 0
    await quotes.close()
    return clock.at - started


def _bare(server: _Server, count: int) -> float:
    end = f",{LAST_PX:.4f},".encode()
    with socket.create_connection(("127.0.0.1", server.port), _PATIENCE) as connected:
        commands = [command for command, _ in HANDSHAKE] + [f"w{symbol}" for symbol in SYMBOLS]
        connected.sendall("".join(f"{command}\r\n" for command in commands).encode())
        seen = b""
        while f"P,{SYMBOLS[-1]},".encode() not in seen:
            seen = seen[-40:] + connected.recv(1 << 16)
        started = time.perf_counter()
        server.flood(count)
        rest, split = b"", 0
        while end not in rest:
            whole, _, rest = (rest + connected.recv(1 << 16)).rpartition(b"\n")
            for line in whole.decode("latin-1").split("\n"):
                line.split(",")
                split += 1
            if end in whole[-200:]:
                break
        assert split >= count
        return time.perf_counter() - started
