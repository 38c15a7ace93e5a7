"""The loop of a watch: what it tells, once, and what it does when the ledger or the disk is gone."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.parquet_ticks import ParquetTicks
from adapters.recorded_ticks import RecordedTicks
from adapters.sql.schema import migrate
from adapters.synthetic_ticks import SyntheticTicks
from adapters.tick_recorder import TickRecorder
from adapters.watch_files import WatchFiles
from blocks.desk import Ledger
from blocks.desk_storage import DeskStorage
from tasks.monitor import Monitor, standing_of
from tasks.pace import Pace
from trading.errors import LedgerUnavailable, StoreUnavailable
from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric
from trading.monitoring.rule_book import fingerprint
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.tick_stream import TickStream
from trading.monitoring.watch_rules import Comparison, WatchRule, default_rules
from trading.monitoring.watched_market import WatchedMarket
from trading.monitoring.watched_session import WatchedSession
from trading.risk.restrictions import RestrictionKind

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
OPEN_US, SECOND_US = int(OPEN.timestamp()) * 1_000_000, 1_000_000
SYMBOLS = ("AAPL", "BAC", "IBM")
SESSION = WatchedSession(
    symbols=SYMBOLS, open_at=OPEN, close_at=OPEN + timedelta(hours=6.5), previous_closes=np.full(3, np.nan)
)
RULES = (
    WatchRule(
        rule_id="jump",
        metric=Metric.RETURN_1M_PCT,
        comparison=Comparison.BEYOND,
        threshold=0.3,
        clear_at=0.2,
        hold_seconds=2,
    ),
    WatchRule(rule_id="wild", metric=Metric.VOLATILITY_1M_PCT, comparison=Comparison.ABOVE, threshold=0.2),
)


@pytest.fixture
def storage(tmp_path: Path) -> DeskStorage:
    places = DeskStorage(home=tmp_path)
    migrate(places.engine())
    return places


@pytest.fixture
def ledger(storage: DeskStorage) -> Ledger:
    return a_ledger(storage)


def a_ledger(storage: DeskStorage) -> Ledger:
    """Return a ledger with the rules of this file alone."""
    ledger = Ledger.of(storage)
    for rule in default_rules():
        ledger.watches.remove_rule(rule.rule_id, actor="test", reason="not looked at", now=OPEN)
    for rule in RULES:
        ledger.watches.put_rule(rule, actor="test", reason="looked at", now=OPEN)
    return ledger


def a_monitor(ledger: Ledger, home: Path, stream: TickStream, **given: object) -> Monitor:
    asyncio.run(stream.subscribe({symbol: place for place, symbol in enumerate(SYMBOLS)}))
    market = WatchedMarket(MarketState(SESSION), SYMBOLS, RULES, ConditionPolicy())
    asked = {"market": market, "first_us": OPEN_US + SECOND_US, "watch": "paper"} | given
    return Monitor(
        ledger=ledger,
        symbols=list(SYMBOLS),
        stream=stream,
        files=WatchFiles(home, "paper"),
        about={"session": "2024-01-02"},
        **asked,  # type: ignore[arg-type]
    )


def watch(monitor: Monitor, until: int) -> None:
    """Watch all steps from the next one to that second."""
    pace = Pace(OPEN_US, 0.0)
    while (at_us := monitor.next_us(pace)) <= OPEN_US + until * SECOND_US:
        monitor.step(at_us, pace)


def events(ledger: Ledger) -> list[tuple[datetime, str, bool, str]]:
    return list(ledger.watches.history("paper", OPEN))


def open_alerts(ledger: Ledger) -> list[str]:
    return sorted(state.alert.fingerprint for state in ledger.outbox.open())


def still_broken(ledger: Ledger) -> list[str]:
    stood = ledger.watches.standing("paper", OPEN)
    return sorted(f"paper {fingerprint(*key, s.broken_at)}" for key, s in stood.items())


def a_load() -> SyntheticTicks:
    return SyntheticTicks(ticks_per_second=30, seed=3)


def test_the_record_watched_again_tells_the_same_bit_for_bit(ledger: Ledger, storage: DeskStorage):
    store = ParquetTicks(storage.home / "ticks")
    recorder = TickRecorder(storage.home / "unstored", store, watched=SYMBOLS, source="paper")
    live = a_monitor(ledger, storage.home, a_load(), recorder=recorder)
    watch(live, 399)
    live.end()

    record = RecordedTicks(store, "paper", OPEN - timedelta(hours=1), OPEN + timedelta(hours=1))
    replay = a_monitor(ledger, storage.home, record, watch="again")
    watch(replay, 399)

    assert len(live.told) > 20
    assert replay.told == live.told
    assert replay.ticks == live.ticks
    for name, array in live.market.state.to_arrays().items():
        np.testing.assert_array_equal(replay.market.state.to_arrays()[name], array, err_msg=name)


class LateTicks(SyntheticTicks):
    """Some ticks are taken in the second after the one in which they were received."""

    def take(self, until_us: int) -> TickBatch:
        batch = super().take(until_us)
        trades, quotes = (at - SECOND_US // 2 for at in (batch.trade_received_at, batch.quote_received_at))
        return replace(batch, trade_received_at=trades, quote_received_at=quotes)


def test_the_record_of_ticks_that_came_late_tells_the_same(ledger: Ledger, storage: DeskStorage):
    store = ParquetTicks(storage.home / "ticks")
    recorder = TickRecorder(storage.home / "unstored", store, watched=SYMBOLS, source="paper")
    live = a_monitor(ledger, storage.home, LateTicks(ticks_per_second=30, seed=3), recorder=recorder)
    watch(live, 119)
    live.end()

    record = RecordedTicks(store, "paper", OPEN - timedelta(hours=1), OPEN + timedelta(hours=1))
    replay = a_monitor(ledger, storage.home, record, watch="again")
    watch(replay, 119)

    assert replay.told == live.told
    assert live.told
    np.testing.assert_array_equal(replay.market.state.to_arrays()["sample"], live.market.state.to_arrays()["sample"])


def test_no_checkpoint_passes_over_what_the_ledger_was_not_told(
    ledger: Ledger, storage: DeskStorage, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> object:
        raise LedgerUnavailable("gone for a while")

    recorder = TickRecorder(storage.home / "unstored", ParquetTicks(storage.home), watched=SYMBOLS, source="paper")
    monitor = a_monitor(ledger, storage.home, a_load(), recorder=recorder)
    monkeypatch.setattr(type(ledger.watches), "record", refuse)

    watch(monitor, 199)
    monitor.end()

    assert monitor.files.read_checkpoint() is None


def test_each_breaking_is_an_alert_until_the_rule_is_kept_again(ledger: Ledger, storage: DeskStorage):
    watch(a_monitor(ledger, storage.home, a_load()), 299)

    told = events(ledger)

    assert {is_broken for _, _, is_broken, _ in told} == {True, False}
    assert open_alerts(ledger) == still_broken(ledger) != []


def test_what_a_broken_rule_forbids_is_forbidden_just_where_it_is_broken(ledger: Ledger, storage: DeskStorage):
    acting = replace(RULES[1], action=RestrictionKind.CLOSE_ONLY)
    ledger.watches.put_rule(acting, actor="test", reason="looked at", now=OPEN)
    monitor = a_monitor(ledger, storage.home, a_load())

    watch(monitor, 299)

    wild = sorted(symbol for rule_id, symbol in ledger.watches.standing("paper", OPEN) if rule_id == "wild")
    assert wild
    assert sorted(c.subject for c in ledger.breakers.active("paper", OPEN)) == wild


@pytest.mark.parametrize("killed_at", [119, 125, 180, 250])
def test_a_watch_that_goes_on_from_its_checkpoint_tells_nothing_twice_and_loses_nothing(
    ledger: Ledger, storage: DeskStorage, tmp_path_factory: pytest.TempPathFactory, killed_at: int
):
    unbroken = events_of_a_whole_watch(tmp_path_factory.mktemp("whole"))
    store = ParquetTicks(storage.home / "ticks")
    recorder = TickRecorder(storage.home / "unstored", store, watched=SYMBOLS, source="paper")
    first = a_monitor(ledger, storage.home, a_load(), recorder=recorder)
    watch(first, killed_at)
    recorder.store()

    found = first.files.read_checkpoint()
    assert found is not None
    arrays, told = found
    state = MarketState.from_arrays(SESSION, arrays)
    market = WatchedMarket(state, SYMBOLS, RULES, ConditionPolicy(), standing_of(told["standing"]))
    record = RecordedTicks(store, "paper", OPEN - timedelta(hours=1), OPEN + timedelta(hours=1))
    asyncio.run(record.subscribe({symbol: place for place, symbol in enumerate(SYMBOLS)}))
    assert state.at_us is not None
    record.take(state.at_us)
    second = a_monitor(
        ledger,
        storage.home,
        a_load(),
        market=market,
        record=record,
        live_from_us=OPEN_US + (killed_at - 1) * SECOND_US,
        recorder=TickRecorder(storage.home / "unstored", store, watched=SYMBOLS, source="paper"),
        stood=ledger.watches.standing("paper", OPEN),
    )
    watch(second, 299)
    second.end()

    assert events(ledger) == unbroken
    assert open_alerts(ledger) == still_broken(ledger)


def events_of_a_whole_watch(home: Path) -> list[tuple[datetime, str, bool, str]]:
    storage = DeskStorage(home=home)
    migrate(storage.engine())
    ledger = a_ledger(storage)
    watch(a_monitor(ledger, home, a_load()), 299)
    return events(ledger)


def test_what_the_ledger_cannot_take_waits_for_it(
    ledger: Ledger, storage: DeskStorage, monkeypatch: pytest.MonkeyPatch
):
    monitor = a_monitor(ledger, storage.home, a_load())
    record, gone = ledger.watches.record, True

    def refuse(*args: object, **named: object) -> object:
        if gone:
            raise LedgerUnavailable("gone for a while")
        return record(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(type(ledger.watches), "record", lambda _self, *args, **named: refuse(*args, **named))
    watch(monitor, 199)
    before = events(ledger)
    gone = False
    watch(monitor, 201)
    monitor.end()

    assert before == []
    assert len(events(ledger)) == len(monitor.told) > 10


def test_a_full_disk_ends_the_record_and_not_the_watch(ledger: Ledger, storage: DeskStorage):
    class FullDisk(TickRecorder):
        def write(self, batch: TickBatch, now_us: int) -> None:
            raise StoreUnavailable("ticks", "no space left on device")

    recorder = FullDisk(storage.home / "unstored", ParquetTicks(storage.home), watched=SYMBOLS, source="paper")
    monitor = a_monitor(ledger, storage.home, a_load(), recorder=recorder)

    watch(monitor, 199)

    assert len(monitor.told) > 10


def test_a_rule_that_is_put_or_taken_away_is_taken_up_within_seconds(ledger: Ledger, storage: DeskStorage):
    monitor = a_monitor(ledger, storage.home, a_load())
    watch(monitor, 99)
    ledger.watches.remove_rule("wild", actor="ann", reason="too loud", now=OPEN)
    ledger.watches.put_rule(
        WatchRule(rule_id="any", metric=Metric.LAST, comparison=Comparison.ABOVE, threshold=1),
        actor="ann",
        reason="to try",
        now=OPEN,
    )
    watch(monitor, 106)

    standing = monitor.market.standing()

    assert {rule for rule, _ in standing} >= {"any"}
    assert "wild" not in {rule for rule, _ in standing}
    assert not [f for f in open_alerts(ledger) if " wild " in f]


def test_what_comes_to_be_held_is_watched_from_the_next_second_on(ledger: Ledger, storage: DeskStorage):
    monitor = a_monitor(ledger, storage.home, a_load())
    watch(monitor, 59)
    before = monitor.market.state.to_arrays()["sample"]
    longer = WatchedSession(
        symbols=(*SYMBOLS, "NEW"), open_at=OPEN, close_at=SESSION.close_at, previous_closes=np.full(4, np.nan)
    )
    asyncio.run(monitor.stream.subscribe({"NEW": 3}))
    monitor.widen(longer, OPEN_US + 59 * SECOND_US)

    watch(monitor, 119)

    assert monitor.symbols == [*SYMBOLS, "NEW"]
    assert np.isfinite(before).all()
    assert monitor.last is not None
    assert np.isfinite(monitor.last.metrics.of(Metric.LAST)).all()


def test_memory_that_was_freed_is_given_back_once_an_hour(
    ledger: Ledger, storage: DeskStorage, monkeypatch: pytest.MonkeyPatch
):
    given_back_at: list[int | None] = []
    hour_us = (OPEN_US // (3_600 * SECOND_US) + 1) * 3_600 * SECOND_US
    monitor = a_monitor(ledger, storage.home, a_load(), first_us=hour_us - SECOND_US)
    monkeypatch.setattr("tasks.monitor.give_back_memory", lambda: given_back_at.append(monitor.market.state.at_us))

    watch(monitor, (hour_us - OPEN_US) // SECOND_US + 1)

    assert given_back_at == [hour_us]


def test_the_status_says_how_it_stands(ledger: Ledger, storage: DeskStorage):
    monitor = a_monitor(ledger, storage.home, a_load())

    watch(monitor, 1)
    monitor.end()

    status = monitor.files.read_status()
    assert status is not None
    assert status["state"] == "ended"
    assert status["watched"] == 3
    assert status["ticks"] == 30
    assert {row["symbol"] for row in status["symbols"]} == set(SYMBOLS)
    assert status["symbols"][0]["volatility_5m_pct"] is None
