"""The fence: a process that holds an account's lease and does not end is ended, so that it never sends again.

Only a process of this machine whose number and start are those that the lease's row holds is ever ended, and never our
own or one that started ours. Rows are read without the ledger's write lock, which a process that hangs may have.
"""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import psutil
import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.halts import DESK, SqlHalts
from adapters.sql.leases import LEASE, process_of
from trading.errors import LedgerUnavailable

_LOOK_SECONDS = 0.05
_KILLED_SECONDS = 5.0  # a process in the middle of a write to a disk ends only after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A process that was ended, and the account whose lease it had."""

    account: str
    holder: str
    pid: int

    def __str__(self) -> str:
        """Tell it."""
        return f"{self.account}: process {self.pid} did not end and was killed ({self.holder})"


def end_frozen(engine: sa.Engine, accounts: Collection[str] | None = None) -> tuple[Ended, ...]:
    """End the holders that are stopped (SIGSTOP), which would never hear of a halt.

    Args:
        accounts: only theirs; None means all.
    """
    return _end({lease: p for lease, p in _holders(engine, accounts).items() if _is_frozen(p)})


def end_holders(
    engine: sa.Engine,
    accounts: Collection[str] | None = None,
    *,
    grace_seconds: float,
    but_for: Callable[[], Collection[int]] = frozenset,
) -> tuple[Ended, ...]:
    """End the holders that have not given their lease back within the grace; one that is healthy does at once.

    Args:
        but_for: tells the numbers of the processes that are left alone: who stops an account itself.
    """
    deadline = time.monotonic() + grace_seconds
    while (holders := _holders(engine, accounts, but_for())) and time.monotonic() < deadline:
        if all(_is_frozen(process) for process in holders.values()):
            break
        time.sleep(_LOOK_SECONDS)
    return _end(holders)


def force_halt(
    engine: sa.Engine,
    halts: SqlHalts,
    scope: str,
    cause: str,
    actor: str,
    now: datetime,
) -> tuple[Ended, ...]:
    """Halt the scope, unless it is; who hangs with the ledger's write lock is ended, or nothing could be written.

    Raises:
        LedgerUnavailable: it cannot be written all the same.
    """
    ended = end_frozen(engine, None if scope == DESK else [scope])
    if halts.recorded(scope) is not None:
        return ended
    try:
        halts.halt(scope, cause, actor, now)
    except LedgerUnavailable:
        # The lock may be held for any account.
        ended += end_frozen(engine) or end_holders(engine, grace_seconds=0)
        halts.halt(scope, cause, actor, now)
    return ended


def _holders(
    engine: sa.Engine, accounts: Collection[str] | None, but_for: Collection[int] = ()
) -> dict[tuple[str, str], psutil.Process]:
    """Return the processes that hold leases and may be ended, by account and holder."""
    wanted = sa.select(LEASE.c.account, LEASE.c.holder, LEASE.c.process).where(LEASE.c.process != "")
    if accounts is not None:
        wanted = wanted.where(LEASE.c.account.in_(sorted(accounts)))
    with reading(engine) as connection:
        rows = connection.execute(wanted).all()
    spared = {os.getpid(), *but_for, *(parent.pid for parent in psutil.Process().parents())}
    found = {(row.account, row.holder): process_of(row.process) for row in rows}
    return {key: process for key, process in found.items() if process is not None and process.pid not in spared}


def _is_frozen(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.NoSuchProcess:
        return False


def _end(holders: dict[tuple[str, str], psutil.Process]) -> tuple[Ended, ...]:
    ended = []
    for (account, holder), process in holders.items():
        try:
            process.kill()  # psutil makes sure that the number has not been given to another process since
        except psutil.NoSuchProcess:
            continue
        ended.append(Ended(account=account, holder=holder, pid=process.pid))
    psutil.wait_procs(list(holders.values()), timeout=_KILLED_SECONDS)
    return tuple(ended)
