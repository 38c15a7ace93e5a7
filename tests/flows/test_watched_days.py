"""A real day of ticks watched: what is told is what an independent computation finds."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytest_asyncio

from blocks.desk_storage import DeskStorage
from flows.watch_market import Replay, watch_market
from tests.flows.desks import Copy, DeskFolder
from trading.alerts import Severity
from trading.market.bars import PRICE_COLUMNS, DailyBars, PriceBasis, bars_frame
from trading.market.ticks import TickKind, Ticks, ticks_frame
from trading.monitoring.metrics import Metric
from trading.monitoring.watch_rules import Cadence, Comparison, WatchRule, default_rules

FOLDER = Path(os.environ.get("OPENBELL_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data")) / "ticks"
SYMBOLS = ("BAC", "IBM")
DAY, BEFORE = date(2013, 10, 7), date(2013, 10, 4)
OPEN, END = datetime(2013, 10, 7, 13, 30, tzinfo=UTC), datetime(2013, 10, 7, 20, 2, tzinfo=UTC)
BEGIN = OPEN - timedelta(minutes=5)
CLOSES = {"BAC": 14.05, "IBM": 184.10}  # what they closed at on Friday
SPREAD = WatchRule(
    rule_id="wide", metric=Metric.SPREAD_PCT, comparison=Comparison.ABOVE, threshold=0.1, clear_at=0.05, hold_seconds=3
)
CHANGE = WatchRule(
    rule_id="moved",
    metric=Metric.CHANGE_PCT,
    comparison=Comparison.BEYOND,
    threshold=1.0,
    clear_at=0.9,
    severity=Severity.CRITICAL,
)
RETURN = WatchRule(
    rule_id="jump",
    metric=Metric.RETURN_1M_PCT,
    comparison=Comparison.BEYOND,
    threshold=0.15,
    clear_at=0.1,
    cadence=Cadence.FIVE_SECONDS,
)
RULES = (SPREAD, CHANGE, RETURN)
KINDS = (TickKind.TRADES, TickKind.QUOTES)


@pytest_asyncio.fixture
async def recorded_desk(empty_desk: DeskFolder, copy_of: Copy) -> DeskFolder:
    """A desk with the ticks of the day in store, the closes before, and its own rules."""
    if not FOLDER.is_dir():
        pytest.skip("no real ticks beside the repository")
    desk = await copy_of(empty_desk, source={"symbols": list(SYMBOLS)})
    storage = DeskStorage(home=desk.home)
    for kind in KINDS:
        storage.tick_store().append(Ticks(frame=ticks_frame(of_day(kind), kind), kind=kind, source="exchanges"))
    rows = [{"symbol": s, "session": BEFORE, **dict.fromkeys(PRICE_COLUMNS, px)} for s, px in CLOSES.items()]
    bars = DailyBars(frame=bars_frame(pd.DataFrame(rows)), source="sample", price_basis=PriceBasis.RAW)
    storage.store().upsert(bars, known_at=datetime.now(UTC))
    for rule in default_rules():
        desk.ledger.watches.remove_rule(rule.rule_id, actor="test", reason="not looked at", now=OPEN)
    for rule in RULES:
        desk.ledger.watches.put_rule(rule, actor="test", reason="looked at", now=OPEN)
    return desk


def of_day(kind: TickKind) -> pd.DataFrame:
    """Return what the exchanges sent of both, in order of time, as received at once."""
    files = [pd.read_parquet(FOLDER / f"{symbol.lower()}_{kind}_20131007.parquet") for symbol in SYMBOLS]
    rows = pd.concat(files).rename(columns={"bid_price": "bid", "ask_price": "ask"})
    rows["at"] = rows["ts"].dt.tz_convert("UTC")
    rows = rows.sort_values("at", kind="stable", ignore_index=True)
    return rows.assign(**{kind.time: rows["at"], "received_at": rows["at"]})


async def test_a_replay_of_a_real_day_tells_exactly_what_pandas_predicts(recorded_desk: DeskFolder):
    desk, replay = recorded_desk, Replay(source="exchanges", one_sided_rows=True)

    state = await watch_market(DAY, account=desk.account_block, replay=replay, storage=desk.storage, return_state=True)

    predicted = sorted(event for symbol in SYMBOLS for event in predict(symbol))
    assert state.is_completed()
    assert len(predicted) > 50
    assert {rule for _, rule, _, _ in predicted} == {"wide", "moved", "jump"}
    assert told(desk) == predicted
    assert desk.alerts() == (), "a replay tells nobody"


def told(desk: DeskFolder) -> list[tuple[str, str, str, bool]]:
    return sorted(
        (_time(pd.Timestamp(r.at)), r.rule_id, r.subject, bool(r.is_broken)) for r in desk.rows("watch_event")
    )


def _time(at: pd.Timestamp) -> str:
    return f"{at:%H:%M:%S.%f}"


# -- the same by pandas, and a loop over tenths of a second that is as plain as the rules are


def predict(symbol: str) -> Iterator[tuple[str, str, str, bool]]:
    ends = pd.date_range(BEGIN + timedelta(seconds=1), END, freq="100ms", tz=UTC)
    seconds = ends[ends.microsecond == 0]
    tenth = pd.Timedelta(milliseconds=100)
    heard = frozenset(at for kind in KINDS for at in (of_day(kind)["at"].dt.floor(tenth) + tenth).unique())
    quotes = of_day(TickKind.QUOTES).query("symbol == @symbol").set_index("at")
    trades = of_day(TickKind.TRADES).query("symbol == @symbol").set_index("at")["price"]
    bid, ask = (newest(quotes[side].where(quotes[side] > 0).ffill(), ends).ffill() for side in ("bid", "ask"))
    uncrossed = bid <= ask
    mid = ((bid + ask) / 2).where(uncrossed)
    spread = (200 * (ask - bid) / (ask + bid)).where(uncrossed)
    traded = newest(trades, seconds)
    last = newest(trades, ends).ffill()
    after = seconds[seconds > pd.Timestamp(OPEN)]
    sample = mid[after].fillna(traded[after]).copy()
    if pd.isna(sample.iloc[0]):
        sample.iloc[0] = last[after].iloc[0]
    sample = sample.ffill()
    moved = 100 * sample.pct_change(60, fill_method=None)
    early = sample.iloc[30:60] / sample.iloc[0] - 1  # told from half a window on, from the first sample
    moved.iloc[30:60] = 100 * early
    yield from rule_events(symbol, SPREAD, spread, heard)
    yield from rule_events(symbol, CHANGE, 100 * (last / CLOSES[symbol] - 1), heard)
    yield from rule_events(symbol, RETURN, moved.reindex(seconds), heard)


def newest(values: pd.Series, ends: pd.DatetimeIndex) -> pd.Series:
    """Return the last value of each span up to one of the ends; what came before the first belongs to it."""
    span = ends[1] - ends[0]
    labels = values.index.floor(span) + span
    return values.groupby(np.maximum(labels, ends[0])).last().reindex(ends)


def rule_events(
    symbol: str, rule: WatchRule, values: pd.Series, heard: frozenset[pd.Timestamp]
) -> Iterator[tuple[str, str, str, bool]]:
    since, broken, sign = None, False, -1 if rule.comparison is Comparison.BELOW else 1
    for at, value in values.items():
        if at.timestamp() % rule.cadence and (rule.cadence > Cadence.SECOND or at not in heard):
            continue  # within a second only rules of every second are looked at, and only after a tick
        number = abs(value) if rule.comparison is Comparison.BEYOND else sign * value
        since = (since or at) if number > rule.threshold else None
        if not broken and since is not None and (at - since).total_seconds() >= rule.hold_seconds:
            broken = True
            yield _time(at), rule.rule_id, symbol, True
        elif broken and number <= rule.clears_at:
            broken = False
            yield _time(at), rule.rule_id, symbol, False
