"""Breaker rulings: which breakers change, by their rules, what is observed and what they were."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.errors import InvalidValue
from trading.risk.breaker_changes import ITSELF, BreakerChange, BreakerEvent, reading_text
from trading.risk.breaker_readings import Reading, is_over, read_breaker
from trading.risk.breakers import BreakerKind, BreakerRule, BreakerRules, ResetRule
from trading.risk.observations import RiskObservation
from trading.risk.restrictions import RestrictionKind

RESET_HOLDS = timedelta(hours=12)  # of a person, over a condition that lasts: until the next session
_MEASURED_ANEW = (
    BreakerKind.DAILY_LOSS,
    BreakerKind.DRAWDOWN,
    BreakerKind.REJECTION_RATE,
    BreakerKind.ORDER_RATE,
    BreakerKind.SLIPPAGE,
)


def rule_breakers(
    rules: BreakerRules,
    seen: RiskObservation,
    last: Sequence[BreakerChange],
    now: datetime,
    next_session_at: datetime,
) -> tuple[BreakerChange, ...]:
    """Return every change there is to record.

    Args:
        last: the last change of each breaker of the account.
        next_session_at: when a breaker ends that holds until the next session.
    """
    changes = []
    for kind, rule in rules.items():
        known = {c.subject: c for c in last if c.kind is kind and c.scope is rule.scope}
        readings = read_breaker(kind, rule, seen, known, now) if rule.enabled else {}
        for subject in sorted(known.keys() | readings.keys()):
            change = _rule_one(kind, rule, seen, known.get(subject), subject, readings.get(subject), now)
            if change is not None:
                until = _until(rule, now, next_session_at)
                changes.append(replace(change, until=until) if change.event is BreakerEvent.TRIPPED else change)
    return tuple(changes)


def _rule_one(
    kind: BreakerKind,
    rule: BreakerRule,
    seen: RiskObservation,
    last: BreakerChange | None,
    subject: str,
    reading: Reading | None,
    now: datetime,
) -> BreakerChange | None:
    held = last is not None and last.event is not BreakerEvent.RESET
    over = reading is not None and is_over(rule, reading)
    if last is not None and held and last.is_tripped(now):
        is_out = reading is not None and reading.value is not None and reading.value < rule.ends_below
        if last.reset_rule is not ResetRule.BY_ITSELF or not is_out or reading is None or reading.value is None:
            return None
        return _reset(last, ITSELF, f"{reading.value:,.2f} is below {rule.ends_below}", now)
    if over and reading is not None and not _is_forgiven(kind, last, reading, now):
        return _tripped(kind, rule, seen, subject, reading, now)
    return _reset(last, ITSELF, "its time is over", now) if last is not None and held else None


def _is_forgiven(kind: BreakerKind, last: BreakerChange | None, reading: Reading, now: datetime) -> bool:
    """Tell whether a person has just said that trading goes on although the condition lasts."""
    if last is None or kind in _MEASURED_ANEW or not last.is_reset_by_person or reading.problem:
        return False
    # A past session is rehearsed by its own clock, and reset by a person's: long after it.
    since = last.changed_at if last.changed_at <= now else last.tripped_at
    return now < since + RESET_HOLDS


def _tripped(
    kind: BreakerKind, rule: BreakerRule, seen: RiskObservation, subject: str, reading: Reading, now: datetime
) -> BreakerChange:
    cause = f"it cannot be measured, so it trips: {reading.problem}"
    if reading.value is not None:
        cause = reading_text(kind, reading.value, rule.threshold)
        if reading.amount is not None:
            cause = f"a loss of {reading.amount:,.2f}: {cause}"
    reduces = rule.action is RestrictionKind.REDUCE_SIZE
    return BreakerChange(
        account=seen.account,
        kind=kind,
        scope=rule.scope,
        subject=subject,
        event=BreakerEvent.TRIPPED,
        cause=cause,
        threshold=rule.threshold,
        value=None if reading.value is None else reading.value.quantize(Decimal("0.0001")),
        action=rule.action,
        size_factor=rule.size_factor if reduces else None,
        cancel_working=rule.cancel_working,
        flatten=rule.flatten,
        two_persons=rule.two_persons,
        reset_rule=rule.reset,
        until=None,
        equity=seen.equity if seen.equity is not None and seen.equity.is_finite() else None,
        tripped_at=now,
        actor=ITSELF,
        reason="",
        changed_at=now,
    )


def _until(rule: BreakerRule, now: datetime, next_session_at: datetime) -> datetime | None:
    match rule.reset:
        case ResetRule.NEXT_SESSION:
            return next_session_at
        case ResetRule.AFTER_TIME:
            return now + timedelta(minutes=rule.reset_minutes)
        case _:
            return None


def _reset(last: BreakerChange, actor: str, reason: str, now: datetime) -> BreakerChange:
    return replace(last, event=BreakerEvent.RESET, actor=actor, reason=reason, changed_at=now)


def reset_by(
    last: BreakerChange | None, name: str, tripped: Sequence[str], *, actor: str, reason: str, now: datetime
) -> BreakerChange:
    """Return the change that a person's word makes: the reset, or the first of two words.

    Args:
        last: the last change of the breaker; None when there never was one.
        name: as the person named it.
        tripped: the names of the breakers that could be reset.

    Raises:
        InvalidValue: it is not tripped, no reason was given, or the second word is that of the first person.
    """
    if not reason.strip():
        raise InvalidValue("reason", reason, "a sentence that says why trading may go on; it is kept")
    if last is None or last.event is BreakerEvent.RESET:
        rule = f"a breaker that is tripped: {', '.join(tripped) or 'none is'}"
        if last is not None:
            rule += f"; it was reset by {last.actor} at {last.changed_at:%Y-%m-%d %H:%M} UTC: {last.reason}"
        raise InvalidValue("breaker", name, rule)
    if not last.two_persons:
        return _reset(last, actor, reason, now)
    if last.event is BreakerEvent.TRIPPED:
        return replace(last, event=BreakerEvent.RESET_REQUESTED, actor=actor, reason=reason, changed_at=now)
    if last.actor == actor:
        raise InvalidValue("person", actor, f"another than {actor}, whose word is the first: this reset takes two")
    return _reset(last, actor, f"{reason} (asked for by {last.actor}: {last.reason})", now)
