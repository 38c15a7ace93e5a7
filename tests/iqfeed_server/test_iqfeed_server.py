"""The IQFeed server, asked over bare sockets as IQConnect is."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from iqfeed_server.faults import Fault, Faults, Port, parse_fault
from iqfeed_server.market import Level, Market, Tick
from iqfeed_server.server import IqfeedServer
from iqfeed_server.server_settings import ServerSettings

NOON = datetime(2026, 11, 20, 12, 0)  # noqa: DTZ001 - New York, as the protocol writes it
FREE = dict.fromkeys(("port_level1", "port_level2", "port_lookup", "port_admin"), 0)
APPLE = Tick(bid=18825, ask=18836, bid_size=100, ask_size=100, last=18835, last_size=52500)


class Terminal:
    """A socket at which lines are typed and read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, count: int = 1) -> list[str]:
        async with asyncio.timeout(20):
            return [(await self._reader.readuntil(b"\r\n")).decode("latin-1")[:-2] for _ in range(count)]

    async def rest(self) -> bytes:
        async with asyncio.timeout(20):
            return await self._reader.read()

    async def ask(self, command: str, count: int = 1) -> list[str]:
        self._writer.write(f"{command}\r\n".encode())
        return await self.read(count)

    def close(self) -> None:
        self._writer.close()


Dial = Callable[..., Awaitable[Terminal]]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connect to a port of a server with these settings; its greeting has been read."""
    async with AsyncExitStack() as stack:

        async def connect(server: IqfeedServer, port: Port, greeting: int) -> Terminal:
            terminal = Terminal(*await asyncio.open_connection("127.0.0.1", server.ports[port]))
            stack.enter_context(closing(terminal))
            await terminal.read(greeting)
            return terminal

        yield connect


@pytest.fixture
async def server() -> AsyncIterator[IqfeedServer]:
    async with a_server() as running:
        yield running


def a_server(**settings: Any) -> IqfeedServer:
    return IqfeedServer(ServerSettings(**{**FREE, **settings}), now=lambda: NOON)


async def test_level_1_greets_and_speaks_6_2(server: IqfeedServer):
    terminal = Terminal(*await asyncio.open_connection("127.0.0.1", server.ports[Port.LEVEL1]))
    with closing(terminal):
        greeting = await terminal.read(4)

        assert [line.split(",")[1] for line in greeting] == ["KEY", "SERVER CONNECTED", "IP", "CUST"]
        assert await terminal.ask("S,SET PROTOCOL,6.2") == ["S,CURRENT PROTOCOL,6.2"]


async def test_a_watched_symbol_is_summarized_as_recorded(server: IqfeedServer, dial: Dial):
    """As the recording in github.com/mathpaquette/IQFeed.CSharpApiClient, UpdateSummaryMessageTests.cs, is laid out."""
    terminal = await dial(server, Port.LEVEL1, 4)
    server.market.set_tick("AAPL", APPLE)

    fundamental, summary = await terminal.ask("wAAPL", 2)

    recorded = "P,AAPL,188.3500,52500,19:59:14.503633,19,0,188.2500,100,188.3600,100,,,,187.9700,Cbacv,8801,"
    assert fundamental.startswith("F,AAPL,")
    assert summary == "P,AAPL,188.3500,52500,12:00:00.000000,19,,188.2500,100,188.3600,100,,,,,Cba,01,"
    assert len(summary.split(",")) == len(recorded.split(","))


async def test_chosen_fields_are_confirmed_in_their_order_after_the_symbol(server: IqfeedServer, dial: Dial):
    terminal = await dial(server, Port.LEVEL1, 4)
    server.market.set_tick("AAPL", APPLE)

    confirmed = await terminal.ask("S,SELECT UPDATE FIELDS,Ask,Symbol,Bid,Delay")
    refused = await terminal.ask("S,SELECT UPDATE FIELDS,Bid,Bid TimeMS")

    assert confirmed == ["S,CURRENT UPDATE FIELDNAMES,Symbol,Ask,Bid,Delay"]
    assert refused == ["E,Bid TimeMS is not a valid fieldset field,"]
    assert (await terminal.ask("wAAPL", 2))[1] == "P,AAPL,188.3600,188.2500,0,"


async def test_unknown_symbols_limits_and_commands_are_refused_as_iqconnect_does(dial: Dial):
    async with a_server(symbol_limit=1) as server:
        terminal = await dial(server, Port.LEVEL1, 4)
        await terminal.ask("wAAPL", 2)

        assert await terminal.ask("wNOSUCH") == ["n,NOSUCH"]
        assert await terminal.ask("wIBM") == ["S,SYMBOL LIMIT REACHED,IBM"]
        assert await terminal.ask("hello") == ["E,!SYNTAX_ERROR!,"]
        assert await terminal.ask("T") == ["T,20261120 12:00:00"]
        assert (await terminal.ask("rAAPL\r\nwIBM", 2))[1].startswith("P,IBM,")


async def test_who_watches_is_told_what_moves(server: IqfeedServer, dial: Dial):
    watching, other = await dial(server, Port.LEVEL1, 4), await dial(server, Port.LEVEL1, 4)
    await watching.ask("wAAPL", 2)
    await other.ask("wIBM", 2)

    await server.update("AAPL")
    await server.lose_feed()

    assert (await watching.read())[0].startswith("Q,AAPL,")
    assert await other.read() == ["S,SERVER DISCONNECTED"]


async def test_prices_move_by_themselves_and_the_time_is_told(dial: Dial):
    async with a_server(updates_per_second=2000, stamp_seconds=0.02) as server:
        terminal = await dial(server, Port.LEVEL1, 4)
        await terminal.ask("wAAPL", 2)

        kinds: set[str] = set()
        async with asyncio.timeout(20):
            while len(kinds) < 2:
                kinds |= {line[0] for line in await terminal.read()}

        assert kinds == {"Q", "T"}


async def test_a_history_is_asked_by_days_and_by_count(server: IqfeedServer, dial: Dial):
    terminal = await dial(server, Port.LOOKUP, 0)

    by_days = await terminal.ask("HDT,AAPL,20200828,20200901,,1,A1", 4)
    by_count = await terminal.ask("HDX,AAPL,2,0,A2", 3)

    assert [line.split(",")[:3] for line in by_days[:3]] == [
        ["A1", "LH", "2020-08-28"],
        ["A1", "LH", "2020-08-31"],
        ["A1", "LH", "2020-09-01"],
    ]
    assert by_days[3] == "A1,!ENDMSG!,"
    assert [line.split(",")[2] for line in by_count[:2]] == ["2026-11-20", "2026-11-19"]
    high, low, opened, closed = map(float, by_days[0].split(",")[3:7])
    assert low <= min(opened, closed) <= max(opened, closed) <= high


async def test_minutes_are_labelled_by_their_end_unless_asked_otherwise(server: IqfeedServer, dial: Dial):
    terminal = await dial(server, Port.LOOKUP, 0)
    asked = "HIT,AAPL,60,20200901 093000,20200901 093000,,,,1,A1"

    assert (await terminal.ask(asked, 2))[0].split(",")[2] == "2020-09-01 09:31:00"
    assert (await terminal.ask(f"{asked},,s,1", 2))[0].split(",")[2] == "2020-09-01 09:30:00"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("HDT,NOSUCH,20200828,20200901,,1,A1", "A1,E,Invalid symbol.,"),
        ("HDT,AAPL,19900101,19900131,,1,A1", "A1,E,!NO_DATA!,"),
        ("NHL,,NOSUCH,t,,20200612,A1", "A1,E,!NO_DATA!,"),
        ("HIT,AAPL,5,20200901 093000,20200901 093000,,,,1,A1", "A1,E,This server has minutes only.,"),
    ],
)
async def test_an_error_is_told_under_the_id_of_its_request(server: IqfeedServer, dial: Dial, asked: str, told: str):
    terminal = await dial(server, Port.LOOKUP, 0)

    assert await terminal.ask(asked, 2) == [told, "A1,!ENDMSG!,"]


@pytest.mark.parametrize("asked", ["HDT,AAPL,yesterday,,,1,A1", "TEST", "HDX,AAPL,many,1,A1", ","])
async def test_what_nobody_can_read_is_a_syntax_error(server: IqfeedServer, dial: Dial, asked: str):
    terminal = await dial(server, Port.LOOKUP, 0)

    assert await terminal.ask(asked) == ["E,!SYNTAX_ERROR!,"]


async def test_a_book_is_told_by_price_for_futures_and_by_maker_for_stocks(server: IqfeedServer, dial: Dial):
    terminal = await dial(server, Port.LEVEL2, 1)
    server.market.set_tick("@ES#", APPLE)

    bid, ask = await terminal.ask("WPL,@ES#,1", 2)
    makers = await terminal.ask("WOR,SPY", 10)

    assert bid.split(",")[:4] == ["7", "@ES#", "B", "188.3400"]
    assert ask.split(",")[:4] == ["7", "@ES#", "A", "188.3600"]
    assert {line.split(",")[3] for line in makers} == {"NSDQ", "ARCX", "BATS", "EDGX", "MEMX"}
    assert await terminal.ask("WPL,SPY,5") == ["q,SPY"]
    await server.change_depth("@ES#", Level(side="A", price=18836, size=0, orders=0, maker=""))
    assert await terminal.read() == ["9,@ES#,A,188.3600,12:00:00.000000,2026-11-20,"]


async def test_the_admin_port_tells_how_things_are(server: IqfeedServer, dial: Dial):
    """As recorded in github.com/kamaiu/iqfeed-go: 21 values, of which the 13th is the state."""
    terminal = await dial(server, Port.ADMIN, 1)
    watching = await dial(server, Port.LEVEL1, 4)
    await watching.ask("wAAPL", 2)

    said = (await terminal.ask("S,REQUEST STATS"))[0].split(",")

    recorded = (
        "S,STATS,66.112.156.227,60003,500,1,8,0,0,0,Apr 01 6:48PM,Apr 01 08:49PM,Connected,6.2.0.15,497214,"
        "3.24,0.04,0.05,50.27,1.34,0.72,"
    )
    assert len(said) == recorded.count(",") + 1
    assert (said[4], said[5], said[12]) == ("500", "1", "Connected")


async def test_a_line_is_cut_and_the_socket_closed(server: IqfeedServer, dial: Dial):
    terminal = await dial(server, Port.LOOKUP, 0)
    server.faults.arm(Fault.DROP_MID_LINE, Port.LOOKUP, after=1)

    await terminal.ask("HDX,AAPL,1,0,A1")

    assert await terminal.rest() == b"A1,!END"


async def test_a_server_comes_back_on_its_ports_and_remembers_no_watches(server: IqfeedServer, dial: Dial):
    terminal = await dial(server, Port.LEVEL1, 4)
    await terminal.ask("wAAPL", 2)

    await server.restart()

    assert await terminal.rest() == b""
    again = await dial(server, Port.LEVEL1, 4)
    await again.ask("T")
    assert server.watched(Port.LEVEL1) == [frozenset()]


def test_the_market_depends_on_its_seed_alone():
    one, same, other = Market(7, ["AAPL"]), Market(7, ["IBM", "AAPL"]), Market(8, ["AAPL"])
    first, last = date(2020, 8, 28), date(2020, 9, 1)
    same.days("AAPL", date(2024, 1, 1), date(2024, 1, 1))  # what was asked before makes no difference

    assert one.days("AAPL", first, last) == same.days("AAPL", first, last) != other.days("AAPL", first, last)
    assert [one.move("AAPL") for _ in range(5)] == [same.move("AAPL") for _ in range(5)]
    assert one.stories("AAPL", first) == same.stories("AAPL", first)
    assert one.book("AAPL") == same.book("AAPL")


def test_a_fault_strikes_after_so_many_and_as_often_as_said():
    faults = Faults()
    faults.arm(Fault.GARBAGE, Port.LEVEL1, after=2, times=2)

    assert [faults.strikes(Fault.GARBAGE, Port.LEVEL1) for _ in range(5)] == [False, False, True, True, False]
    assert parse_fault("slow:lookup:3").after == 3
    with pytest.raises(ValueError, match="nonsense"):
        parse_fault("nonsense:level1")


def test_it_runs_from_the_shell_until_it_is_stopped():
    ports = [f"--port-{name}=0" for name in ("level1", "level2", "lookup", "admin")]
    running = subprocess.Popen(
        [sys.executable, "-m", "iqfeed_server", *ports, "--symbols", "aapl,ibm", "--fault", "garbage:level1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    with running:
        try:
            told = [running.stdout.readline() for _ in range(2)]
        finally:
            running.terminate()

    assert told[0].startswith("An IQFeed stand-in listens on 127.0.0.1: level1 ")
    assert told[1] == "Seed 0, symbols AAPL IBM; stop: Ctrl-C\n"


def test_a_wrong_option_is_told_in_a_line(capsys: pytest.CaptureFixture[str]):
    from iqfeed_server.__main__ import main

    with pytest.raises(SystemExit):
        main(["--port-level1", "70000"])
    assert "--port-level1: Input should be less than or equal to 65535" in capsys.readouterr().err


async def test_a_port_in_use_is_told(server: IqfeedServer, capsys: pytest.CaptureFixture[str]):
    from iqfeed_server.__main__ import main

    taken = ["--port-level1", str(server.ports[Port.LEVEL1])]
    assert await asyncio.to_thread(main, taken) == 1
    assert "it cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_the_example_of_the_page_runs():
    page = (Path(__file__).parents[2] / "docs" / "providers" / "iqfeed.md").read_text()
    example = page.split("```python\n")[-1].split("```")[0]

    exec(example, {})

    assert all(f"`{fault}`" in page for fault in Fault)
