"""Hear whether a person has canceled the run: Prefect's worker hears nothing more once its server was away for long."""

import asyncio
from uuid import UUID

import anyio
import httpx
from prefect import get_client, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.states import Cancelled

SECONDS = 2  # a server that hangs is asked again
_EVERY = 1.0


async def until_canceled() -> None:
    """Return once the run is being canceled; a server that does not answer is asked again, for as long as it takes."""
    async with get_client() as client:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                with anyio.fail_after(SECONDS):
                    state = (await client.read_flow_run(_run_id())).state
            except (TimeoutError, httpx.HTTPError, PrefectException):
                continue
            if _is_canceled(state):
                return


async def show_canceled() -> None:
    """Show the run as canceled, if a person canceled it; Prefect's worker does so once it has loaded the flow anew."""
    try:
        with anyio.fail_after(SECONDS):
            async with get_client() as client:
                run = await client.read_flow_run(_run_id())
                if run.state is not None and run.state.is_cancelling():
                    await client.set_flow_run_state(run.id, Cancelled(message=run.state.message), force=True)
    except (TimeoutError, httpx.HTTPError, PrefectException) as exc:
        get_run_logger().warning("The Prefect server could not be told that the run has ended (%s).", exc)


def _is_canceled(state: State | None) -> bool:
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def _run_id() -> UUID:
    return UUID(str(runtime.flow_run.id))
