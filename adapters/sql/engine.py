"""Engines: one way to open a database, one way to write to it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from trading.errors import LedgerUnavailable, TradingError

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",  # SQLAlchemy would take psycopg2
    "postgresql+psycopg": "postgresql+psycopg",
}
_FORMS = "write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_PATIENCE = 10  # s, that another process's lock is waited for
_WRITE_LOCK = 0x6F70656E62656C6C  # "openbell"; PostgreSQL keeps advisory locks per database
_LATER = "on_disk_later"


def make_engine(url: str) -> sa.Engine:
    """Return an engine whose transactions take the ledger's one write lock when they begin.

    Both databases wait 10 s for another process's lock. On SQLite: WAL, `synchronous=FULL` (a commit is on disk when it
    returns), foreign keys on. On PostgreSQL: as configured there; a transaction left idle for a minute, such as that of
    a stopped process, is ended by the server, so that it cannot hold up the desk.

    Raises:
        LedgerUnavailable: the URL cannot be read, or names another database.
    """
    engine = _create(url)
    sa.event.listen(engine, "connect", _set_up_sqlite if _is_sqlite(engine) else _set_up_postgresql)
    sa.event.listen(engine, "begin", _begin_sqlite if _is_sqlite(engine) else _begin_postgresql)
    return engine


def on_disk_later(engine: sa.Engine) -> sa.Engine:
    """Return the engine with commits that are on disk not when they return, but with the next commit of the other.

    What a power cut takes is then the end of the database's history, never a part out of its middle.
    """
    return engine.execution_options(**{_LATER: True})


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open one write transaction, the only one at that time; commits at the end, rolls back on an error.

    Raises:
        LedgerUnavailable: the database refused (disk full, locked, unreachable).
    """
    with _translated(engine), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open one consistent read that waits for no writer.

    Raises:
        LedgerUnavailable: the database cannot be read.
    """
    options: dict[str, Any] = {"read_only": True}
    if not _is_sqlite(engine):
        # Otherwise each statement would see another state: an order without the fill that is already in its position.
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _translated(engine), engine.connect() as connection, connection.execution_options(**options).begin():
        yield connection


def _create(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the cause repeats parts of the URL, and so of its password.
        raise LedgerUnavailable(f"its URL cannot be read; {_FORMS}, with % codes for signs like @ and /") from None
    if parsed.drivername not in _DRIVERS:
        raise LedgerUnavailable(f"its URL begins with {parsed.drivername}; {_FORMS}")
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    try:
        return sa.create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except ModuleNotFoundError as exc:
        raise LedgerUnavailable(f"{exc.name} is not installed; install openbell with its extra `postgres`") from exc


def _is_sqlite(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


@contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as exc:
        place = f"{engine.url.database}: " if _is_sqlite(engine) else ""  # PostgreSQL's own words name the server
        why = exc.orig if isinstance(exc, DBAPIError) else exc
        raise LedgerUnavailable(place + " ".join(str(why).split())) from exc
    except StatementError as exc:  # wraps what a column refused
        if isinstance(exc.orig, TradingError):
            raise exc.orig from None
        raise


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event below starts the transactions
    connection.execute(f"pragma busy_timeout={_PATIENCE * 1000}")
    _switch_to_wal(connection)
    connection.execute("pragma foreign_keys=on")


def _switch_to_wal(connection: Any) -> None:
    # The first two connections of a new file, both switching, are refused at once, whatever busy_timeout says: each
    # would wait for the other. The one that comes later finds it done.
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = '{_PATIENCE}s'")
    connection.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    if _is_read_only(connection):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA synchronous={'normal' if _is_later(connection) else 'full'}")
    # A transaction that reads first and writes later fails when another process commits in between: lock now.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: sa.Connection) -> None:
    # Row locks would not do: two writers may both add the next audit entry, or fold an order without the other's fill.
    if not _is_read_only(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
    if _is_later(connection):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _is_later(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get(_LATER))


def _is_read_only(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("read_only"))
