"""Watching the market: ticks taken and seconds measured, beside a plain numpy table of last values."""

import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import psutil

from benchmarks.measurement import Measurement, Run, at_least, at_most, percentile, seconds
from trading.monitoring.market_state import MarketState
from trading.monitoring.tick_batch import QUOTE_FIELDS, TRADE_FIELDS, TickBatch
from trading.monitoring.watched_session import WatchedSession

OPEN = datetime(2022, 12, 28, 14, 30, tzinfo=UTC)
CLOSE = datetime(2022, 12, 28, 21, 0, tzinfo=UTC)
OPEN_US = int(OPEN.timestamp()) * 1_000_000
BATCHES = 20  # a second
TRADE_SHARE = 0.2
SYMBOLS = 1_000
FLOOD = 500_000  # ticks a second
USUAL = 20  # ticks a second of each symbol


def metrics(run: Run) -> Iterator[Measurement]:
    """Take a flood of ticks of 1,000 symbols, and the usual ones of fewer and of more."""
    yield from _flood(run)
    for symbols in (10, 20) if run.quick else (100, SYMBOLS, 10 * SYMBOLS):
        yield from _usual(run, symbols)


def _flood(run: Run) -> Iterator[Measurement]:
    symbols, count = (20, 2_000) if run.quick else (SYMBOLS, FLOOD)
    market, repeats = _Market(symbols, count, run.seed), 5 if run.quick else 70
    before = _memory()
    state = MarketState(market.session)
    took = [_second(state, market, second) for second in range(repeats)]
    for batch in market.at(repeats):
        state.apply(batch)
    grown = _memory() - before
    value = count * repeats / sum(took)
    yield Measurement(
        name="watch.metrics.ticks",
        value=value,
        unit="ticks/s",
        baseline=count / percentile(_plainly(market, repeats), 50),
        note=f"{repeats} seconds of {count:,} ticks each, in {BATCHES} batches a second, a fifth of them trades, of "
        f"{symbols:,} symbols, every metric measured after each second; baseline: numpy assigns the last bid, ask and "
        "trade of each symbol",
        aim=at_least(value, 500_000),
    )
    yield Measurement(
        name="watch.metrics.memory",
        value=grown,
        unit="MiB",
        note=f"what watching those {symbols:,} symbols takes, the {count:,} ticks of a second that wait included",
        aim=at_most(grown, 50),
    )


def _usual(run: Run, symbols: int) -> Iterator[Measurement]:
    count, repeats = USUAL * symbols, 5 if run.quick else 600
    market = _Market(symbols, count, run.seed)
    state = MarketState(market.session)
    took, plainly = [_second(state, market, second) for second in range(repeats)], _plainly(market, repeats)
    for percent in (50, 99):
        yield Measurement(
            name=f"watch.metrics.{symbols}.p{percent}",
            value=1000 * percentile(took, percent),
            unit="ms",
            baseline=1000 * percentile(plainly, percent),
            note=f"a second of {symbols:,} symbols with its {count:,} ticks in {BATCHES} batches, {repeats} times, the "
            "sums made anew each minute included; baseline: numpy assigns the last values of the same ticks",
        )


class _Market:
    """The ticks of one second, which come again each second."""

    def __init__(self, symbols: int, ticks: int, seed: int) -> None:
        random, trades = np.random.default_rng(seed), int(ticks * TRADE_SHARE)
        self.session = WatchedSession(
            symbols=tuple(f"S{number:05d}" for number in range(symbols)),
            open_at=OPEN,
            close_at=CLOSE,
            previous_closes=np.full(symbols, 100.0),
            usual_volumes=np.cumsum(random.uniform(1e3, 1e4, (390, symbols)), axis=0),
        )
        cuts = range(0, 1_000_001, 1_000_000 // BATCHES)
        sizes = ((ticks - trades) // BATCHES, trades // BATCHES)
        self.batches = [_batch(random, symbols, sizes, between) for between in pairwise(cuts)]

    def at(self, second: int) -> Iterator[TickBatch]:
        """Return the batches as they come in that second of the session, in memory of their own."""
        shift = OPEN_US + second * 1_000_000
        for batch in self.batches:
            columns = {name: getattr(batch, name) for name in (*TRADE_FIELDS, *QUOTE_FIELDS)}
            yield TickBatch(**{name: c + shift if name.endswith("_at") else c.copy() for name, c in columns.items()})


class _LastValues:
    """The least that any monitor does: the last values of each symbol."""

    def __init__(self, symbols: int) -> None:
        self.bid, self.ask, self.last = (np.full(symbols, np.nan) for _ in range(3))

    def take(self, batch: TickBatch) -> None:
        self.bid[batch.quote_symbol] = batch.bid
        self.ask[batch.quote_symbol] = batch.ask
        self.last[batch.trade_symbol] = batch.trade_px


def _second(state: MarketState, market: _Market, second: int) -> float:
    """Return how long the ticks of a second and its step took; making the ticks is not counted."""
    batches = list(market.at(second))
    started = time.perf_counter()
    for batch in batches:
        state.apply(batch)
    state.step(OPEN_US + (second + 1) * 1_000_000)
    return time.perf_counter() - started


def _plainly(market: "_Market", repeats: int) -> list[float]:
    plain = _LastValues(len(market.session.symbols))
    return [seconds(lambda: [plain.take(batch) for batch in market.batches]) for _ in range(repeats)]


def _batch(random: np.random.Generator, symbols: int, sizes: tuple[int, int], between: tuple[int, int]) -> TickBatch:
    quotes, trades = sizes
    bid = np.round(100 + random.normal(0, 0.05, quotes), 2)
    quote_times, trade_times = (np.sort(random.integers(*between, size)) for size in (quotes, trades))
    return TickBatch(
        trade_symbol=random.integers(0, symbols, trades).astype(np.int32),
        trade_px=np.round(100 + random.normal(0, 0.05, trades), 2),
        trade_size=random.integers(1, 500, trades).astype(np.float64),
        traded_at=trade_times - 900,
        trade_received_at=trade_times,
        quote_symbol=random.integers(0, symbols, quotes).astype(np.int32),
        bid=bid,
        ask=bid + 0.01,
        bid_size=random.integers(1, 500, quotes).astype(np.float64),
        ask_size=random.integers(1, 500, quotes).astype(np.float64),
        quoted_at=quote_times - 1_000,
        quote_received_at=quote_times,
    )


def _memory() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20
