"""The ledger's schema: Alembic migrations, and the check that they have been run."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from adapters.sql.engine import reading, writing
from trading.errors import SchemaMismatch


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to this version, in one transaction; does nothing when it is there already.

    Raises:
        SchemaMismatch: the schema is that of a newer version.
    """
    config = _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as exc:  # a revision that this version has never heard of
            raise _mismatch(connection) from exc


def require_schema(engine: sa.Engine) -> None:
    """Raise SchemaMismatch unless the schema is the one of this version."""
    with reading(engine) as connection:
        if _found(connection) != _wanted():
            raise _mismatch(connection)


def _mismatch(connection: sa.Connection) -> SchemaMismatch:
    return SchemaMismatch(_found(connection) or "empty", _wanted() or "empty")


def _found(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _wanted() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
