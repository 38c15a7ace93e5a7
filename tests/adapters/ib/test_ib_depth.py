"""Order books of Interactive Brokers: rows as IB numbers them, and no number where they cannot be right."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from adapters.ib.depth import IbDepth
from adapters.ib.depth_rows import ROWS
from adapters.tick_tap import microseconds
from adapters.watched_books import WatchedBooks
from ib_gateway.client import Client
from ib_gateway.market_depth_requests import KIND, PRICES
from ib_gateway.scenarios import Action, Fault
from tests.adapters.ib.ib_desk import Desk, until
from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.depth import DepthStream, OrderBook
from trading.monitoring.tick_batch import TickBatch

ASK, BID = 0, 1
INSERT, UPDATE, DELETE = 0, 1, 2
Row = tuple[int, str, int, int, float, float]  # position, exchange, operation, side, price, size


@pytest.fixture
async def depth(desk: Desk) -> AsyncIterator[IbDepth]:
    stream = depth_of(desk)
    yield stream
    await stream.close()


def depth_of(desk: Desk, **patience: Any) -> IbDepth:
    return IbDepth(settings=desk.settings(**patience), now=desk.clock, sessions=desk.sessions[-1])


def line_of(desk: Desk) -> tuple[Client, int]:
    """Return the client that has the newest book, and the number of its request."""
    lines = [
        (number, client) for client in desk.gateway.clients for kind, number in client.subscriptions if kind == KIND
    ]
    number, client = max(lines, key=lambda line: line[0])
    return client, number


def reset(desk: Desk, *rows: Row) -> None:
    """Have IB empty the newest book, and tell these rows."""
    client, number = line_of(desk)
    client.tell(
        number, 317, "Market depth data has been RESET. Please empty deep book contents before applying any new"
    )
    tell(desk, *rows)


def tell(desk: Desk, *rows: Row) -> None:
    client, number = line_of(desk)
    for row in rows:
        client.post(13, 1, number, *row, True)


def rows_of(side: int, *prices_and_sizes: tuple[float, float]) -> list[Row]:
    return [(n, "ARCA", INSERT, side, px, size) for n, (px, size) in enumerate(prices_and_sizes)]


def bids(book: OrderBook) -> list[tuple[float, float]]:
    return [(level.price, level.size) for level in book.bids]


def asks(book: OrderBook) -> list[tuple[float, float]]:
    return [(level.price, level.size) for level in book.asks]


async def whole(desk: Desk, depth: DepthStream, symbol: str = "AAPL") -> None:
    """Wait until the book has each row of its newest request: they come in as many pieces as the network likes."""

    def has_all() -> bool:
        rows = [(m.fields[1], float(m.fields[-1])) for m in desk.gateway.wire_log if m.name == "updateMktDepth"]
        rows += [(m.fields[1], float(m.fields[-2])) for m in desk.gateway.wire_log if m.name == "updateMktDepthL2"]
        newest = max((int(number) for number, _ in rows), default=0)
        book = depth.books()[symbol]
        told = sum(size for number, size in rows if int(number) == newest)
        return 0 < told == sum(level.size for level in (*book.bids, *book.asks))

    await until(has_all)


async def begun(desk: Desk, depth: DepthStream) -> None:
    """Have the book of AAPL, as the simulated market is."""
    await depth.subscribe(["AAPL"])
    await whole(desk, depth)


async def test_the_book_of_a_stock_is_that_of_all_exchanges_summed_up_by_price(desk: Desk, depth: IbDepth):
    await begun(desk, depth)
    told = [m.fields for m in desk.gateway.wire_log if m.name == "updateMktDepthL2"]
    asked = next(m.fields for m in desk.gateway.wire_log if m.name == "reqMktDepth")

    book = depth.books()["AAPL"]

    assert [level.price for level in book.bids] == pytest.approx([200 - n / 100 for n in range(1, PRICES + 1)])
    assert [level.price for level in book.asks] == pytest.approx([200 + n / 100 for n in range(1, PRICES + 1)])
    best = [int(fields[7]) for fields in told if fields[5:7] == ("1", "199.99")]
    assert len(best) > 1, "only one exchange bids, so nothing was summed up"
    assert book.bids[0].size == sum(best)
    assert (book.at, book.since, book.error, book.lacks) == (desk.clock(), desk.clock(), "", "")
    assert asked[-3:] == (str(ROWS), "1", ""), "rows, SMART depth"


async def test_rows_of_a_recorded_session_give_the_book_that_they_end_in(desk: Desk, depth: IbDepth):
    """As a client recorded them; 2152 names what the user has no permission for.

    https://github.com/wboayue/rust-ibapi/blob/main/src/testdata/responses.rs
    """
    await begun(desk, depth)

    reset(desk, (0, "OVERNIGHT", 0, 1, 235.84, 300), (0, "OVERNIGHT", 0, 0, 236.09, 200))
    client, number = line_of(desk)
    text = "Exchanges - Depth: IEX; Top: BYX; Need additional market data permissions - Depth: BATS; ARCA; "
    client.tell(number, 2152, text)
    tell(
        desk,
        (1, "OVERNIGHT", 0, 1, 235.84, 300),
        (0, "IBEOS", 1, 1, 235.84, 100),
        (1, "IBEOS", 0, 0, 236.26, 100),
        (1, "OVERNIGHT", 1, 1, 235.84, 200),
        (0, "OVERNIGHT", 1, 1, 235.84, 200),
        (1, "IBEOS", 1, 1, 235.82, 100),
    )
    await until(lambda: len(depth.books()["AAPL"].asks) == 2)

    book = depth.books()["AAPL"]
    assert bids(book) == [(235.84, 200), (235.82, 100)]
    assert asks(book) == [(236.09, 200), (236.26, 100)]
    assert book.lacks == "without what this user has no permission for (Depth: BATS; ARCA)"


async def test_an_insert_shifts_the_rows_below_it_and_a_delete_shifts_them_back(desk: Desk, depth: IbDepth):
    """As documented: insert into the row, delete the row at that position.

    https://interactivebrokers.github.io/tws-api/market_depth.html
    """
    await begun(desk, depth)

    reset(desk, *rows_of(BID, (100, 1), (99, 2), (98, 3)), (1, "IEX", INSERT, BID, 99.5, 4))
    await until(lambda: bids(depth.books()["AAPL"]) == [(100, 1), (99.5, 4), (99, 2), (98, 3)])
    tell(desk, (0, "", DELETE, BID, 0, 0), (2, "ARCA", UPDATE, BID, 98, 7))
    await until(lambda: depth.books()["AAPL"].bids[0].price == 99.5)

    assert bids(depth.books()["AAPL"]) == [(99.5, 4), (99, 2), (98, 7)]


async def test_a_book_as_deep_as_asked_for_leaves_out_its_last_price(desk: Desk, depth: IbDepth):
    """The row below the last may be of the same price."""
    await begun(desk, depth)

    reset(desk, *rows_of(ASK, *[(100 + n // 4, 10) for n in range(ROWS)]), (0, "IEX", INSERT, ASK, 100, 5))
    await until(lambda: depth.books()["AAPL"].asks and depth.books()["AAPL"].asks[0].size == 45)

    assert asks(depth.books()["AAPL"]) == [(100, 45), *[(101 + n, 40) for n in range(8)]]


async def test_half_a_change_is_waited_for_and_not_shown(desk: Desk, depth: IbDepth):
    await begun(desk, depth)
    reset(desk, *rows_of(BID, (100, 1), (99, 2)))
    await until(lambda: len(depth.books()["AAPL"].bids) == 2)

    tell(desk, (0, "ARCA", UPDATE, BID, 98, 5))
    await until(lambda: depth.books()["AAPL"].error)
    doubted, desk.clock.at = depth.books()["AAPL"], desk.clock.at + timedelta(seconds=5)
    tell(desk, (1, "ARCA", UPDATE, BID, 97, 6))
    await until(lambda: depth.books()["AAPL"].bids)

    assert bids(doubted) == []
    assert "its rows are in no order: bid 98 stands before 99" in doubted.error
    assert bids(depth.books()["AAPL"]) == [(98, 5), (97, 6)]
    assert depth.books()["AAPL"].since == desk.clock(), "it is not believed to be whole at once"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((1, "IEX", UPDATE, ASK, 99.0, 5), "its rows are in no order: ask 100 stands before 99"),
        ((3, "IEX", INSERT, ASK, 104, 5), "row 3, operation 0, side 0"),
        ((2, "IEX", UPDATE, ASK, 104, 5), "row 2, operation 1, side 0"),
        ((2, "", DELETE, ASK, 0, 0), "row 2, operation 2, side 0"),
        ((-1, "IEX", UPDATE, ASK, 104, 5), "row -1, operation 1, side 0"),
        ((0, "IEX", 3, ASK, 100, 5), "row 0, operation 3, side 0"),
        ((0, "IEX", UPDATE, 2, 100, 5), "row 0, operation 1, side 2"),
        ((0, "IEX", UPDATE, ASK, 100, -5), "row 0, operation 1, side 0"),
        ((0, "IEX", UPDATE, ASK, float("nan"), 5), "row 0, operation 1, side 0"),
    ],
)
async def test_rows_that_cannot_be_so_cost_the_book_until_it_is_asked_for_anew(
    desk: Desk, depth: IbDepth, row: Row, why: str
):
    books = WatchedBooks(depth, most=1, now=desk.clock)
    await books.want({"AAPL": 0})
    await until(lambda: depth.books()["AAPL"].asks)
    reset(desk, *rows_of(ASK, (100, 1), (101, 2)))
    await until(lambda: len(depth.books()["AAPL"].asks) == 2)

    client, number = line_of(desk)
    client.post(13, 1, number, *(str(value) for value in row), True)  # as text, since nobody sends a NaN on purpose
    await until(lambda: why in depth.books()["AAPL"].error and not depth.books()["AAPL"].asks)
    told = books.added_to(TickBatch(), microseconds(desk.clock()) + 2_000_000)
    problems = books.problems()
    await books.want({"AAPL": 0})
    await until(lambda: len(depth.books()["AAPL"].asks) == PRICES)

    assert not len(told.book_symbol)
    assert why in problems["AAPL"]
    assert (desk.heard("reqMktDepth"), desk.heard("cancelMktDepth")) == (2, 1)


async def test_a_reset_empties_the_book_until_it_is_told_again(desk: Desk, depth: IbDepth):
    await begun(desk, depth)

    reset(desk)
    await until(lambda: not depth.books()["AAPL"].asks)
    emptied = depth.books()["AAPL"]
    tell(desk, *rows_of(BID, (50, 3)))
    await until(lambda: depth.books()["AAPL"].bids)

    assert (emptied.at, emptied.error) == (None, ""), "an empty book would be a depth of 0"
    assert (bids(depth.books()["AAPL"]), asks(depth.books()["AAPL"])) == ([(50, 3)], [])


async def test_a_fourth_book_is_refused_here_and_one_too_many_at_ib_names_the_limit(desk: Desk, depth: IbDepth):
    """Max number (3) of market depth requests has been reached; it counts all sessions of the user."""
    await depth.subscribe(["AAPL", "MSFT", "KO"])

    with pytest.raises(InvalidValue, match="order books is 4, but must be at most 3"):
        await depth.subscribe(["IBM"])
    other = depth_of(desk, client_id=50)
    await other.subscribe(["IBM"])
    await until(lambda: other.books()["IBM"].error)

    assert other.books()["IBM"].error.startswith("309: Max number (3) of market depth requests has been reached; ")
    assert set(depth.books()) == {"AAPL", "MSFT", "KO"}
    await depth.unsubscribe(["KO"])
    await until(lambda: desk.heard("cancelMktDepth") == 1)
    await other.unsubscribe(["IBM"])
    await other.subscribe(["IBM"])
    await until(lambda: other.books()["IBM"].bids)
    await other.close()


@pytest.mark.parametrize("code", [316, 354, 10092])
async def test_what_ib_refuses_or_halts_is_the_error_of_its_book(desk: Desk, depth: IbDepth, code: int):
    await begun(desk, depth)

    client, number = line_of(desk)
    client.tell(number, code, "no more")
    await until(lambda: depth.books()["AAPL"].error)

    assert depth.books()["AAPL"] == OrderBook(symbol="AAPL", error=f"{code}: no more")


async def test_exchanges_without_a_permission_are_among_the_problems_and_the_book_is_told(desk: Desk, depth: IbDepth):
    desk.gateway.market.without_depth |= {"NYSE", "ARCA"}
    books = WatchedBooks(depth, most=1, now=desk.clock)

    await books.want({"AAPL": 0})
    await whole(desk, depth)
    desk.clock.at += timedelta(seconds=1)
    await until(lambda: depth.books()["AAPL"].lacks)

    batch = books.added_to(TickBatch(), microseconds(desk.clock()))
    why = "order book: without what this user has no permission for (Depth: NYSE; ARCA)"
    assert books.problems() == {"AAPL": why}
    assert np.isfinite(batch.book_levels).all()
    assert batch.book_symbol.tolist() == [0]


async def test_books_are_asked_for_anew_after_a_reconnect_and_none_is_shown_meanwhile(desk: Desk, depth: IbDepth):
    await begun(desk, depth)
    before = depth.books()["AAPL"]

    await desk.gateway.go_away()
    await until(lambda: depth.books()["AAPL"].error)
    lost = depth.books()["AAPL"]
    await desk.gateway.come_back()
    await until(lambda: depth.books()["AAPL"] == before)

    assert lost == OrderBook(symbol="AAPL", error="the connection to IB was lost")
    assert desk.heard("reqMktDepth") == 2


async def test_books_that_ib_has_lost_are_asked_for_anew_when_the_link_is_back(desk: Desk, depth: IbDepth):
    await begun(desk, depth)

    desk.gateway.lose_link()
    await until(lambda: depth.books()["AAPL"].error.startswith("1100: "))
    desk.gateway.restore_link(1101)

    await until(lambda: depth.books()["AAPL"].asks)
    assert desk.heard("reqMktDepth") == 2


async def test_a_book_that_ib_says_it_has_kept_is_not_believed_but_wanted_anew(desk: Desk, depth: IbDepth):
    """1102: the data are maintained. What changed meanwhile was not told."""
    books = WatchedBooks(depth, most=1, now=desk.clock)
    await books.want({"AAPL": 0})
    await until(lambda: depth.books()["AAPL"].asks)

    desk.gateway.lose_link()
    await until(lambda: depth.books()["AAPL"].error)
    desk.gateway.restore_link(1102)
    back = desk.clock.at = desk.clock.at + timedelta(seconds=5)
    async with asyncio.timeout(20):
        while desk.heard("reqMktDepth") < 2:
            await books.want({"AAPL": 0})  # as the watch does every few seconds

    await until(lambda: depth.books()["AAPL"].asks)
    assert depth.books()["AAPL"].since == back
    assert desk.heard("cancelMktDepth") == 1, "the old one would count among the three"


async def test_a_currency_pair_has_the_rows_of_its_one_exchange(desk: Desk, depth: IbDepth):
    await depth.subscribe(["EUR.USD"])
    await whole(desk, depth, "EUR.USD")

    assert len(depth.books()["EUR.USD"].bids) == PRICES
    assert {m.name for m in desk.gateway.wire_log if "MktDepth" in m.name} == {"reqMktDepth", "updateMktDepth"}


async def test_what_ib_does_not_know_is_named_and_a_gateway_that_is_away_is_the_sources_fault(
    desk: Desk, depth: IbDepth
):
    with pytest.raises(UnknownSymbol, match="NONE"):
        await depth.subscribe(["NONE", "AAPL"])
    with pytest.raises(SourceUnavailable, match="nothing answers on 127"):
        await depth_of(desk, port=1).subscribe(["AAPL"])

    assert set(depth.books()) == {"AAPL"}


async def test_a_silent_book_is_asked_anew(desk: Desk, depth: IbDepth):
    books = WatchedBooks(depth, most=1, now=desk.clock)
    desk.gateway.faults.add(Fault(on="reqMktDepth", do=Action.HANG, nth=1))
    await books.want({"AAPL": 0})

    silent = books.problems()
    desk.clock.at += timedelta(seconds=30)
    await books.want({"AAPL": 0})
    await until(lambda: depth.books()["AAPL"].asks)

    assert silent == {"AAPL": "order book: nothing was told of it yet"}
