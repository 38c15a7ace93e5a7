"""At night: join the small parts of the stores, and forget what is older than is kept."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.desk import Ledger, load, wall_clock
from blocks.desk_storage import DeskStorage
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.tend import tend

Days = Annotated[int, Field(gt=0)]


@flow(
    name="tend-store", retries=0, on_failure=[tell_failure], on_crashed=[tell_failure], on_cancellation=[tell_failure]
)
async def tend_store(
    storage: str = "desk", keep_tick_days: Days | None = None, keep_minute_days: Days | None = None
) -> State[Any]:
    """Compact what was written in small parts, and forget ticks and minute bars that are too old.

    Daily bars are the record, and never forgotten.

    Args:
        storage: Name of the desk storage block.
        keep_tick_days: How many days of ticks to keep. None: all.
        keep_minute_days: How many days of minute bars to keep. None: all.
    """
    places = await load(DeskStorage, storage)
    done = await tend(places, Ledger.of(places), wall_clock(), keep_tick_days, keep_minute_days)
    return ended(", ".join(f"{count} {what}" for what, count in done.items()))
