"""`openbell stop` while the process that trades hangs: when the gateway has canceled the last order."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.ib.ib_settings import IbSettings
from adapters.ib.sessions import process_sessions
from adapters.sql.schema import migrate
from benchmarks.ib_desks import ACCOUNT, LIBRARY, GatewayChild, open_ib_desk, running_gateway
from benchmarks.measurement import Measurement, Run, at_most, percentile
from blocks.desk import wall_clock
from blocks.desk_storage import DeskStorage
from blocks.routes import Route, keep_route
from cli.children import clean_environment
from tasks.stop import stop_account

_FEW, _MANY = 50, 200
_PATIENCE = 60  # s
_STOP = "from cli.openbell import main; main()"  # what the `openbell` script runs


def stop(run: Run) -> Iterator[Measurement]:
    """Stop a desk whose trading process is stopped in the middle (SIGSTOP), with 50 orders at work."""
    yield from _stop(run, _FEW)


def stop_many(run: Run) -> Iterator[Measurement]:
    """The same with 200 orders, by the command, and by what a breaker calls in a process that runs already."""
    yield from _stop(run, _MANY)
    trips = [_timed_trip(_home(run, f"trip-{number}"), _MANY) for number in range(run.repeats(5))]
    value = percentile(trips, 50)
    yield Measurement(
        name=f"ib.trip{_MANY}",
        value=value,
        unit="s",
        note=f"from a breaker's trip, in a process that runs, until the gateway has canceled the last of {_MANY} "
        "orders of a process that is stopped (SIGSTOP)",
        aim=at_most(value, 1),
    )


def _stop(run: Run, orders: int) -> Iterator[Measurement]:
    took, bare = [], []
    for number in range(run.repeats(5)):
        home = _home(run, f"stop-{number}")
        took.append(_timed(home, lambda _: ["-c", _STOP, "stop"], orders))
        bare.append(_timed(home, lambda port: ["-m", "benchmarks.bare_client", "cancel", str(port)], orders))
    value = percentile(took, 50)
    yield Measurement(
        name=f"ib.stop{orders}",
        value=value,
        unit="s",
        baseline=percentile(bare, 50),
        note=f"from the start of the process `openbell stop` until the gateway has canceled the last of {orders} "
        f"orders of a process that hangs; baseline: a script with {LIBRARY} alone that connects and cancels all",
        aim=at_most(value, 1),
    )


def _home(run: Run, name: str) -> Path:
    home = run.folder / name
    home.mkdir()
    migrate(DeskStorage(home=home).engine())
    return home


def _timed(home: Path, command_at: Callable[[int], list[str]], orders: int) -> float:
    # The orders are there before anything is measured: no limit of messages a second holds them up.
    with running_gateway(messages_per_second=0) as gateway, _hanging_trader(gateway, orders):
        keep_route(home, Route(account=ACCOUNT, settings=IbSettings(port=gateway.port, library=LIBRARY)))
        environment = clean_environment() | {"OPENBELL_HOME": str(home)}
        started = time.time()  # the gateway's clock
        done = subprocess.Popen([sys.executable, *command_at(gateway.port)], env=environment, stdout=subprocess.DEVNULL)
        told = _wait_for_the_last(gateway)
        if done.wait(_PATIENCE):
            raise RuntimeError(f"{command_at(gateway.port)} ended with {done.returncode}")
    return told - started


def _timed_trip(home: Path, orders: int) -> float:
    with running_gateway(messages_per_second=0) as gateway, _hanging_trader(gateway, orders):
        desk = open_ib_desk(home, gateway.port)
        started = time.time()
        stopped = asyncio.run(stop_account(desk, reason="benchmark", flatten=None, clock=wall_clock))
        told = _wait_for_the_last(gateway)
        if not stopped.is_safe:
            raise RuntimeError("; ".join(stopped.lines()))
    asyncio.run(process_sessions().close_all())
    process_sessions.cache_clear()
    return told - started


def _wait_for_the_last(gateway: GatewayChild) -> float:
    deadline = time.monotonic() + _PATIENCE
    while (count := gateway.do("count"))["working"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count['working']} orders still work")
        time.sleep(0.05)  # asking more often would take time from what is measured
    return float(count["last_ended_at"])


@contextmanager
def _hanging_trader(gateway: GatewayChild, orders: int) -> Iterator[None]:
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_client", "trade", str(gateway.port), str(orders)],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        if child.stdout.readline() != b"working\n":
            raise RuntimeError("the process that was to trade did not get its orders to work")
        os.kill(child.pid, signal.SIGSTOP)
        yield
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
