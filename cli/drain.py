"""End the runs of the work pool in order, before the worker that holds their processes is stopped.

A worker stopped by a signal kills its runs without `finally` and leaves them `Running`; a run cancelled through the API
gets to its `finally`. So: pause the pool, cancel, wait, and only then stop the worker.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cli.prefect_server import prefect_home

if TYPE_CHECKING:  # Prefect is imported once the environment is set
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

WORK_POOL = "openbell"
_GRACE_SECONDS = 30.0
_REASON = "The desk was stopped."
UNHEARD_SECONDS = 40.0  # a worker that has heard of it kills after 30
_LOOK_SECONDS = 5.0


async def ensure_work_pool(client: "PrefectClient") -> bool:
    """Make the desk's work pool when there is none, and tell whether it is paused."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    try:
        return bool((await client.read_work_pool(WORK_POOL)).is_paused)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        await client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", base_job_template=template))
        return False


async def drain(client: "PrefectClient", hurry: asyncio.Event, grace_seconds: float = _GRACE_SECONDS) -> int:
    """Let no run start, ask those in progress to cancel, and wait until they have.

    The pool is left paused; `finish` undoes that once the worker has stopped.

    Args:
        hurry: set it to wait no longer.

    Returns:
        How many runs were still in progress when the grace was over.
    """
    from prefect.states import Cancelling

    await _pause(client, True)
    for run in await runs_in_progress(client):
        await client.set_flow_run_state(run.id, Cancelling(message=_REASON))
    for _ in range(int(grace_seconds * 2)):
        if hurry.is_set() or not await runs_in_progress(client):
            break
        await asyncio.sleep(0.5)
    return len(await runs_in_progress(client))


async def finish(client: "PrefectClient", *, was_paused: bool) -> None:
    """Call what the worker's end has killed by its name, and leave the pool as a person had set it."""
    from prefect.states import Crashed

    for run in await runs_in_progress(client):
        message = f"{_REASON} It did not end within its grace and was killed; the ledger tells what it had done."
        await client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    await _pause(client, was_paused)


async def end_unheard_for_ever(client: "PrefectClient", home: Path) -> None:
    """End the runs whose cancellation the worker does not hear; a server that does not answer is asked again."""
    from httpx import HTTPError
    from prefect.exceptions import PrefectException

    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with suppress(HTTPError, PrefectException):
            await end_unheard(client, home)


async def end_unheard(client: "PrefectClient", home: Path, after_seconds: float = UNHEARD_SECONDS) -> None:
    """End the runs that were canceled so long ago: a worker hears nothing more once its server was away for long.

    It gives up its connection after some 30 s, and never asks again.
    """
    from prefect.states import Cancelled

    for run in await runs_in_progress(client):
        state = run.state
        if state is None or not state.is_cancelling():
            continue
        if (datetime.now(UTC) - state.timestamp).total_seconds() > after_seconds:
            await asyncio.to_thread(end_run_processes, home, _GRACE_SECONDS, run.id)
            await client.set_flow_run_state(run.id, Cancelled(message=state.message), force=True)


def end_run_processes(home: Path, grace_seconds: float = 10.0, run: "UUID | None" = None) -> int:
    """End the processes of runs that outlived their worker, `finally` included, and return how many there were.

    Args:
        run: end those of this one only.
    """
    left = [process for process in psutil.process_iter() if _is_run_of(home, process, run)]
    for process in left:
        process.terminate()
    for process in psutil.wait_procs(left, grace_seconds)[1]:
        process.kill()
    return len(left)


def _is_run_of(home: Path, process: psutil.Process, run: "UUID | None") -> bool:
    try:
        environment = process.environ()
    except psutil.Error:
        return False  # another user's, or gone
    found = environment.get("PREFECT__FLOW_RUN_ID")
    is_wanted = found is not None if run is None else found == str(run)
    return is_wanted and environment.get("PREFECT_HOME") == str(prefect_home(home))


async def runs_in_progress(client: "PrefectClient") -> "list[FlowRun]":
    """Return the pool's runs that may have a process: all that have begun and not ended, less the suspended."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import StateType

    begun = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
    runs = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=begun))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[WORK_POOL])),
    )
    return [run for run in runs if run.state_name != "Suspended"]


async def _pause(client: "PrefectClient", is_paused: bool) -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate

    await client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=is_paused))
