"""The ledger's schema: Alembic migrations, and the check that they have been run."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from adapters.sql.engine import reading
from trading.errors import SchemaMismatch


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to this version; does nothing when it is there already."""
    config = _config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_schema(engine: sa.Engine) -> None:
    """Raise SchemaMismatch unless the schema is the one of this version."""
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    with reading(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise SchemaMismatch(found or "empty", wanted or "empty")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
