"""Flows in processes of their own, which stop themselves dead at a chosen durable step.

A durable step is a commit that changed something in the ledger, or a file put in its place in the desk's folder. The
code under test is not touched: the process listens to SQLAlchemy and to `os.replace`.
"""

import asyncio
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings
from sqlalchemy.engine.default import DefaultDialect

from adapters.paper.broker import PaperBroker
from tests.fork_server import fork_server
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle

SECONDS = 120.0
STOPPING = "stopping"
SENT_TWICE = "sent_twice"  # file of the orders that were sent to a broker which had them; the paper broker minds not
WIRE = "wire"  # no durable step: the moment when all has been asked and the order goes to the broker
WRITES = {"INSERT": 2, "UPDATE": 1, "DELETE": 2}  # place of the table's name in the statement
FOLLOWERS = ("order_state", "alert_queue")  # written with every order, or alert, so they name no step


class Moment(StrEnum):
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAt:
    """The step at which the process sends itself a signal: its number from 1, the first of that name, or WIRE."""

    step: int | str
    moment: Moment
    signal: int = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a process.

    Attributes:
        exit_code: 0 when the flow completed, 1 when it failed, -9 when it was killed.
        message: of the flow's last state.
        steps: the durable steps it took, by name; none when it was killed.
    """

    exit_code: int | None
    message: str = ""
    steps: Sequence[str] = ()


@dataclass(slots=True, kw_only=True)
class DeskProcess:
    """A running flow."""

    process: ForkServerProcess
    told: Connection

    def wait(self) -> Outcome:
        """Wait for the end; what the process said last tells which one it was."""
        self.process.join(SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            return Outcome(exit_code=None, message=f"did not end within {SECONDS:.0f} s")
        said: Any = None
        with suppress(EOFError):
            while True:
                said = json.loads(self.told.recv_bytes())
        self.told.close()
        self.process.close()
        if said == STOPPING:
            return Outcome(exit_code=-signal.SIGKILL)
        return Outcome(**said) if said else Outcome(exit_code=None, message="ended without a word")

    def wait_until_stopped(self) -> None:
        """Wait until the process has stopped itself; it says so as the last thing before."""
        assert self.told.poll(SECONDS), "the process never came to the step"
        assert json.loads(self.told.recv_bytes()) == STOPPING
        while psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
            os.sched_yield()

    def go_on(self) -> None:
        """Let a stopped process run again."""
        os.kill(self.process.pid, signal.SIGCONT)


def start_flow(
    api_url: str,
    flow: str,
    parameters: Mapping[str, Any],
    home: Path,
    stop: StopAt | None = None,
    *,
    file_bytes: int | None = None,
) -> DeskProcess:
    """Run `package.module:flow` in a new process.

    Args:
        file_bytes: the disk is full for a file of that size.
    """
    context = fork_server()
    here, there = context.Pipe(duplex=False)
    arguments = (there, api_url, flow, dict(parameters), home, stop, file_bytes)
    process = context.Process(target=_main, args=arguments, daemon=True)
    process.start()
    there.close()
    return DeskProcess(process=process, told=here)


def run_flow(
    api_url: str,
    flow: str,
    parameters: Mapping[str, Any],
    home: Path,
    stop: StopAt | None = None,
    *,
    file_bytes: int | None = None,
) -> Outcome:
    """Run it to its end."""
    return start_flow(api_url, flow, parameters, home, stop, file_bytes=file_bytes).wait()


class Steps:
    """Counts the durable steps of this process, and stops it at one of them."""

    def __init__(self, stop: StopAt | None, tell: Callable[[Any], None]) -> None:
        self.taken: list[str] = []
        self._stop, self._tell = stop, tell

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.taken.append(name)
        self._stop_if_here(Moment.BEFORE)
        yield
        self._stop_if_here(Moment.AFTER)

    def stop_before_wire(self) -> None:
        if self._stop and self._stop.step == WIRE:
            self._stop_here(self._stop)

    def _stop_if_here(self, moment: Moment) -> None:
        if self._stop and self._stop.moment is moment and self._is_here(self._stop.step):
            self._stop_here(self._stop)

    def _stop_here(self, stop: StopAt) -> None:
        self._stop = None
        self._tell(STOPPING)
        os.kill(os.getpid(), stop.signal)

    def _is_here(self, step: int | str) -> bool:
        if isinstance(step, int):
            return len(self.taken) == step
        return self.taken[-1] == step and self.taken.count(step) == 1


def listen(steps: Steps, home: Path) -> None:
    """Make every durable step of this process known to `steps`."""
    commit, replace, send = DefaultDialect.do_commit, os.replace, PaperBroker.submit
    send_list = PaperBroker.submit_list

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        changes, info = connection.total_changes, connection.info
        tables = info.pop("tables", {})
        changed, info["changes"] = changes != info.get("changes", 0), changes
        if not changed:
            return commit(dialect, connection)
        named = [t for t in tables if t not in FOLLOWERS]
        with steps.step("commit " + "+".join(named)):
            return commit(dialect, connection)

    def put_in_place(source: Any, target: Any, **places: Any) -> None:
        if not Path(target).is_relative_to(home):
            return replace(source, target, **places)
        with steps.step(f"rename {Path(target).name}"):
            return replace(source, target, **places)

    async def submit(broker: PaperBroker, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
        steps.stop_before_wire()
        if await broker.find(order.cl_ord_id):
            (home / SENT_TWICE).open("a").write(f"{order.cl_ord_id}\n")
        return await send(broker, order)

    async def submit_list(broker: PaperBroker, orders: Sequence[NewOrderSingle]) -> tuple[ExecutionReport, ...]:
        steps.stop_before_wire()
        for order in orders:
            if await broker.find(order.cl_ord_id):
                (home / SENT_TWICE).open("a").write(f"{order.cl_ord_id}\n")
        return await send_list(broker, orders)

    DefaultDialect.do_commit, PaperBroker.submit, PaperBroker.submit_list = do_commit, submit, submit_list
    os.replace = os.rename = put_in_place
    sa.event.listen(sa.Engine, "before_cursor_execute", _note_table)


def _note_table(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
    words = statement.split(None, 3)
    if words[0] in WRITES:
        connection.connection.info.setdefault("tables", {})[words[WRITES[words[0]]].strip('"')] = None


def _main(
    told: Connection,
    api_url: str,
    flow: str,
    parameters: dict[str, Any],
    home: Path,
    stop: StopAt | None,
    file_bytes: int | None,
) -> None:
    def tell(value: Any) -> None:
        told.send_bytes(json.dumps(value).encode())

    steps = Steps(stop, tell)
    listen(steps, home)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    module, name = flow.split(":")
    with temporary_settings({PREFECT_API_URL: api_url, PREFECT_LOGGING_LEVEL: "CRITICAL"}):
        state = asyncio.run(getattr(import_module(module), name)(**parameters, return_state=True))
    exit_code = 0 if state.is_completed() else 1
    tell({"exit_code": exit_code, "message": state.message or "", "steps": steps.taken})
    os._exit(exit_code)  # what Prefect would still tell its server is no matter here
