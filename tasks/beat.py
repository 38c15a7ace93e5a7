"""Beat: a routine that trades or follows orders tells all the while that it is alive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from adapters.heartbeats import beat
from blocks.desk import Desk

BEAT_SECONDS = 2.0


@asynccontextmanager
async def beating(desk: Desk, holder: str) -> AsyncIterator[None]:
    """Beat for as long as the event loop turns: a process that hangs in it is heard no more than one that is dead.

    A killed process leaves its last beat, by which the watchdog knows it.
    """
    path = beat(desk.storage.home, desk.name, holder)
    going_on = asyncio.create_task(_beat(desk, holder))
    try:
        yield
    finally:
        going_on.cancel()
        with suppress(asyncio.CancelledError):
            await going_on
        path.unlink(missing_ok=True)


async def _beat(desk: Desk, holder: str) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        beat(desk.storage.home, desk.name, holder)
