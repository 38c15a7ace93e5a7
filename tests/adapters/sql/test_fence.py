"""A process that hangs with an account's lease, or the ledger's write lock, is ended; nobody else ever is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from adapters.sql.engine import make_engine, writing
from adapters.sql.fence import end_frozen, end_holders, force_halt
from adapters.sql.halts import SqlHalts
from adapters.sql.leases import LEASE, SqlLeases
from adapters.sql.schema import migrate

NOW = datetime(2024, 3, 15, 13, 0, tzinfo=UTC)
TTL = timedelta(minutes=3)
HOLDER = """
import os, signal, sys, time
from datetime import timedelta
from adapters.sql.engine import make_engine, writing
from adapters.sql.leases import SqlLeases
engine = make_engine(sys.argv[1])
lease = SqlLeases(engine).acquire("paper", "a run", timedelta(minutes=3))
match sys.argv[2]:
    case "writes":
        with writing(engine):
            print("ready", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
    case "ends":
        print("ready", flush=True)
        SqlLeases(engine).release(lease)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    yield engine
    engine.dispose()


@contextmanager
def a_holder(engine: sa.Engine, what: str) -> Iterator[subprocess.Popen[str]]:
    url = engine.url.render_as_string(hide_password=False)
    child = subprocess.Popen([sys.executable, "-c", HOLDER, url, what], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_stopped_process_with_the_write_lock_cannot_keep_the_desk_from_being_halted(
    engine: sa.Engine, tmp_path: Path
):
    halts = SqlHalts(engine, stop_file=tmp_path / "STOP")
    with a_holder(engine, "writes") as hangs:
        while psutil.Process(hangs.pid).status() != psutil.STATUS_STOPPED:
            os.sched_yield()
        started = time.monotonic()

        (ended,) = force_halt(engine, halts, "desk", "it hangs", "Ada", NOW)

        assert time.monotonic() - started < 5
        assert (ended.account, ended.holder, ended.pid) == ("paper", "a run", hangs.pid)
        assert not psutil.pid_exists(hangs.pid)
    assert list(halts.status()) == ["desk"]
    assert SqlLeases(engine).acquire("paper", "flatten", TTL).token == 2  # a dead process's lease is free at once


def test_a_process_that_goes_on_after_its_grace_is_ended_and_one_that_gave_its_lease_back_is_not(engine: sa.Engine):
    with a_holder(engine, "ends") as healthy:
        assert end_holders(engine, ["paper"], grace_seconds=5) == ()
        assert healthy.poll() is None

    with a_holder(engine, "goes on") as deaf:
        assert end_frozen(engine) == ()
        assert end_holders(engine, ["other"], grace_seconds=0) == ()
        (ended,) = end_holders(engine, ["paper"], grace_seconds=0.2)

        assert ended.pid == deaf.pid
        assert not psutil.pid_exists(deaf.pid)


def test_neither_this_process_nor_its_parents_nor_a_stranger_with_the_number_is_ended(engine: sa.Engine):
    SqlLeases(engine).acquire("mine", "this run", TTL)
    machine = _process_of(engine, "mine").rsplit(" ", 2)[0]
    parent = psutil.Process().parent()
    assert parent is not None
    with a_holder(engine, "ends") as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "ready\n"  # it has given its own lease back
        created = psutil.Process(stranger.pid).create_time()
        rows = {
            "parent": f"{machine} {parent.pid} {parent.create_time():.2f}",
            "older": f"{machine} {stranger.pid} {created - 60:.2f}",
            "elsewhere": f"other-machine {stranger.pid} {created:.2f}",
        }
        for account, process in rows.items():
            SqlLeases(engine).acquire(account, "a run", TTL)
            with writing(engine) as connection:
                connection.execute(sa.update(LEASE).where(LEASE.c.account == account).values(process=process))

        assert end_holders(engine, grace_seconds=0) == ()
        assert stranger.poll() is None


def _process_of(engine: sa.Engine, account: str) -> str:
    with writing(engine) as connection:
        found: str = connection.execute(sa.select(LEASE.c.process).where(LEASE.c.account == account)).scalar_one()
    return found
