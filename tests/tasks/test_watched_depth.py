"""Order books from a market feed to the watch: whose, what becomes of them, and what the status says."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.parquet_ticks import ParquetTicks
from adapters.sql.schema import migrate
from adapters.synthetic_ticks import SyntheticTicks
from adapters.tick_recorder import TickRecorder
from adapters.watch_files import WatchFiles
from blocks.desk import Ledger
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from blocks.provider_access import Provider
from iqfeed_server.faults import Port
from iqfeed_server.server import IqfeedServer
from tasks.attend import watch_books
from tasks.monitor import Monitor
from tasks.pace import Pace
from tests.adapters.iqfeed.iqfeed_desk import a_server, settings_of, until
from trading.errors import InvalidValue
from trading.market.ticks import TickKind
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.feeds import SubscriptionList, WatchPriority
from trading.monitoring.market_state import MarketState
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.watched_market import WatchedMarket
from trading.monitoring.watched_session import WatchedSession

SYMBOLS = ["AAPL", "SPY", "IBM"]
SECOND_US = 1_000_000


def a_feed(server: IqfeedServer, **settings: int) -> MarketFeed:
    return MarketFeed(name="dtn", provider=Provider.IQFEED, iqfeed=settings_of(server), **settings)


def a_monitor(home: Path, feed: MarketFeed, at: datetime) -> Monitor:
    storage = DeskStorage(home=home)
    migrate(storage.engine())
    session = WatchedSession(
        symbols=tuple(SYMBOLS), open_at=at, close_at=at + timedelta(hours=1), previous_closes=np.full(3, np.nan)
    )
    store = ParquetTicks(home / "ticks")
    return Monitor(
        ledger=Ledger.of(storage),
        watch="paper",
        symbols=list(SYMBOLS),
        stream=SyntheticTicks(ticks_per_second=10, seed=1),
        market=WatchedMarket(MarketState(session), SYMBOLS, (), ConditionPolicy()),
        files=WatchFiles(home, "paper"),
        about={"session": f"{at:%Y-%m-%d}"},
        recorder=TickRecorder(home / "unstored", store, watched=SYMBOLS, source="paper"),
        books=feed.books(),
    )


async def test_the_book_of_what_is_held_is_watched_recorded_and_shown(tmp_path: Path):
    async with a_server() as server:
        at = datetime.fromtimestamp(int(time.time()) + 20, UTC)  # a book is told once it began a second before
        monitor, wanted = a_monitor(tmp_path, a_feed(server, depth_symbols=1), at), SubscriptionList(None)
        wanted.want("watch list", WatchPriority.UNIVERSE, SYMBOLS)
        wanted.want("paper", WatchPriority.POSITIONS, ["IBM"])
        wanted.settle()
        await monitor.stream.subscribe({symbol: place for place, symbol in enumerate(SYMBOLS)})
        assert monitor.books is not None
        books, first_us = monitor.books, int(at.timestamp() + 1) * SECOND_US

        await watch_books(monitor, wanted)
        await until(lambda: len(books.added_to(TickBatch(), first_us).book_symbol))
        await asyncio.to_thread(monitor.step, first_us, Pace(first_us, 0.0))
        shown = monitor.files.read_status()
        await server.say(Port.LEVEL2, "4,IBM,,NSDQ,B,1,nan,,4,11:33:27.030724,2022-04-01,")
        await until(lambda: monitor.books is not None and "could not be read" in str(monitor.books.problems()))
        pace = Pace(first_us, 0.0)
        while (at_us := monitor.next_us(pace)) <= first_us + SECOND_US:
            monitor.step(at_us, pace)
        monitor.end()
        await books.close()

    assert shown is not None
    rows = {row["symbol"]: row for row in shown["symbols"]}
    bids = [level for level in server.market.book("IBM") if level.side == "B"][:5]
    assert rows["IBM"]["depth_bid"] == sum(level.size for level in bids)
    assert rows["AAPL"]["depth_bid"] is rows["SPY"]["impact_pct"] is None
    record = ParquetTicks(tmp_path / "ticks").read("paper", TickKind.DEPTH, None, at, at + timedelta(hours=1)).frame
    assert record[["symbol", "bid_1"]].to_numpy().tolist() == [["IBM", bids[0].price / 100]]
    assert monitor.last is not None
    assert np.isnan(monitor.last.metrics.values[-4:]).all()


def test_a_feed_without_order_books_is_refused_where_some_are_asked_for():
    with pytest.raises(InvalidValue, match="order books"):
        MarketFeed(name="free", provider=Provider.YAHOO, depth_symbols=3).books()

    assert MarketFeed(name="free", provider=Provider.YAHOO).books() is None


def test_interactive_brokers_has_order_books_of_three_symbols():
    with pytest.raises(InvalidValue, match="depth_symbols of desk is 4, but must be at most 3"):
        MarketFeed(name="desk", provider=Provider.INTERACTIVE_BROKERS, depth_symbols=4).books()

    assert MarketFeed(name="desk", provider=Provider.INTERACTIVE_BROKERS, depth_symbols=3).books() is not None
