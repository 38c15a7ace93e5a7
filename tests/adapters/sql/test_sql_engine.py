"""Engines: when a commit is on disk."""

import pytest
import sqlalchemy as sa

from adapters.sql.engine import on_disk_later, writing

ON_DISK = {"sqlite": 2, "postgresql": "on"}  # FULL in the words of SQLite's documentation
LATER = {"sqlite": 1, "postgresql": "off"}  # NORMAL: consistent after a power cut, its last commits perhaps not there


def durability(connection: sa.Connection) -> int | str:
    asked = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}[connection.dialect.name]
    found: int | str = connection.exec_driver_sql(asked).scalar_one()
    return found


def test_a_commit_of_the_ledger_is_on_disk_when_it_returns(engine: sa.Engine):
    with writing(engine) as connection:
        assert durability(connection) == ON_DISK[engine.dialect.name]


@pytest.mark.parametrize("first", ["ledger", "broker"])
def test_what_may_be_on_disk_later_leaves_the_ledgers_commits_as_they_are(engine: sa.Engine, first: str):
    engines = {"ledger": engine, "broker": on_disk_later(engine)}
    found = {}

    for name in sorted(engines, key=lambda name: name != first) * 2:  # by the same connection of the pool
        with writing(engines[name]) as connection:
            found[name] = durability(connection)

    assert found == {"ledger": ON_DISK[engine.dialect.name], "broker": LATER[engine.dialect.name]}
