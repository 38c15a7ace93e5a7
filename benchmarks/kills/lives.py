"""Lives: one process after another, each of which may be killed at a commit or at a message.

The process is made up: it is what runs in one context of the loop. When it is killed, nothing that it does afterwards
counts: its sockets are reset, its tasks are canceled, and every commit that its clean-up still tries is refused.
"""

import asyncio
import contextvars
import sys
from collections import Counter
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from benchmarks.kills.virtual_loop import VirtualLoop

_NO_PID = 4_194_305  # Linux gives none above 4,194,304
_ROUNDS = 50  # a task may catch its cancellation a few times on its way out
_TURNS = 3  # of the loop between two rounds


class Killed(BaseException):
    """The process is no more; nothing of ours catches it."""


class Step(StrEnum):
    """Where a process is killed."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    MESSAGE = "message"  # one that it sent, or that was sent to it and never read


class Kill(NamedTuple):
    """Kill at the nth such step of a life, counted from 1.

    Attributes:
        at: count only steps of this name: of the function that commits (`journal.intend`), or of the message.
    """

    step: Step
    nth: int
    at: str = ""


class Life:
    """One process, from its start to its end.

    Attributes:
        passed: how often it came by each step, by its name and with "" in all.
        killed_at: step and name of its end, if it was killed.
    """

    def __init__(self, loop: VirtualLoop, kill: Kill | None) -> None:
        self.passed = Counter[tuple[Step, str]]()
        self.killed_at: tuple[Step, str] | None = None
        self.is_dead = False
        self.death: asyncio.Future[None] = loop.create_future()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.transports: list[asyncio.Transport] = []
        self._kill = kill

    def commit(self, step: Step, name: str) -> None:
        """Pass a commit, unless it is the one to be killed at."""
        if self.is_dead or self._is_last(step, name):
            self.die()
            raise Killed

    def message(self, name: str) -> None:
        """Pass a message."""
        if self._is_last(Step.MESSAGE, name):
            self.die()

    def _is_last(self, step: Step, name: str) -> bool:
        self.passed.update(((step, name), (step, "")))
        if self._kill is None or self._kill != (step, self.passed[step, self._kill.at], self._kill.at):
            return False
        if self._kill.at not in ("", name):
            return False
        self.killed_at = (step, name)
        return True

    def die(self) -> None:
        """End here and now."""
        if not self.is_dead:
            self.is_dead = True
            self.death.set_result(None)
        for transport in self.transports:
            transport.abort()

    async def bury(self) -> None:
        """Wait until nothing of it is left."""
        self.die()
        for _ in range(_ROUNDS):
            left = {task for task in self.tasks if not task.done()}
            if not left:
                break
            for task in left:
                task.cancel()
            for _ in range(_TURNS):  # no time passes: what is dead does not live on until the next timer
                await asyncio.sleep(0)
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()  # what its tasks ended with is no news


_LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


def adopt_loop(loop: VirtualLoop) -> None:
    """Have every task and connection on the loop belong to the life that made it."""

    def make_task(
        on: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], *, context: contextvars.Context | None = None
    ) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=on, context=context)
        life = (context or contextvars.copy_context()).get(_LIFE)
        if life is not None:
            life.tasks.add(task)
            if life.is_dead:
                task.cancel()
        return task

    def connected(transport: asyncio.Transport) -> None:
        if (life := _LIFE.get()) is not None:
            life.transports.append(transport)
            if life.is_dead:
                transport.abort()

    loop.set_task_factory(make_task)
    loop.on_connect = connected


async def live(life: Life, work: Coroutine[Any, Any, Any]) -> BaseException | None:
    """Run the work in that life to its end, or to the life's, and return what it raised."""
    context = contextvars.copy_context()
    context.run(_LIFE.set, life)
    task = asyncio.get_running_loop().create_task(work, context=context)
    await asyncio.wait({task, life.death}, return_when=asyncio.FIRST_COMPLETED)
    was_killed = life.is_dead
    await life.bury()
    if was_killed:
        return Killed()
    return None if task.cancelled() else task.exception()


def listen_to_commits() -> None:
    """Have every commit of this Python process pass its life first; once, for all runs."""
    commit = DefaultDialect.do_commit

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        life, changes, kept = _LIFE.get(), connection.total_changes, connection.info
        before, kept["changes"] = kept.get("changes", 0), changes
        if life is None or changes == before:
            return commit(dialect, connection)
        name = _who_commits()
        life.commit(Step.BEFORE_COMMIT, name)
        commit(dialect, connection)
        return life.commit(Step.AFTER_COMMIT, name)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]  # what the kill tests listen to as well


def _who_commits() -> str:
    """Return module and function of the adapter that has opened the transaction."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals["__name__"]
        if module.startswith("adapters.") and module != "adapters.sql.engine":
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"


def bury_lease(engine: sa.Engine) -> None:
    """Have the lease held by a process that is gone: here it is the same one, under which the next life lives."""
    with engine.begin() as connection:
        for account, process in connection.execute(sa.text("SELECT account, process FROM lease")).all():
            if process:
                gone = f"{process.rsplit(' ', 2)[0]} {_NO_PID} 0.00"
                values = {"gone": gone, "account": account}
                connection.execute(sa.text("UPDATE lease SET process = :gone WHERE account = :account"), values)
