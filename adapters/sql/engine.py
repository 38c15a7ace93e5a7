"""Engines: one way to open a database, one way to write to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from trading.errors import LedgerUnavailable


def make_engine(url: str) -> sa.Engine:
    """Return an engine whose transactions take the write lock when they begin.

    On SQLite: WAL, `synchronous=FULL` (a commit is on disk when it returns), foreign keys on, 10 s of patience for
    another process's lock. On PostgreSQL: as configured there.
    """
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open one write transaction; commits at the end, rolls back on an error.

    Raises:
        LedgerUnavailable: the database refused (disk full, locked, unreachable).
    """
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open one consistent read that waits for no writer.

    Raises:
        LedgerUnavailable: the database cannot be read.
    """
    with _translated(), engine.execution_options(read_only=True).begin() as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as exc:
        raise LedgerUnavailable(str(exc.orig)) from exc
    except DBAPIError as exc:
        # "file is not a database", "database disk image is malformed"
        if isinstance(exc.orig, sqlite3.DatabaseError) and not isinstance(exc.orig, sqlite3.IntegrityError):
            raise LedgerUnavailable(str(exc.orig)) from exc
        raise


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event below starts the transactions
    for pragma in ("journal_mode=wal", "synchronous=full", "busy_timeout=10000", "foreign_keys=on"):
        connection.execute("pragma " + pragma)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later fails when another process commits in between: lock now.
    read_only = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
