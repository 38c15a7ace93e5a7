"""Rule breakers: what a watch rule with an action forbids while it is broken, as circuit breakers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import isfinite

from trading.monitoring.rule_book import RuleEvent
from trading.monitoring.watch_rules import Subjects, subjects_of
from trading.risk.breaker_changes import ITSELF, BreakerChange, BreakerEvent
from trading.risk.breakers import BreakerKind, ResetRule
from trading.risk.restrictions import RestrictionKind, RiskScope

SIZE_FACTOR = Decimal("0.5")  # of REDUCE_SIZE; a rule says no other
_FROM_MILDEST = tuple(RestrictionKind)
_Key = tuple[str, str]  # rule and subject


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingRule:
    """A rule with an action that is broken.

    Attributes:
        subject: who broke it: a symbol, an order, the account, the feed.
        restricted: the symbol in which something is forbidden, or the account.
    """

    rule_id: str
    subject: str
    scope: RiskScope
    restricted: str
    action: RestrictionKind


def acting_rules(
    account: str, acting: Mapping[_Key, ActingRule], events: Iterable[RuleEvent]
) -> dict[_Key, ActingRule]:
    """Return the rules with an action that are broken after the events.

    Args:
        acting: those before, by rule and subject.
    """
    after = dict(acting)
    for event in events:
        key = (event.rule.rule_id, event.subject)
        after.pop(key, None)
        rule = _acting(account, event)
        if rule is not None:
            after[key] = rule
    return after


def rule_watch_breakers(
    account: str,
    events: Sequence[RuleEvent],
    acting: Mapping[_Key, ActingRule],
    last: Sequence[BreakerChange],
    now: datetime,
) -> tuple[BreakerChange, ...]:
    """Return every change there is to record.

    One trips, or becomes stricter, by a rule that is broken anew; it ends when no rule with an action is broken there
    any more. What is broken still when a person resets it trips nothing.

    Args:
        events: those that were not known before, oldest first.
        acting: what is broken after them, by rule and subject.
        last: the last change of each breaker of the account.
    """
    held = {
        (c.scope, c.subject): c for c in last if c.kind is BreakerKind.WATCH_RULE and c.event is not BreakerEvent.RESET
    }
    broken = {(rule.scope, rule.restricted) for rule in acting.values()}
    ended = [_reset(change, now) for place, change in held.items() if place not in broken]
    return (*ended, *(_tripped(account, rule, event, now) for rule, event in _strictest(events, acting, held)))


def _acting(account: str, event: RuleEvent) -> ActingRule | None:
    rule = event.rule
    if not event.is_broken or rule.action is None:
        return None
    of_account = subjects_of(rule.metric) in (Subjects.ACCOUNT, Subjects.FEED)
    return ActingRule(
        rule_id=rule.rule_id,
        subject=event.subject,
        scope=RiskScope.ACCOUNT if of_account else RiskScope.INSTRUMENT,
        restricted=account if of_account else event.symbol,
        action=rule.action,
    )


def _strictest(
    events: Sequence[RuleEvent],
    acting: Mapping[_Key, ActingRule],
    held: Mapping[tuple[RiskScope, str], BreakerChange],
) -> Iterable[tuple[ActingRule, RuleEvent]]:
    """Return, for each place, the strictest rule that is broken anew, where it is stricter than what is in force."""
    found: dict[tuple[RiskScope, str], tuple[ActingRule, RuleEvent]] = {}
    in_force = {place: change.action for place, change in held.items()}
    for event in events:
        rule = acting.get((event.rule.rule_id, event.subject)) if event.is_broken else None
        if rule is not None and _is_stricter(rule.action, in_force.get((rule.scope, rule.restricted))):
            in_force[rule.scope, rule.restricted] = rule.action
            found[rule.scope, rule.restricted] = rule, event
    return found.values()


def _is_stricter(action: RestrictionKind, than: RestrictionKind | None) -> bool:
    return than is None or _FROM_MILDEST.index(action) > _FROM_MILDEST.index(than)


def _tripped(account: str, rule: ActingRule, event: RuleEvent, now: datetime) -> BreakerChange:
    return BreakerChange(
        account=account,
        kind=BreakerKind.WATCH_RULE,
        scope=rule.scope,
        subject=rule.restricted,
        event=BreakerEvent.TRIPPED,
        cause=f"watch rule {rule.rule_id}: {event.text}",
        threshold=Decimal(str(event.rule.threshold)),
        value=Decimal(str(round(event.value, 4))) if isfinite(event.value) else None,
        action=rule.action,
        size_factor=SIZE_FACTOR if rule.action is RestrictionKind.REDUCE_SIZE else None,
        cancel_working=False,
        flatten=False,
        two_persons=False,
        reset_rule=ResetRule.BY_ITSELF,
        until=None,
        equity=None,
        tripped_at=now,
        actor=ITSELF,
        reason="",
        changed_at=now,
    )


def _reset(last: BreakerChange, now: datetime) -> BreakerChange:
    reason = "no watch rule with an action is broken any more"
    return replace(last, event=BreakerEvent.RESET, actor=ITSELF, reason=reason, changed_at=now)
