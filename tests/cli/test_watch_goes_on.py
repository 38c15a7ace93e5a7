"""The watch goes on: when its process is killed, and when Prefect's server is; and it ends when a person ends it."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio import CancelledError
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
import yaml
from prefect._internal.infrastructure_exit_codes import get_infrastructure_exit_info
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import TerminationSignal
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import Event, ReceivedEvent, RelatedResource, Resource
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED
from prefect.settings import temporary_settings as settings
from prefect.states import Cancelling, Pending, exception_to_crashed_state

from adapters.sql.schema import migrate
from adapters.watch_files import WatchFiles
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from blocks.provider_access import Provider
from blocks.risk_limits import RiskLimitsBlock
from cli.drain import end_unheard
from cli.prefect_server import client_environment, is_healthy, login, server_in_use
from cli.up import PREFECT_FILE
from tests.cli.test_up import STANDIN, RunningDesk, a_desk, prefect_deploy_all, start_trading, until

WATCH = "watch-market/watch-market"


def a_crash(message: str | None) -> ReceivedEvent:
    """Return what Prefect's server tells of a watch that has crashed."""
    label = {"prefect.resource.id": "prefect.flow-run.1", "prefect.state-message": message or ""}
    role = {"prefect.resource.name": "watch-market", "prefect.resource.role": "deployment"}
    related = RelatedResource({"prefect.resource.id": "prefect.deployment.1"} | role)
    crashed = "prefect.flow-run.Crashed"
    event = Event(id=uuid4(), occurred=datetime.now(UTC), event=crashed, resource=Resource(label), related=[related])
    return event.receive()


async def test_what_died_is_begun_again_and_what_was_told_to_end_is_not():
    deployments = yaml.safe_load(PREFECT_FILE.read_text())["deployments"]
    (written,) = next(each["triggers"] for each in deployments if each["name"] == "watch-market")
    fields = {name: written[name] for name in ("match", "match_related", "expect")}
    trigger = EventTrigger(**fields, posture="Reactive", threshold=1)

    killed = f"Process exited with status code: -9. {get_infrastructure_exit_info(-9).explanation}"
    no_server = (await exception_to_crashed_state(RuntimeError("no answer"))).message
    told_to_end = [(await exception_to_crashed_state(e)).message for e in (CancelledError(), TerminationSignal(15))]

    assert [trigger.covers(a_crash(message)) for message in (killed, no_server)] == [True, True]
    assert [trigger.covers(a_crash(message)) for message in told_to_end] == [False, False]


@pytest.fixture(scope="module")
def only_the_watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the desk's file of deployments without the others, which take long to deploy."""
    written = yaml.safe_load(PREFECT_FILE.read_text())
    written["deployments"] = [each for each in written["deployments"] if each["name"] == "watch-market"]
    file = tmp_path_factory.mktemp("file") / "prefect.yaml"
    file.write_text(yaml.safe_dump(written))
    return file


@pytest.fixture(scope="module")
def desk(only_the_watch: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    desk = a_desk(tmp_path_factory.mktemp("desk"), only_the_watch)
    with desk.process:  # what it has said is closed, however it ended
        yield desk
        if desk.process.poll() is None:
            desk.stop(signal.SIGTERM)


async def save_blocks(desk: RunningDesk, home: Path) -> dict[str, Any]:
    """Save an account whose market is always open, and a feed of made-up ticks; return parameters that name them."""
    changes = {
        PREFECT_API_URL: f"http://127.0.0.1:{desk.port}/api",
        PREFECT_API_AUTH_STRING: login(desk.home),
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: True,
    }
    storage, bars = DeskStorage(home=home), BarSource(name="sample", mic="24/7", symbols=["AAPL", "IBM"])
    migrate(storage.engine())
    with settings(changes):
        await storage.asave("watched")
        await BrokerAccount(account="paper", bar_source=bars, risk_limits=RiskLimitsBlock()).asave("watched")
        await MarketFeed(name="made-up", provider=Provider.SAMPLE, ticks_per_second=10, mic="24/7").asave("watched")
    return {"account": "watched", "feed": "watched", "storage": "watched"}


async def runs_of_the_watch(desk: RunningDesk) -> list[FlowRun]:
    async with desk.client() as client:
        return [run for run in await client.read_flow_runs() if not run.auto_scheduled]


@pytest.mark.slow
async def test_a_watch_whose_process_is_killed_is_begun_again_as_it_was_and_one_canceled_on_the_page_is_not(
    desk: RunningDesk, tmp_path: Path
):
    files = WatchFiles(tmp_path, "paper")

    killed = 0

    async def watches() -> bool:
        status = files.read_status()
        return status is not None and status["state"] == "watching" and status["pid"] != killed

    parameters = await save_blocks(desk, tmp_path)
    async with desk.client() as client:
        deployment = await client.read_deployment_by_name(WATCH)
        first = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    await until(watches, 300)
    killed = (files.read_status() or {})["pid"]
    os.kill(killed, signal.SIGKILL)
    await until(watches, 300)
    (second,) = [run for run in await runs_of_the_watch(desk) if run.id != first.id]
    async with desk.client() as client:
        await client.set_flow_run_state(second.id, Cancelling())

    async def has_ended() -> bool:
        return all(run.state is not None and run.state.is_final() for run in await runs_of_the_watch(desk))

    await until(has_ended, 300)

    runs = {run.id: run for run in await runs_of_the_watch(desk)}
    assert {run.id: run.state_name for run in runs.values()} == {first.id: "Crashed", second.id: "Cancelled"}
    assert runs[second.id].parameters == parameters
    assert (files.read_status() or {})["state"] == "ended"


@pytest.mark.slow
async def test_what_a_person_set_on_the_page_stays_and_a_watch_without_a_feed_is_not_scheduled(
    desk: RunningDesk, only_the_watch: Path
):
    async def deployed_again(**changes: Any) -> tuple[dict[str, Any], bool, bool]:
        async with desk.client() as client:
            deployment = await client.read_deployment_by_name(WATCH)
            await client.update_deployment(deployment.id, DeploymentUpdate(**changes))
            await asyncio.to_thread(deploy, desk, only_the_watch)
            after = await client.read_deployment_by_name(WATCH)
            await client.update_deployment(deployment.id, DeploymentUpdate(parameters={}, paused=False))
        return after.parameters, after.paused, after.schedules[0].active

    assert await deployed_again(parameters={}) == ({}, False, False)
    assert await deployed_again(parameters={"feed": "ib"}, paused=True) == ({"feed": "ib"}, True, True)


def deploy(desk: RunningDesk, file: Path) -> None:
    """Deploy as `openbell up` does."""
    script = """
import asyncio, sys
from pathlib import Path
from cli.prefect_server import server_in_use
from cli.up import deploy
async def main():
    from prefect.client.orchestration import get_client
    async with get_client() as client:
        await deploy(client, server_in_use(Path(sys.argv[1])), Path(sys.argv[2]))
asyncio.run(main())
"""
    environment = os.environ | client_environment(desk.home, desk.port)
    subprocess.run([sys.executable, "-c", script, str(desk.home), str(file)], env=environment, check=True)


@pytest.mark.slow
async def test_a_canceled_run_that_no_worker_hears_of_is_ended_in_order(desk: RunningDesk, tmp_path: Path):
    prefect_deploy_all(desk, STANDIN)
    async with desk.client() as client:
        deployment = await client.read_deployment_by_name("standin-trade/standin-trade")
        parameters = {"folder": str(tmp_path)}
        run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters, state=Pending())
        names = {"PREFECT__FLOW_RUN_ID": str(run.id), "PYTHONPATH": str(STANDIN)}
        environment = os.environ | client_environment(desk.home, desk.port) | names
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "prefect.engine", env=environment)
        await until(anyio.Path(tmp_path, "began").exists)
        await client.set_flow_run_state(run.id, Cancelling(message="enough"))
        await end_unheard(client, desk.home)
        too_early = process.returncode, (await client.read_flow_run(run.id)).state_name
        await end_unheard(client, desk.home, 0.0)
        state = (await client.read_flow_run(run.id)).state

    assert too_early == (None, "Cancelling")
    assert state is not None
    assert (state.name, state.message) == ("Cancelled", "enough")
    assert (tmp_path / "tidied").exists()


@pytest.mark.slow
async def test_a_server_that_is_killed_comes_again_and_a_run_goes_on_and_can_be_canceled(
    desk: RunningDesk, tmp_path: Path
):
    prefect_deploy_all(desk, STANDIN)
    await start_trading(desk, tmp_path)
    killed = server_in_use(desk.home)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)

    async def is_back() -> bool:
        assert desk.process.poll() is None, desk.stop(signal.SIGTERM)
        server = server_in_use(desk.home)
        return server is not None and server.pid != killed.pid and is_healthy(desk.home, desk.port)

    await until(is_back, 300)
    async with desk.client() as client:
        (run,) = [each for each in await runs_of_the_watch(desk) if each.state_name == "Running"]
        await client.set_flow_run_state(run.id, Cancelling())

    async def is_canceled() -> bool:
        async with desk.client() as client:
            return (await client.read_flow_run(run.id)).state_name == "Cancelled"

    await until(is_canceled, 300)
    assert (tmp_path / "tidied").exists()
    assert desk.process.poll() is None
