"""Halts in SQL: a stop survives every restart, until a person resumes by name and reason."""

from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapters.sql.audit import append_audit, halt_action
from adapters.sql.breakers import BREAKER_HALTS, require_no_halting_breaker
from adapters.sql.engine import reading, writing
from adapters.sql.leases import LEASE_NOW, is_held
from adapters.sql.rows import table_of
from adapters.sql.tables import HaltRow
from trading.errors import DeskHalted
from trading.ledger import Lease

HALT = table_of(HaltRow)
DESK = "desk"  # the scope of every account

# Asked before every single order, so written once: SQLAlchemy then need not read it each time.
_LAST = sa.select(sa.func.max(HALT.c.id)).where((HALT.c.scope == DESK) | (HALT.c.scope == sa.bindparam("account")))
_HALTED = sa.select(HALT).where(HALT.c.id.in_(_LAST.group_by(HALT.c.scope)), HALT.c.halted).order_by(HALT.c.id)
_FREE = LEASE_NOW.where(~_HALTED.exists(), ~BREAKER_HALTS.exists())


class SqlHalts:
    """Halts of all accounts of one ledger.

    Args:
        stop_file: while a file is there, the desk is halted.
    """

    def __init__(self, engine: sa.Engine, *, stop_file: Path) -> None:
        self._engine, self._stop_file = engine, stop_file

    def halted(self, account: str, now: datetime) -> str | None:
        """Return why nothing may be sent for the account, or None when it may trade."""
        note_stop_file(self._engine, self._stop_file, now)
        with reading(self._engine) as connection:
            return _last_halt(connection, DESK) or _last_halt(connection, account)

    def status(self) -> dict[str, str]:
        """Return the halted scopes with their causes; asks the ledger and the file, and writes nothing."""
        with reading(self._engine) as connection:
            scopes = [s for (s,) in connection.execute(sa.select(HALT.c.scope).distinct())]
            found = {s: cause for s in scopes if (cause := _last_halt(connection, s)) is not None}
        return found | ({DESK: _file_cause(self._stop_file)} if self._stop_file.exists() else {})

    def recorded(self, scope: str) -> str | None:
        """Return why the scope, or the whole desk, is halted, as the ledger has it; writes nothing."""
        with reading(self._engine) as connection:
            return _last_halt(connection, DESK) or _last_halt(connection, scope)

    def halt(self, scope: str, cause: str, actor: str, now: datetime) -> None:
        """Halt the scope (`desk`, or an account) until it is resumed."""
        with writing(self._engine) as connection:
            _append(connection, scope, True, cause, actor, now)

    def resume(self, scope: str, reason: str, actor: str, now: datetime) -> None:
        """Let the scope trade again.

        Raises:
            DeskHalted: the STOP file is still there.
        """
        if self._stop_file.exists():
            raise DeskHalted(DESK, _file_cause(self._stop_file))
        with writing(self._engine) as connection:
            _append(connection, scope, False, reason, actor, now)


def note_stop_file(engine: sa.Engine, stop_file: Path, now: datetime) -> None:
    """Record a STOP file as a halt of the desk, so that removing it does not resume."""
    if stop_file.exists():
        with writing(engine) as connection:
            if _last_halt(connection, DESK) is None:
                _append(connection, DESK, True, _file_cause(stop_file), "STOP file", now)


def require_trading(connection: sa.Connection, account: str, stop_file: Path, now: datetime) -> None:
    """Raise DeskHalted when the desk or the account is halted, also by a breaker, or the STOP file is there."""
    if stop_file.exists():
        raise DeskHalted(DESK, _file_cause(stop_file))
    for row in connection.execute(_HALTED, {"account": account}):
        raise DeskHalted(row.scope, _cause(row))
    require_no_halting_breaker(connection, account, now)


def is_free_to_send(connection: sa.Connection, lease: Lease, stop_file: Path, now: datetime) -> bool:
    """Tell in one question whether neither `require_lease` nor `require_trading` would raise."""
    row = connection.execute(_FREE, {"account": lease.account, "now": now}).one_or_none()
    return row is not None and is_held(lease, row) and not stop_file.exists()


def _last_halt(connection: sa.Connection, scope: str) -> str | None:
    last = connection.execute(sa.select(HALT).where(HALT.c.scope == scope).order_by(HALT.c.id.desc()).limit(1)).first()
    return _cause(last) if last and last.halted else None


def _cause(halt: sa.Row[Any]) -> str:
    return f"{halt.cause} ({halt.actor}, {halt.changed_at:%Y-%m-%d %H:%M} UTC)"


def _append(connection: sa.Connection, scope: str, halted: bool, cause: str, actor: str, now: datetime) -> None:
    row = {"scope": scope, "halted": halted, "cause": cause, "actor": actor, "changed_at": now}
    connection.execute(sa.insert(HALT).values(**row))
    append_audit(connection, actor=actor, action=halt_action(scope, halted=halted), text=cause, now=now)


def _file_cause(stop_file: Path) -> str:
    return f"the file {stop_file} is there"
