"""How a watch ends, and what it makes of what an earlier one has left."""

import asyncio
import sqlite3
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.sql.schema import migrate
from adapters.synthetic_ticks import SyntheticTicks
from blocks.desk import Ledger
from blocks.desk_storage import DeskStorage
from tasks.pace import Pace
from tests.tasks.test_monitor import (
    OPEN,
    OPEN_US,
    RULES,
    SECOND_US,
    SESSION,
    SYMBOLS,
    a_ledger,
    a_load,
    a_monitor,
    open_alerts,
    still_broken,
    watch,
)
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.market_state import MarketState
from trading.monitoring.rule_book import RuleEvent, Standing
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.watched_market import WatchedMarket
from trading.risk.restrictions import RestrictionKind

ACTING = replace(RULES[1], action=RestrictionKind.CLOSE_ONLY)
END_US = OPEN_US + 200 * SECOND_US


@pytest.fixture
def desk(tmp_path: Path) -> tuple[Ledger, DeskStorage]:
    storage = DeskStorage(home=tmp_path)
    migrate(storage.engine())
    return a_ledger(storage), storage


def broken(symbol: str = "IBM", broken_at: int = OPEN_US) -> RuleEvent:
    return RuleEvent(
        rule=ACTING, subject=symbol, value=0.3, broken_at=broken_at, at=broken_at, is_broken=True, symbol=symbol
    )


class Still(SyntheticTicks):
    """Tells nothing."""

    def take(self, until_us: int) -> TickBatch:
        return TickBatch()


def watch_alerts(ledger: Ledger) -> list[str]:
    return [alert for alert in open_alerts(ledger) if alert.startswith("paper watch ")]


def texts_of_ended(ledger: Ledger) -> set[str]:
    return {text for _, _, is_broken, text in ledger.watches.history("paper", OPEN) if not is_broken}


def test_what_is_broken_at_the_close_is_over_and_what_it_forbids_is_not(desk: tuple[Ledger, DeskStorage]):
    ledger, storage = desk
    ledger.watches.put_rule(ACTING, actor="test", reason="looked at", now=OPEN)
    monitor = a_monitor(ledger, storage.home, a_load())

    asyncio.run(monitor.run(Pace(OPEN_US, 0.0), END_US))
    monitor.end()

    left = {subject for (rule, subject), s in monitor.market.standing().items() if rule == "wild" and s.broken_at}
    assert left
    assert watch_alerts(ledger) == still_broken(ledger) == []
    assert any("wild was broken when the session ended; close_only stays in force" in t for t in texts_of_ended(ledger))
    assert {c.subject for c in ledger.breakers.active("paper", OPEN + timedelta(hours=20))} >= left


def test_a_watch_that_is_stopped_in_mid_session_leaves_its_alerts_open(desk: tuple[Ledger, DeskStorage]):
    ledger, storage = desk
    monitor = a_monitor(ledger, storage.home, a_load())

    watch(monitor, 199)
    monitor.end()

    assert watch_alerts(ledger) == still_broken(ledger) != []


def test_a_replay_to_its_end_leaves_the_alerts_of_the_watch_alone(desk: tuple[Ledger, DeskStorage]):
    ledger, storage = desk
    ledger.watches.record("paper", [broken()])
    replay = a_monitor(ledger, storage.home, a_load(), watch="paper-replay", tells=False)

    asyncio.run(replay.run(Pace(OPEN_US, 0.0), END_US))
    replay.end()

    assert watch_alerts(ledger) == [f"paper {broken().fingerprint}"]


def test_what_was_kept_and_broken_anew_while_nobody_watched_leaves_no_old_alert(desk: tuple[Ledger, DeskStorage]):
    ledger, storage = desk
    before, now = broken(), broken(broken_at=OPEN_US + 50 * SECOND_US)
    ledger.watches.record("paper", [before, now])
    state = MarketState(SESSION)
    standing = {("wild", "IBM"): Standing(since=now.broken_at, broken_at=now.broken_at)}
    market = WatchedMarket(state, SYMBOLS, RULES, ConditionPolicy(), standing)
    stood = {("wild", "IBM"): Standing(since=before.broken_at, broken_at=before.broken_at)}
    monitor = a_monitor(ledger, storage.home, Still(ticks_per_second=1), market=market, stood=stood, first_us=END_US)

    watch(monitor, 200)
    monitor.end()

    assert watch_alerts(ledger) == [f"paper {now.fingerprint}"]


def test_seconds_go_on_while_the_ledger_is_locked_and_something_is_to_be_forgotten(desk: tuple[Ledger, DeskStorage]):
    ledger, storage = desk
    ledger.watches.record("paper", [broken()])
    stood = ledger.watches.standing("paper", OPEN)
    monitor = a_monitor(ledger, storage.home, Still(ticks_per_second=1), stood=stood)
    lock = sqlite3.connect(storage.home / "ledger.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    began = time.monotonic()
    watch(monitor, 2)
    took = time.monotonic() - began
    lock.rollback()
    lock.close()
    watch(monitor, 3)
    monitor.end()

    assert took < 5, "a write gives up after 10 s"
    assert watch_alerts(ledger) == []


def test_a_status_that_cannot_be_written_ends_no_watch(desk: tuple[Ledger, DeskStorage]):
    ledger, storage = desk
    monitor = a_monitor(ledger, storage.home, a_load())
    monitor.files.status_path.mkdir(parents=True)

    watch(monitor, 99)
    monitor.end()

    assert monitor.last is not None
    assert np.isfinite(monitor.last.metrics.values[0]).all()
    assert len(monitor.symbols) == len(SYMBOLS)
