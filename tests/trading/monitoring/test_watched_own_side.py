"""A watch that begins anew goes on with what was broken on our own side."""

from datetime import UTC, datetime, timedelta

import numpy as np

from trading.monitoring.conditions import ConditionPolicy
from trading.monitoring.market_state import MarketState
from trading.monitoring.own_readings import Readings
from trading.monitoring.rule_book import Standing
from trading.monitoring.watch_rules import Comparison, OwnMetric, Subjects, WatchRule
from trading.monitoring.watched_market import WatchedMarket
from trading.monitoring.watched_session import WatchedSession

SECOND = 1_000_000
OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
NOON = int(datetime(2024, 1, 2, 17, tzinfo=UTC).timestamp()) * SECOND
SLOW = WatchRule(
    rule_id="slow",
    metric=OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS,
    comparison=Comparison.ABOVE,
    threshold=10,
    symbols=frozenset({"IBM"}),
)
STOOD = {("slow", "o-1"): Standing(since=NOON, broken_at=NOON)}


def begun_anew(*rules: WatchRule) -> WatchedMarket:
    session = WatchedSession(
        symbols=("IBM",), open_at=OPEN, close_at=OPEN + timedelta(hours=6.5), previous_closes=np.full(1, np.nan)
    )
    return WatchedMarket(MarketState(session), session.symbols, rules, ConditionPolicy(), own_standing=STOOD)


def waiting(**seconds: float) -> dict[Subjects, Readings]:
    read = Readings(
        metrics=(
            OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS,
            OwnMetric.FILL_SLIPPAGE_PCT,
            OwnMetric.ORDER_DISTANCE_PCT,
        ),
        subjects=tuple(name.replace("_", "-") for name in seconds),
        symbols=("IBM",) * len(seconds),
        values=np.array([list(seconds.values()), [np.nan] * len(seconds), [np.nan] * len(seconds)]),
    )
    return {Subjects.ORDERS: read}


def test_an_order_of_a_rule_of_some_symbols_that_was_late_before_is_not_told_again():
    watch = begun_anew(SLOW)

    still = watch.own(waiting(o_1=60.0), NOON + 60 * SECOND)
    answered = watch.own(waiting(o_1=0.0), NOON + 62 * SECOND)

    assert still == ()
    assert [(e.subject, e.symbol, e.is_broken, e.broken_at) for e in answered] == [("o-1", "IBM", False, NOON)]


def test_an_order_of_such_a_rule_that_has_ended_meanwhile_is_late_no_more():
    watch = begun_anew(SLOW)

    gone = watch.own(waiting(o_2=0.0), NOON + 60 * SECOND)

    assert [(e.subject, e.is_broken, e.broken_at) for e in gone] == [("o-1", False, NOON)]
    assert watch.standing() == {}


def test_such_a_rule_that_is_taken_away_before_the_ledger_can_be_read_ends_what_it_has_told():
    watch = begun_anew(SLOW)

    gone = watch.change_rules((), NOON + SECOND)

    assert [(e.subject, e.is_broken) for e in gone] == [("o-1", False)]
