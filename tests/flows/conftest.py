"""Desks prepared once, of which each test takes a copy."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.ib.sessions import process_sessions
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from tests.flows.desks import FRIDAY, TUESDAY, WEDNESDAY, Copy, DeskFolder, a_copy, a_new_desk
from tests.flows.ib_days import IbDay
from trading.risk.limits import RiskLimits


@pytest.fixture(scope="session")
def empty_desk(prefect_harness: None, tmp_path_factory: pytest.TempPathFactory) -> DeskFolder:
    """A desk without bars."""
    return _run(a_new_desk(tmp_path_factory.mktemp("empty")))


@pytest.fixture(scope="session")
def fresh_desk(empty_desk: DeskFolder, tmp_path_factory: pytest.TempPathFactory) -> DeskFolder:
    """A desk with the sample's bars up to Tuesday, that has never traded."""

    async def make() -> DeskFolder:
        desk = await a_copy(empty_desk, tmp_path_factory.mktemp("fresh"))
        assert (await desk.ingest(FRIDAY, history_sessions=260)).is_completed()
        assert (await desk.ingest(TUESDAY)).is_completed()
        return desk

    desk = _run(make())
    gc.freeze()  # what is imported by now stays: walking through it again and again doubles the time of a flow
    return desk


@pytest.fixture(scope="session")
def invested_desk(fresh_desk: DeskFolder, tmp_path_factory: pytest.TempPathFactory) -> DeskFolder:
    """A desk that bought five of six stocks on Tuesday; XOM may not be traded, so its orders are refused."""

    async def make() -> DeskFolder:
        symbols = ["AAPL", "CVX", "MRK", "MSFT", "PFE", "XOM"]
        settings = {"source": {"symbols": symbols}, "limits": RiskLimits(blocked_symbols=("XOM",))}
        desk = await a_copy(fresh_desk, tmp_path_factory.mktemp("invested"), **settings)
        assert (await desk.trade(TUESDAY)).is_completed()
        assert (await desk.reconcile(TUESDAY)).is_completed()
        return desk

    return _run(make())


@pytest.fixture(scope="session")
def traded_desk(fresh_desk: DeskFolder, tmp_path_factory: pytest.TempPathFactory) -> DeskFolder:
    """A desk that bought all 20 stocks on Wednesday, and has Wednesday's bars."""

    async def make() -> DeskFolder:
        desk = await a_copy(fresh_desk, tmp_path_factory.mktemp("traded"))
        assert (await desk.trade(WEDNESDAY)).is_completed()
        assert (await desk.ingest(WEDNESDAY)).is_completed()
        return desk

    return _run(make())


@pytest.fixture
def copy_of(tmp_path: Path) -> Copy:
    """Copy a prepared desk into this test's folder."""

    numbers = itertools.count(1)

    async def copy(prepared: DeskFolder, **settings: Any) -> DeskFolder:
        return await a_copy(prepared, tmp_path / f"desk-{next(numbers)}", **settings)

    return copy


def _run(made: Coroutine[Any, Any, DeskFolder]) -> DeskFolder:
    with asyncio.Runner() as runner:
        return runner.run(made)


@pytest_asyncio.fixture
async def day(prefect_harness: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IbDay]:
    day = IbDay(home=tmp_path, patch=monkeypatch)
    async with Gateway(GatewaySettings(poll_seconds=0), now=lambda: day.now) as gateway:
        await day.open(gateway)
        yield day
        await process_sessions().close_all()
        process_sessions.cache_clear()
