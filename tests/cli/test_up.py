"""`openbell up`: the desk as one process that starts whole, runs what is due and stops in order."""

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType

from cli.prefect_server import login, prefect_home
from cli.up import PREFECT_FILE
from tests.cli.shell import a_free_port

STANDIN = Path(__file__).parent / "standin_desk"
NEW_YORK = ZoneInfo("America/New_York")

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDesk:
    home: Path
    port: int
    process: "subprocess.Popen[str]"
    greeting: str

    def client(self) -> PrefectClient:
        return PrefectClient(f"http://127.0.0.1:{self.port}/api", auth_string=login(self.home))

    def stop(self, number: int) -> tuple[int, str]:
        """Send it a signal; return its exit code and what it said after its greeting."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=90)
        return self.process.returncode, said


def a_desk(home: Path, prefect_file: Path) -> RunningDesk:
    """Start a desk as a shell would, and wait until it says that it is up."""
    port = a_free_port()
    script = f"""
from pathlib import Path
from cli.up import up
home = Path({str(home)!r})
async def prepare():
    from prefect.variables import Variable
    await Variable.aset("prepared", "yes", overwrite=True)
raise SystemExit(up(home, {port}, prepare=prepare, prefect_file=Path({str(prefect_file)!r})))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(STANDIN), "COLUMNS": "200"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    assert process.stdout is not None
    greeting = ""
    while "Stop: Ctrl-C" not in greeting:
        line = process.stdout.readline()
        assert line, f"the desk did not come up: {greeting}"
        greeting += line
    return RunningDesk(home=home, port=port, process=process, greeting=greeting)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    desk = a_desk(tmp_path_factory.mktemp("desk"), PREFECT_FILE)
    with desk.process:  # what it has said is closed, however it ended
        yield desk
        if desk.process.poll() is None:
            desk.stop(signal.SIGTERM)


def prefect_deploy_all(desk: RunningDesk, folder: Path) -> None:
    """Deploy as a person would: in that folder, with Prefect's own command and the desk's profile."""
    environment = os.environ | {"PREFECT_HOME": str(prefect_home(desk.home)), "PYTHONPATH": str(STANDIN)}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


async def deployments(desk: RunningDesk) -> dict[str, dict[str, Any]]:
    said_by_server = {"id", "created", "updated", "last_polled", "status", "version_id", "global_concurrency_limit"}
    said_by_server.add("version")  # Prefect takes it from git, where the folder is one of git's
    async with desk.client() as client:
        found = [deployment.model_dump(exclude=said_by_server) for deployment in await client.read_deployments()]
    for deployment in found:
        deployment["schedules"] = [
            {name: each[name] for name in ("slug", "schedule", "active")} for each in deployment["schedules"]
        ]
    return {str(deployment["name"]): deployment for deployment in found}


async def until(happened: Callable[[], Awaitable[bool]], seconds: int = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await happened():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.2)


async def start_trading(desk: RunningDesk, folder: Path) -> None:
    """Start a run that trades until it is stopped, and wait until its process has begun."""
    async with desk.client() as client:
        deployment = await client.read_deployment_by_name("standin-trade/standin-trade")
        await client.create_flow_run_from_deployment(deployment.id, parameters={"folder": str(folder)})

    async def has_begun() -> bool:
        return (folder / "began").exists()

    await until(has_begun)


def processes_of(home: Path) -> list[psutil.Process]:
    def is_ours(process: psutil.Process) -> bool:
        try:
            return process.environ().get("PREFECT_HOME") == str(prefect_home(home))
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if is_ours(process)]


def in_database(home: Path, query: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(prefect_home(home) / "prefect.db")
    found = database.execute(query).fetchall()
    database.close()
    return found


def test_the_desk_tells_where_it_is_and_not_its_password(desk):
    assert f"http://127.0.0.1:{desk.port}" in desk.greeting
    assert str(prefect_home(desk.home) / "auth") in desk.greeting
    assert login(desk.home).split(":")[1] not in desk.greeting
    assert re.search(r"trade-session.*(Mon|Tue|Wed|Thu|Fri) .* 09:00 E[SD]T", desk.greeting)


async def test_the_desk_is_prepared_before_it_deploys(desk):
    async with desk.client() as client:
        variable = await client.read_variable_by_name("prepared")

    assert variable is not None
    assert variable.value == "yes"


async def test_prefect_deploy_all_and_openbell_up_agree_exactly(desk):
    deployed = await deployments(desk)

    prefect_deploy_all(desk, PREFECT_FILE.parent)

    assert set(deployed) == {
        "ingest-bars",
        "trade-session",
        "reconcile-day",
        "backfill-bars",
        "tend-store",
        "check-books",
        "check-risk",
        "watch-market",
        "stop-trading",
        "prove-readiness",
        "ingest-minutes",
        "ingest-chains",
        "check-quotes",
    }
    assert await deployments(desk) == deployed
    assert {deployment["entrypoint"] for deployment in deployed.values()} == {
        "flows.ingest_bars.ingest_bars",
        "flows.trade_session.trade_session",
        "flows.reconcile_day.reconcile_day",
        "flows.backfill_bars.backfill_bars",
        "flows.tend_store.tend_store",
        "flows.check_books.check_books",
        "flows.check_risk.check_risk",
        "flows.watch_market.watch_market",
        "flows.stop_trading.stop_trading",
        "flows.prove_readiness.prove_readiness",
        "flows.ingest_minutes.ingest_minutes",
        "flows.ingest_chains.ingest_chains",
        "flows.check_quotes.check_quotes",
    }
    assert {name for name, deployment in deployed.items() if not deployment["schedules"]} == {
        "check-books",
        "stop-trading",
        "prove-readiness",
        "ingest-minutes",
        "ingest-chains",
        "check-quotes",
    }
    assert deployed["check-risk"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"  # runs never pile up
    assert not any(deployment["pull_steps"] or deployment["path"] for deployment in deployed.values())


async def test_the_day_is_planned_in_new_york(desk):
    wanted = {("trade-session", 9, 0), ("ingest-bars", 16, 45), ("reconcile-day", 17, 15), ("backfill-bars", 19, 0)}
    wanted |= {("tend-store", 1, 30)}
    planned: list[datetime] = []
    looks: list[datetime] = []

    async def every_routine_is_planned() -> bool:
        async with desk.client() as client:
            names = {deployment.id: deployment.name for deployment in await client.read_deployments()}
            runs = [run for run in await client.read_flow_runs(limit=200) if run.state_type == StateType.SCHEDULED]
        starts = [(names.get(run.deployment_id), run.expected_start_time.astimezone(NEW_YORK)) for run in runs]
        ours = [(name, start) for name, start in starts if name in {each[0] for each in wanted}]
        planned[:] = [start for _, start in ours]
        looks[:] = sorted(start for name, start in starts if name == "check-risk")
        return {(name, start.hour, start.minute) for name, start in ours} == wanted and len(looks) > 1

    await until(every_routine_is_planned)

    assert {start.weekday() for start in planned + looks} <= {0, 1, 2, 3, 4}
    assert {start.minute % 5 for start in looks} == {0}
    assert {start.hour for start in looks} <= {*range(9, 16)}  # before the open it ends as skipped


async def test_the_worker_runs_an_installed_flow_from_any_folder(desk):
    prefect_deploy_all(desk, STANDIN)

    async with desk.client() as client:
        deployment = await client.read_deployment_by_name("standin-ingest/standin-ingest")
        run = await client.create_flow_run_from_deployment(deployment.id)

        async def has_ended() -> bool:
            state = (await client.read_flow_run(run.id)).state
            return state is not None and state.is_final()

        await until(has_ended)
        ended = await client.read_flow_run(run.id)

    assert ended.state_name == "Completed"


async def test_ctrl_c_lets_a_run_tidy_up_and_leaves_nothing_behind(desk, tmp_path):
    prefect_deploy_all(desk, STANDIN)
    await start_trading(desk, tmp_path)

    exit_code, said = await asyncio.to_thread(desk.stop, signal.SIGINT)

    assert (exit_code, "in order" in said) == (0, True)
    assert (tmp_path / "tidied").exists()
    assert in_database(desk.home, "select state_name from flow_run where state_type in ('RUNNING', 'CANCELLING')") == []
    assert in_database(desk.home, "select count(*) from flow_run where state_name = 'Cancelled'") == [(1,)]
    assert in_database(desk.home, "select is_paused from work_pool") == [(0,)]
    assert processes_of(desk.home) == []


async def test_a_desk_whose_worker_dies_says_so_and_goes_down_whole(tmp_path):
    desk = a_desk(tmp_path / "home", STANDIN / "prefect.yaml")
    await start_trading(desk, tmp_path)
    worker = next(process for process in processes_of(desk.home) if "worker" in process.cmdline())

    worker.kill()
    said, _ = await asyncio.to_thread(desk.process.communicate, timeout=90)

    assert desk.process.returncode == 1
    assert "worker ended by itself" in said
    assert (tmp_path / "tidied").exists()
    assert processes_of(desk.home) == []
