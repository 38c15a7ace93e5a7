import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from trading.alerts import Severity
from trading.monitoring.metrics import Metric
from trading.monitoring.rule_book import RuleBook, RuleEvent, Standing
from trading.monitoring.watch_rules import Cadence, Comparison, OwnMetric, WatchRule, default_rules, subjects_of
from trading.monitoring.watch_status import broken_rows
from trading.risk.restrictions import RestrictionKind

SECOND = 1_000_000
NOON = int(datetime(2024, 1, 2, 17, tzinfo=UTC).timestamp()) * SECOND


def a_rule(**given: object) -> WatchRule:
    asked = {"rule_id": "spread", "metric": Metric.SPREAD_PCT, "comparison": Comparison.ABOVE, "threshold": 1.0}
    return WatchRule(**(asked | given))  # type: ignore[arg-type]


def a_book(*rules: WatchRule, subjects: tuple[str, ...] = ("IBM",)) -> RuleBook:
    return RuleBook(rules, tuple(dict.fromkeys(r.metric for r in rules)), subjects)


def run(book: RuleBook, values: list[float], start: int = NOON) -> list[tuple[int, str, bool]]:
    """Return at which seconds which rule was broken or kept again, by the one subject."""
    return [
        (second, event.rule.rule_id, event.is_broken)
        for second, value in enumerate(values)
        for event in book.evaluate(np.array([[value]]), start + second * SECOND)
    ]


def when(book: RuleBook, values: list[float]) -> list[tuple[int, bool]]:
    return [(second, is_broken) for second, _, is_broken in run(book, values)]


def test_a_rule_is_broken_above_its_threshold_and_kept_again_at_its_lower_one():
    book = a_book(a_rule(threshold=1.0, clear_at=0.8))

    assert when(book, [1.0, 1.1, 1.2, 0.9, 0.81, 0.8, 0.9, 1.1]) == [(1, True), (5, False), (7, True)]


def test_what_must_not_be_below_is_broken_below():
    book = a_book(a_rule(comparison=Comparison.BELOW, threshold=0.5, clear_at=0.6))

    assert when(book, [0.5, 0.4, 0.55, 0.6]) == [(1, True), (3, False)]


def test_a_fall_is_as_far_from_zero_as_a_rise():
    book = a_book(a_rule(comparison=Comparison.BEYOND, threshold=3.0))

    assert when(book, [3.0, -3.1, 3.1, 2.0, 3.5]) == [(1, True), (3, False), (4, True)]


def test_a_rule_with_a_time_is_broken_once_it_was_beyond_for_all_of_it():
    book = a_book(a_rule(hold_seconds=3))

    assert when(book, [2.0, 2.0, 0.5, 2.0, 2.0, 2.0, 2.0, 2.0]) == [(6, True)]


def test_a_number_that_is_not_known_breaks_nothing_mends_nothing_and_ends_the_time():
    book = a_book(a_rule(hold_seconds=2))

    assert when(book, [2.0, np.nan, 2.0, 2.0, 2.0, np.nan, 0.1]) == [(4, True), (6, False)]


def test_a_rule_is_looked_at_when_the_clock_says_so():
    book = a_book(a_rule(cadence=Cadence.FIVE_SECONDS))

    assert when(book, [0, 2.0, 2.0, 2.0, 2.0, 2.0, 0, 0, 0, 0, 0]) == [(5, True), (10, False)]


def test_a_rule_of_some_symbols_leaves_the_others_alone_and_names_who_is_not_watched():
    book = a_book(a_rule(symbols=frozenset({"IBM", "XYZ"})), subjects=("AAPL", "IBM"))

    events = book.evaluate(np.array([[9.0, 9.0]]), NOON)

    assert [e.subject for e in events] == ["IBM"]
    assert [(r.rule_id, s) for r, s in book.unheard] == [("spread", "XYZ")]


def test_a_symbol_that_is_gone_breaks_its_rule_no_more():
    book = a_book(a_rule(), subjects=("AAPL", "IBM"))
    book.evaluate(np.array([[2.0, 2.0]]), NOON)

    changed, gone = book.changed(book.rules, ("AAPL", "NEW"), NOON + SECOND)

    assert [(e.subject, e.is_broken, e.broken_at) for e in gone] == [("IBM", False, NOON)]
    assert gone[0].text == "IBM: spread_pct is looked at no more, or there is no IBM any more"
    assert changed.evaluate(np.array([[2.0, 0.0]]), NOON + 2 * SECOND) == ()


def test_a_rule_that_is_taken_away_is_broken_no_more():
    book = a_book(a_rule())
    book.evaluate(np.array([[2.0]]), NOON)

    _, gone = book.changed((), ("IBM",), NOON + SECOND)

    assert [(e.rule.rule_id, e.is_broken) for e in gone] == [("spread", False)]


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.5, 0.9, 1.5, np.nan]), min_size=1, max_size=30), st.integers(0, 30))
def test_a_book_that_is_taken_up_again_goes_on_as_if_it_had_never_been_shut(values: list[float], shut: int):
    rules = (a_rule(clear_at=0.8, hold_seconds=1), a_rule(rule_id="five", cadence=Cadence.FIVE_SECONDS))
    first, before = a_book(*rules), len(values[:shut])

    told = run(first, values[:shut])
    second = RuleBook(rules, first.metrics, ("IBM",), first.standing())
    told += [(n + before, *rest) for n, *rest in run(second, values[shut:], NOON + before * SECOND)]

    assert told == run(a_book(*rules), values)


def test_an_alert_says_the_number_the_rule_and_the_way_out():
    book = a_book(a_rule(severity=Severity.CRITICAL, action=RestrictionKind.BLOCK))
    (event,) = book.evaluate(np.array([[2.5]]), NOON)

    alert = event.alert("paper")

    assert alert.title == "IBM: spread_pct is 2.5, above 1"
    assert alert.fingerprint == f"paper watch spread IBM {NOON // SECOND}"
    assert alert.severity is Severity.CRITICAL
    assert alert.raised_at == datetime(2024, 1, 2, 17, tzinfo=UTC)
    assert "Until it is kept again: block." in alert.text


def test_the_default_rules_are_those_that_users_expect():
    limits = {r.rule_id: (r.metric, r.comparison.value, r.threshold) for r in default_rules()}

    assert limits["volatility-warning"] == (Metric.VOLATILITY_5M_PCT, "above", 2)
    assert limits["volatility-critical"] == (Metric.VOLATILITY_5M_PCT, "above", 5)
    assert limits["spread-warning"] == (Metric.SPREAD_PCT, "above", 1)
    assert limits["spread-critical"] == (Metric.SPREAD_PCT, "above", 3)
    assert limits["volume-warning"] == (Metric.VOLUME_RATIO, "below", 0.5)
    assert limits["price-change-warning"] == (Metric.CHANGE_PCT, "beyond", 3)
    assert limits["price-change-critical"] == (Metric.CHANGE_PCT, "beyond", 7)
    assert limits["liquidity-warning"] == (Metric.LIQUIDITY, "below", 0.3)
    assert len(limits) == len(default_rules())


def test_a_rule_is_the_same_after_it_was_written_down():
    adapter = TypeAdapter(WatchRule)

    for rule in (*default_rules(), a_rule(symbols=frozenset({"IBM", "BAC"}), action=RestrictionKind.CLOSE_ONLY)):
        assert adapter.validate_python(json.loads(adapter.dump_json(rule))) == rule


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clear_at": 1.5}, "clear_at is 1.5, but must be at most the threshold of 1"),
        ({"comparison": Comparison.BELOW, "clear_at": 0.5}, "at least the threshold"),
        ({"comparison": Comparison.BEYOND, "threshold": -1.0}, "0 or more with beyond"),
        ({"threshold": float("nan")}, "finite"),
        ({"rule_id": "A B"}, "pattern"),
        ({"hold_seconds": -1}, "greater than or equal to 0"),
        ({"cadence": 7}, "1, 5, 30 or 300"),
        ({"symbols": frozenset()}, "at least 1"),
        ({"metric": OwnMetric.DAY_LOSS_PCT, "symbols": frozenset({"IBM"})}, "left out"),
        ({"action": RestrictionKind.HALT}, "block: a halt is for an account"),
        ({"metric": "no_such"}, "spread_pct"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_the_reason(given: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        a_rule(**given)


def test_every_metric_is_of_something():
    assert {subjects_of(m).value for m in (*Metric, *OwnMetric)} == {
        "symbols",
        "orders",
        "positions",
        "account",
        "feed",
    }


def test_an_event_of_a_number_that_is_back_says_it():
    event = RuleEvent(rule=a_rule(), subject="IBM", value=0.25, broken_at=NOON, at=NOON + SECOND, is_broken=False)

    assert event.text == "IBM: spread_pct is 0.25 again"


def test_a_rule_for_orders_of_a_symbol_finds_them_by_their_symbol():
    rule = a_rule(rule_id="slow", metric=OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS, symbols=frozenset({"IBM"}))
    book = RuleBook((rule,), (rule.metric,), ("o-1", "o-2", "o-3"), symbols=("IBM", "BAC", "IBM"))

    events = book.evaluate(np.array([[9.0, 9.0, 9.0]]), NOON)

    assert [(e.subject, e.symbol) for e in events] == [("o-1", "IBM"), ("o-3", "IBM")]
    assert book.unheard == ()


def test_an_order_that_was_late_before_the_watch_began_anew_and_is_late_again_is_told_with_its_symbol():
    rule = a_rule(rule_id="slow", metric=OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS, clear_at=1.0)
    left = RuleBook((rule,), (rule.metric,), ("o-1",), {("slow", "o-1"): Standing(since=NOON, broken_at=NOON)})

    book, gone = left.changed((rule,), ("o-1",), NOON, ("IBM",))
    events = [e for at, value in ((1, 0.5), (2, 9.0)) for e in book.evaluate(np.array([[value]]), NOON + at * SECOND)]

    assert gone == ()
    assert [(e.is_broken, e.symbol) for e in events] == [(False, "IBM"), (True, "IBM")]
    _, gone = book.changed((rule,), ("o-2",), NOON + 3 * SECOND, ("BAC",))
    assert [(e.subject, e.symbol) for e in gone] == [("o-1", "IBM")]


def test_the_status_says_what_a_broken_rule_asks_for():
    rules = (a_rule(), a_rule(rule_id="wide", action=RestrictionKind.CLOSE_ONLY))
    broken = Standing(since=NOON, broken_at=NOON)

    rows = broken_rows(rules, {("spread", "IBM"): broken, ("wide", "IBM"): broken})

    assert [row["text"] for row in rows] == ["spread_pct above 1", "spread_pct above 1, asks for close_only"]


def test_within_a_second_only_rules_of_every_second_are_looked_at_and_each_breaking_has_a_name():
    five = a_rule(rule_id="five", cadence=Cadence.FIVE_SECONDS)
    book, fifths = a_book(a_rule(), five), [2.0, 0.5, 2.0]

    events = [e for n, value in enumerate(fifths, 1) for e in book.evaluate(np.array([[value]]), NOON + n * 200_000)]

    # NOON, 17:00:00 UTC, is 1704214800
    assert [e.rule.rule_id for e in events] == ["spread"] * 3
    assert [e.fingerprint for e in events if e.is_broken] == [
        "watch spread IBM 1704214800.2",
        "watch spread IBM 1704214800.6",
    ]
