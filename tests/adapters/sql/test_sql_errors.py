"""When the database fails, the desk says so in words, keeps what it had, and never tells a password."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError

from adapters.sql.engine import make_engine, reading, writing
from adapters.sql.schema import migrate, require_schema
from tests.adapters.sql.sql_desk import SqlLedger, some_orders
from tests.builders import a_new_order, a_report, a_trade
from trading.errors import LedgerUnavailable
from trading.orders.executions import ExecType

SECRET = "s3cr3t"


@pytest.fixture
def file(sqlite) -> Path:
    """The file of a migrated ledger."""
    return Path(sqlite.new().removeprefix("sqlite:///"))


def refusal(url: str) -> str:
    """Return what a desk says when it opens that ledger; no line of it, or of its causes, may hold the password."""
    with pytest.raises(LedgerUnavailable) as caught:
        require_schema(make_engine(url))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def alike(engine: sa.Engine, *statements: str) -> None:
    """Have every connection begin with these statements."""

    def listener(connection, _record) -> None:
        for statement in statements:
            connection.execute(statement)
        connection.commit()

    engine.dispose()
    sa.event.listen(engine, "connect", listener)


class TestOpening:
    def test_a_folder_is_no_ledger(self, tmp_path):
        assert refusal(f"sqlite:///{tmp_path}") == (
            f"the ledger cannot be used: {tmp_path}: unable to open database file; "
            "nothing was written, mend it and run again"
        )

    def test_what_is_no_ledger_cannot_be_made_one(self, tmp_path):
        with pytest.raises(LedgerUnavailable, match="unable to open database file"):
            migrate(make_engine(f"sqlite:///{tmp_path}"))

    def test_a_file_in_a_folder_that_is_not_there_is_no_ledger(self, tmp_path):
        assert "nowhere/ledger.db: unable to open database file" in refusal(f"sqlite:///{tmp_path}/nowhere/ledger.db")

    def test_a_file_of_something_else_is_no_ledger(self, tmp_path):
        (tmp_path / "ledger.db").write_text("session,symbol,close\n" * 200)

        assert "ledger.db: file is not a database" in refusal(f"sqlite:///{tmp_path}/ledger.db")

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("ledger.db", "its URL cannot be read; write sqlite:///FILE or postgresql"),
            (f"postgresql+psycopg://ada:{SECRET}@host:port/ledger", "its URL cannot be read"),
            (f"mysql://ada:{SECRET}@host/ledger", "its URL begins with mysql; write sqlite:///FILE or postgresql"),
            (f"postgresql+asyncpg://ada:{SECRET}@host/ledger", "its URL begins with postgresql+asyncpg"),
            (f"postgresql://ada:{SECRET}@127.0.0.1:1/ledger", "127.0.0.1"),
            (f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:1/ledger", "refused"),
            (f"postgresql://ada:{SECRET}@127.0.0.1:1/ledger?no_such_option=1", "no_such_option"),
        ],
    )
    def test_a_wrong_url_is_told_with_the_way_out_and_without_its_password(self, url, says):
        assert says in refusal(url)

    def test_a_database_that_the_server_does_not_have_is_named(self, postgresql):
        url = sa.make_url(postgresql.new()).set(database="openbell", password=SECRET)

        assert 'database "openbell" does not exist' in refusal(url.render_as_string(hide_password=False))


class TestWriting:
    def test_a_ledger_that_may_only_be_read_is_read_and_not_written(self, file):
        ledger = SqlLedger(make_engine(f"sqlite:///{file}"), file.parent / "STOP")
        alike(ledger.engine, "pragma query_only = on")

        require_schema(ledger.engine)
        with pytest.raises(LedgerUnavailable, match="attempt to write a readonly database; nothing was written"):
            ledger.lease()

    def test_a_full_disk_loses_nothing_that_was_recorded(self, file):
        ledger = SqlLedger(make_engine(f"sqlite:///{file}"), file.parent / "STOP")
        lease = ledger.lease()
        ledger.sent(lease, *some_orders(40))
        with reading(ledger.engine) as connection:
            pages = connection.exec_driver_sql("pragma page_count").scalar_one()
        alike(ledger.engine, f"pragma max_page_count = {pages}")
        reports = [
            a_report(ExecType.NEW, f"e-{n}", cl_ord_id=f"t-{n % 40 + 1}", symbol=f"S{n % 40 + 1}", text="x" * 500)
            for n in range(200)
        ]

        with pytest.raises(LedgerUnavailable, match=r"\.db: database or disk is full; nothing was written, mend it"):
            ledger.journal.record(reports)
        assert ledger.facts.executions("DU100") == ()

        alike(ledger.engine, "pragma max_page_count = 1000000")
        ledger.journal.record(reports)
        assert len(ledger.facts.executions("DU100")) == 200

    def test_a_file_that_was_damaged_is_told_as_damaged(self, file):
        size = file.stat().st_size
        with file.open("r+b") as damaged:
            damaged.seek(4096)
            damaged.write(b"\xff" * (size - 4096))
        ledger = SqlLedger(make_engine(f"sqlite:///{file}"), file.parent / "STOP")

        with pytest.raises(LedgerUnavailable, match="database disk image is malformed"):
            ledger.intend(ledger.lease(), a_new_order())

    def test_a_ledger_that_another_holds_for_too_long_is_told_as_locked(self, ledger):
        patience = {"sqlite": "pragma busy_timeout = 20", "postgresql": "SET lock_timeout = '20ms'"}
        alike(ledger.engine, patience[ledger.engine.dialect.name])

        with writing(ledger.engine), pytest.raises(LedgerUnavailable, match="lock"):
            ledger.lease()

        assert ledger.lease().token == 1

    def test_who_reads_waits_for_no_writer(self, ledger):
        with writing(ledger.engine):
            assert ledger.journal.orders("DU100") == ()

    @pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
    def test_a_desk_goes_on_after_its_postgresql_server_was_restarted(self, ledger):
        ledger.lease()
        other = sa.create_engine(ledger.engine.url, poolclass=sa.NullPool)
        with other.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        ledger.journal.record([a_trade(1, 10)])

        assert len(ledger.facts.executions("DU100")) == 1


def kinds(parent: type[DBAPIError]) -> Iterator[type[DBAPIError]]:
    yield parent
    for kind in parent.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("kind", [*kinds(DBAPIError)], ids=lambda kind: kind.__name__)
def test_every_error_of_a_database_is_told_as_ours(engine, kind):
    for opened in (writing, reading):
        with pytest.raises(LedgerUnavailable, match="gone"), opened(engine):
            raise kind("SELECT 1", {}, Exception("gone"))


def test_a_row_that_breaks_a_key_is_told_as_ours(ledger):
    lease = ledger.lease()

    with pytest.raises(LedgerUnavailable, match=r"risk_decision"):
        ledger.intend(lease, a_new_order(), a_new_order())

    assert ledger.count("decision") == 0


def test_a_mistake_in_the_program_is_not_called_a_fault_of_the_database(engine):
    with pytest.raises(StatementError), writing(engine) as connection:
        connection.execute(sa.text("SELECT :missing"), {"other": 1})
