"""A clock to set, and a way to wait for what a client hears."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

MONDAY_MORNING = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)  # 10:00 in New York


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = MONDAY_MORNING

    def __call__(self) -> datetime:
        return self.time


async def until(true: Callable[[], object], seconds: float = 3.0) -> None:
    """Let the loop run until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 # what a client knows has no one event to wait for
            await asyncio.sleep(0.001)
