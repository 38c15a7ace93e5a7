"""Order books of IQFeed as a watch has them, from a server on loopback that speaks its protocol."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from iqfeed_desk import NOON, Clock, settings_of, until

from adapters.iqfeed.level1 import NO_SERVERS
from adapters.iqfeed.level2 import DepthFeed, IqfeedDepth
from adapters.parquet_ticks import ParquetTicks
from adapters.recorded_ticks import RecordedTicks
from adapters.synthetic_ticks import SyntheticTicks
from adapters.tick_recorder import TickRecorder, store_what_was_left
from adapters.tick_tap import microseconds
from adapters.watched_books import WatchedBooks
from iqfeed_server.faults import Port
from iqfeed_server.market import Level
from iqfeed_server.server import IqfeedServer
from trading.market.ticks import TickKind
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.watch_rules import Comparison, WatchRule
from trading.monitoring.watched_market import Second, WatchedMarket
from trading.monitoring.watched_session import WatchedSession

SECOND_US = 1_000_000
NOON_US = microseconds(NOON)
SYMBOLS = ("AAPL", "SPY", "IBM")
PLACES = {symbol: place for place, symbol in enumerate(SYMBOLS)}
SESSION = WatchedSession(
    symbols=SYMBOLS, open_at=NOON, close_at=NOON + timedelta(hours=1), previous_closes=np.full(3, np.nan)
)
RULES = (
    WatchRule(
        rule_id="thin", metric=Metric.DEPTH_BID, comparison=Comparison.BELOW, threshold=1_000.0, symbols=("AAPL",)
    ),
)


@pytest.fixture
async def books(server: IqfeedServer, clock: Clock) -> AsyncIterator[WatchedBooks]:
    server.market.tick("IBM")
    stream = IqfeedDepth(settings=settings_of(server, answer_seconds=0.3), now=clock, feed=DepthFeed.ORDERS)
    watched = WatchedBooks(stream, most=2, now=clock)
    yield watched
    await watched.close()


def a_market(state: MarketState | None = None) -> WatchedMarket:
    return WatchedMarket(state or MarketState(SESSION), SYMBOLS, RULES, ConditionPolicy())


async def bid_of(server: IqfeedServer, *levels: tuple[str, int, int]) -> None:
    """Have AAPL bid for by these makers at these prices and sizes, and offered at 200.00, 5,000 units."""
    await server.say(Port.LEVEL2, "S,CLEAR DEPTH,AAPL,B,", "S,CLEAR DEPTH,AAPL,A,")
    for maker, price, size in levels:
        await server.change_depth("AAPL", Level(side="B", price=price, size=size, orders=1, maker=maker))
    await server.change_depth("AAPL", Level(side="A", price=20000, size=5000, orders=1, maker="ARCX"))


def seen(books: WatchedBooks, second: int) -> dict[str, tuple[float, float]]:
    """Return best bid and its size of each book that is told for a second."""
    batch = books.added_to(TickBatch(), NOON_US + second * SECOND_US)
    assert set(batch.book_received_at) <= {NOON_US + second * SECOND_US - 1}
    return {SYMBOLS[n]: (row[0], row[5]) for n, row in zip(batch.book_symbol, batch.book_levels, strict=True)}


async def test_the_books_of_those_that_come_first_are_told_once_they_are_whole(
    server: IqfeedServer, books: WatchedBooks, clock: Clock
):
    await books.want(PLACES)
    await bid_of(server, ("NSDQ", 19990, 300), ("BATS", 19990, 200))
    await until(lambda: set(seen(books, 9)) == {"AAPL", "SPY"} and seen(books, 9)["AAPL"] == (199.9, 500))

    just_begun, a_second_on = seen(books, 0), seen(books, 1)
    await books.want({"IBM": 2, "SPY": 1, "AAPL": 0})
    await until(lambda: "IBM" in seen(books, 1))

    assert just_begun == {}
    assert a_second_on["AAPL"] == (199.9, 500)
    assert set(seen(books, 1)) == {"IBM", "SPY"}
    clock.move(1)
    assert books.problems() == {}


async def test_what_can_not_be_had_is_told_and_the_others_are_had(books: WatchedBooks, clock: Clock):
    await books.want({"NOSUCH": 0, "AAPL": 1})

    await until(lambda: "SPY" in seen(books, 1))  # the place 1 is that of SPY in these tests
    clock.move(1)
    assert list(books.problems()) == ["NOSUCH"]
    assert books.problems()["NOSUCH"].startswith("order book: iqfeed does not know NOSUCH")


async def test_a_silent_book_is_asked_anew_and_one_that_stays_silent_is_told_no_more(
    server: IqfeedServer, books: WatchedBooks, clock: Clock
):
    await books.want({"AAPL": 0})
    await until(lambda: seen(books, 1))
    server.market.set_tick("AAPL", replace(server.market.tick("AAPL"), last=12345))  # nobody says so

    unheard = seen(books, 59), seen(books, 60)
    clock.move(60)
    problems = books.problems()
    await books.want({"AAPL": 0})
    await until(lambda: seen(books, 61))

    assert (len(unheard[0]), unheard[1]) == (1, {})
    assert problems == {"AAPL": "order book: nothing was heard of it since 17:00:00 UTC"}
    assert seen(books, 61)["AAPL"][0] == 123.44


async def test_a_dead_line_and_a_lost_feed_end_the_books_until_they_are_told_anew(
    server: IqfeedServer, books: WatchedBooks, clock: Clock
):
    await books.want({"AAPL": 0})
    await until(lambda: seen(books, 1))

    await server.lose_feed()
    await until(lambda: not seen(books, 1))
    problems = books.problems()
    await server.restore_feed()
    clock.move(10)
    await until(lambda: seen(books, 11))

    assert problems == {"AAPL": f"order book: {NO_SERVERS}"}


async def test_a_change_that_cannot_be_read_costs_the_book_until_it_is_asked_anew(
    server: IqfeedServer, books: WatchedBooks
):
    await books.want({"AAPL": 0})
    await until(lambda: seen(books, 1))

    await server.say(Port.LEVEL2, "4,AAPL,,NSDQ,B,nan,300,,4,11:33:27.030724,2022-04-01,")
    await until(lambda: not seen(books, 1))
    problems = books.problems()
    await books.want({"AAPL": 0})
    await until(lambda: seen(books, 1))

    assert problems == {"AAPL": "order book: a change of it could not be read"}


async def test_a_crossed_book_is_recorded_and_told_and_no_number_is_made_of_it(
    server: IqfeedServer, books: WatchedBooks, clock: Clock
):
    await books.want({"AAPL": 0})
    await bid_of(server, ("NSDQ", 20010, 300))
    await until(lambda: seen(books, 1) == {"AAPL": (200.1, 300)})
    clock.move(1)

    second = a_market().second(books.added_to(TickBatch(), NOON_US + SECOND_US), NOON_US + SECOND_US)

    assert np.isnan(second.metrics.of(Metric.DEPTH_BID)).all()
    assert books.problems() == {"AAPL": "order book: it is crossed: 200.1 is bid and 200 asked"}


async def test_what_was_watched_with_books_is_told_again_bit_for_bit_after_a_kill_and_by_a_replay(
    server: IqfeedServer, books: WatchedBooks, clock: Clock, tmp_path: Path
):
    store, unstored = ParquetTicks(tmp_path / "ticks"), tmp_path / "unstored"
    recorder = TickRecorder(unstored, store, watched=SYMBOLS, source="watch")
    ticks, live = SyntheticTicks(ticks_per_second=20, seed=4), a_market()
    await ticks.subscribe(PLACES)
    ticks.take(NOON_US)
    await books.want(PLACES)
    await bid_of(server, ("NSDQ", 19990, 300))
    await until(lambda: len(seen(books, 9)) == 2 and seen(books, 9)["AAPL"] == (199.9, 300))
    watched, left = [], {}
    for second in range(1, 41):
        clock.move(1)
        at_us, size = NOON_US + second * SECOND_US, 200 + 100 * (second % 13)
        await server.change_depth("AAPL", Level(side="B", price=19990 + second % 3, size=size, orders=1, maker="NSDQ"))
        await asyncio.sleep(0)  # what has come may be heard, or not: the watch is right either way
        batch = books.added_to(ticks.take(at_us), at_us)
        recorder.write(batch, at_us)
        watched.append(live.second(batch, at_us))
        if second == 25:
            left = live.state.to_arrays()
    (path,) = unstored.glob("watch.depth.*.arrows")
    (unstored / "torn.depth.1.1.arrows").write_bytes(path.read_bytes()[:-40])
    recorder.store()
    torn = store_what_was_left(unstored, store)

    replayed = [second for _, second in await _replayed(store, a_market(), 0)]
    resumed = [second for _, second in await _replayed(store, a_market(MarketState.from_arrays(SESSION, left)), 25)]

    assert len(store.read("watch", TickKind.DEPTH, None, NOON, NOON + timedelta(hours=1)).frame) >= 78
    assert torn == len(store.read("torn", TickKind.DEPTH, None, NOON, NOON + timedelta(hours=1)).frame) >= 76
    assert {event.is_broken for second in watched for event in second.events} == {True, False}
    assert np.isfinite([second.metrics.of(Metric.IMPACT_PCT)[0] for second in watched[2:]]).any()
    _same(replayed, watched)
    _same(resumed, watched[25:])


async def _replayed(store: ParquetTicks, market: WatchedMarket, after: int) -> list[tuple[int, Second]]:
    record = RecordedTicks(store, "watch", NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    await record.subscribe(PLACES)
    if after:
        record.take(NOON_US + after * SECOND_US)
    ends = [NOON_US + second * SECOND_US for second in range(after + 1, 41)]
    return [(at_us, market.second(record.take(at_us), at_us)) for at_us in ends]


def _same(found: Iterable[Second], expected: Iterable[Second]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.metrics.values.tobytes() == other.metrics.values.tobytes()
        assert one.events == other.events
