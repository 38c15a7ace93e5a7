"""Publish artifacts to the Prefect UI: a view of the ledger, never a condition for trading."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import anyio
import httpx
from prefect import get_client, runtime
from prefect.artifacts import (
    acreate_image_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

SECONDS = 10  # a server that restarts holds a call up for longer than trading should wait


async def publish_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Publish a table; no row is shown as one that says so."""
    shown = [dict(row) for row in rows] or [{"": "none"}]
    await _publish(lambda: acreate_table_artifact(key=key, table=shown, description=description))


async def publish_markdown(key: str, markdown: str, description: str) -> None:
    """Publish a text."""
    await _publish(lambda: acreate_markdown_artifact(key=key, markdown=markdown, description=description))


async def publish_png(key: str, png: bytes, description: str) -> None:
    """Publish a picture, inside the artifact itself: the UI fetches it from nowhere."""
    await _publish(lambda: acreate_image_artifact(key=key, image_url=_url(png), description=description))


async def replace_markdown(key: str, markdown: str, description: str) -> None:
    """Publish a text in the place of the one of this key that the run has published before."""
    if not await _publish(lambda: _replace(key, markdown)):
        await publish_markdown(key, markdown, description)


async def replace_png(key: str, png: bytes, description: str) -> None:
    """Publish a picture in the place of the one of this key that the run has published before."""
    if not await _publish(lambda: _replace(key, _url(png))):
        await publish_png(key, png, description)


class Progress:
    """A bar in the UI that shows how much of a run is done."""

    def __init__(self, key: str, description: str, steps: int) -> None:
        self._key, self._description, self._steps = key, description, steps
        self._done, self._artifact = 0, None

    async def begin(self) -> None:
        """Show the bar, empty."""
        about = {"key": self._key, "description": self._description}
        self._artifact = await _publish(lambda: acreate_progress_artifact(progress=0.0, **about))

    async def step(self, steps: int = 1) -> None:
        """Show that so many more steps are done."""
        self._done += steps
        if (artifact := self._artifact) is not None:
            percent = min(100.0, 100.0 * self._done / self._steps)  # a step that is tried again counts again
            await _publish(lambda: aupdate_progress_artifact(artifact_id=artifact, progress=percent))


def _url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


async def _replace(key: str, content: str) -> bool:
    """Tell whether the run has an artifact of this key, which then has this content."""
    of_run = ArtifactFilterFlowRunId(any_=[UUID(str(runtime.flow_run.id))])
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]), flow_run_id=of_run)
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=wanted, limit=1)
        if found and found[0].id is not None:
            await client.update_artifact(found[0].id, ArtifactUpdate(data=content))
    return bool(found)


async def _publish(create: Callable[[], Awaitable[Any]]) -> Any:
    try:
        with anyio.fail_after(SECONDS):
            return await create()
    except (TimeoutError, httpx.HTTPError, PrefectException) as exc:
        get_run_logger().warning("The Prefect server took no artifact (%s); the ledger has it all.", exc)
        return None
