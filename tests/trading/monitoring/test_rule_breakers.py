"""What a watch rule with an action forbids while it is broken, and how that ends."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tests.builders import ACCOUNT, DECIDED
from tests.rule_builders import SECOND, a_rule, broken, kept, of_account
from trading.monitoring.rule_book import RuleEvent
from trading.monitoring.rule_breakers import ActingRule, acting_rules, rule_watch_breakers
from trading.monitoring.watch_rules import OwnMetric
from trading.monitoring.watch_status import time_of
from trading.risk.breaker_changes import BreakerChange, BreakerEvent, trip_alert
from trading.risk.breaker_rulings import reset_by
from trading.risk.breakers import BreakerKind
from trading.risk.restrictions import RestrictionKind, RiskScope

THIN = a_rule("thin", RestrictionKind.CLOSE_ONLY)
WIDE = a_rule("wide", RestrictionKind.BLOCK)


class Breakers:
    """What became of the breakers of one account, and of the rules that trip them."""

    def __init__(self) -> None:
        self.acting: dict[tuple[str, str], ActingRule] = {}
        self.last: dict[tuple[RiskScope, str], BreakerChange] = {}

    def after(self, *events: RuleEvent) -> list[tuple[str, str, str]]:
        """Return what changes: event, subject and action."""
        self.acting = acting_rules(ACCOUNT, self.acting, events)
        known = tuple(self.last.values())
        return self._keep(rule_watch_breakers(ACCOUNT, events, self.acting, known, time_of(events[-1].at)))

    def reset_by_ada(self, symbol: str = "AAPL", now: datetime = DECIDED) -> None:
        last = self.last[RiskScope.INSTRUMENT, symbol]
        self._keep([reset_by(last, last.name, [], actor="Ada", reason="seen", now=now)])

    def _keep(self, changes: Sequence[BreakerChange]) -> list[tuple[str, str, str]]:
        self.last |= {(c.scope, c.subject): c for c in changes}
        return [(c.event.value, c.subject, c.action.value) for c in changes]


def test_a_rule_without_an_action_forbids_nothing():
    assert Breakers().after(broken(a_rule())) == []


def test_what_is_forbidden_in_a_symbol_ends_when_its_rule_is_kept_again():
    breakers, event = Breakers(), broken(THIN)

    assert breakers.after(event) == [("tripped", "AAPL", "close_only")]
    assert breakers.after(broken(THIN, "IBM", 1)) == [("tripped", "IBM", "close_only")]
    assert breakers.after(kept(event, 2)) == [("reset", "AAPL", "close_only")]
    assert breakers.last[RiskScope.INSTRUMENT, "AAPL"].actor == "breaker"


def test_a_stricter_rule_replaces_what_is_in_force_and_a_milder_one_changes_nothing():
    breakers = Breakers()

    assert breakers.after(broken(THIN)) == [("tripped", "AAPL", "close_only")]
    assert breakers.after(broken(a_rule("small", RestrictionKind.REDUCE_SIZE), second=1)) == []
    assert breakers.after(broken(a_rule("thin-too", RestrictionKind.CLOSE_ONLY), second=1)) == []
    assert breakers.after(broken(WIDE, second=2)) == [("tripped", "AAPL", "block")]


def test_of_two_rules_that_are_broken_at_once_the_stricter_one_counts_whichever_comes_first():
    for events in ([broken(THIN), broken(WIDE)], [broken(WIDE), broken(THIN)]):
        assert Breakers().after(*events) == [("tripped", "AAPL", "block")]


def test_it_ends_only_when_no_rule_with_an_action_is_broken_there_any_more():
    breakers, thin, wide = Breakers(), broken(THIN), broken(WIDE, second=1)
    breakers.after(thin)
    breakers.after(wide)

    assert breakers.after(kept(wide, 2)) == []
    assert breakers.after(kept(thin, 3)) == [("reset", "AAPL", "block")]


def test_after_a_person_has_reset_it_only_a_rule_that_is_broken_anew_trips_it():
    breakers, thin = Breakers(), broken(THIN)
    breakers.after(thin)
    breakers.reset_by_ada()

    assert breakers.after(broken(a_rule("quiet"), second=1)) == []  # THIN is broken still
    assert breakers.after(kept(thin, 2)) == []
    assert breakers.after(broken(THIN, second=3)) == [("tripped", "AAPL", "close_only")]
    breakers.reset_by_ada()
    assert breakers.after(broken(WIDE, second=4)) == [("tripped", "AAPL", "block")]


def test_what_was_broken_and_kept_again_before_anyone_could_be_told_forbids_nothing():
    event = broken(THIN)

    assert Breakers().after(event, kept(event, 1)) == []


def test_what_is_kept_again_and_broken_anew_at_once_trips_by_what_is_broken():
    breakers, event = Breakers(), broken(THIN)

    assert breakers.after(kept(event, 1), broken(THIN, second=2)) == [("tripped", "AAPL", "close_only")]
    assert breakers.last[RiskScope.INSTRUMENT, "AAPL"].cause == "watch rule thin: AAPL: spread_pct is 3.5, above 3"


def test_a_rule_about_orders_restricts_the_symbol_of_the_order_until_its_last_order_keeps_it():
    breakers, rule = Breakers(), a_rule("late", RestrictionKind.BLOCK, metric=OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS)
    first, second = broken(rule, "t-1", symbol="IBM"), broken(rule, "t-2", 1, symbol="IBM")

    assert breakers.after(first) == [("tripped", "IBM", "block")]
    assert breakers.after(second) == []
    # Of an order that is gone a watch that was begun anew may not know the symbol.
    assert breakers.after(replace(kept(first, 2), symbol="t-1")) == []
    assert breakers.after(kept(second, 3)) == [("reset", "IBM", "block")]


def test_rules_about_the_account_and_the_feed_restrict_the_account_as_one():
    breakers, loss = Breakers(), broken(of_account(RestrictionKind.CLOSE_ONLY), ACCOUNT, symbol="")
    silence = broken(of_account(RestrictionKind.BLOCK, OwnMetric.FEED_SILENCE), "feed", 1)

    assert breakers.after(loss) == [("tripped", ACCOUNT, "close_only")]
    assert breakers.after(silence) == [("tripped", ACCOUNT, "block")]
    assert breakers.after(kept(loss, 2)) == []
    assert breakers.after(kept(silence, 3)) == [("reset", ACCOUNT, "block")]
    assert {scope for scope, _ in breakers.last} == {RiskScope.ACCOUNT}


def test_a_person_is_told_which_rule_it_was_what_is_forbidden_and_what_ends_it():
    breakers = Breakers()
    breakers.after(broken(a_rule("wide", RestrictionKind.REDUCE_SIZE), value=3.25))

    (change,) = breakers.last.values()
    alert = trip_alert(change)

    assert (change.value, change.threshold, change.size_factor) == (Decimal("3.25"), 3, Decimal("0.5"))
    assert alert.title == "Breaker watch_rule AAPL of account DU100 tripped: reduce_size"
    assert "What tripped: watch rule wide: AAPL: spread_pct is 3.25, above 3." in alert.text
    assert "`openbell reset watch_rule --subject AAPL --account DU100 --reason TEXT` ends it" in alert.text
    assert "it ends by itself when no watch rule with an action is broken there any more" in alert.text


def test_a_number_without_bound_trips_too():
    breakers = Breakers()

    assert breakers.after(broken(THIN, value=float("inf"))) == [("tripped", "AAPL", "close_only")]
    assert breakers.last[RiskScope.INSTRUMENT, "AAPL"].value is None


def test_breakers_that_go_by_other_numbers_are_left_alone():
    breakers = Breakers()
    breakers.after(broken(THIN))
    other = replace(breakers.last[RiskScope.INSTRUMENT, "AAPL"], kind=BreakerKind.CONCENTRATION, subject="IBM")

    changes = rule_watch_breakers(ACCOUNT, [broken(THIN, "IBM")], breakers.acting, [other], DECIDED + SECOND)

    assert BreakerEvent.RESET not in {c.event for c in changes}
