"""A client library over a real socket: which one is named by OPENBELL_IB_LIBRARY."""

import asyncio
import contextlib
import importlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from gateway_client import Clock

from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.scenarios import Scenario

Connect = Callable[..., Awaitable[Any]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lib() -> ModuleType:
    """The client library; imported under a running loop, as the legacy one needs."""
    return importlib.import_module(os.environ.get("OPENBELL_IB_LIBRARY", "ib_async"))


@pytest.fixture
async def open_gateway(clock: Clock) -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Start a gateway that moves only when told to; AAPL costs 200."""
    async with AsyncExitStack() as stack:

        async def start(scenario: Scenario | None = None, **settings: Any) -> Gateway:
            chosen = GatewaySettings(**{"poll_seconds": 0, **settings})
            gateway = Gateway(chosen, scenario, now=clock)
            gateway.market.set_price("AAPL", Decimal(200))
            return await stack.enter_async_context(gateway)

        yield start


@pytest.fixture
async def connect(lib: ModuleType) -> AsyncIterator[Connect]:
    """Connect an unmodified client; all are disconnected in the end."""
    clients: list[Any] = []

    async def connected(gateway: Gateway, client_id: int = 1, seconds: float = 4, **options: Any) -> Any:
        ib = lib.IB()
        clients.append(ib)
        await ib.connectAsync(gateway.host, gateway.port, clientId=client_id, timeout=seconds, **options)
        return ib

    yield connected
    for ib in clients:
        with contextlib.suppress(OSError):  # a socket that the gateway reset
            ib.disconnect()
    await asyncio.sleep(0)
