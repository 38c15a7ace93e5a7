"""Builders of watch rules and of who breaks them: each shows only what a test is about."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.builders import DECIDED
from trading.monitoring.metrics import Metric
from trading.monitoring.rule_book import RuleEvent
from trading.monitoring.watch_rules import Comparison, OwnMetric, WatchRule
from trading.monitoring.watch_status import microseconds_of
from trading.risk.restrictions import RestrictionKind

SECOND = timedelta(seconds=1)


def a_rule(rule_id: str = "spread", action: RestrictionKind | None = None, **fields: Any) -> WatchRule:
    given = {"metric": Metric.SPREAD_PCT, "comparison": Comparison.ABOVE, "threshold": 3.0}
    return WatchRule(rule_id=rule_id, action=action, **(given | fields))


def broken(
    rule: WatchRule, subject: str = "AAPL", second: int = 0, value: float = 3.5, symbol: str | None = None
) -> RuleEvent:
    """Return that the subject breaks the rule, so many seconds after the desk has decided."""
    at = microseconds_of(DECIDED + second * SECOND)
    named = subject if symbol is None else symbol
    return RuleEvent(rule=rule, subject=subject, value=value, broken_at=at, at=at, is_broken=True, symbol=named)


def kept(event: RuleEvent, second: int) -> RuleEvent:
    """Return that what was broken is kept again."""
    return replace(event, value=0.5, at=microseconds_of(DECIDED + second * SECOND), is_broken=False)


def of_account(action: RestrictionKind, metric: OwnMetric = OwnMetric.DAY_LOSS_PCT) -> WatchRule:
    return a_rule(metric.replace("_", "-"), action, metric=metric)
