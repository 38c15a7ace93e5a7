"""A flood of ticks over a client's market data lines, to measure what a client can take in."""

import asyncio
import time
from collections.abc import Iterator
from itertools import cycle, islice

from ib_gateway.client import Client
from ib_gateway.market_line_requests import KIND
from ib_gateway.market_ticks import LIVE_NUMBERS, PRICE, SIZE
from ib_gateway.wire import frame

_BATCH_SECONDS = 0.01
_BATCH_MOST = 1000
_PRICES_EACH = 16


async def firehose(client: Client, *, ticks: int, ticks_per_second: float | None = None) -> float:
    """Send bids over all lines of a client in turn, past faults and wire log, and a volume after each batch.

    Args:
        ticks: how many in all.
        ticks_per_second: None sends as fast as the client reads.

    Returns:
        Seconds it took until the last tick was handed to the socket.

    Raises:
        ValueError: the client has no line.
    """
    lines = [req_id for kind, req_id in client.subscriptions if kind == KIND]
    if not lines:
        raise ValueError(f"client {client.client_id} has no market data line; request market data before the flood")
    flood, started, sent = cycle(_frames(lines)), time.perf_counter(), 0
    while sent < ticks and client.is_open:
        elapsed = time.perf_counter() - started
        due = ticks if ticks_per_second is None else int(elapsed * ticks_per_second) + 1
        batch = min(due, ticks, sent + _BATCH_MOST) - sent
        if batch > 0:
            client.write(b"".join(islice(flood, batch)))
            sent += batch
            await client.send(SIZE, 6, lines[0], LIVE_NUMBERS.volume, sent)  # waits until the socket takes more
        elif due < ticks:
            await asyncio.sleep(_BATCH_SECONDS)
    return time.perf_counter() - started


def _frames(lines: list[int]) -> Iterator[bytes]:
    """Messages of each line in turn, no two of a line alike that follow each other."""
    for cents in range(_PRICES_EACH):
        for req_id in lines:
            yield frame((PRICE, 6, req_id, LIVE_NUMBERS.bid, 100 + cents / 100, 100 + cents, 1))
