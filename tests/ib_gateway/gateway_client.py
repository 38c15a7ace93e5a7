"""A clock to set, and a way to wait for what a client hears."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ib_gateway.gateway import Gateway

MONDAY_MORNING = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)  # 10:00 in New York


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = MONDAY_MORNING

    def __call__(self) -> datetime:
        return self.time


async def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Let the loop run until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 # what a client knows has no one event to wait for
            await asyncio.sleep(0.001)


def errors_of(ib: Any) -> list[tuple[int, int]]:
    """Collect what a client hears as errors from now on, as (request id, code)."""
    heard: list[tuple[int, int]] = []
    ib.errorEvent += lambda req_id, code, *_: heard.append((req_id, code))
    return heard


def codes_of(ib: Any) -> list[int]:
    """Collect the codes only."""
    heard: list[int] = []
    ib.errorEvent += lambda req_id, code, *_: heard.append(code)
    return heard


def statuses(gateway: Gateway) -> dict[str, str]:
    """Say where every accepted order stands, by its reference."""
    return {order.order_ref: order.status.value for order in gateway.accepted}
