"""A clock to set, what a client asks for, and a way to wait for what it hears."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ib_gateway.gateway import Gateway
from ib_gateway.scenarios import Fault, Scenario

MONDAY_MORNING = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)  # 10:00 in New York


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = MONDAY_MORNING

    def __call__(self) -> datetime:
        return self.time


def a_stock(lib: Any, symbol: str = "AAPL") -> Any:
    return lib.Stock(symbol, "SMART", "USD")


def an_order(lib: Any, ref: str = "t-1", **terms: Any) -> Any:
    """Return an order to buy 10 at the market."""
    return lib.MarketOrder("BUY", 10, **{"tif": "DAY", "orderRef": ref, **terms})


def faults(*rows: dict[str, Any], seed: int = 0) -> Scenario:
    return Scenario(seed=seed, faults=tuple(Fault(**row) for row in rows))


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
