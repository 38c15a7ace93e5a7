"""A load for a whole watch: a market, 5,000 rules, and a feed in a process of its own."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from struct import iter_unpack
from subprocess import PIPE, Popen
from threading import Thread
from typing import IO, Any, TypeVar

import numpy as np

from adapters.parquet_ticks import ParquetTicks
from adapters.sql.schema import migrate
from adapters.sql.watches import SqlWatches
from adapters.tick_buffer import TickBuffer
from adapters.tick_recorder import TickRecorder
from adapters.watch_files import WatchFiles
from benchmarks.watch_feed_child import BEGIN, COUNTS, MARKED_PX
from blocks.desk import Ledger
from blocks.desk_storage import DeskStorage
from tasks.monitor import SECOND_US, Monitor
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.feed_health import FeedHealth
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric
from trading.monitoring.tick_batch import QUOTE_FIELDS, TRADE_FIELDS, TickBatch
from trading.monitoring.tick_stream import TickStream
from trading.monitoring.watch_rules import Comparison, WatchRule
from trading.monitoring.watched_market import WatchedMarket
from trading.monitoring.watched_session import WatchedSession

Market = TypeVar("Market", bound=WatchedMarket)
_RULES_OF_A_SYMBOL = (
    (Metric.SPREAD_PCT, 50.0),
    (Metric.VOLATILITY_5M_PCT, 90.0),
    (Metric.TRADE_AGE_SECONDS, 1e9),
    (Metric.RETURN_1M_PCT, 1e5),
    (Metric.DAY_HIGH, MARKED_PX / 2),
)


def rules(names: Sequence[str]) -> tuple[WatchRule, ...]:
    """Return five rules of each symbol for itself; its first marked trade breaks the last, and nothing else does."""
    return tuple(
        WatchRule(
            rule_id=f"{name.lower()}-{metric}",
            metric=metric,
            comparison=Comparison.ABOVE,
            threshold=threshold,
            symbols=frozenset({name}),
        )
        for name in names
        for metric, threshold in _RULES_OF_A_SYMBOL
    )


def session_of(names: Sequence[str], begin_us: int) -> WatchedSession:
    """Return a long session that opens then."""
    opened = datetime.fromtimestamp(begin_us / SECOND_US, UTC)
    return WatchedSession(
        symbols=tuple(names),
        open_at=opened,
        close_at=opened + timedelta(hours=9),
        previous_closes=np.full(len(names), 100.0),
        usual_volumes=np.cumsum(np.full((540, len(names)), 1e4), axis=0),
    )


def market_of(names: Sequence[str], begin_us: int, kind: type[Market] = WatchedMarket) -> Market:
    """Return what a watch sees of these symbols, by their rules."""
    return kind(MarketState(session_of(names, begin_us)), names, rules(names), ConditionPolicy())


class FixedRules(SqlWatches):
    """A ledger in which nobody has changed a rule since the watch was put together."""

    def newest_change(self) -> int:
        """Return the number of no change."""
        return -1


Watches = TypeVar("Watches", bound=FixedRules)


def ledger_of(storage: DeskStorage, watches: type[Watches] = FixedRules) -> tuple[Ledger, Watches]:
    """Return a new ledger of SQLite, and what it says of watches."""
    storage.home.mkdir(exist_ok=True)
    migrate(storage.engine())
    mine = watches(storage.engine())
    return replace(Ledger.of(storage), watches=mine), mine


def monitor_of(
    home: Path, ledger: Ledger, stream: TickStream, names: Sequence[str], begin_us: int, market: WatchedMarket
) -> Monitor:
    """Return a watch without an own side and a record."""
    return Monitor(
        ledger=ledger,
        watch="measured",
        symbols=list(names),
        stream=stream,
        market=market,
        files=WatchFiles(home, "measured"),
        about={"session": datetime.fromtimestamp(begin_us / SECOND_US, UTC).date().isoformat()},
        first_us=begin_us + SECOND_US,
        health=FeedHealth(begin_us),
    )


def recorder(home: Path, names: Sequence[str]) -> TickRecorder:
    """Return a record in the folder."""
    return TickRecorder(home / "unstored", ParquetTicks(home / "ticks"), watched=names, source="measured")


class FedTicks:
    """A stream whose ticks come from another process, and are put into the buffer one by one, as a client does.

    Attributes:
        begin_us: the whole second at which the first comes.
        fed: how many have come.
        received_us: when each chunk was.
    """

    name, conflated = "fed", 0

    def __init__(self, rate: int, count: int, seconds: int, seed: int, cores: set[int]) -> None:
        asked = [str(number) for number in (rate, count, seconds, seed)]
        self._child = Popen([sys.executable, "-m", "benchmarks.watch_feed_child", *asked], stdout=PIPE)
        os.sched_setaffinity(self._child.pid, cores)
        self._buffer, self.fed = TickBuffer(most_quotes=2**31), 0
        self.received_us: list[int] = []
        assert self._child.stdout is not None
        self._source: IO[bytes] = self._child.stdout
        (self.begin_us,) = BEGIN.unpack(self._source.read(BEGIN.size))
        self._reader = Thread(target=self._read, name="feed")
        self._reader.start()

    async def subscribe(self, places: Mapping[str, int]) -> None:
        """Do nothing: it is fed what it was asked for."""

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Do nothing."""

    def take(self, until_us: int) -> TickBatch:
        """Return what was received before that time."""
        return self._buffer.take(until_us)

    def problems(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    async def close(self) -> None:
        """End the other process."""
        self._child.kill()
        self._reader.join()
        self._source.close()
        self._child.wait()

    def _read(self) -> None:
        trade, quote = self._buffer.trade, self._buffer.quote
        while len(head := self._source.read(COUNTS.size)) == COUNTS.size:
            trades, quotes = COUNTS.unpack(head)
            self.received_us.append(time.time_ns() // 1000)
            for row in self._rows(trades, len(TRADE_FIELDS)):
                trade(*row)
            for row in self._rows(quotes, len(QUOTE_FIELDS)):
                quote(*row)
            self.fed += trades + quotes

    def _rows(self, count: int, columns: int) -> Iterator[tuple[Any, ...]]:
        content = self._source.read(8 * count * columns)
        whole = len(content) // (8 * columns) * 8 * columns  # the last of a process that was ended
        rows = np.frombuffer(content[:whole]).reshape(-1, columns).copy()
        rows[:, -1] = self.received_us[-1]
        return iter_unpack(f"={columns}d", rows.tobytes())
