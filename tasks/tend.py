"""Tend the stores: join small parts, forget what is too old."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Ledger
from blocks.desk_storage import DeskStorage


@task(name="tend_store", timeout_seconds=3600, cache_policy=NO_CACHE)
async def tend(
    storage: DeskStorage, ledger: Ledger, now: datetime, keep_tick_days: int | None, keep_minute_days: int | None
) -> dict[str, Any]:
    """Compact ticks and the bars of object storage, forget old ticks and minutes; doing it again changes nothing."""
    ticks, minutes = storage.tick_store(), storage.minute_store()
    done: dict[str, Any] = {"stretches of ticks compacted": await asyncio.to_thread(ticks.compact, now)}
    if keep_tick_days is not None:
        day = (now - timedelta(days=keep_tick_days)).date()
        done["days of ticks forgotten"] = await asyncio.to_thread(ticks.forget_before, day)
    if keep_minute_days is not None:
        day = (now - timedelta(days=keep_minute_days)).date()
        done["days of minutes forgotten"] = await asyncio.to_thread(minutes.forget_before, day)
    done["sources of daily bars compacted"] = await asyncio.to_thread(
        storage.compact_bars, tuple(ledger.facts.last_checked())
    )
    return done
