"""Processes that work on a ledger beside the test's own; each is forked from one that has imported everything."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import make_engine
from adapters.sql.schema import migrate
from tests.adapters.sql.sql_desk import SqlLedger
from tests.builders import ACCOUNT, DECIDED, a_new_order, a_trade
from tests.fork_server import fork_server
from trading.errors import LeaseHeld

Work = Callable[..., object]
PATIENCE = 60  # s


class Child:
    """A process on the same ledger: begins when told to, and hands back what its work returned."""

    def __init__(self, engine: sa.Engine, work: Work, *arguments: object) -> None:
        context = fork_server()
        self._pipe, theirs = context.Pipe()
        url = engine.url.render_as_string(hide_password=False)
        self.process = context.Process(target=_run, args=(theirs, url, work, *arguments))
        self.process.start()
        theirs.close()

    def go(self) -> None:
        self._pipe.send("go")

    def result(self) -> Any:
        """Return what its work returned; it then lives on until the end of the test."""
        assert self._pipe.poll(PATIENCE), "the child says nothing"
        return self._pipe.recv()

    def end(self, signal_number: int = signal.SIGKILL) -> None:
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, signal_number)
        self.join()
        self._pipe.close()

    def join(self) -> int | None:
        """Wait for its end and return its exit code."""
        self.process.join(PATIENCE)
        return self.process.exitcode


@contextmanager
def children(engine: sa.Engine, *works: tuple[Any, ...]) -> Iterator[list[Child]]:
    """Start a process for each (work, argument, ...); all are ready, none has begun."""
    started = [Child(engine, *work) for work in works]
    try:
        assert [child.result() for child in started] == ["ready"] * len(started)
        yield started
    finally:
        for child in started:
            child.end()


def all_at_once(engine: sa.Engine, *works: tuple[Any, ...]) -> list[Any]:
    """Let the works be done by a process each, at the same time, and return what they returned."""
    with children(engine, *works) as started:
        for child in started:
            child.go()
        return [child.result() for child in started]


def _run(pipe: Connection, url: str, work: Work, *arguments: object) -> None:
    ledger = SqlLedger(make_engine(url), Path(os.devnull).parent / "no STOP file")
    pipe.send("ready")
    pipe.recv()
    pipe.send(work(ledger, *arguments))
    pipe.recv()  # lives until it is ended


def prepare(ledger: SqlLedger) -> None:
    migrate(ledger.engine)


def acquire(ledger: SqlLedger, holder: str) -> str:
    """Take the lease for an hour if it is free."""
    try:
        return f"token {ledger.leases.acquire(ACCOUNT, holder, timedelta(hours=1)).token}"
    except LeaseHeld as exc:
        return f"held by {exc.holder}"


def halt(ledger: SqlLedger, actor: str, times: int) -> None:
    """Halt the account so often, as breakers of several runs may."""
    for n in range(times):
        ledger.halts.halt(ACCOUNT, f"cause {n}", actor, DECIDED)


def fill(ledger: SqlLedger, name: str, times: int) -> int:
    """Record so many fills of 1 share of order t-1, and return how many breaks that made."""
    return sum(len(ledger.journal.record([a_trade(1, "10.00", f"{name}-{n}")])) for n in range(times))


def intend_and_die(ledger: SqlLedger, statement: str) -> None:
    """Be killed in the middle of an intent, just before that statement."""

    def die(_connection: object, _cursor: object, told: str, *_: object) -> None:
        if told.startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(ledger.engine, "before_cursor_execute", die)
    ledger.intend(ledger.lease(), a_new_order())
