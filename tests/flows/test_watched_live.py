"""The watch as it happens: killed, ended, without Prefect's server, without the ledger, it loses nothing."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlparse
from uuid import UUID

import psutil
import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling

from adapters.watch_files import WatchFiles
from blocks.desk import open_desk
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from blocks.provider_access import Provider
from flows import watch_market as watching
from flows.watch_market import watch_market
from tasks import publish
from tasks.attend import replayed, watched_session
from tasks.pace import Pace
from tests.flows.desk_process import Moment, StopAt, start_flow
from tests.flows.desks import Copy, DeskFolder
from trading.market.ticks import TickKind
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.metrics import Metric
from trading.monitoring.rule_book import fingerprint
from trading.monitoring.watch_rules import Comparison, WatchRule, default_rules
from trading.monitoring.watch_status import microseconds_of

SYMBOLS = ["AAPL", "BAC", "CVX", "IBM", "JNJ", "XOM"]
RULES = (  # broken and kept again every few seconds by ten ticks a second
    WatchRule(rule_id="old", metric=Metric.QUOTE_AGE_SECONDS, comparison=Comparison.ABOVE, threshold=0.5),
    WatchRule(
        rule_id="untraded",
        metric=Metric.TRADE_AGE_SECONDS,
        comparison=Comparison.ABOVE,
        threshold=3.0,
        clear_at=1.0,
        hold_seconds=2,
    ),
)
LONGEST = 60.0  # s, that anything is waited for


pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedDesk:
    """A desk whose market is always open, and a feed of made-up ticks."""

    folder: DeskFolder
    feed: str

    @property
    def parameters(self) -> dict[str, Any]:
        return {"account": self.folder.account_block, "feed": self.feed, "storage": self.folder.storage}

    @property
    def files(self) -> WatchFiles:
        return WatchFiles(self.folder.home, self.folder.account)

    def status(self) -> dict[str, Any]:
        return self.files.read_status() or {}

    def seconds(self) -> int:
        """Return how many seconds were watched, from the first one on; those of several processes together."""
        status = self.status()
        if not status:
            return 0
        return int(datetime.fromisoformat(status["at"]).timestamp()) - status["first_us"] // 10**6 + 1

    async def has_watched(self, seconds: int) -> None:
        await until(lambda: self.seconds() >= seconds)

    def told(self, watch: str | None = None) -> list[tuple[Any, ...]]:
        wanted = watch or self.folder.account
        rows = [r for r in self.folder.rows("watch_event") if r.watch == wanted]
        return [(str(r.at), r.rule_id, r.subject, bool(r.is_broken), r.value, r.text) for r in rows]


@pytest_asyncio.fixture
async def desk(empty_desk: DeskFolder, copy_of: Copy) -> WatchedDesk:
    now = datetime.now(UTC)
    if (now.hour, now.minute) >= (23, 55):
        pytest.skip("the session of this desk ends at midnight UTC")
    folder = await copy_of(empty_desk, source={"mic": "24/7", "symbols": SYMBOLS})
    for rule in default_rules():
        folder.ledger.watches.remove_rule(rule.rule_id, actor="test", reason="not looked at", now=now)
    for rule in RULES:
        folder.ledger.watches.put_rule(rule, actor="test", reason="looked at", now=now)
    feed = f"feed-{folder.storage}"
    await MarketFeed(name="made-up", provider=Provider.SAMPLE, ticks_per_second=10, mic="24/7").asave(feed)
    return WatchedDesk(folder=folder, feed=feed)


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(LONGEST):
        while not happened():  # noqa: ASYNC110 - it happens in another thread or process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def a_watch(desk: WatchedDesk) -> AsyncIterator[asyncio.Task[Any]]:
    """Watch meanwhile, and end by cancellation."""
    run = asyncio.create_task(watch_market(**desk.parameters, return_state=True))
    try:
        yield run
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def test_a_watch_tells_and_records_and_a_second_one_leaves_at_once(desk: WatchedDesk):
    async with a_watch(desk):
        await desk.has_watched(5)
        second = await watch_market(**desk.parameters, return_state=True)

    status, events = desk.status(), desk.told()
    assert (second.name, "another run watches" in str(second.message)) == ("Skipped", True)
    assert (status["state"], status["watched"], status["feed"]["name"]) == ("ended", 6, "made-up")
    assert recorded(desk) == status["ticks"] >= 50
    assert {is_broken for _, _, _, is_broken, _, _ in events} == {True, False}
    assert open_alerts(desk) == still_broken(desk)
    assert desk.folder.ledger.leases.held_by(f"watch {desk.folder.account}") is None


async def test_a_watch_killed_in_mid_session_goes_on_and_tells_what_one_replay_of_the_record_tells(desk: WatchedDesk):
    first = start_flow(PREFECT_API_URL.value(), "flows.watch_market:watch_market", desk.parameters, desk.folder.home)
    await desk.has_watched(7)
    first.process.kill()
    first.process.join()
    before = desk.told()

    async with a_watch(desk):
        await desk.has_watched(desk.seconds() + 7)
    again = await replay(desk)

    assert len(before) > 5
    assert len(desk.told()) > len(before)
    assert desk.told() == desk.told(again)
    assert open_alerts(desk) == still_broken(desk)


async def test_a_watch_killed_when_it_has_told_its_first_events_goes_on_from_the_same_second(desk: WatchedDesk):
    told = StopAt(step="commit watch_event+alert", moment=Moment.AFTER)
    first = start_flow(
        PREFECT_API_URL.value(), "flows.watch_market:watch_market", desk.parameters, desk.folder.home, told
    )
    await asyncio.to_thread(first.wait)
    before = desk.told()

    async with a_watch(desk):
        await desk.has_watched(desk.seconds() + 3)
    again = await replay(desk)

    assert len({at for at, *_ in before}) == 1
    assert desk.told() == desk.told(again)
    assert open_alerts(desk) == still_broken(desk)


async def test_seconds_go_on_while_the_ledger_is_locked_and_what_they_found_is_told_after(desk: WatchedDesk):
    async with a_watch(desk):
        await desk.has_watched(2)
        lock = sqlite3.connect(desk.folder.home / "ledger.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        locked_at, locked_since = desk.seconds(), len(desk.told())
        async with asyncio.timeout(9):  # a write gives up after 10 s
            await desk.has_watched(locked_at + 5)
        meanwhile = len(desk.told())
        lock.rollback()
        lock.close()
        await until(lambda: len(desk.told()) > meanwhile)
    again = await replay(desk)

    assert meanwhile == locked_since
    assert desk.told() == desk.told(again)
    assert open_alerts(desk) == still_broken(desk)


async def test_watching_goes_on_while_prefect_hangs_and_is_shown_again_after(
    desk: WatchedDesk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "PUBLISH_EVERY", 0.5)
    monkeypatch.setattr(publish, "SECONDS", 1)
    server = prefect_server()
    async with a_watch(desk):
        await until_async(lambda: shown_since(desk, datetime.now(UTC) - timedelta(minutes=1)))
        server.suspend()
        try:
            await desk.has_watched(desk.seconds() + 5)
        finally:
            server.resume()
        back_at = datetime.now(UTC)
        await until_async(lambda: shown_since(desk, back_at))

    status = desk.status()
    assert 0 <= status["ticks"] - 10 * desk.seconds() < 10, "all of each second, and some of the one under way"


def prefect_server() -> psutil.Process:
    """Return the process of Prefect's server, a child of this one."""
    port = urlparse(PREFECT_API_URL.value()).port
    children = psutil.Process().children(recursive=True)
    return next(p for p in children if any(c.laddr.port == port and c.status == "LISTEN" for c in p.net_connections()))


async def shown_since(desk: WatchedDesk, since: datetime) -> bool:
    """Tell whether the watch was shown in Prefect's pages after that time."""
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["watch"])))
    return any(a.updated is not None and a.updated > since for a in found)


async def until_async(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LONGEST):
        while not await happened():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.1)


async def test_a_watch_that_its_worker_ends_ends_in_order(desk: WatchedDesk):
    async with a_run(desk) as (_, process):
        await desk.has_watched(3)
        process.send_signal(signal.SIGTERM)  # what a worker sends when the run is canceled, and when the desk goes down
        await asyncio.to_thread(process.wait, LONGEST)

    assert desk.status()["pid"] == process.pid
    has_ended_in_order(desk)


async def test_a_watch_that_a_person_cancels_ends_in_order_though_no_worker_hears_of_it(desk: WatchedDesk):
    async with a_run(desk) as (run, process), get_client() as client:
        await desk.has_watched(3)
        await client.set_flow_run_state(run, Cancelling())
        exit_code = await asyncio.to_thread(process.wait, LONGEST)
        state = (await client.read_flow_run(run)).state

    assert (exit_code, state.name if state else None) == (0, "Cancelled")
    has_ended_in_order(desk)


def has_ended_in_order(desk: WatchedDesk) -> None:
    status = desk.status()
    assert status["state"] == "ended"
    assert recorded(desk) == status["ticks"]
    assert not list((desk.folder.home / "watch" / "unstored").iterdir())
    assert open_alerts(desk) == still_broken(desk)
    assert desk.folder.ledger.leases.held_by(f"watch {desk.folder.account}") is None


@asynccontextmanager
async def a_run(desk: WatchedDesk) -> AsyncIterator[tuple[UUID, subprocess.Popen[bytes]]]:
    """Have Prefect run the watch in a process of its own, as a worker does; yield the run and the process."""
    async with get_client() as client:
        run = await client.create_flow_run(watch_market, parameters=desk.parameters)
    command = [sys.executable, "-m", "prefect.engine", str(run.id)]
    environment = {
        "PREFECT_API_URL": PREFECT_API_URL.value(),
        "PREFECT__FLOW_ENTRYPOINT": "flows.watch_market.watch_market",
    }
    with (desk.folder.home / "run.log").open("wb") as log:
        start = partial(subprocess.Popen, command, env=os.environ | environment, stdout=log, stderr=log)
        process = await asyncio.to_thread(start)
        try:
            yield run.id, process
        finally:
            process.kill()
            process.wait()


async def replay(desk: WatchedDesk) -> str:
    """Watch the record from the first second to the last step of the watch; return under which name."""
    opened, status = await open_desk(desk.folder.account_block, desk.folder.storage), desk.status()
    day, last = date.fromisoformat(status["session"]), datetime.fromisoformat(status["at"])
    watched = watched_session(opened, day, SYMBOLS)
    monitor = await replayed(
        opened, watched, day, ConditionPolicy(), f"watch-{desk.folder.account}", one_sided_rows=False
    )
    monitor.first_us = status["first_us"]
    await monitor.run(Pace(status["first_us"], 0.0), microseconds_of(last))
    monitor.end()
    return monitor.watch


def recorded(desk: WatchedDesk) -> int:
    """Return how many ticks are in the store."""
    store, source = DeskStorage(home=desk.folder.home).tick_store(), f"watch-{desk.folder.account}"
    end = datetime.now(UTC)
    begin = end.replace(hour=0, minute=0, second=0, microsecond=0)
    return sum(len(store.read(source, kind, SYMBOLS, begin, end).frame) for kind in TickKind)


def open_alerts(desk: WatchedDesk) -> list[str]:
    found = [state.alert.fingerprint for state in desk.folder.ledger.outbox.open()]
    return sorted(name for name in found if name.startswith(f"{desk.folder.account} watch "))


def still_broken(desk: WatchedDesk) -> list[str]:
    name = desk.folder.account
    stood = desk.folder.ledger.watches.standing(name, datetime(2020, 1, 1, tzinfo=UTC))
    return sorted(f"{name} {fingerprint(*key, s.broken_at)}" for key, s in stood.items())
