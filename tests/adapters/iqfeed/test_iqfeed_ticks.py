"""Every trade and best price of IQFeed, from a server on loopback that speaks its protocol."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from iqfeed_desk import NOON, Clock, a_server, settings_of, until

from adapters.iqfeed.level1 import IqfeedQuotes, trade_time
from adapters.tapped_ticks import TappedTicks
from adapters.tick_buffer import TickBuffer
from adapters.tick_tap import TickTap, microseconds
from iqfeed_server.faults import Port
from iqfeed_server.market import Tick
from iqfeed_server.server import IqfeedServer
from tests.adapters.taken_ticks import EVER, taken, together
from trading.errors import SourceUnavailable, UnknownSymbol

APPLE = Tick(bid=18825, ask=18836, bid_size=100, ask_size=300, last=18835, last_size=52500)


def ticks_of(server: IqfeedServer, clock: Clock, *, most_quotes: int = 1000) -> TappedTicks:
    tap = TickTap(TickBuffer(most_quotes=most_quotes))
    return TappedTicks("iqfeed", IqfeedQuotes(settings=settings_of(server), now=clock, tap=tap), tap)


@pytest.fixture
async def ticks(server: IqfeedServer, clock: Clock) -> AsyncIterator[TappedTicks]:
    stream = ticks_of(server, clock, most_quotes=50)
    yield stream
    await stream.close()


def update(px: float, size: int, time: str, contents: str, bid: float = 188.25, ask: float = 188.36) -> str:
    """Write an update in the fields that are asked for."""
    return f"Q,AAPL,{bid},{ask},100,300,{px},{size},0,{contents},11/20/2026,{time},"


async def test_a_summary_is_a_quote_and_no_trade(server: IqfeedServer, ticks: TappedTicks):
    server.market.set_tick("AAPL", APPLE)

    await ticks.subscribe({"AAPL": 2})

    batch = ticks.take(EVER)
    assert len(batch.trade_px) == 0
    assert (batch.quote_symbol[0], batch.bid[0], batch.ask[0]) == (2, 188.25, 188.36)
    assert (batch.bid_size[0], batch.ask_size[0]) == (100, 300)
    assert batch.quoted_at[0] == batch.quote_received_at[0] == microseconds(NOON)


async def test_the_contents_of_an_update_tell_trades_from_quotes(server: IqfeedServer, ticks: TappedTicks):
    """C is a trade that counts as last, E one of extended hours, O another; a and b are ask and bid, v the volume."""
    await ticks.subscribe({"AAPL": 0})
    ticks.take(EVER)

    contents = ["C", "ba", "Cba", "E", "Ov", "v", "b", ""]
    lines = [update(100 + n, n + 1, f"12:00:00.00000{n}", told) for n, told in enumerate(contents)]
    await server.say(Port.LEVEL1, *lines, update(1, 1, "12:00:01.000000", "C"))

    batch = await taken(ticks, trades=5)
    noon = microseconds(NOON)
    assert batch.trade_px.tolist() == [100.0, 102.0, 103.0, 104.0, 1.0]
    assert batch.trade_size.tolist() == [1, 3, 4, 5, 1]
    assert batch.traded_at.tolist() == [noon, noon + 2, noon + 3, noon + 4, noon + 1_000_000]
    assert len(batch.bid) == 3


async def test_every_trade_is_told_once_in_order_and_a_burst_of_quotes_is_conflated_and_counted(
    server: IqfeedServer, ticks: TappedTicks
):
    await ticks.subscribe({"AAPL": 0})
    ticks.take(EVER)

    for n in range(300):
        await server.say(Port.LEVEL1, update(100 + n, 1, f"12:00:00.{n:06d}", "Cba", bid=10 + n, ask=11 + n))
        if n == 150:
            first = await taken(ticks, trades=151)
            server.drop_connections(Port.LEVEL1)
            await until(ticks.problems)
            await until(lambda: not ticks.problems())
    batch = together(first, await taken(ticks, trades=149))
    assert batch.trade_px.tolist() == [100 + n for n in range(300)]
    assert len(batch.bid) + ticks.conflated == 301, "and the summary after the connection was made again"
    assert batch.bid[-1] == 309


async def test_a_trade_without_a_time_is_told_as_received_and_a_short_line_not_at_all(
    server: IqfeedServer, ticks: TappedTicks
):
    await ticks.subscribe({"AAPL": 0})

    await server.say(Port.LEVEL1, "Q,AAPL,1,2,100,300,7,1,0", update(8, 1, "noon", "C"))
    batch = await taken(ticks, trades=1)
    assert batch.trade_px.tolist() == [8.0]
    assert batch.traded_at.tolist() == batch.trade_received_at.tolist()


async def test_a_stale_symbol_is_watched_anew_and_an_unknown_one_is_named(server: IqfeedServer, ticks: TappedTicks):
    with pytest.raises(UnknownSymbol, match="NOSUCH"):
        await ticks.subscribe({"AAPL": 0, "NOSUCH": 1})
    first = len(ticks.take(EVER))

    await ticks.subscribe({"AAPL": 0})

    assert first == len(await taken(ticks, quotes=1)) == 1
    assert server.watched(Port.LEVEL1) == [frozenset({"AAPL"})]


async def test_one_symbol_that_cannot_be_spelled_does_not_cost_the_others(server: IqfeedServer, ticks: TappedTicks):
    with pytest.raises(SourceUnavailable, match="as IQFeed spells it"):
        await ticks.subscribe({"brk.b": 0, "AAPL": 1})

    assert set(ticks.problems()) == {"brk.b"}
    assert set(ticks.take(EVER).quote_symbol) == {1}


async def test_an_iqconnect_that_is_away_is_asked_again(server: IqfeedServer, clock: Clock):
    await server.go_away()
    tap = TickTap()
    stream = IqfeedQuotes(settings=settings_of(server), now=clock, tap=tap)
    ticks = TappedTicks("iqfeed", stream, tap, again_after=timedelta(seconds=0.02))
    with pytest.raises(SourceUnavailable, match="AAPL: IQConnect at"):
        await ticks.subscribe({"AAPL": 0})

    await server.come_back()
    await taken(ticks, quotes=1)

    assert ticks.problems() == {}
    await ticks.close()


@pytest.mark.parametrize(
    ("day", "time", "utc"),
    [
        ("11/20/2026", "09:30:00.123456", datetime(2026, 11, 20, 14, 30, 0, 123456, tzinfo=UTC)),
        ("07/01/2026", "16:00:00.5", datetime(2026, 7, 1, 20, 0, 0, 500000, tzinfo=UTC)),
        ("03/08/2026", "03:00:00", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ],
)
def test_the_time_of_a_trade_is_new_yorks_in_summer_and_winter(day: str, time: str, utc: datetime):
    assert trade_time(day, time) == microseconds(utc)


async def test_an_account_over_its_limit_says_which_symbols_are_not_had(clock: Clock):
    async with a_server(symbol_limit=1) as server:
        ticks = ticks_of(server, clock)

        with pytest.raises(SourceUnavailable, match="IBM: IBM is one more than may be watched"):
            await ticks.subscribe({"AAPL": 0, "IBM": 1})

        assert set(ticks.problems()) == {"IBM"}
        await ticks.close()
