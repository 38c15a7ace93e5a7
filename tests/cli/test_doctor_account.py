"""The doctor at an account: whether its gateway is there, is the one that is meant, and would take its orders."""

import asyncio
import itertools
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount, BrokerKind, Mode
from cli.children import clean_environment
from cli.doctor_account import account_checkup
from cli.prefect_server import client_environment, running_server
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.cli.shell import a_free_port, cells
from trading.errors import InvalidValue
from trading.readiness import Check

ACCOUNT = "DU1234567"
QUICK = {"connect_seconds": 1, "ask_seconds": 1}
numbers = itertools.count(1)


@asynccontextmanager
async def a_gateway(*faults: Fault, account: str = ACCOUNT) -> AsyncIterator[Gateway]:
    settings = GatewaySettings(poll_seconds=0, accounts=(GatewayAccount(name=account),))
    async with Gateway(settings, Scenario(faults=faults)) as gateway:
        gateway.set_price("SPY", Decimal(600))
        yield gateway


async def an_account(port: int, account: str = ACCOUNT, **settings: Any) -> str:
    """Save the block of an account at that port, and return the block's name."""
    name = f"doctored-{next(numbers)}"
    kind, ib = BrokerKind.INTERACTIVE_BROKERS, {"port": port, **QUICK}
    source = BarSource(name="raw", provider="files")
    await BrokerAccount(**{"account": account, "broker_kind": kind, "ib": ib, "bar_source": source} | settings).asave(
        name
    )
    return name


async def checked(account: str, symbol: str = "SPY") -> Mapping[str, Check]:
    async with asyncio.timeout(15):  # no fault may hold it up
        return {check.name: check for check in await account_checkup(account, symbol)}


def only_bad(checks: Mapping[str, Check]) -> Check:
    (bad,) = [check for check in checks.values() if not check.ok]
    assert bad.remedy
    return bad


pytestmark = pytest.mark.usefixtures("prefect_harness")


async def test_an_account_at_a_healthy_gateway_is_well_in_every_respect():
    async with a_gateway() as gateway:
        checks = await checked(await an_account(gateway.port))

        assert gateway.accepted == []
    assert list(checks) == [
        "gateway", "protocol version", "login", "account", "mode", "gateway's clock", "market data", "what-if order",
    ]  # fmt: skip
    assert {check.verdict for check in checks.values()} == {"yes"}
    assert "SPY" in checks["market data"].text


async def test_the_account_may_be_named_as_the_broker_does():
    async with a_gateway(account="DU7777777") as gateway:
        await an_account(gateway.port, "DU7777777")

        checks = await checked("DU7777777", "AAPL")

    assert {check.ok for check in checks.values()} == {True}
    assert "AAPL" in checks["market data"].text


async def test_nothing_on_the_port_is_told_with_the_ports_that_there_are():
    port = a_free_port()

    checks = await checked(await an_account(port))

    assert list(checks) == ["gateway"]
    assert f"nothing answers on 127.0.0.1:{port}" in only_bad(checks).text
    assert "7497 (paper)" in only_bad(checks).text
    assert "start TWS or IB Gateway" in str(only_bad(checks).remedy)


async def test_a_live_login_behind_a_paper_block_is_told():
    async with a_gateway(account="U7654321") as gateway:
        checks = await checked(await an_account(gateway.port))

    assert not checks["account"].ok
    assert "the login has U7654321" in checks["account"].text
    assert not checks["mode"].ok
    assert "the mode is paper" in checks["mode"].text


async def test_an_account_that_sends_nothing_fits_any_login():
    async with a_gateway(account="U7654321") as gateway:
        checks = await checked(await an_account(gateway.port, "U7654321", mode=Mode.SHADOW))

    assert checks["mode"].ok
    assert "real money" in checks["mode"].text


async def test_a_port_that_accepts_and_never_answers_is_not_waited_for():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]

        checks = await checked(await an_account(port))

    assert list(checks) == ["gateway"]
    assert "took the connection and said nothing within 1 s" in only_bad(checks).text


async def test_a_gateway_that_stops_answering_after_the_login_is_not_waited_for():
    async with a_gateway(Fault(on="reqCurrentTime", do=Action.HANG)) as gateway:
        checks = await checked(await an_account(gateway.port))

    assert "did not finish its answer about the time within 1 s" in checks["gateway's clock"].text
    assert not checks["what-if order"].ok


async def test_a_long_patience_of_the_desk_is_not_the_doctors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cli.doctor_account.PATIENCE_SECONDS", 0.5)
    async with a_gateway(Fault(on="handshake", do=Action.HANG)) as gateway:
        name = await an_account(gateway.port, ib={"port": gateway.port, "connect_seconds": 60})

        checks = await checked(name)

    assert "within 0.5 s" in only_bad(checks).text


async def test_a_pending_second_factor_is_told_with_what_to_do():
    async with a_gateway(Fault(on="nextValidId", do=Action.HANG)) as gateway:
        checks = await checked(await an_account(gateway.port))

    assert only_bad(checks).name == "login"
    assert "a second factor may be pending" in only_bad(checks).text
    assert "second factor on the phone" in str(only_bad(checks).remedy)


async def test_the_built_in_paper_broker_needs_no_gateway():
    checks = await checked(await an_account(1, broker_kind=BrokerKind.PAPER))

    assert list(checks) == ["gateway"]
    assert checks["gateway"].ok
    assert "needs no gateway" in checks["gateway"].text


async def test_an_account_that_nobody_made_is_told():
    with pytest.raises(InvalidValue, match="is 'nobody', but must be a saved block"):
        await account_checkup("nobody", "SPY")


# -- the command


SAVE = """
import sys
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount
account = BrokerAccount(
    account="DU1234567",
    broker_kind="interactive_brokers",
    ib={"port": int(sys.argv[1]), "connect_seconds": 1},
    bar_source=BarSource(name="raw", provider="files"),
)
account.save("at-ib", overwrite=True)
"""


async def said(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.slow
async def test_the_command_prints_a_line_for_each_and_fails_where_one_is_not_well(tmp_path: Path):
    doctor = ["-c", "from cli.openbell import main; main()", "doctor", "--account", "at-ib"]
    environment = clean_environment() | {"OPENBELL_HOME": str(tmp_path), "COLUMNS": "300"}
    async with a_gateway() as gateway:
        with running_server(tmp_path, a_free_port()) as server:
            client = client_environment(tmp_path, server.port)
            code, _, err = await said(environment | client, "-c", SAVE, str(gateway.port))
            assert code == 0, err

            well = await said(environment, *doctor)
            await gateway.stop()
            away = await said(environment, *doctor)
            await gateway.start()

    assert verdicts(well)["what-if order"] == verdicts(well)["Python"] == "yes"
    assert verdicts(away)["gateway"] == "NO"
    assert "start TWS or IB Gateway" in away[1]
    assert (well[0], away[0]) == (0, 1)
    assert "Traceback" not in well[2] + away[2]


def verdicts(doctor: tuple[int, str, str]) -> dict[str, str]:
    return {row[0]: row[1] for row in cells(doctor[1]) if row[0]}
