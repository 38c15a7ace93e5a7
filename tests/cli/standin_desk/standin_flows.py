"""Flows that stand in for the desk's, so that its machinery can be tried without trading."""

import asyncio
from datetime import date
from pathlib import Path

from prefect import flow


@flow
async def standin_ingest(session: date | None = None) -> str:
    return f"ingested {session}"


@flow
async def standin_trade(folder: str = ".") -> None:
    """Trade until stopped, and tidy up then, as a flow with open orders has to."""
    _mark(folder, "began")
    try:
        await asyncio.sleep(120)
    finally:
        _mark(folder, "tidied")


def _mark(folder: str, name: str) -> None:
    Path(folder, name).touch()
