"""Pausing: a run waits for a person, and goes on by itself when nobody has answered in time."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
from prefect import runtime
from prefect.exceptions import PrefectException
from prefect.flow_runs import apause_flow_run, aresume_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger

LOOK_SECONDS = 2
# Prefect fails a run that was paused beyond its time-out, however it ends: ours comes before, and resumes the run.
SPARE_SECONDS = 3600
T = TypeVar("T", bound=RunInput)


async def pause(form: type[T], seconds: float, is_over: Callable[[], bool], nobody: Mapping[str, Any]) -> T:
    """Pause until a person has filled in the form, or the waiting is over, and return the answer.

    Args:
        seconds: how long the waiting may last.
        is_over: asked every other second.
        nobody: the answer when it is over.
    """
    paused = asyncio.create_task(
        apause_flow_run(wait_for_input=form, timeout=int(max(seconds, 0)) + SPARE_SECONDS, poll_interval=LOOK_SECONDS)
    )
    try:
        while not (await asyncio.wait({paused}, timeout=LOOK_SECONDS))[0]:
            if is_over():
                await _wake(nobody)
        return paused.result()
    finally:
        paused.cancel()


async def _wake(answer: Mapping[str, Any]) -> None:
    try:
        await aresume_flow_run(runtime.flow_run.id, run_input=dict(answer))
    except (PrefectException, RuntimeError, httpx.HTTPError) as exc:
        # Not paused yet, or resumed by a person at this moment, or the server is away: the next look tries again.
        get_run_logger().info("The run was not resumed: %s", exc)
