"""The probe of a gateway: what each fault looks like from outside, and what a person is told to do about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.ib.findings import findings
from adapters.ib.ib_settings import IbSettings
from adapters.ib.probe import DataKind, Probe, Reached, probe_gateway
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.adapters.ib.ib_desk import LIBRARY, QUICK
from trading.readiness import Check

NOW = datetime(2026, 11, 16, 15, tzinfo=UTC)  # 10:00 in New York on a Monday
TAKES = {"ib_async": (157, 178), "ib_insync": (157, 176)}[LIBRARY]  # each library's oldest and newest protocol
ALL = (
    "gateway",
    "protocol version",
    "login",
    "account",
    "mode",
    "gateway's clock",
    "market data",
    "what-if order",
)


@asynccontextmanager
async def a_gateway(
    *faults: Fault, now: datetime = NOW, accounts: tuple[str, ...] = ("DU1234567",), **settings: Any
) -> AsyncIterator[Gateway]:
    chosen = GatewaySettings(poll_seconds=0, accounts=tuple(GatewayAccount(name=a) for a in accounts), **settings)
    async with Gateway(chosen, Scenario(faults=faults), now=lambda: now) as gateway:
        gateway.set_price("AAPL", Decimal(200))
        yield gateway


async def probe(port: int, *, symbol: str = "AAPL", **patience: Any) -> Probe:
    settings = IbSettings(**{**QUICK, "connect_seconds": 0.5, "ask_seconds": 0.5, "port": port, **patience})
    async with asyncio.timeout(10):  # no fault may hold it up
        return await probe_gateway(settings, "DU1234567", symbol, now=lambda: NOW)


def told(
    found: Probe, *, port: int = 4002, is_live: bool | None = False, account: str = "DU1234567"
) -> dict[str, Check]:
    return {check.name: check for check in findings(found, account=account, port=port, is_live=is_live)}


def only_bad(checks: dict[str, Check]) -> Check:
    (bad,) = [check for check in checks.values() if not check.ok]
    assert bad.remedy
    return bad


async def test_a_healthy_gateway_is_told_without_a_remedy():
    async with a_gateway() as gateway:
        found = await probe(gateway.port)

    checks = told(found)
    assert tuple(checks) == ALL
    assert {check.verdict for check in checks.values()} == {"yes"}
    assert found.reached is Reached.SESSION
    assert found.server_version == TAKES[1]


async def test_it_leaves_the_traders_client_id_alone_and_sends_nothing_to_the_market():
    async with a_gateway() as gateway:
        await probe(gateway.port, client_id=40)

        placed = [m for m in gateway.wire_log if m.way == "in" and m.name == "placeOrder"]
        assert {m.client_id for m in gateway.wire_log if m.client_id >= 0} == {43}  # the data role's
        assert len(placed) == 1
        assert gateway.accepted == []


async def test_a_what_if_order_tells_margin_and_commission():
    """Nothing is sent to an exchange.

    https://interactivebrokers.github.io/tws-api/margin.html
    """
    async with a_gateway() as gateway:
        found = await probe(gateway.port)

    assert found.what_if is not None
    assert Decimal(99) < found.what_if.px <= Decimal(100)  # half of what is bid for what last traded at 200
    assert found.what_if.commission == Decimal(1)  # the gateway's least, of one share at 0.005
    assert found.what_if.margin_change is not None
    assert found.what_if.margin_change > 0
    assert "margin +" in told(found)["what-if order"].text


async def test_a_line_that_was_opened_for_the_quote_is_given_back():
    async with a_gateway(data_lines=1) as gateway:
        await probe(gateway.port)
        found = await probe(gateway.port)

    assert found.quoted is not None
    assert found.quoted.kind is DataKind.LIVE


async def test_a_wrong_port_is_a_gateway_that_does_not_answer():
    async with a_gateway() as gateway:
        port = gateway.port

    checks = told(await probe(port))

    assert tuple(checks) == ("gateway",)
    assert f"nothing answers on 127.0.0.1:{port}" in checks["gateway"].text
    assert "start TWS or IB Gateway" in str(checks["gateway"].remedy)


async def test_a_gateway_that_takes_the_connection_and_never_speaks_is_not_waited_for_long():
    async with a_gateway(Fault(on="handshake", do=Action.HANG)) as gateway:
        checks = told(await probe(gateway.port))

    assert only_bad(checks).name == "gateway"
    assert "said nothing within 0.5 s" in checks["gateway"].text


async def test_a_second_factor_that_nobody_answers_is_named():
    async with a_gateway(Fault(on="nextValidId", do=Action.HANG)) as gateway:
        checks = told(await probe(gateway.port))

    assert tuple(checks) == ("gateway", "protocol version", "login")
    assert "a second factor may be pending" in only_bad(checks).text
    assert "second factor on the phone" in str(checks["login"].remedy)


@pytest.mark.parametrize("version", [100, 156])
async def test_a_gateway_that_is_too_old_is_told_with_its_version(version: int):
    async with a_gateway(max_server_version=version) as gateway:
        checks = told(await probe(gateway.port))

    assert only_bad(checks).name == "protocol version"
    assert checks["protocol version"].text.startswith(f"{version}; ")
    assert "{} to {}".format(*TAKES) in checks["protocol version"].text
    assert "update" in str(checks["protocol version"].remedy)


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x04\xff\xfe\x00\x00", b"\xff" * 99]
)
async def test_something_else_at_the_port_is_told(said: bytes):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read()  # until the other side gives up
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        checks = told(await probe(server.sockets[0].getsockname()[1]))

    assert only_bad(checks).name == "gateway"
    assert "must be that of TWS or IB Gateway" in str(checks["gateway"].remedy)


async def test_garbage_in_place_of_a_session_is_no_second_factor():
    async with a_gateway(Fault(on="handshake", do=Action.HUGE_FRAME)) as gateway:
        checks = told(await probe(gateway.port))

    assert only_bad(checks).name == "login"
    assert "not the TWS protocol" in checks["login"].text
    assert "second factor" not in str(checks["login"].remedy)


async def test_a_client_id_in_use_is_named():
    async with a_gateway() as gateway:
        held = await asyncio.open_connection(gateway.host, gateway.port)
        held[1].write(b"API\0\0\0\0\x09v157..178" + b"\0\0\0\x0971\x002\x0013\0\0")
        async with asyncio.timeout(20):
            while gateway.client(13) is None:  # noqa: ASYNC110 - what the gateway knows has no event to wait for
                await asyncio.sleep(0.002)

        checks = told(await probe(gateway.port, client_id=10))
        held[1].close()

    assert "client id 13 is in use" in only_bad(checks).text


async def test_a_live_login_behind_a_paper_block_is_told_by_account_and_by_mode():
    async with a_gateway(accounts=("U7654321",)) as gateway:
        checks = told(await probe(gateway.port), port=4002)

    assert not checks["account"].ok
    assert "the login has U7654321" in checks["account"].text
    assert not checks["mode"].ok
    assert "since the mode is paper" in checks["mode"].text


@pytest.mark.parametrize(
    ("port", "is_live", "agrees"),
    [
        (4002, False, True),
        (7497, False, True),
        (9999, False, True),  # a tunnel says nothing, so the login decides
        (4001, False, False),
        (7496, False, False),
        (4001, True, False),
        (4002, True, False),
        (7496, None, True),
    ],
)
async def test_port_and_paper_login_are_held_against_the_mode(port: int, is_live: bool | None, agrees: bool):
    async with a_gateway() as gateway:
        found = await probe(gateway.port)

    assert told(found, port=port, is_live=is_live)["mode"].ok is agrees


@pytest.mark.parametrize(
    ("ahead", "skew", "warned"),
    [(0, 0.0, False), (0.9, 0.0, False), (2, 2.0, False), (3, 3.0, True), (-2, -1.0, False), (-60, -59.0, True)],
)
async def test_a_clock_that_differs_by_more_than_two_seconds_is_warned_of(ahead: float, skew: float, warned: bool):
    async with a_gateway(now=NOW + timedelta(seconds=ahead)) as gateway:
        found = await probe(gateway.port)

    assert found.skew_seconds == skew  # it tells whole seconds, so up to one behind is no difference
    clock = told(found)["gateway's clock"]
    assert (clock.ok, clock.remedy is not None) == (True, warned)


async def test_a_gateway_that_answers_nothing_after_the_login_is_told_in_time():
    async with a_gateway(Fault(on="reqCurrentTime", do=Action.HANG)) as gateway:
        checks = told(await probe(gateway.port))

    assert not checks["gateway's clock"].ok
    assert "did not finish its answer about the time within 0.5 s" in checks["gateway's clock"].text


async def test_delayed_data_are_told_and_do_not_forbid_trading():
    async with a_gateway() as gateway:
        gateway.market.without_live_data = {"AAPL"}
        found = await probe(gateway.port)

    data = told(found)["market data"]
    assert found.quoted is not None
    assert found.quoted.kind is DataKind.DELAYED
    assert data.text.startswith("delayed: AAPL at ")
    assert data.verdict == "warn"


async def test_no_data_at_all_is_told_with_why():
    async with a_gateway(Fault(on="reqMktData", do=Action.HANG)) as gateway:
        silent = told(await probe(gateway.port))
    async with a_gateway(data_lines=0) as gateway:
        refused = told(await probe(gateway.port))

    assert silent["market data"].text.startswith("none: ")
    assert "Max number of tickers" in refused["market data"].text
    assert silent["what-if order"].ok  # it does not need one


async def test_a_refused_what_if_is_told_in_the_gateways_words():
    read_only = Fault(on="placeOrder", do=Action.REJECT, code=321, text="The API interface is in Read-Only mode.")
    async with a_gateway(read_only) as gateway:
        checks = told(await probe(gateway.port))

    assert "Read-Only mode" in only_bad(checks).text
    assert "untick Read-Only API" in str(checks["what-if order"].remedy)


async def test_a_symbol_that_nobody_lists_is_told():
    async with a_gateway() as gateway:
        checks = told(await probe(gateway.port, symbol="NOSUCH"))

    assert not checks["market data"].ok
    assert "IB does not know 'NOSUCH'" in checks["market data"].text


async def test_a_socket_that_dies_while_asked_ends_the_probe():
    async with a_gateway(Fault(on="placeOrder", do=Action.KILL_BEFORE)) as gateway:
        checks = told(await probe(gateway.port))

    assert only_bad(checks).name == "what-if order"
    assert "went away" in checks["what-if order"].text
