"""What comes to be held is watched, also when it could not be asked for at first."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from adapters.failover_ticks import FailoverTicks
from adapters.sql.schema import migrate
from adapters.synthetic_ticks import SyntheticTicks
from blocks.desk import Desk
from blocks.desk_storage import DeskStorage
from tasks import attend
from tasks.look import OwnAccount
from tasks.monitor import STEP_US
from tasks.pace import Pace
from tests.tasks.test_monitor import SECOND_US, SESSION, SYMBOLS, a_ledger, a_monitor
from trading.errors import StoreUnavailable
from trading.monitoring.feeds import SubscriptionList, WatchPriority
from trading.monitoring.metrics import Metric
from trading.monitoring.watched_session import WatchedSession


class Holds:
    """An account that holds what is not watched yet."""

    def wanted(self, now: datetime) -> list[str]:
        return ["NEW"]


class OfName:
    """A desk of which nothing but the name is asked."""

    name = "paper"


async def test_what_is_held_is_watched_once_the_store_that_was_away_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    storage, stores = DeskStorage(home=tmp_path), iter((False, True))
    migrate(storage.engine())

    def watched_session(_desk: Desk, _session: date, symbols: Sequence[str]) -> WatchedSession:
        if not next(stores):
            raise StoreUnavailable("bars", "gone for a while")
        return replace(SESSION, symbols=tuple(symbols), previous_closes=np.full(len(symbols), np.nan))

    monkeypatch.setattr(attend, "watched_session", watched_session)
    stream, wanted = FailoverTicks([SyntheticTicks(ticks_per_second=40)]), SubscriptionList(None)
    ledger = await asyncio.to_thread(a_ledger, storage)
    first_us = time.time_ns() // 1000 // SECOND_US * SECOND_US
    monitor = await asyncio.to_thread(a_monitor, ledger, tmp_path, stream, first_us=first_us)
    wanted.want("watch list", WatchPriority.UNIVERSE, SYMBOLS)
    wanted.settle()
    running = asyncio.create_task(monitor.run(Pace(0), first_us + 60 * SECOND_US))

    asked: list[Any] = []
    for _ in range(2):
        await attend.widen(cast(Desk, OfName()), date(2024, 1, 2), monitor, wanted, cast(OwnAccount, Holds()))
        asked.append((monitor.symbols[3:], "NEW" in stream.asked))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for _ in range(3 * SECOND_US // STEP_US):  # the feed makes up whole seconds: NEW comes with the next one
        monitor.step(monitor.next_us(Pace(0)), Pace(0))
    monitor.end()

    assert asked == [([], False), (["NEW"], True)]
    assert monitor.last is not None
    assert np.isfinite(monitor.last.metrics.of(Metric.BID)[3])
