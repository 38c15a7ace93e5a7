"""`openbell gateway`: a simulated IB Gateway as a process, which an unmodified client trades with over the socket."""

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.gateway import run_gateway
from tests.cli.shell import OPENBELL, Said, a_persons_environment, openbell
from trading.errors import InvalidValue


@dataclass(slots=True, kw_only=True)
class GatewayProcess:
    """`openbell gateway`, as a person's shell starts it.

    Attributes:
        said: what it has said so far.
    """

    process: "subprocess.Popen[str]"
    port: int
    said: str

    def end(self, number: int) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=20)
        self.said += rest
        return self.process.returncode


@dataclass(slots=True)
class Shell:
    """Starts gateways in a desk's folder."""

    home: Path
    started: list[GatewayProcess] = field(default_factory=list)

    def gateway(self, *arguments: str, port: int = 0) -> GatewayProcess:
        """Start one and wait until it listens."""
        process = subprocess.Popen(
            [OPENBELL, "gateway", "--port", str(port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=a_persons_environment(self.home) | {"COLUMNS": "200"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
        )
        said = ""
        while "Stop: Ctrl-C" not in said:
            line = process.stdout.readline() if process.stdout else ""
            assert line, f"the gateway did not come up ({process.wait(20)}): {said}"
            said += line
        found = re.search(r"listens on 127\.0\.0\.1:(\d+)", said)
        assert found, said
        self.started.append(GatewayProcess(process=process, port=int(found[1]), said=said))
        return self.started[-1]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "home")
    yield shell
    for gateway in shell.started:
        if gateway.process.poll() is None:
            gateway.end(signal.SIGKILL)


@asynccontextmanager
async def a_client(port: int, client_id: int = 1) -> AsyncIterator[Any]:
    import ib_async

    ib = ib_async.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=10)
    try:
        yield ib
    finally:
        ib.disconnect()
        await asyncio.sleep(0)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what a client knows has no one event to wait for
            await asyncio.sleep(0.005)


async def bought(ib: Any, symbol: str, quantity: int, order_ref: str, limit: float | None = None) -> Any:
    """Send an order, wait until it is known there and, where it has no limit, filled and paid."""
    import ib_async

    terms = {"orderType": "MKT"} if limit is None else {"orderType": "LMT", "lmtPrice": limit}
    order = ib_async.Order(action="BUY", totalQuantity=quantity, tif="GTC", orderRef=order_ref, **terms)
    trade = ib.placeOrder(ib_async.Stock(symbol, "SMART", "USD"), order)
    await until(lambda: trade.orderStatus.permId)
    if limit is None:
        await until(lambda: trade.fills and trade.fills[-1].commissionReport.execId)
    return trade


def bars(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(("symbol,time,open,high,low,close,volume", *rows)) + "\n")
    return path


async def test_a_gateway_that_was_killed_knows_its_orders_when_it_is_started_again(shell: Shell):
    first = shell.gateway()
    async with a_client(first.port) as ib:
        filled = await bought(ib, "AAPL", 10, "t-1")
        working = await bought(ib, "AAPL", 5, "t-2", limit=1.0)  # far below the market
        first.end(signal.SIGKILL)
        await until(lambda: not ib.isConnected())

    again = shell.gateway(port=first.port)
    async with a_client(again.port) as ib:
        completed = await ib.reqCompletedOrdersAsync(False)

        assert [(t.order.orderRef, t.order.permId) for t in ib.openTrades()] == [("t-2", working.order.permId)]
        assert [(t.order.orderRef, t.order.permId, t.orderStatus.status) for t in completed if t.order.orderRef] == [
            ("t-1", filled.order.permId, "Filled")
        ]
        assert [(f.execution.orderRef, f.execution.execId, f.execution.shares) for f in ib.fills()] == [
            ("t-1", filled.fills[0].execution.execId, 10.0)
        ]
        assert [(p.contract.symbol, p.position) for p in ib.positions()] == [("AAPL", 10.0)]
        assert ib.client.getReqId() > working.order.orderId
    assert "(2 known, 1 working)" in again.said
    assert "holds 10 AAPL" in again.said


async def test_two_clients_cannot_have_one_id(shell: Shell):
    import ib_async

    gateway = shell.gateway()

    async with a_client(gateway.port, client_id=7):
        second = ib_async.IB()
        with pytest.raises(TimeoutError):
            await second.connectAsync("127.0.0.1", gateway.port, clientId=7, timeout=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_and_sigterm_end_it_in_order_though_a_client_is_connected(shell: Shell, number: signal.Signals):
    gateway = shell.gateway()

    async with a_client(gateway.port):
        exit_code = await asyncio.to_thread(gateway.end, number)

    assert exit_code == 0
    assert gateway.said.endswith("The gateway is down.\n")
    assert "Traceback" not in gateway.said


def test_it_says_where_it_listens_its_accounts_and_its_seed(shell: Shell, tmp_path: Path):
    file = tmp_path / "two.toml"
    file.write_text('seed = 42\n[[accounts]]\nname = "DU1"\ncash = 50000\n[[accounts]]\nname = "DU2"\n')

    said = shell.gateway("--settings", str(file)).said

    assert "Account DU1: 50,000.00 USD, no positions" in said
    assert "Account DU2: 1,000,000.00 USD, no positions" in said
    assert "Seed 42" in said
    assert str(shell.home / "gateway-state.json") in said


def test_it_says_what_its_page_shows(shell: Shell):
    page = (Path(__file__).parents[2] / "docs" / "ib-gateway.md").read_text()
    shown = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]

    said = shell.gateway().said

    varies = re.compile(r"127\.0\.0\.1:\d+|\d{4}-\d\d-\d\d \d\d:\d\d|\S+/gateway-state\.json")
    assert varies.sub("_", said) == varies.sub("_", shown)


def test_the_command_line_goes_before_the_settings_file(shell: Shell, tmp_path: Path):
    file = tmp_path / "settings.json"
    file.write_text('{"port": 1, "state_file": "/nowhere/state"}')

    gateway = shell.gateway("--settings", str(file), "--state", str(tmp_path / "mine"))  # and --port 0

    assert gateway.port != 1
    assert f"kept in {tmp_path / 'mine'}" in gateway.said


async def test_prices_follow_recorded_bars_from_the_time_its_clock_is_set_to(shell: Shell, tmp_path: Path):
    import ib_async

    flat = bars(tmp_path / "bars.csv", *(f"ACME,2024-03-05T14:{m}:00,50,50,50,50,1000" for m in range(30, 60)))

    gateway = shell.gateway("--replay", str(flat), "--at", "2024-03-05T14:40:00")
    async with a_client(gateway.port) as ib:
        trade = await bought(ib, "ACME", 1, "t-1")
        listed = await ib.reqContractDetailsAsync(ib_async.Stock("ACME", "SMART", "USD"))

    assert trade.fills[0].execution.price == 50.01  # the ask is one cent above the last price
    assert trade.fills[0].execution.time.strftime("%Y-%m-%d %H:%M") == "2024-03-05 14:40"
    assert len(listed) == 1
    assert "Replay: 1 symbol(s), 2024-03-05 14:30 to 2024-03-05 15:00 UTC\n" in gateway.said


def test_it_says_so_when_the_recorded_bars_lie_behind_its_clock(shell: Shell, tmp_path: Path):
    flat = bars(tmp_path / "bars.csv", "ACME,2022-12-28,50,50,50,50,1000")

    assert "prices stay at the last close (--at sets the clock)" in shell.gateway("--replay", str(flat)).said


async def test_a_scenario_befalls_its_clients(shell: Shell, tmp_path: Path):
    import ib_async

    file = tmp_path / "drill.toml"
    file.write_text('[[faults]]\non = "placeOrder"\ndo = "kill_before"\ntimes = 1\n')
    gateway = shell.gateway("--scenario", str(file))

    async with a_client(gateway.port) as ib:
        ib.placeOrder(ib_async.Stock("AAPL", "SMART", "USD"), ib_async.MarketOrder("BUY", 1, orderRef="t-1"))
        await until(lambda: not ib.isConnected())
    async with a_client(gateway.port) as ib:
        await bought(ib, "AAPL", 1, "t-2")

        assert [f.execution.orderRef for f in ib.fills()] == ["t-2"]  # the first one never came to be
    assert "Scenario: 1 fault(s), seed 0" in gateway.said


async def test_a_scenario_may_be_named(shell: Shell):
    import ib_async

    gateway = shell.gateway("--scenario", "second-factor")
    ib = ib_async.IB()

    with pytest.raises(TimeoutError):  # the socket opens, the session never starts
        await ib.connectAsync("127.0.0.1", gateway.port, clientId=1, timeout=0.5)

    assert "Scenario: 1 fault(s)" in gateway.said


def refused(home: Path, *arguments: str, port: int = 0) -> str:
    """Return the one line that a gateway ends with before it listens."""
    said: Said = openbell(home, "gateway", "--port", str(port), *arguments)
    assert (said.exit_code, said.out) == (1, "")
    assert said.err.startswith("openbell: ")
    assert said.err.count("\n") == 1
    return said.err


def test_a_port_in_use_is_one_clear_line(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = refused(tmp_path, port=port)

    assert f"cannot listen on 127.0.0.1:{port} (a program listens there" in said


WRONG = [
    ("scenario", "no.toml", None, "a file that is there, or one of second-factor, silent"),
    ("scenario", "s.toml", "faults = [", "TOML"),
    ("scenario", "s.json", "{}}", "Invalid JSON"),
    ("scenario", "s.toml", '[[faults]]\non = "placeOrder"\ndo = "explode"', "faults.0.do: Input should be"),
    ("scenario", "s.toml", '[[faults]]\non = "placeOrdr"\ndo = "drop"', "no message has this name"),
    ("scenario", "s.toml", b"\xff\xfe", "no text in UTF-8"),
    ("replay", "no.csv", None, "No such file"),
    ("replay", "r.csv", "symbol,time,open\nAAPL,2024-03-05,5", "columns are symbol, time (or date), open, high"),
    ("replay", "r.csv", "symbol,date,open,high,low,close\nA,2024-03-05,5,4,6,5", "row 2"),
    ("replay", "r.csv", "symbol,time,open,high,low,close\n", "at least one bar"),
    ("settings", "no.json", None, "No such file"),
    ("settings", "s.toml", "prot = 1", "prot: Extra inputs are not permitted"),
    ("settings", "s.toml", "accounts = []", "one account or more"),
    ("settings", "s.toml", 'poll_seconds = -1\nfills = "maybe"', "; and 1 more"),
    ("state", "state.json", "no order\n", "line 1 is no order"),
    ("state", ".", None, "Is a directory"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "name", "content", "told"), WRONG)
def test_a_file_that_is_missing_or_wrong_is_one_clear_line(
    tmp_path: Path, option: str, name: str, content: str | bytes | None, told: str
):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(InvalidValue) as refusal:
        run_gateway(tmp_path / "home", port=0, **{option: str(file) if option == "scenario" else file})

    assert str(file) in str(refusal.value)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_such_a_file_ends_the_command_with_exit_code_1_and_no_stack_trace(tmp_path: Path):
    file = tmp_path / "s.toml"
    file.write_text('[[faults]]\non = "placeOrdr"\ndo = "drop"')

    assert "no message has this name" in refused(tmp_path, "--scenario", str(file))


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: int):
    with pytest.raises(InvalidValue, match=f"port is {port}, but must be from 0"):
        run_gateway(tmp_path, port=port)


def test_a_second_gateway_cannot_write_the_orders_of_the_first(shell: Shell):
    shell.gateway()

    assert "no running gateway's; give --state another file" in refused(shell.home)


async def test_orders_of_other_accounts_or_symbols_are_not_taken_over(shell: Shell, tmp_path: Path):
    acme = bars(tmp_path / "acme.csv", "ACME,2022-12-28,50,50,50,50,1000")
    zeta = bars(tmp_path / "zeta.csv", "ZETA,2022-12-28,50,50,50,50,1000")
    gateway = shell.gateway("--replay", str(acme))
    async with a_client(gateway.port) as ib:
        await bought(ib, "ACME", 1, "t-1")
    gateway.end(signal.SIGTERM)
    other = tmp_path / "other.toml"
    other.write_text('[[accounts]]\nname = "DU9"\n')

    assert "ACME is in it and not in them" in refused(shell.home, "--replay", str(zeta))
    assert "DU1234567 is in it" in refused(shell.home, "--replay", str(acme), "--settings", str(other))


def test_nothing_heavy_is_loaded_to_start_it():
    code = "import sys, cli.openbell, cli.gateway; print(sorted({m.partition('.')[0] for m in sys.modules}))"

    loaded = subprocess.run(
        [OPENBELL.with_name("python"), "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout

    heavy = ("prefect", "pandas", "numpy", "sqlalchemy", "exchange_calendars", "great_expectations")
    assert [name for name in heavy if f"'{name}'" in loaded] == []
