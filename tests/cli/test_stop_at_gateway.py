"""Pulling the plug at Interactive Brokers, while the process that trades hangs and Prefect is down."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from pydantic import SecretStr

from adapters.heartbeats import stops_under_way
from adapters.ib.ib_settings import IbSettings, Role
from adapters.sql.engine import make_engine, writing
from adapters.sql.halts import SqlHalts
from adapters.sql.ledger import Ledger, LedgerPlace
from adapters.sql.schema import migrate
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount, BrokerKind
from blocks.kept_accounts import keep_account, kept_account
from blocks.provider_access import Provider
from blocks.routes import Route, keep_route, known_routes
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from trading.errors import InvalidValue
from trading.orders.orders import OrderPurpose, OrdStatus

LIBRARY = os.environ.get("OPENBELL_IB_LIBRARY", "ib_async")
ORDERS = 20
# Loads all that takes long, and waits; then runs the command.
WHEN_TOLD = """
import cli.stop, cli.prepare, tasks.stop
from cli.openbell import main
print("ready", flush=True)
input()
main()
"""


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway(GatewaySettings(fills="manual", poll_seconds=0)) as gateway:
        yield gateway


@pytest.fixture
def home(tmp_path: Path) -> Path:
    engine = make_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    engine.dispose()
    return tmp_path


def tell(process: asyncio.subprocess.Process) -> None:
    """Let a process go on that waits for it."""
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not happened():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)


async def orders_of_a_process_that_hangs(gateway: Gateway) -> Any:
    """Place orders as a trader, and never read or send again."""
    library = import_module(LIBRARY)
    ib = library.IB()
    await ib.connectAsync(gateway.host, gateway.port, clientId=10)
    for number in range(ORDERS):
        contract = library.Stock("AAPL" if number % 2 else "KO", "SMART", "USD")
        order = library.LimitOrder("BUY", 1, 1.0, orderRef=f"o-{number}", tif="DAY", account="DU1234567")
        ib.placeOrder(contract, order)
    await ib.reqCurrentTimeAsync()  # answered after the orders before it
    assert len(gateway.accepted) == ORDERS
    return ib


async def openbell(home: Path, *arguments: str, **options: Any) -> tuple[int, str, str]:
    process = await started(home, *arguments, **options)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def started(
    home: Path, *arguments: str, code: str = "from cli.openbell import main; main()", **options: Any
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *arguments,
        env=os.environ | {"OPENBELL_HOME": str(home), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **options,
    )


def halted(home: Path) -> Mapping[str, str]:
    return SqlHalts(make_engine(f"sqlite:///{home}/ledger.db"), stop_file=home / "STOP").status()


async def test_stop_cancels_what_a_hanging_process_has_at_the_gateway(gateway: Gateway, home: Path):
    keep_route(home, Route(account="DU1234567", settings=IbSettings(port=gateway.port, library=LIBRARY)))
    hanging = await orders_of_a_process_that_hangs(gateway)

    code, out, err = await openbell(home, "stop", "--reason", "it hangs")

    assert (code, err) == (0, "")
    assert "DU1234567: the gateway was told to cancel everything" in out
    assert {order.status for order in gateway.accepted} == {"Cancelled"}
    assert list(halted(home)) == ["desk"]
    assert not (home / "STOP").exists()
    hanging.disconnect()


async def test_a_gateway_that_is_away_keeps_neither_the_others_nor_the_halt_from_happening(
    gateway: Gateway, home: Path
):
    keep_route(home, Route(account="DU1", settings=IbSettings(port=1, library=LIBRARY)))
    keep_route(home, Route(account="DU1234567", settings=IbSettings(port=gateway.port, library=LIBRARY)))

    code, out, _ = await openbell(home, "stop")

    assert code == 0
    assert "DU1: Interactive Brokers" in out
    assert "127.0.0.1:1" in out
    assert "DU1234567: the gateway was told to cancel everything" in out
    assert list(halted(home)) == ["desk"]


async def test_a_ledger_that_cannot_be_written_leaves_the_stop_file_and_the_orders_canceled(
    gateway: Gateway, home: Path
):
    keep_route(home, Route(account="DU1234567", settings=IbSettings(port=gateway.port, library=LIBRARY)))
    hanging = await orders_of_a_process_that_hangs(gateway)
    (home / "ledger.db").write_bytes(b"not a database" * 100)

    code, out, _ = await openbell(home, "stop")

    assert code == 1
    assert "halts the desk instead" in out
    assert (home / "STOP").exists()
    assert {order.status for order in gateway.accepted} == {"Cancelled"}
    hanging.disconnect()


async def test_a_disk_that_takes_nothing_does_not_keep_the_gateway_from_being_told(gateway: Gateway, home: Path):
    keep_route(home, Route(account="DU1234567", settings=IbSettings(port=gateway.port, library=LIBRARY)))
    hanging = await orders_of_a_process_that_hangs(gateway)

    full = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (0, 0))
    code, out, err = await openbell(home, "stop", preexec_fn=full)

    assert code == 1, err
    assert "STOP cannot be written: File too large" in out
    assert {order.status for order in gateway.accepted} == {"Cancelled"}
    hanging.disconnect()


async def test_what_is_held_is_closed_by_the_journal_with_no_prefect_and_no_bars(home: Path):
    account = "DU1234567"
    bars = BarSource(name="raw", provider=Provider.FILES, path=home / "gone", symbols=["KO"])
    async with Gateway(GatewaySettings(poll_seconds=0)) as gateway:
        ib = IbSettings(port=gateway.port, library=LIBRARY)
        settings = BrokerAccount(account=account, broker_kind=BrokerKind.INTERACTIVE_BROKERS, bar_source=bars, ib=ib)
        keep_account(home, settings)
        gateway.place_manual("KO", Decimal(300))
        gateway.place_manual("AAPL", Decimal(-20))
        gateway.fill_all()

        first = await openbell(home, "stop", "--flatten", "--account", account)
        again = await openbell(home, "stop", "--flatten", "--account", account, "--limit-band-pct", "2")

        assert first[0] == 0, first
        assert again[0] == 0, again
        assert gateway.positions() == {}
        assert [(o.symbol, o.qty) for o in gateway.accepted[2:]] == [("KO", Decimal(300)), ("AAPL", Decimal(20))]
    assert list(halted(home)) == [account]
    orders = Ledger.of(LedgerPlace(home=home)).journal.orders(account)
    assert {(o.ord_status, o.new_order.purpose) for o in orders} == {(OrdStatus.FILLED, OrderPurpose.FLATTEN)}


def an_account_that_holds(gateway: Gateway, home: Path, symbol: str, qty: int) -> str:
    account = "DU1234567"
    bars = BarSource(name="raw", provider=Provider.FILES, path=home / "gone", symbols=[symbol])
    ib = IbSettings(port=gateway.port, library=LIBRARY)
    settings = BrokerAccount(account=account, broker_kind=BrokerKind.INTERACTIVE_BROKERS, bar_source=bars, ib=ib)
    keep_account(home, settings)
    keep_route(home, Route(account=account, settings=ib))
    gateway.place_manual(symbol, Decimal(qty))
    gateway.fill_all()
    return account


async def test_a_second_stop_waits_for_one_that_is_still_closing_and_neither_kills_it_nor_cancels_what_it_sent(
    gateway: Gateway, home: Path
):
    account = an_account_that_holds(gateway, home, "KO", 300)
    arguments = ("stop", "--flatten", "--account", account)
    second = await started(home, *arguments, code=WHEN_TOLD, stdin=asyncio.subprocess.PIPE)
    assert second.stdout is not None
    assert await second.stdout.readline() == b"ready\n"
    first = asyncio.create_task(openbell(home, *arguments))
    await until(lambda: len(gateway.accepted) == 2)

    with writing(make_engine(f"sqlite:///{home}/ledger.db")):  # so the first cannot come to its end yet
        (pid,) = [other.pid for other in stops_under_way(home, datetime.now(UTC))]
        tell(second)
        said = [(await second.stdout.readline()).decode() for _ in range(2)]
        assert f"a stop by process {pid} is under way (stop (" in said[1], said
    gateway.fill_all()
    out, _ = await second.communicate()

    assert (await first)[0] == 0
    assert second.returncode == 0, out
    assert "killed" not in out.decode()
    assert [(o.symbol, o.qty, o.status) for o in gateway.accepted[1:]] == [("KO", Decimal(300), "Filled")]
    assert gateway.positions() == {}
    assert list((home / "stops").iterdir()) == []


async def test_a_second_stop_takes_over_from_one_that_is_frozen(gateway: Gateway, home: Path):
    account = an_account_that_holds(gateway, home, "KO", 300)
    first = await started(home, "stop", "--flatten", "--account", account)
    await until(lambda: len(gateway.accepted) == 2)
    first.send_signal(signal.SIGSTOP)
    await until(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED)

    second = asyncio.create_task(openbell(home, "stop", "--flatten", "--account", account))
    async with asyncio.timeout(120):
        while not second.done():  # its orders are filled as they come
            gateway.fill_all()
            await asyncio.sleep(0.05)
    code, out, _ = await second

    assert code == 0, out
    assert f"process {first.pid} did not end and was killed (stop (" in out
    await first.communicate()
    assert gateway.positions() == {}  # closed once: what the first had sent was canceled or filled


def test_a_kept_account_comes_back_without_its_keys(tmp_path: Path):
    key = SecretStr("sesame")
    bars = BarSource(name="massive", provider=Provider.MASSIVE, symbols=["KO"], api_key=key)
    account = BrokerAccount(account="paper", bar_source=bars)

    keep_account(tmp_path, account)
    kept = kept_account(tmp_path, "paper")

    assert kept is not None
    assert kept.bar_source.api_key is None
    assert kept.risk_limits.limits == account.risk_limits.limits
    (path,) = (tmp_path / "accounts").iterdir()
    assert "sesame" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_route_comes_back_as_it_was_kept(tmp_path: Path):
    route = Route(account="DU7", settings=IbSettings(port=4002, client_id=30))

    keep_route(tmp_path, route)
    keep_route(tmp_path, route)

    assert known_routes(tmp_path) == (route,)
    assert route.settings.client_id_of(Role.STOPPER) == 32
    assert (tmp_path / "brokers" / "DU7.json").stat().st_mode & 0o077 == 0


def test_a_damaged_route_is_named(tmp_path: Path):
    keep_route(tmp_path, Route(account="DU7", settings=IbSettings()))
    (tmp_path / "brokers" / "DU7.json").write_text("{}}")

    with pytest.raises(InvalidValue, match=r"DU7\.json"):
        known_routes(tmp_path)


def test_nothing_heavy_is_loaded_before_the_gateway_is_told():
    """Each of these takes as long to import as everything else that comes before the cancel."""
    code = "import sys, cli.openbell, cli.stop, blocks.routes, adapters.ib.global_cancel; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"prefect", "sqlalchemy", "pandas", "httpx", "rich.progress"} & set(done.stdout.split())
