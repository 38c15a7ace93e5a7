"""Alert planning in SQL: who is to hear of what, decided by the policy and recorded before anything is sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa

from adapters.sql.alert_rows import (
    ALERT,
    GRAVE,
    IS_ACKNOWLEDGED,
    IS_RESOLVED,
    IS_TOLD,
    MESSAGE,
    NOBODY,
    NOTICE,
    PART,
    QUEUE,
    RECEIPT,
    alert_of,
    queue_row,
)
from trading.alert_routes import AlertPolicy, NoticeKind
from trading.alerts import Alert, Severity

MOST_AT_ONCE = 2000  # so that a storm does not hold the ledger's write lock for seconds
_TOLD = (NoticeKind.RAISED.value, NoticeKind.REPEATED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Who is to hear of one alert, and why."""

    alert_id: int
    alert: Alert
    kind: NoticeKind
    number: int
    channels: tuple[str, ...]


def make_plans(connection: sa.Connection, policy: AlertPolicy, now: datetime) -> tuple[_Plan, ...]:
    """Return what the policy decides about what nobody has been chosen for, and about what nobody acknowledges."""
    if not policy.routes:
        return ()
    plans = chain(
        _unrouted(connection, policy, now), _escalated(connection, policy, now), _left_behind(connection, policy, now)
    )
    # What is raised again and left behind too is told once.
    return tuple({(p.alert_id, p.kind, p.number): p for p in plans}.values())


def record_plans(connection: sa.Connection, plans: Sequence[_Plan], now: datetime) -> None:
    """Append the decisions, and queue what they ask for."""
    if not plans:
        return
    notices = [
        {"alert_id": p.alert_id, "kind": p.kind.value, "number": p.number}
        | {"channels": list(p.channels), "decided_at": now}
        for p in plans
    ]
    connection.execute(sa.insert(NOTICE), notices)
    # An escalation has no such row; a repetition's is of number 0 there.
    names = {"an_alert": QUEUE.c.alert_id, "a_kind": QUEUE.c.kind}
    done = sa.delete(QUEUE).where(QUEUE.c.channel == NOBODY, *(c == sa.bindparam(n) for n, c in names.items()))
    connection.execute(done, [{"an_alert": p.alert_id, "a_kind": p.kind.value} for p in plans])
    if rows := [row for plan in plans for row in _queue_rows(plan, now)]:
        connection.execute(sa.insert(QUEUE), rows)


def _queue_rows(plan: _Plan, now: datetime) -> Iterator[dict[str, Any]]:
    gravity = Severity.INFO.gravity if plan.kind is NoticeKind.RESOLVED else plan.alert.severity.gravity
    for channel in plan.channels:
        row = queue_row(plan.alert_id, plan.alert, plan.kind, number=plan.number, channel=channel, gravity=gravity)
        yield row | {"next_try_at": now}  # whoever raised it may have had a clock that was ahead


def _unrouted(connection: sa.Connection, policy: AlertPolicy, now: datetime) -> Iterator[_Plan]:
    last_told = sa.select(sa.func.max(NOTICE.c.decided_at)).correlate(QUEUE)
    last_told = last_told.where(NOTICE.c.alert_id == QUEUE.c.alert_id, NOTICE.c.kind.in_(_TOLD))
    may_be_due = (QUEUE.c.kind != NoticeKind.REPEATED.value) | (
        last_told.scalar_subquery() <= now - policy.repeat_after
    )
    wanted = sa.select(QUEUE.c.kind, ALERT).where(may_be_due)  # or a storm that repeats would be weighed at each look
    wanted = wanted.join(ALERT, ALERT.c.id == QUEUE.c.alert_id).where(QUEUE.c.channel == NOBODY)
    order = (QUEUE.c.gravity.desc(), QUEUE.c.raised_at, QUEUE.c.alert_id)
    for row in connection.execute(wanted.order_by(*order).limit(MOST_AT_ONCE)).all():
        alert, kind = alert_of(row), NoticeKind(row.kind)
        number, channels = 0, policy.told_at_once(alert.severity)
        if kind is NoticeKind.REPEATED:
            number, last_told_at = _last_told(connection, row.id)
            if last_told_at is None or not policy.tells_again(last_told_at, now):
                continue
            waiting = _channels_waiting(connection, row.id)
            channels = tuple(c for c in channels if c not in waiting)
        elif kind is NoticeKind.RESOLVED:
            if _is_in_flight(connection, row.id):  # whether it was heard of shows soon
                continue
            channels = policy.told_resolved(_heard(connection, row.id))
        yield _Plan(alert_id=row.id, alert=alert, kind=kind, number=number, channels=channels)


def _escalated(connection: sa.Connection, policy: AlertPolicy, now: datetime) -> Iterator[_Plan]:
    for minutes in policy.escalations():
        told = sa.exists().where(
            NOTICE.c.alert_id == ALERT.c.id, NOTICE.c.kind == NoticeKind.ESCALATED.value, NOTICE.c.number == minutes
        )
        is_due = (
            ALERT.c.raised_at <= now - timedelta(minutes=minutes),
            ALERT.c.raised_at > now - policy.escalate_within,
        )
        wanted = sa.select(ALERT).where(ALERT.c.severity.in_(GRAVE), *is_due, ~IS_ACKNOWLEDGED, ~IS_RESOLVED, ~told)
        for row in connection.execute(wanted.order_by(ALERT.c.id).limit(MOST_AT_ONCE)).all():
            alert = alert_of(row)
            channels = policy.told_after(minutes, alert.severity)
            yield _Plan(alert_id=row.id, alert=alert, kind=NoticeKind.ESCALATED, number=minutes, channels=channels)


def _left_behind(connection: sa.Connection, policy: AlertPolicy, now: datetime) -> Iterator[_Plan]:
    """Choose anew for what waits for channels that are gone, such as one that was renamed, and nobody was told."""
    names = [route.name for route in policy.routes]
    # Not at once: somebody with newer settings may know the channel.
    is_left = (QUEUE.c.channel.not_in([NOBODY, *names]), QUEUE.c.next_try_at <= now - policy.repeat_after)
    wanted = sa.select(ALERT).where(ALERT.c.id.in_(sa.select(QUEUE.c.alert_id).where(*is_left)))
    wanted = wanted.where(~IS_TOLD, ~IS_ACKNOWLEDGED, ~IS_RESOLVED).order_by(ALERT.c.id).limit(MOST_AT_ONCE)
    for row in connection.execute(wanted).all():
        alert, waiting = alert_of(row), _channels_waiting(connection, row.id)
        if channels := tuple(c for c in policy.told_at_once(alert.severity) if c not in waiting):
            number, _ = _last_told(connection, row.id)
            yield _Plan(alert_id=row.id, alert=alert, kind=NoticeKind.REPEATED, number=number, channels=channels)


def _last_told(connection: sa.Connection, alert_id: int) -> tuple[int, datetime | None]:
    """Return the number of the next repetition, and when it was decided last to tell the alert."""
    wanted = sa.select(NOTICE.c.number, NOTICE.c.decided_at)
    rows = connection.execute(wanted.where(NOTICE.c.alert_id == alert_id, NOTICE.c.kind.in_(_TOLD))).all()
    return max((r.number for r in rows), default=0) + 1, max((r.decided_at for r in rows), default=None)


def _channels_waiting(connection: sa.Connection, alert_id: int) -> set[str]:
    return set(connection.execute(sa.select(QUEUE.c.channel).where(QUEUE.c.alert_id == alert_id)).scalars())


def _is_in_flight(connection: sa.Connection, alert_id: int) -> bool:
    flying = sa.select(QUEUE.c.alert_id).where(QUEUE.c.alert_id == alert_id, QUEUE.c.message_id.is_not(None))
    return connection.execute(flying.limit(1)).first() is not None


def _heard(connection: sa.Connection, alert_id: int) -> list[str]:
    """Return the channels that have heard of the alert, or may have."""
    wanted = sa.select(MESSAGE.c.channel).join(PART, PART.c.message_id == MESSAGE.c.id)
    wanted = wanted.outerjoin(RECEIPT, RECEIPT.c.message_id == MESSAGE.c.id).where(PART.c.alert_id == alert_id)
    may_have = RECEIPT.c.delivered.is_(None) | RECEIPT.c.delivered
    return list(connection.execute(wanted.where(may_have).distinct()).scalars())
