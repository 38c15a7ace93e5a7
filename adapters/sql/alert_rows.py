"""Rows of alerts: how an alert is put into the ledger, and what became of it is read back."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from adapters.sql.alert_tables import (
    AlertAcknowledgementRow,
    AlertMessagePartRow,
    AlertMessageRow,
    AlertNoticeRow,
    AlertQueueRow,
    AlertReceiptRow,
    AlertRepeatRow,
    AlertResolutionRow,
    AlertRow,
)
from adapters.sql.rows import by_key, chunks, flat, insert_new, table_of
from trading.alert_routes import NoticeKind
from trading.alerts import Acknowledgement, Alert, AlertState, Severity

ALERT, REPEAT, NOTICE = table_of(AlertRow), table_of(AlertRepeatRow), table_of(AlertNoticeRow)
ACKNOWLEDGED, RESOLVED = table_of(AlertAcknowledgementRow), table_of(AlertResolutionRow)
MESSAGE, PART, RECEIPT = table_of(AlertMessageRow), table_of(AlertMessagePartRow), table_of(AlertReceiptRow)
QUEUE = table_of(AlertQueueRow)
NOBODY = ""  # channel of what nobody has been chosen for yet
GRAVE = tuple(s.value for s in Severity if s.is_grave)

IS_ACKNOWLEDGED = sa.exists().where(ACKNOWLEDGED.c.alert_id == ALERT.c.id).correlate(ALERT)
IS_RESOLVED = sa.exists().where(RESOLVED.c.alert_id == ALERT.c.id).correlate(ALERT)
IS_TOLD = (
    sa.exists()
    .where(PART.c.alert_id == ALERT.c.id, RECEIPT.c.message_id == PART.c.message_id, RECEIPT.c.delivered)
    .correlate(ALERT)
)
IS_OPEN = ~IS_RESOLVED & (ALERT.c.lasting | (~IS_ACKNOWLEDGED & (ALERT.c.severity.in_(GRAVE) | ~IS_TOLD)))


def put_alert(connection: sa.Connection, alert: Alert) -> None:
    """Put one alert into the outbox in the caller's transaction."""
    put_alerts(connection, [alert])


def put_alerts(connection: sa.Connection, alerts: Sequence[Alert]) -> None:
    """Put alerts into the outbox in the caller's transaction; one that is there is counted.

    One is there when it has not been resolved and was at least as grave.
    """
    known = _unresolved(connection, [a.fingerprint for a in alerts])
    gravest = {fingerprint: Severity(row.severity) for fingerprint, row in known.items()}
    fresh, again = list[Alert](), list[Alert]()
    for alert in alerts:
        before = gravest.get(alert.fingerprint)
        if before is not None and before.gravity >= alert.severity.gravity:
            again.append(alert)
        else:
            fresh.append(alert)
            gravest[alert.fingerprint] = alert.severity
    ids = {fingerprint: row.id for fingerprint, row in known.items()} | _insert(connection, fresh)
    seen = {row.id for row in known.values() if row.is_acknowledged}
    if again:
        repeats = [{"alert_id": ids[a.fingerprint], "raised_at": a.raised_at} for a in again]
        connection.execute(sa.insert(REPEAT), repeats)
        urging = [a for a in again if a.lasting and ids[a.fingerprint] not in seen]
        insert_new(connection, AlertQueueRow, [queue_row(ids[a.fingerprint], a, NoticeKind.REPEATED) for a in urging])


def queue_row(
    alert_id: int, alert: Alert, kind: NoticeKind, *, number: int = 0, channel: str = NOBODY, gravity: int | None = None
) -> dict[str, Any]:
    """Return the row by which a channel is to be told something."""
    return {
        "alert_id": alert_id,
        "kind": kind.value,
        "number": number,
        "channel": channel,
        "gravity": alert.severity.gravity if gravity is None else gravity,
        "raised_at": alert.raised_at,
        "tries": 0,
        "next_try_at": alert.raised_at,
        "message_id": None,
    }


def alert_of(row: sa.Row[Any]) -> Alert:
    """Return the alert of a row."""
    return Alert(
        fingerprint=row.fingerprint,
        severity=Severity(row.severity),
        title=row.title,
        text=row.text,
        raised_at=row.raised_at,
        lasting=row.lasting,
    )


def alert_states(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> tuple[AlertState, ...]:
    """Return what became of the alerts that are wanted, the gravest first, then the oldest."""
    columns = (ACKNOWLEDGED.c.actor, ACKNOWLEDGED.c.note, ACKNOWLEDGED.c.acknowledged_at, RESOLVED.c.resolved_at)
    found = sa.select(ALERT, *columns).outerjoin(ACKNOWLEDGED, ACKNOWLEDGED.c.alert_id == ALERT.c.id)
    rows = connection.execute(found.outerjoin(RESOLVED, RESOLVED.c.alert_id == ALERT.c.id).where(wanted)).all()
    ids = [row.id for row in rows]
    repeats = by_key(_of_alerts(connection, sa.select(REPEAT), REPEAT.c.alert_id, ids), "alert_id")
    taken = sa.select(PART.c.alert_id, MESSAGE.c.channel).join(MESSAGE, MESSAGE.c.id == PART.c.message_id)
    taken = taken.join(RECEIPT, RECEIPT.c.message_id == MESSAGE.c.id).where(RECEIPT.c.delivered)
    told = by_key(_of_alerts(connection, taken, PART.c.alert_id, ids), "alert_id")
    queued = sa.select(QUEUE.c.alert_id, QUEUE.c.channel).where(QUEUE.c.channel != NOBODY)
    waiting = by_key(_of_alerts(connection, queued, QUEUE.c.alert_id, ids), "alert_id")
    states = (_state(row, repeats, told, waiting) for row in rows)
    return tuple(sorted(states, key=lambda s: (-s.alert.severity.gravity, s.alert.raised_at, s.alert_id)))


_ByAlert = Mapping[Any, Sequence[sa.Row[Any]]]


def _state(row: sa.Row[Any], repeats: _ByAlert, told: _ByAlert, waiting: _ByAlert) -> AlertState:
    again = [r.raised_at for r in repeats.get(row.id, ())]
    acknowledged = None
    if row.actor is not None:
        acknowledged = Acknowledgement(actor=row.actor, note=row.note, acknowledged_at=row.acknowledged_at)
    return AlertState(
        alert_id=row.id,
        alert=alert_of(row),
        count=1 + len(again),
        last_raised_at=max([row.raised_at, *again]),
        told=tuple(sorted({r.channel for r in told.get(row.id, ())})),
        waiting=tuple(sorted({r.channel for r in waiting.get(row.id, ())})),
        acknowledged=acknowledged,
        resolved_at=row.resolved_at,
    )


def _unresolved(connection: sa.Connection, fingerprints: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """Return the newest unresolved alert of each fingerprint; of several it is the gravest too."""
    columns = (ALERT.c.id, ALERT.c.fingerprint, ALERT.c.severity, IS_ACKNOWLEDGED.label("is_acknowledged"))
    wanted = sa.select(*columns).where(~IS_RESOLVED).order_by(ALERT.c.id)
    rows = (r for part in chunks(fingerprints) for r in connection.execute(wanted.where(ALERT.c.fingerprint.in_(part))))
    return {row.fingerprint: row for row in rows}


def _insert(connection: sa.Connection, alerts: Sequence[Alert]) -> dict[str, int]:
    if not alerts:
        return {}
    adding = sa.insert(ALERT).returning(ALERT.c.id, sort_by_parameter_order=True)
    ids = list(connection.execute(adding, [flat(a) for a in alerts]).scalars())
    rows = [queue_row(i, alert, NoticeKind.RAISED) for i, alert in zip(ids, alerts, strict=True)]
    connection.execute(sa.insert(QUEUE), rows)
    return {alert.fingerprint: i for i, alert in zip(ids, alerts, strict=True)}


def _of_alerts(
    connection: sa.Connection, wanted: sa.Select[Any], column: sa.ColumnElement[int], ids: Sequence[int]
) -> list[sa.Row[Any]]:
    return [row for part in chunks(ids) for row in connection.execute(wanted.where(column.in_(part)))]
