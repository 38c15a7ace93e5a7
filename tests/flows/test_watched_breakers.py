"""Looking at the breakers holds up nothing that the loop of a watch does besides."""

import asyncio
import threading
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from flows import watch_market as watching
from trading.errors import BrokerUnavailable


async def test_ticks_come_while_the_breakers_wait_for_a_locked_ledger_and_after_a_broker_is_gone(
    monkeypatch: pytest.MonkeyPatch,
):
    looks, has_ticked = list[bool](), threading.Event()

    async def trip(*_: object, **__: object) -> None:
        looks.append(has_ticked.wait(30))  # as a write of the ledger that waits for a lock
        raise BrokerUnavailable("paper", "gone for a while")

    logger = SimpleNamespace(warning=lambda *_: None)
    monkeypatch.setattr(watching, "get_run_logger", lambda: logger)
    monkeypatch.setattr(watching, "trip", trip)
    monkeypatch.setattr(watching, "LOOK_EVERY", 0.01)
    calendar = SimpleNamespace(open_at=lambda _: datetime(2024, 1, 2, tzinfo=UTC))
    desk: Any = SimpleNamespace(market=SimpleNamespace(calendar=calendar))
    own: Any = SimpleNamespace(prices={}, is_at_a_limit=lambda: True)

    looking = asyncio.create_task(watching._trip(desk, date(2024, 1, 2), own))
    async with asyncio.timeout(60):
        while len(looks) < 2:
            await asyncio.sleep(0.01)
            has_ticked.set()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    assert looks[:2] == [True, True], "the first look held up the loop in which ticks come"
