"""Leases in SQL: a row per account, a token that only grows, and an expiry in the database's own time."""

import os
import platform
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from adapters.sql.columns import DatabaseTime
from adapters.sql.engine import reading, writing
from adapters.sql.rows import insert_new, table_of
from adapters.sql.tables import LeaseRow
from trading.errors import LeaseHeld, LeaseLost
from trading.ledger import Lease

LEASE = table_of(LeaseRow)
_NOW = sa.select(DatabaseTime().label("now"))
LEASE_NOW = _NOW.add_columns(LEASE).where(LEASE.c.account == sa.bindparam("account"))


class SqlLeases:
    """Leases of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def acquire(self, account: str, holder: str, ttl: timedelta) -> Lease:
        """Take the lease; see `trading.ledger.Leases`."""
        with writing(self._engine) as connection:
            now = database_time(connection)
            nobody = {"account": account, "token": 0, "holder": "", "process": "", "expires_at": now}
            insert_new(connection, LeaseRow, [nobody])
            mine = LEASE.c.account == account
            row = connection.execute(sa.select(LEASE).where(mine)).one()
            if row.expires_at > now and not _is_dead(row.process):
                raise LeaseHeld(account, row.holder, row.expires_at)
            lease = Lease(account=account, token=row.token + 1, holder=holder, expires_at=now + ttl)
            values = {"token": lease.token, "holder": holder, "process": _this_process(), "expires_at": now + ttl}
            connection.execute(sa.update(LEASE).where(mine).values(**values))
            return lease

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Prolong the lease; see `trading.ledger.Leases`."""
        with writing(self._engine) as connection:
            # An expired lease that nobody has taken is still ours: under the write lock nobody can take it now.
            held = connection.execute(sa.select(LEASE.c.token).where(LEASE.c.account == lease.account))
            if held.scalar_one_or_none() != lease.token:
                raise LeaseLost(lease.account, lease.token)
            expires_at = database_time(connection) + ttl
            connection.execute(sa.update(LEASE).where(LEASE.c.account == lease.account).values(expires_at=expires_at))
        return Lease(account=lease.account, token=lease.token, holder=lease.holder, expires_at=expires_at)

    def current(self, account: str) -> Lease | None:
        """Return the lease that is held now, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(LEASE).where(LEASE.c.account == account)).one_or_none()
            if row is None or row.expires_at <= database_time(connection) or _is_dead(row.process):
                return None
        return Lease(account=account, token=row.token, holder=row.holder, expires_at=row.expires_at)

    def held_by(self, account: str) -> str | None:
        """Return who has taken the lease and never given it back, though it may have expired; None when nobody."""
        wanted = sa.select(LEASE.c.holder).where(LEASE.c.account == account, LEASE.c.process != "")
        with reading(self._engine) as connection:
            return connection.execute(wanted).scalar_one_or_none()

    def release(self, lease: Lease) -> None:
        """Give the lease back; see `trading.ledger.Leases`."""
        with writing(self._engine) as connection:
            mine = (LEASE.c.account == lease.account) & (LEASE.c.token == lease.token)
            # A new token too: what was given back cannot be renewed.
            values = {"token": lease.token + 1, "process": "", "expires_at": database_time(connection)}
            connection.execute(sa.update(LEASE).where(mine).values(**values))


def require_lease(connection: sa.Connection, lease: Lease) -> None:
    """Raise LeaseLost unless the lease is the newest and has not expired."""
    row = connection.execute(LEASE_NOW, {"account": lease.account}).one_or_none()
    if row is None or not is_held(lease, row):
        raise LeaseLost(lease.account, lease.token)


def is_held(lease: Lease, row: sa.Row[Any]) -> bool:
    """Tell whether the account's row of `LEASE_NOW` has the lease as its newest, not expired."""
    return bool(row.token == lease.token and row.expires_at > row.now)


def database_time(connection: sa.Connection) -> datetime:
    """Return the database's clock, UTC: the one clock that all processes share."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now


def _this_process() -> str:
    return f"{_machine()} {os.getpid()} {psutil.Process().create_time():.2f}"


def _is_dead(process: str) -> bool:
    """Tell whether a process of this machine is proven gone; nothing can be proven of another machine's."""
    return process.rsplit(" ", 2)[0] == _machine() and process_of(process) is None


def process_of(process: str) -> psutil.Process | None:
    """Return the process that a lease names; None where it is gone, or of another machine."""
    machine, pid, created = process.rsplit(" ", 2)
    if machine != _machine():
        return None
    try:
        found = psutil.Process(int(pid))
        # Creation times are told relative to the boot, whose time is corrected now and then by a little.
        is_another = abs(found.create_time() - float(created)) > 2
        # While another of its threads lives a process may still be in the middle of a call, a zombie though it is.
        has_ended = found.status() == psutil.STATUS_ZOMBIE and found.num_threads() == 1
        return None if is_another or has_ended else found
    except psutil.NoSuchProcess:
        return None


def _machine() -> str:
    if platform.system() != "Linux":
        return platform.node()
    # Two containers may share a host name, and see each other's processes as gone: the namespace tells them apart.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
