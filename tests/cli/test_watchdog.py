"""The watchdog: a STOP file and a process that is not heard any more end in canceled orders, a halt and an alert."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.heartbeats import beat, heartbeats
from adapters.ib.ib_settings import IbSettings
from adapters.sql.engine import make_engine
from adapters.sql.ledger import Ledger, LedgerPlace
from blocks.routes import Route, keep_route
from cli.children import stop_child
from cli.watchdog import Need, Watch, is_being_stopped, start_watchdog, watchdog_row
from ib_gateway.gateway import Gateway
from tests.adapters.sql.sql_desk import SqlLedger
from tests.builders import ACCOUNT, a_new_order, a_trade
from tests.cli.test_stop_at_gateway import LIBRARY, gateway, halted, home, orders_of_a_process_that_hangs
from trading.alerts import Alert
from trading.orders.orders import OrderPurpose, OrdStatus, Side

__all__ = ["gateway", "home"]  # fixtures
MINUTE = timedelta(minutes=1)


def test_a_stop_file_is_acted_on_once_and_again_when_it_is_put_there_anew(tmp_path: Path):
    watch, now = Watch(home=tmp_path, lost_after=MINUTE), datetime.now(UTC)
    (tmp_path / "STOP").touch()

    need = watch.need(now)

    assert need is not None
    assert need.account is None
    failed = watch.after(need, now, done=False)
    assert failed.need(now) is None
    assert failed.need(now + timedelta(seconds=11)) == need
    done = watch.after(need, now, done=True)
    assert done.need(now) is None
    os.utime(tmp_path / "STOP", (1, 1))
    assert done.need(now) is not None


def test_a_stop_file_of_a_command_at_work_is_left_to_it_until_it_dies(tmp_path: Path):
    watch, stop_file = Watch(home=tmp_path, lost_after=MINUTE), tmp_path / "STOP"

    stop_file.write_text(str(os.getpid()))
    at_work = watch.need(datetime.now(UTC))
    os.utime(stop_file, (1, 1))  # this process has begun since: it is another one with the same number

    assert at_work is None
    assert not is_being_stopped(stop_file)
    assert watch.need(datetime.now(UTC)) is not None


def test_a_process_that_is_not_heard_is_forgotten_unless_orders_may_be_at_work(home: Path):
    now = datetime.now(UTC)
    path = beat(home, "DU1234567", "trade-session brave-bee")
    os.utime(path, (now.timestamp() - 61, now.timestamp() - 61))
    watch = Watch(home=home, lost_after=MINUTE)

    assert Watch(home=home, lost_after=2 * MINUTE).need(now) is None
    (home / "ledger.db").rename(home / "away.db")
    (home / "ledger.db").write_bytes(b"not a database" * 100)  # whether orders work cannot be told
    need = watch.need(now)
    (home / "away.db").rename(home / "ledger.db")
    none_at_work = watch.need(now)

    assert need == Need(
        reason="trade-session brave-bee has orders at work and was not heard for 61 s",
        key=heartbeat_key(now),
        account="DU1234567",
    )
    assert none_at_work is None
    assert heartbeats(home) == ()


def test_what_protects_positions_is_left_at_the_broker_when_the_process_that_put_it_there_dies(home: Path):
    now, ledger = datetime.now(UTC), SqlLedger(make_engine(f"sqlite:///{home}/ledger.db"), home / "STOP")
    ledger.journal.record([a_trade(100, 10, cl_ord_id="t-0")])
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(side=Side.SELL, purpose=OrderPurpose.PROTECT))
    unheard(home, ACCOUNT, now)

    need = Watch(home=home, lost_after=MINUTE).need(now)

    assert ledger.statuses() == {"t-1": OrdStatus.PENDING_NEW}
    assert need is None
    assert heartbeats(home) == ()


def test_an_account_that_cannot_be_stopped_keeps_no_other_one_from_being_stopped(home: Path):
    now, watch = datetime.now(UTC), Watch(home=home, lost_after=MINUTE)
    (home / "ledger.db").write_bytes(b"not a database" * 100)  # whether orders work cannot be told
    unheard(home, "DU1", now)
    first = watch.need(now)
    unheard(home, "DU2", now - MINUTE)

    second = watch.after(first, now, done=False).need(now)

    assert (first.account, second.account) == ("DU1", "DU2")


def unheard(home: Path, account: str, now: datetime) -> None:
    os.utime(beat(home, account, "trade-session brave-bee"), (now.timestamp() - 61, now.timestamp() - 61))


def heartbeat_key(now: datetime) -> str:
    return datetime.fromtimestamp(now.timestamp() - 61, UTC).isoformat()


async def test_a_stop_file_has_everything_canceled_the_desk_halted_and_a_person_told(gateway: Gateway, home: Path):
    keep_route(home, Route(account="DU1234567", settings=IbSettings(port=gateway.port, library=LIBRARY)))
    hanging = await orders_of_a_process_that_hangs(gateway)
    (home / "STOP").touch()

    with watchdog(home):
        async with asyncio.timeout(60):
            while not alerts(home):  # noqa: ASYNC110 - another process raises them
                await asyncio.sleep(0.05)
        row = watchdog_row(home, datetime.now(UTC))

    assert {order.status for order in gateway.accepted} == {"Cancelled"}
    assert list(halted(home)) == ["desk"]
    assert (home / "STOP").exists()  # a person put it there, and a person takes it away
    assert "Everything was canceled" in alerts(home)[0].text
    assert (row, watchdog_row(home, datetime.now(UTC))) == ("looks", "not running")
    hanging.disconnect()


@contextmanager
def watchdog(home: Path) -> Iterator[None]:
    child = start_watchdog(home, home / "watchdog.log", 60)
    try:
        yield
    finally:
        stop_child(child)


def alerts(home: Path) -> tuple[Alert, ...]:
    return Ledger.of(LedgerPlace(home=home)).outbox.due()
