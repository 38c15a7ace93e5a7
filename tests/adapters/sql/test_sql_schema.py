"""The schema is what its migrations make, and a ledger of another version is not touched."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

import adapters.ib.tables
import adapters.paper.tables
import adapters.sql.alert_tables
import adapters.sql.breaker_tables
import adapters.sql.tables
import adapters.sql.watch_tables  # noqa: F401 - all fill the metadata
from adapters.sql.schema import migrate, require_schema
from tests.adapters.sql.ledger_child import all_at_once, prepare
from tests.adapters.sql.sql_desk import failing_at
from tests.builders import DECIDED
from trading.errors import SchemaMismatch


def tables(engine: sa.Engine) -> dict[str, list[str]]:
    inspector = sa.inspect(engine)
    return {name: [str(c["name"]) for c in inspector.get_columns(name)] for name in inspector.get_table_names()}


def set_version(engine: sa.Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{version}'")


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_a_migrated_ledger_is_of_this_version(engine):
    require_schema(engine)


def test_an_empty_database_is_no_ledger_and_the_error_says_how_to_make_one(empty_engine):
    with pytest.raises(SchemaMismatch, match=r"schema is empty, .*`openbell init`"):
        require_schema(empty_engine)


def test_an_older_ledger_is_refused_until_it_is_migrated(engine):
    set_version(engine, "0000")

    with pytest.raises(SchemaMismatch, match=r"schema is 0000, this version needs \d{4}; .*`openbell init`"):
        require_schema(engine)


def test_a_newer_ledger_is_neither_used_nor_migrated(engine):
    set_version(engine, "9999")

    with pytest.raises(SchemaMismatch, match="schema is 9999"):
        require_schema(engine)
    with pytest.raises(SchemaMismatch, match="a newer ledger needs the newer version"):
        migrate(engine)


def test_migrating_twice_changes_nothing(ledger):
    ledger.halts.halt("desk", "lunch", "Ada", DECIDED)
    before = tables(ledger.engine)

    migrate(ledger.engine)

    assert tables(ledger.engine) == before
    assert "lunch" in ledger.halts.status()["desk"]


def test_a_migration_that_is_cut_off_leaves_nothing_and_can_be_run_again(empty_engine):
    with failing_at(empty_engine, "\nCREATE TABLE send_mark"), pytest.raises(InterruptedError):
        migrate(empty_engine)
    assert tables(empty_engine) == {}

    migrate(empty_engine)

    require_schema(empty_engine)


def test_two_desks_that_are_prepared_at_once_make_one_ledger(empty_engine):
    all_at_once(empty_engine, (prepare,), (prepare,))

    require_schema(empty_engine)
