"""Ticks at the edges: of hours, of a clock that goes back, of feeds that are given back, of a poller that has ended."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.failover_ticks import FailoverTicks
from adapters.parquet_ticks import ParquetTicks
from adapters.polled_ticks import PolledTicks
from adapters.recorded_ticks import RecordedTicks
from adapters.synthetic_ticks import SyntheticTicks
from adapters.tick_buffer import TickBuffer
from adapters.tick_recorder import TickRecorder
from tests.adapters.ib.ib_desk import until
from tests.adapters.taken_ticks import together
from trading.errors import InvalidValue
from trading.market.quotes import FetchedQuotes
from trading.monitoring.tick_batch import TickBatch

THREE = datetime(2024, 1, 2, 15, tzinfo=UTC)
THREE_US, SECOND_US = int(THREE.timestamp()) * 1_000_000, 1_000_000


def a_trade(traded_at: int, received_at: int) -> TickBatch:
    return TickBatch(
        trade_symbol=np.zeros(1, dtype=np.int32),
        trade_px=np.array([10.0]),
        trade_size=np.array([100.0]),
        traded_at=np.array([traded_at]),
        trade_received_at=np.array([received_at]),
    )


async def test_a_tick_that_its_provider_dates_after_the_hour_comes_in_the_second_in_which_it_was_received(
    tmp_path: Path,
):
    store = ParquetTicks(tmp_path)
    recorder = TickRecorder(tmp_path / "unstored", store, watched=("AAPL",), source="x")
    recorder.write(a_trade(THREE_US + 3_000, THREE_US - 2_000), THREE_US)
    recorder.store()
    replay = RecordedTicks(store, "x", THREE - timedelta(hours=1), THREE + timedelta(hours=1))
    await replay.subscribe({"AAPL": 0})

    assert [len(replay.take(THREE_US + n * SECOND_US)) for n in (-1, 0, 1)] == [0, 1, 0]


def test_what_waits_for_its_second_is_not_taken_with_what_a_clock_gone_back_puts_behind_it():
    buffer = TickBuffer()
    for after, px in ((5, 10.0), (1, 11.0)):
        buffer.trade(0, px, 100.0, THREE_US, THREE_US + after)

    taken = [buffer.take(THREE_US + at).trade_px.tolist() for at in (2, 6)]

    assert taken == [[], [10.0, 11.0]]


@pytest.mark.parametrize("most_quotes", [1_000_000, 500])
def test_ticks_of_several_threads_are_taken_once_and_in_their_order_and_every_trade_is(most_quotes: int):
    buffer, count, writers = TickBuffer(most_quotes=most_quotes), 20_000, (0, 1)

    def write(place: int) -> None:
        for number in range(count):
            buffer.trade(place, float(number), 1.0, THREE_US, THREE_US)
            buffer.quote(place, float(number), None, 1.0, None, THREE_US, THREE_US)

    with ThreadPoolExecutor() as threads:
        writing = [threads.submit(write, place) for place in writers]
        batches = [buffer.take(THREE_US + 1)]
        while not all(w.done() for w in writing):
            batches.append(buffer.take(THREE_US + 1))
    batches.append(buffer.take(THREE_US + 1))

    told = together(*batches)
    quoted = {place: told.bid[told.quote_symbol == place] for place in writers}
    assert all(np.array_equal(told.trade_px[told.trade_symbol == place], np.arange(count)) for place in writers)
    assert np.isnan(told.ask).all()
    assert sum(map(len, quoted.values())) + buffer.conflated == len(writers) * count
    assert all((np.diff(bids) > 0).all() and bids[-1] == count - 1 for bids in quoted.values())
    assert buffer.conflated == 0 or most_quotes == 500


class Slow(SyntheticTicks):
    """A feed that takes its time to subscribe, and counts of how many symbols it tells."""

    def __init__(self) -> None:
        super().__init__(ticks_per_second=1, name="slow")
        self.may_go_on, self.told = asyncio.Event(), set[str]()
        self.is_asked = False

    async def subscribe(self, places: Mapping[str, int]) -> None:
        self.is_asked = True
        await self.may_go_on.wait()
        self.told |= set(places)

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        self.told -= set(symbols)


class Dying(SyntheticTicks):
    """A feed that tells in some seconds only."""

    tells = True

    def take(self, until_us: int) -> TickBatch:
        batch = super().take(until_us)
        return batch if self.tells else TickBatch()


async def test_a_feed_that_is_given_back_while_it_is_being_asked_tells_nothing_in_the_end():
    first, second = Dying(ticks_per_second=5, name="first"), Slow()
    ticks = FailoverTicks([first, second])
    await ticks.subscribe({"AAPL": 0})
    for n in range(200):
        first.tells = not 30 <= n < 60
        ticks.take(THREE_US + n * SECOND_US)
        await asyncio.sleep(0)
    second.may_go_on.set()
    for _ in range(5):
        await asyncio.sleep(0)

    assert second.is_asked
    assert ticks.name == "first"
    assert second.told == set()


async def test_a_feed_that_falls_silent_after_the_close_is_not_left_for_another():
    first, second = Dying(ticks_per_second=5, name="first"), Slow()
    ticks = FailoverTicks([first, second], until_us=THREE_US + 30 * SECOND_US)
    await ticks.subscribe({"AAPL": 0})
    for n in range(150):
        first.tells = n < 30
        ticks.take(THREE_US + n * SECOND_US)
        await asyncio.sleep(0)

    assert (ticks.name, ticks.switches, second.is_asked) == ("first", 0, False)


class Broken:
    """A source that once breaks in a way that nobody foresaw."""

    name = "broken"

    def __init__(self) -> None:
        self.asked = 0

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        self.asked += 1
        raise InvalidValue("symbol", symbols[0], "one of ours")


async def test_a_poller_that_has_ended_polls_again_when_it_is_subscribed_anew():
    source = Broken()
    ticks = PolledTicks(source, name="polled", every=timedelta(milliseconds=1), now=lambda: THREE)
    await ticks.subscribe({"AAPL": 0})
    await until(lambda: ticks._polling is not None and ticks._polling.done())

    await ticks.subscribe({"AAPL": 0})
    await until(lambda: source.asked == 2)
    await asyncio.gather(*filter(None, [ticks._polling]), return_exceptions=True)

    assert source.asked == 2
