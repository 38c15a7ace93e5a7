"""Publish artifacts to the Prefect UI: a view of the ledger, never a condition for trading."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
import httpx
from prefect.artifacts import acreate_image_artifact, acreate_markdown_artifact, acreate_table_artifact
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
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    await _publish(lambda: acreate_image_artifact(key=key, image_url=url, description=description))


async def _publish(create: Callable[[], Awaitable[Any]]) -> None:
    try:
        with anyio.fail_after(SECONDS):
            await create()
    except (TimeoutError, httpx.HTTPError, PrefectException) as exc:
        get_run_logger().warning("The Prefect server took no artifact (%s); the ledger has it all.", exc)
