"""Feeds that stand in for each other: real clients against their servers on loopback, on a clock set by hand."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.alpaca_quote_stream import AlpacaQuoteStream
from adapters.failover_ticks import FailoverTicks, FeedSwitch
from adapters.iqfeed.iqfeed_settings import IqfeedSettings
from adapters.iqfeed.level1 import IqfeedQuotes
from adapters.tapped_ticks import TappedTicks
from adapters.tick_tap import TickTap, microseconds
from iqfeed_server.faults import Fault, Port
from iqfeed_server.server import IqfeedServer
from iqfeed_server.server_settings import ServerSettings
from tests.adapters.alpaca_server import AlpacaStream
from tests.adapters.ib.ib_desk import until
from tests.adapters.taken_ticks import taken, together
from trading.errors import InvalidValue, UnknownSymbol
from trading.monitoring.tick_batch import TickBatch

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
AN_HOUR = 3600


class Desk:
    """IQFeed first, then Alpaca; both tell trades at prices that name the second: 100 + s, and 1000 + s."""

    def __init__(self, iqfeed: IqfeedServer, alpaca: AlpacaStream, folder: Path, **options: int) -> None:
        self.iqfeed, self.alpaca, self.second = iqfeed, alpaca, 0.0
        self.told: dict[str, list[TickBatch]] = {"iqfeed": [], "alpaca": []}
        ports = {f"{port.value}_port": iqfeed.ports[port] for port in Port}
        first, second = TickTap(), TickTap()
        settings = IqfeedSettings(**{**ports, "answer_seconds": 2, "retry_seconds": 0.02})
        access = alpaca.access(folder)
        self.taps = {"iqfeed": first, "alpaca": second}
        self.feeds = [
            TappedTicks("iqfeed", IqfeedQuotes(settings=settings, now=self.now, tap=first), first),
            TappedTicks("alpaca", AlpacaQuoteStream(access=access, now=self.now, tap=second), second),
        ]
        self.ticks = FailoverTicks(self.feeds, **options)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.second)

    async def a_second(self, *, iqfeed: bool = False, alpaca: bool = False) -> None:
        """Have a second pass, in the middle of which the feeds tell a trade or not, and take what has come."""
        start, self.second = self.second, self.second + 0.5
        waiting: list[Callable[[], bool]] = []
        if iqfeed:
            line = f"Q,AAPL,99,101,1,1,{100 + start},1,0,Cba,11/20/2026,12:00:00,"
            waiting.append(await self._telling("iqfeed", self.iqfeed.say(Port.LEVEL1, line)))
        if alpaca:
            waiting.append(await self._telling("alpaca", self.alpaca.trade("AAPL", 1000 + start, 1, self.now())))
        await until(lambda: all(came() for came in waiting))
        self.second = start + 1
        batch = self.ticks.take(microseconds(self.now()))
        self.told[self.ticks.name].append(batch)

    async def _telling(self, name: str, message: object) -> Callable[[], bool]:
        trades = self.taps[name].buffer._trades.fresh
        count = len(trades)
        await message  # type: ignore[misc] # a coroutine of a server
        return lambda: len(self.taps[name].buffer._trades.fresh) > count

    def prices(self, name: str) -> list[float]:
        return together(TickBatch(), *self.told[name]).trade_px.tolist()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    free = dict.fromkeys(("port_level1", "port_level2", "port_lookup", "port_admin"), 0)
    async with IqfeedServer(ServerSettings(**free)) as iqfeed, AlpacaStream() as alpaca:
        desk = Desk(iqfeed, alpaca, tmp_path)
        yield desk
        await desk.ticks.close()


async def test_a_dead_feed_is_left_within_two_expected_intervals_and_taken_back_when_it_tells_again(desk: Desk):
    """It tells once a second, so that 1.5 s are expected: after its last tick, at 59.5, it is dead by 62.5."""
    await desk.ticks.subscribe({"AAPL": 0})
    for _ in range(60):
        await desk.a_second(iqfeed=True)
    asked = len(desk.alpaca.subscribed)

    desk.iqfeed.faults.arm(Fault.SILENT, Port.LEVEL1, times=None)
    for _ in range(3):
        await desk.a_second()
    switched = desk.ticks.switched()
    await until(lambda: desk.alpaca.subscribed_trades == {"AAPL"})
    for _ in range(30):
        await desk.a_second(alpaca=True)
    for _ in range(61):
        await desk.a_second(iqfeed=True, alpaca=True)
    back = desk.ticks.switched()
    await until(lambda: not desk.alpaca.subscribed_trades)
    await desk.a_second(iqfeed=True)

    assert asked == 0, "the second feed takes no line before it is needed"
    assert [(s.at_us, s.before, s.after) for s in switched] == [(at(63), "iqfeed", "alpaca")]
    assert "silent for 2.3 expected intervals" in switched[0].why
    assert back == (FeedSwitch(at_us=at(154), before="alpaca", after="iqfeed", why="it has told again for 60 s"),)
    assert desk.prices("iqfeed") == [*range(100, 160), 254]
    assert desk.prices("alpaca") == list(range(1063, 1154))
    assert desk.ticks.switches == 2


async def test_no_moment_is_told_twice_and_each_batch_is_of_the_feed_that_is_named(desk: Desk):
    await desk.ticks.subscribe({"AAPL": 0})
    for _ in range(30):
        await desk.a_second(iqfeed=True)
    desk.iqfeed.faults.arm(Fault.SILENT, Port.LEVEL1, times=None)
    for _ in range(3):
        await desk.a_second()
    await until(lambda: desk.alpaca.subscribed_trades == {"AAPL"})
    late = microseconds(desk.now()) - 1_000_000
    desk.taps["alpaca"].buffer.trade(0, 1.0, 1.0, late, late)

    for _ in range(61):
        await desk.a_second(iqfeed=True, alpaca=True)

    received = {name: together(TickBatch(), *told).trade_received_at for name, told in desk.told.items()}
    both = np.concatenate(list(received.values()))
    assert 1.0 not in desk.prices("alpaca"), "received before the switch"
    assert len(np.unique(both)) == len(both) == 30 + 61
    assert len(received["alpaca"]) == 61


async def test_the_feed_is_subscribed_anew_as_it_falls_silent_and_a_silent_symbol_alone_too(desk: Desk):
    await desk.ticks.subscribe({"AAPL": 0, "IBM": 1})
    for second in range(33):
        if second < 30:
            await desk.iqfeed.say(Port.LEVEL1, "Q,IBM,99,101,1,1,7,1,0,Cba,11/20/2026,12:00:00,")
        await desk.a_second(iqfeed=True)
    heard = together(*desk.told["iqfeed"])

    await desk.a_second(iqfeed=True)
    renewed = await taken(desk.feeds[0], quotes=1)
    for _ in range(3):
        await desk.a_second()
    all_renewed = await taken(desk.feeds[0], quotes=2)

    assert np.bincount(heard.quote_symbol).tolist() == [34, 31], "the first summary, and every update"
    assert renewed.quote_symbol.tolist() == [1], "IBM was told each second, and is silent for 4.5 s of 1.5 expected"
    assert sorted(all_renewed.quote_symbol) == [0, 1]


async def test_a_first_feed_that_is_away_from_the_start_is_no_reason_to_be_blind(desk: Desk):
    await desk.iqfeed.go_away()

    await desk.ticks.subscribe({"AAPL": 0})
    problems = dict(desk.ticks.problems())
    for _ in range(21):
        await desk.a_second()
    await until(lambda: desk.alpaca.subscribed_trades == {"AAPL"})
    await desk.a_second(alpaca=True)

    assert set(problems) == {"AAPL"}
    assert desk.prices("alpaca") == [1021]
    await desk.iqfeed.come_back()


async def test_silence_before_the_open_is_no_fault(tmp_path: Path):
    free = dict.fromkeys(("port_level1", "port_level2", "port_lookup", "port_admin"), 0)
    async with IqfeedServer(ServerSettings(**free)) as iqfeed, AlpacaStream() as alpaca:
        desk = Desk(iqfeed, alpaca, tmp_path, from_us=at(AN_HOUR))
        await desk.ticks.subscribe({"AAPL": 0})

        for _ in range(40):
            await desk.a_second()
        desk.second = AN_HOUR
        for _ in range(20):
            await desk.a_second()
        early = desk.ticks.switches
        for _ in range(2):
            await desk.a_second()

        assert (early, desk.ticks.switches) == (0, 1)
        await desk.ticks.close()


async def test_what_the_feed_does_not_know_is_named_and_feeds_have_each_a_name(desk: Desk):
    with pytest.raises(UnknownSymbol, match="NOSUCH"):
        await desk.ticks.subscribe({"NOSUCH": 0, "AAPL": 1})
    with pytest.raises(InvalidValue, match="each named once"):
        FailoverTicks([desk.ticks, desk.ticks])

    await desk.ticks.unsubscribe(["AAPL"])
    await until(lambda: desk.iqfeed.watched(Port.LEVEL1) == [frozenset()])

    assert desk.ticks.problems() == {
        "NOSUCH": "iqfeed does not know NOSUCH; check the spelling, or name another source"
    }


def at(second: float) -> int:
    return microseconds(NOON + timedelta(seconds=second))
