"""On demand: fill in bars of past sessions, of a range or where the calendar finds gaps."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from adapters.parquet_files import locked_if_free
from blocks.bar_source import BarSource
from blocks.desk import Ledger, Market, load, wall_clock
from blocks.desk_storage import DeskStorage
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.deliver import deliver
from tasks.fill import Filled, backfill_folder, batches, check_batch, fetch_batch, publish_filled, store_batch
from tasks.publish import Progress
from tasks.want import scan, wanted
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.backfills import BackfillRequest


@flow(
    name="backfill-bars",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def backfill_bars(
    first: date | None = None,
    last: date | None = None,
    source: str = "sample",
    universe: Path | None = None,
    storage: str = "desk",
) -> State[Any]:
    """Fetch, check and store bars of past sessions; running it again fetches what is not there yet, and nothing else.

    Args:
        first: First day of the range. None: gaps in what is stored are looked for, and all that is queued is tried.
        last: Last day of the range.
        source: Name of the bar source block.
        universe: CSV file of who belonged when (symbol, first, last). None: the universe or symbols of the source.
        storage: Name of the desk storage block.
    """
    if (first is None) != (last is None):
        raise InvalidValue("range", f"{first} to {last}", "given by both its first and its last day, or by neither")
    settings, places = (await load(BarSource, source)).of_universe(universe), await load(DeskStorage, storage)
    market, ledger = Market.of(settings, places), Ledger.of(places)
    if settings.fallbacks:
        market = market.with_fallbacks([await load(BarSource, name) for name in settings.fallbacks], ledger)
    asked = wanted(market, first, last, wall_clock()) if first and last else None
    ledger.backfills.queue(asked or (), wall_clock())
    with locked_if_free(backfill_folder(places, settings.name), "run") as free:
        if not free:
            return ended(f"another run fills in bars of {settings.name}; what was asked is queued", name="Skipped")
        if asked is None:
            await scan(market, ledger, wall_clock())
        requests = ledger.backfills.open(settings.name, among=asked)
        done, down = await _fill(market, places, ledger, requests)
        await publish_filled(settings.name, done)
    await deliver(places, ledger)
    if down is not None:
        raise down
    left = [request for filled in done for request in filled.tried]
    return ended(_message(settings.name, done, left), name="Incomplete" if left else None)


async def _fill(
    market: Market, places: DeskStorage, ledger: Ledger, requests: Sequence[BackfillRequest]
) -> tuple[list[Filled], SourceUnavailable | None]:
    """Work off the requests batch by batch, up to the one in which the source went away."""
    done: list[Filled] = []
    progress = Progress("backfill-progress", f"Symbols of {market.settings.name} fetched", len(requests))
    await progress.begin()
    for batch in batches(market, places, ledger, requests):
        down: SourceUnavailable | None = None
        try:
            await fetch_batch(market, batch, progress)
        except SourceUnavailable as exc:
            down = exc  # what came before is checked and stored all the same
        report = await check_batch(market, ledger, batch, wall_clock())
        done.append(await store_batch(market, places, ledger, batch, report, wall_clock()))
        if down is not None:
            return done, down
    return done, None


def _message(source: str, done: Sequence[Filled], left: Sequence[BackfillRequest]) -> str:
    if not done:
        return f"{source}: nothing to fill in"
    filled, added = sum(len(d.filled) for d in done), sum(d.count.added for d in done)
    changed = sum(d.count.changed for d in done)
    text = f"{source}: {filled} of {filled + len(left)} requests filled, {added} bars added, {changed} changed"
    shown = "; ".join(request.said for request in left[:5])
    more = f"; and {len(left) - 5} more" if len(left) > 5 else ""
    return f"{text}; not filled: {shown}{more}" if left else text
