"""Run the desk in one foreground process: server, work pool, deployments and worker, drained before they stop."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.children import KeptChild, start_child, stop_child
from cli.drain import WORK_POOL, drain, end_run_processes, end_unheard_for_ever, ensure_work_pool, finish
from cli.prefect_server import (
    PrefectServer,
    adopt,
    client_environment,
    has_ended,
    login_path,
    prefect_home,
    running_server,
    server_in_use,
    server_log_path,
    start_again,
)
from cli.prepare import PREFECT_PORT
from cli.watchdog import LOST_AFTER_SECONDS, start_watchdog
from trading.errors import TradingError

if TYPE_CHECKING:  # Prefect is imported once the environment is set
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

PREFECT_FILE = Path(__file__).parents[1] / "prefect.yaml"
_WATCH = "watch-market"
_LOOK_SECONDS = 0.5
_LEAST_SERVER_SECONDS = 60.0  # one that lives no longer would be started again for ever


class DeskNotUp(TradingError):
    """A part of the desk did not start, or ended by itself."""

    def __init__(self, part: str, why: str) -> None:
        self.part, self.why = part, why
        super().__init__(f"the {part} {why}; mend that and run `openbell up` again")


def up(
    home: Path,
    port: int = PREFECT_PORT,
    *,
    prepare: Callable[[], Awaitable[None]] | None = None,
    prefect_file: Path = PREFECT_FILE,
    lost_after_seconds: float = LOST_AFTER_SECONDS,
) -> int:
    """Run the desk until Ctrl-C or SIGTERM, and return the exit code: 0 when it was drained, else 1.

    Args:
        prepare: awaited when the server is healthy, before anything is deployed (save blocks, migrate the ledger).
        lost_after_seconds: a process with orders at work that was not heard for so long is stopped.
    """
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the loop takes both over: stop the server too
    console.print("Starting the desk; the first time takes some seconds more, to make the database.")
    try:
        with running_server(home, port, alone=True) as server:
            adopt(client_environment(home, server.port))
            watchdog = KeptChild(lambda: start_watchdog(home, watchdog_log_path(home), lost_after_seconds))
            asyncio.run(_run_desk(server, console, prepare, prefect_file, watchdog))
    except TradingError as exc:
        console.print(f"[red]The desk is down:[/] {escape(str(exc))}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped before the desk was up.")
        return 1
    console.print("The desk is down, in order.")
    return 0


async def _run_desk(
    server: PrefectServer,
    console: Console,
    prepare: Callable[[], Awaitable[None]] | None,
    prefect_file: Path,
    watchdog: KeptChild,
) -> None:
    from prefect.client.orchestration import get_client

    asked, hurry = _stop_signals()
    if prepare:
        await prepare()
    async with get_client() as client:
        was_paused = await ensure_work_pool(client)
        watchdog.look()
        worker, listener = _start_worker(server), asyncio.create_task(end_unheard_for_ever(client, server.home))
        try:
            await deploy(client, server, prefect_file)
            await _show(client, server, console, was_paused)
            await _until_asked(asked, server, worker, watchdog, console)
        finally:
            listener.cancel()
            await _stop_desk(client, server, worker, console, hurry, was_paused)
            watchdog.stop()  # last: it looks after those that are being drained too


async def _stop_desk(
    client: "PrefectClient",
    server: PrefectServer,
    worker: "subprocess.Popen[bytes]",
    console: Console,
    hurry: asyncio.Event,
    was_paused: bool,
) -> None:
    """Cancel the runs, then stop the worker, then see that none of its runs is left, as process or as state."""
    server_lives, worker_lives = server_in_use(server.home) is not None, worker.poll() is None
    if server_lives and worker_lives:  # a run is canceled by its worker: without one nobody would hear it
        console.print("Stopping: runs in progress get 30 s to end; Ctrl-C once more ends them now.")
        left = await drain(client, hurry)
        if left:
            console.print(
                f"[red]{left} run(s) did not end in time and are killed now; the ledger tells what they did.[/]"
            )
    stop_child(worker)
    end_run_processes(server.home)
    if server_lives:
        await finish(client, was_paused=was_paused)


def _stop_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return two events: the first is set by the first Ctrl-C or SIGTERM, the second by the next."""
    asked, hurry = asyncio.Event(), asyncio.Event()

    def ask() -> None:
        (hurry if asked.is_set() else asked).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    return asked, hurry


def worker_log_path(home: Path) -> Path:
    """Return the file to which the worker and its runs write what they have to say."""
    return prefect_home(home) / "worker.log"


def watchdog_log_path(home: Path) -> Path:
    """Return the file to which the watchdog writes what it has done."""
    return home / "watchdog.log"


def _start_worker(server: PrefectServer) -> "subprocess.Popen[bytes]":
    arguments = ["prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process", "--name", "desk"]
    return start_child(arguments, client_environment(server.home, server.port), worker_log_path(server.home))


async def deploy(client: "PrefectClient", server: PrefectServer, prefect_file: Path = PREFECT_FILE) -> None:
    """Deploy all of `prefect_file` with Prefect's own command, so that both ways of deploying are one.

    What persons have set on Prefect's page stays: parameters that the file does not name, and pauses.

    Raises:
        DeskNotUp: the command failed; the error carries what it said.
    """
    before = {deployment.id: deployment for deployment in await client.read_deployments()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(prefect_file),
        cwd=prefect_home(server.home),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode:
        raise DeskNotUp("deployments", f"of {prefect_file} were refused:\n{said.decode().strip()}\n")
    await _give_back(client, before)
    await _rest_without_feed(client)


async def _give_back(client: "PrefectClient", before: "Mapping[UUID, DeploymentResponse]") -> None:
    """Set what Prefect's command has reset; parameters that the flow does not take any more are left out."""
    from prefect.client.schemas.actions import DeploymentUpdate

    for deployment in await client.read_deployments():
        was = before.get(deployment.id, deployment)
        known = (deployment.parameter_openapi_schema or {}).get("properties", {})
        kept = {name: value for name, value in was.parameters.items() if name in known} | deployment.parameters
        if (kept, was.paused) != (deployment.parameters, deployment.paused):
            await client.update_deployment(deployment.id, DeploymentUpdate(parameters=kept, paused=was.paused))


async def _rest_without_feed(client: "PrefectClient") -> None:
    """Switch the schedules of the watch on where a feed is named, and off where each run would be for nothing."""
    for deployment in await client.read_deployments():
        for schedule in deployment.schedules if deployment.name == _WATCH else ():
            has_feed = bool((deployment.parameters | schedule.parameters).get("feed"))
            if schedule.active != has_feed:
                await client.update_deployment_schedule(deployment.id, schedule.id, active=has_feed)


async def _until_asked(
    asked: asyncio.Event,
    server: PrefectServer,
    worker: "subprocess.Popen[bytes]",
    watchdog: KeptChild,
    console: Console,
) -> None:
    """Keep the server running, for what a run does needs it only to be seen, until the desk is to go down."""
    started_at = -float("inf")
    while not asked.is_set():
        watchdog.look()
        if worker.poll() is not None:
            raise DeskNotUp(
                "worker", f"ended by itself ({worker.returncode}); {worker_log_path(server.home)} tells why"
            )
        if has_ended(server):
            if time.monotonic() - started_at < _LEAST_SERVER_SECONDS:
                raise DeskNotUp("server", f"ended by itself twice; {server_log_path(server.home)} tells why")
            started_at = time.monotonic()
            console.print("[red]The server ended by itself and is started again.[/]")
            start_again(server)
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), _LOOK_SECONDS)


async def _show(client: "PrefectClient", server: PrefectServer, console: Console, was_paused: bool) -> None:
    table = Table("deployment", "next run", "what it does", title="The desk is up")
    for deployment in sorted(await client.read_deployments(), key=lambda each: each.name):
        due = await next_run(deployment)
        table.add_row(deployment.name, f"{due:%a %d %b %H:%M %Z}" if due else "on demand", deployment.description)
    console.print(table)
    console.print(f"Page: {server.ui_url}    Login: in {login_path(server.home)}    Stop: Ctrl-C", soft_wrap=True)
    if was_paused:
        console.print(
            f"[red]The work pool {WORK_POOL} is paused: nothing runs until you resume it, on its page in the UI.[/]"
        )


async def next_run(deployment: "DeploymentResponse") -> datetime | None:
    """Return when the earliest active schedule is due next, in its own time zone."""
    from prefect.server.schemas.schedules import SCHEDULE_TYPES
    from pydantic import TypeAdapter

    if deployment.paused:
        return None
    schedule_of = TypeAdapter[SCHEDULE_TYPES](SCHEDULE_TYPES)  # only the server's classes can tell dates
    due = [
        (await schedule_of.validate_python(each.schedule.model_dump()).get_dates(1, start=datetime.now(UTC)))[0]
        for each in deployment.schedules
        if each.active
    ]
    return min(due, default=None)
