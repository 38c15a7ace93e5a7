"""Fill in bars from the shell: the same flow as the deployment's, with its progress."""

import asyncio
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cli import pages
from cli.prepare import ledger_place, prepare
from trading.errors import SourceUnavailable, TradingError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from adapters.sql.ledger import Ledger
    from blocks.desk_storage import DeskStorage
    from trading.market.backfills import BackfillRequest

LOOK_SECONDS = 0.5


class BackfillFailed(TradingError):
    """A run of the backfill failed."""

    def __init__(self, source: str, why: str) -> None:
        self.source = source
        super().__init__(f"the backfill of {source} ended early: {why}; running it again goes on where it stopped")


async def backfill_and_show(
    home: Path, *, source: str, first: date | None, last: date | None, universe: Path | None, as_json: bool
) -> None:
    """Run the flow beside a progress bar, then say what came and what did not.

    Raises:
        BackfillFailed: it stopped before its end.
    """
    from prefect.logging.handlers import APILogHandler

    from adapters.sql.ledger import Ledger
    from blocks.bar_source import BarSource
    from blocks.desk import load
    from blocks.desk_storage import DeskStorage
    from flows.backfill_bars import backfill_bars

    await prepare(home)
    ledger, storage = Ledger.of(ledger_place(home)), await load(DeskStorage, "desk")
    name = (await load(BarSource, source)).name
    run: asyncio.Future[State[Any]] = asyncio.ensure_future(
        backfill_bars(first, last, source=source, universe=universe, return_state=True)
    )
    try:
        await _show_progress(ledger, storage, name, run)
        state = await run
    finally:
        await APILogHandler.aflush()  # while the server is there to take the logs
    if not state.is_completed():
        error = await state.aresult(raise_on_failure=False)
        if isinstance(error, TradingError) and not isinstance(error, SourceUnavailable):
            raise error  # a person's mistake: nothing has begun
        raise BackfillFailed(source, str(error))
    left = [r for r in ledger.backfills.open(name) if r.attempts]
    if as_json:
        pages.show_json({"message": state.message, "not_filled": [_row(request) for request in left]})
        return
    Console().print(state.message, highlight=False, soft_wrap=True, markup=False)
    if left:
        pages.show("Not filled, and tried again by the next run", [_row(request) for request in left])


async def _show_progress(
    ledger: "Ledger", storage: "DeskStorage", source: str, run: "asyncio.Future[State[Any]]"
) -> None:
    """Show how many of the symbols that were wanted when most of them were are fetched, until the run ends."""
    from tasks.fill import staged_count

    console, times = Console(stderr=True), (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, most = bar.add_task(f"{source}: symbols fetched", total=None), 0
        while not run.done():
            left = len(ledger.backfills.open(source)) - staged_count(storage, source)
            most = max(most, left)
            bar.update(task, total=most or None, completed=most - left)
            await asyncio.wait([run], timeout=LOOK_SECONDS)


def _row(request: "BackfillRequest") -> dict[str, Any]:
    return {
        "symbol": request.symbol,
        "from": str(request.first),
        "to": str(request.last),
        "attempts": request.attempts,
        "why": request.said,
    }
