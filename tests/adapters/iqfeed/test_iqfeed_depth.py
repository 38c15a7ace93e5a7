"""Order books of IQFeed, from a server on loopback that speaks its protocol."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from iqfeed_desk import NOON, Clock, settings_of, until

from adapters.iqfeed.level1 import NO_SERVERS
from adapters.iqfeed.level2 import DepthFeed, IqfeedDepth
from iqfeed_server.faults import Fault, Port
from iqfeed_server.market import Level, Tick
from iqfeed_server.server import IqfeedServer
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.market.depth import OrderBook, PriceLevel

FUTURE = "@ES#"
PRICES = Tick(bid=299999, ask=300001, bid_size=1, ask_size=1, last=300000, last_size=1)


@pytest.fixture
async def depth(server: IqfeedServer, clock: Clock) -> AsyncIterator[IqfeedDepth]:
    server.market.set_tick(FUTURE, PRICES)
    stream = IqfeedDepth(settings=settings_of(server), now=clock)
    yield stream
    await stream.close()


@pytest.fixture
async def stocks(server: IqfeedServer, clock: Clock) -> AsyncIterator[IqfeedDepth]:
    stream = IqfeedDepth(settings=settings_of(server, answer_seconds=0.3), now=clock, feed=DepthFeed.ORDERS)
    yield stream
    await stream.close()


def a_level(side: str, price: int, size: int, maker: str = "NSDQ") -> Level:
    return Level(side=side, price=price, size=size, orders=2, maker=maker)


def prices(book: OrderBook) -> tuple[list[float], list[float]]:
    return [level.price for level in book.bids], [level.price for level in book.asks]


async def test_a_book_has_its_levels_best_first(depth: IqfeedDepth):
    await depth.subscribe([FUTURE])

    await until(lambda: len(depth.books()[FUTURE].asks) == 10)
    book = depth.books()[FUTURE]
    assert prices(book)[0][:3] == [2999.99, 2999.98, 2999.97]
    assert prices(book)[1][:3] == [3000.01, 3000.02, 3000.03]
    assert (len(book.bids), book.at, book.error) == (10, NOON, "")


async def test_a_book_follows_what_is_added_changed_and_taken_away(server: IqfeedServer, depth: IqfeedDepth):
    await depth.subscribe([FUTURE])

    for level in (a_level("B", 300000, 7), a_level("A", 300001, 0), a_level("B", 299999, 4)):
        await server.change_depth(FUTURE, level)
    await until(lambda: depth.books()[FUTURE].bids[1].size == 4)

    book = depth.books()[FUTURE]
    assert book.bids[:2] == (PriceLevel(price=3000.0, size=7, orders=2), PriceLevel(price=2999.99, size=4, orders=2))
    assert prices(book)[1][0] == 3000.02


async def test_messages_are_read_as_recorded(server: IqfeedServer, depth: IqfeedDepth):
    """As recorded in github.com/mathpaquette/IQFeed.CSharpApiClient, Level2MessageHandlerTests.cs."""
    await depth.subscribe([FUTURE])
    await server.say(Port.LEVEL2, f"S,CLEAR DEPTH,{FUTURE},B,", f"S,CLEAR DEPTH,{FUTURE},A,")

    await server.say(
        Port.LEVEL2,
        f"7,{FUTURE},B,2938.25,65,11,2,20:31:04.876740,2019-04-23,",
        f"7,{FUTURE},A,2938.50,10,3,2,20:31:04.876740,2019-04-23,",
        f"7,{FUTURE},A,2938.75,20,4,2,20:31:04.876740,2019-04-23,",
        f"8,{FUTURE},B,2938.25,60,10,2,20:31:04.876740,2019-04-23,",
        f"9,{FUTURE},A,2938.50,20:31:04.876740,2019-04-23,",
    )
    await until(lambda: [level.price for level in depth.books()[FUTURE].asks] == [2938.75])

    book = depth.books()[FUTURE]
    assert book.bids == (PriceLevel(price=2938.25, size=60, orders=10),)
    assert depth.strange_lines == 0


async def test_what_market_makers_quote_is_summed_by_price(server: IqfeedServer, stocks: IqfeedDepth):
    """As recorded in github.com/rburkholder/trade-frame: `4,SPY,,NSDQ,B,451.4400,300,,4,11:33:27.030724,2022-04-01`."""
    await stocks.subscribe(["SPY"])
    await server.say(Port.LEVEL2, "S,CLEAR DEPTH,SPY,B,", "S,CLEAR DEPTH,SPY,A,")
    stamp = "4,11:33:27.030724,2022-04-01,"

    await server.say(
        Port.LEVEL2,
        f"6,SPY,,ARCX,B,451.4400,200,,{stamp}",
        f"6,SPY,,BATS,B,451.4300,500,,{stamp}",
        f"4,SPY,,NSDQ,B,451.4400,300,,{stamp}",
    )
    await until(lambda: len(stocks.books()["SPY"].bids) == 2 and stocks.books()["SPY"].bids[0].size == 500)
    first = stocks.books()["SPY"].bids
    await server.say(Port.LEVEL2, f"4,SPY,,ARCX,B,451.4500,100,,{stamp}", f"5,SPY,,NSDQ,B,{stamp[2:]}")
    await until(lambda: stocks.books()["SPY"].bids[0].price == 451.45)
    await until(lambda: len(stocks.books()["SPY"].bids) == 2)

    assert first == (PriceLevel(price=451.44, size=500, orders=2), PriceLevel(price=451.43, size=500, orders=1))
    assert stocks.books()["SPY"].bids == (
        PriceLevel(price=451.45, size=100, orders=1),
        PriceLevel(price=451.43, size=500, orders=1),
    )


async def test_a_symbol_without_such_a_book_and_an_unknown_one_are_told(depth: IqfeedDepth):
    with pytest.raises(SourceUnavailable, match="AAPL has no order book of this kind"):
        await depth.subscribe(["AAPL", FUTURE])
    with pytest.raises(UnknownSymbol, match="NOSUCH"):
        await depth.subscribe(["NOSUCH"])

    assert set(depth.books()) == {FUTURE}


async def test_a_book_begins_anew_after_the_connection_was_cut(server: IqfeedServer, depth: IqfeedDepth):
    await depth.subscribe([FUTURE])
    await server.change_depth(FUTURE, a_level("B", 300000, 7))
    await until(lambda: depth.books()[FUTURE].bids[0].price == 3000)
    server.faults.arm(Fault.DROP_MID_LINE, Port.LEVEL2)

    await server.change_depth(FUTURE, a_level("B", 299900, 7))
    await until(lambda: depth.books()[FUTURE].error)
    lost = depth.books()[FUTURE]
    await until(lambda: len(depth.books()[FUTURE].asks) == 10)

    assert (lost.bids, lost.asks) == ((), ())
    assert depth.books()[FUTURE].bids[0].price == 2999.99


async def test_a_book_begins_anew_after_the_feed_was_lost(server: IqfeedServer, depth: IqfeedDepth):
    await depth.subscribe([FUTURE])
    await server.lose_feed()
    await until(lambda: depth.books()[FUTURE].error == NO_SERVERS)

    server.market.set_tick(FUTURE, replace(PRICES, last=310000))
    await server.restore_feed()

    await until(lambda: len(depth.books()[FUTURE].asks) == 10 and not depth.books()[FUTURE].error)
    assert depth.books()[FUTURE].asks[0].price == 3100.01


async def test_an_empty_book_is_subscribed(server: IqfeedServer, stocks: IqfeedDepth):
    server.faults.arm(Fault.SILENT, Port.LEVEL2, after=1, times=None)

    await stocks.subscribe(["SPY"])

    assert stocks.books()["SPY"] == OrderBook(symbol="SPY")


@pytest.mark.parametrize(
    "line",
    [
        f"8,{FUTURE},B,nan,65,11,2,20:31:04.876740,2019-04-23,",
        f"8,{FUTURE},X,2938.25,65,11,2,20:31:04.876740,2019-04-23,",
        f"8,{FUTURE},B,2938.25,-1,11,2,20:31:04.876740,2019-04-23,",
        f"4,{FUTURE},,NSDQ,B,1,nan,,4,11:33:27.030724,2022-04-01,",
        f"S,CLEAR DEPTH,{FUTURE},Z,",
        "8",
    ],
)
async def test_a_book_of_which_a_change_cannot_be_read_is_gone_until_it_is_subscribed_anew(
    server: IqfeedServer, depth: IqfeedDepth, line: str
):
    await depth.subscribe([FUTURE])
    await until(lambda: len(depth.books()[FUTURE].asks) == 10)

    await server.say(Port.LEVEL2, line)
    await until(lambda: depth.strange_lines)
    await server.change_depth(FUTURE, a_level("B", 299999, 4))
    await server.say(Port.LEVEL2, "E,!SYNTAX_ERROR!,")
    await until(lambda: depth.strange_lines == 2)
    given_up = depth.books()[FUTURE]
    await depth.unsubscribe([FUTURE])
    await depth.subscribe([FUTURE])
    await until(lambda: len(depth.books()[FUTURE].asks) == 10)

    assert (given_up.bids, given_up.asks, given_up.error) == ((), (), "a change of it could not be read")
    assert (len(depth.books()[FUTURE].bids), depth.books()[FUTURE].error) == (10, "")


@pytest.mark.parametrize("line", ["E,!SYNTAX_ERROR!,", "U,INVALID,RESPONSE"])
async def test_a_line_of_no_book_changes_none(server: IqfeedServer, depth: IqfeedDepth, line: str):
    await depth.subscribe([FUTURE])
    await until(lambda: len(depth.books()[FUTURE].asks) == 10)
    before = depth.books()

    await server.say(Port.LEVEL2, line)
    await until(lambda: depth.strange_lines)

    assert depth.books() == before
