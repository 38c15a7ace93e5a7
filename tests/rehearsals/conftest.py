"""A desk prepared as `openbell init` does it, that rehearses in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pytest

from cli.prepare import prepare
from cli.rehearse import run_sessions
from trading.market.calendars import TradingCalendar


class Rehearse(Protocol):
    """Rehearses sessions of New York in the prepared desk, and returns what was told of each."""

    def __call__(
        self, sessions: tuple[date, date], *, account: str, strategy: str, parameters: dict[str, Any]
    ) -> Sequence[str]: ...


@pytest.fixture(scope="module")
def home(prefect_harness: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a desk with its first settings; the flows take the one that was prepared last."""
    home = tmp_path_factory.mktemp("desk")
    run_here(lambda: prepare(home))
    return home


@pytest.fixture(scope="module")
def rehearse(home: Path) -> Rehearse:
    def rehearse(
        sessions: tuple[date, date], *, account: str, strategy: str, parameters: dict[str, Any]
    ) -> Sequence[str]:
        told: list[str] = []
        days = TradingCalendar("XNYS").sessions(*sessions)
        run_here(
            lambda: run_sessions(days, account=account, strategy=strategy, parameters=parameters, told=told.append)
        )
        return told

    return rehearse


def run_here(made: Callable[[], Awaitable[object]]) -> None:
    """Run to its end outside of any test's event loop."""

    async def run() -> None:
        await made()

    with asyncio.Runner() as runner:
        runner.run(run())
