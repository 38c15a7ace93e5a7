"""One routine of a desk in a process of its own: what it took, how much memory, and what it said, as JSON.

The clock starts when everything is imported and the routine is called. It runs to the routine's end, and so includes
the first connection to Prefect's server, the exchange calendar and the reading of the provider's file.
"""

import asyncio
import json
import logging
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing Prefect is not to be measured
    from blocks.desk import Desk

# Imported by Prefect and others only when a flow runs, or bars are checked.
_LATE = (
    "anyio._backends._asyncio",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "sqlite3",
)


async def prepare(home: Path, symbols: int, session: date) -> str:
    """Save the settings; buy every symbol in the session, by the bars of the session before."""
    from adapters.sql.schema import migrate
    from benchmarks.desks import ACCOUNT, blocks_of

    storage, source, account = blocks_of(home, symbols)
    migrate(storage.engine())
    await storage.asave("desk", overwrite=True)
    await source.asave(source.name, overwrite=True)
    await account.asave(ACCOUNT, overwrite=True)
    before = (await asyncio.to_thread(_calendar)).previous_session(session)
    return f"{await ingest(home, symbols, before)}; {await _trade(session, None)}"


async def ingest(_home: Path, _symbols: int, session: date) -> str:
    """Run `ingest_bars` of the session."""
    from benchmarks.markets import SOURCE
    from flows.ingest_bars import ingest_bars

    state = await ingest_bars(session, source=SOURCE, return_state=True)
    await state.aresult()
    return state.message or ""


async def trade(_home: Path, symbols: int, session: date) -> str:
    """Run `trade_session` of the session: one order for each symbol."""
    return await _trade(session, symbols)


async def trade_without_prefect(home: Path, symbols: int, session: date) -> str:
    """Run the same functions in the same order without Prefect; nothing is published."""
    from benchmarks.desks import ACCOUNT, SIZING, open_desk, rotation

    async def open_bench(_account: str, _storage: str) -> "Desk":
        return open_desk(home, symbols)

    module: Any = import_module("flows.trade_session")
    module.open_desk = open_bench
    state = await module.trade_session.fn(session, account=ACCOUNT, strategy=rotation(symbols), sizing=SIZING)
    return str(state.message)


ROUTINES: dict[str, Callable[[Path, int, date], Coroutine[Any, Any, str]]] = {
    routine.__name__: routine for routine in (prepare, ingest, trade, trade_without_prefect)
}


async def _trade(session: date, symbols: int | None) -> str:
    """Rotate into the winners, or without `symbols` buy all."""
    from benchmarks.desks import ACCOUNT, SIZING, rotation
    from flows.trade_session import trade_session
    from tasks.decide import StrategyChoice

    choice = StrategyChoice() if symbols is None else rotation(symbols)
    state = await trade_session(session, account=ACCOUNT, strategy=choice, sizing=SIZING, return_state=True)
    await state.aresult()
    return state.message or ""


def _calendar() -> Any:
    from benchmarks.markets import CALENDAR

    return CALENDAR


def _import(routine: str) -> None:
    for name in ("flows.ingest_bars", "flows.trade_session", "benchmarks.desks", *_LATE):
        import_module(name)
    if routine in ("ingest", "prepare"):
        import_module("great_expectations")
    if routine == trade_without_prefect.__name__:
        take_prefect_out()


def take_prefect_out() -> None:
    """Put the tasks' own functions in their place, log as Python does, and publish nothing."""
    from prefect import Task

    from tasks import publish

    async def publish_nothing(create: Callable[[], Awaitable[Any]]) -> None: ...

    publish._publish = publish_nothing
    ours = [module for name, module in sys.modules.items() if name.startswith(("flows.", "tasks."))]
    for module in ours:
        for name, value in list(vars(module).items()):
            if isinstance(value, Task):
                setattr(module, name, value.fn)
            elif name == "get_run_logger":
                setattr(module, name, logging.getLogger)


def peak_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux hands its parent's peak down to a child, but for this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(routine: str, home: str, symbols: str, session: str) -> None:
    """Run one routine and tell what it took."""
    _import(routine)
    before = peak_mib()
    started, cpu = time.perf_counter(), time.process_time()
    message = asyncio.run(ROUTINES[routine](Path(home), int(symbols), date.fromisoformat(session)))
    took = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps(took | {"before_mib": before, "peak_mib": peak_mib(), "message": message}))


if __name__ == "__main__":
    main(*sys.argv[1:])
