"""The end of an alert: whoever raised it says that it is over."""

from datetime import datetime

import sqlalchemy as sa

from adapters.sql.alert_rows import ALERT, IS_RESOLVED, RESOLVED, alert_of, queue_row
from adapters.sql.alert_sending import withdraw
from adapters.sql.alert_tables import AlertQueueRow
from adapters.sql.rows import insert_new
from trading.alert_routes import NoticeKind


def unresolved(fingerprint: str) -> sa.ColumnElement[bool]:
    """Return the condition for the alerts of that fingerprint that are not over."""
    return (ALERT.c.fingerprint == fingerprint) & ~IS_RESOLVED


def end_alerts(connection: sa.Connection, fingerprint: str, text: str, now: datetime) -> int:
    """Record, in the caller's transaction, that what was raised is over, and return how many alerts that were."""
    rows = connection.execute(sa.select(ALERT).where(unresolved(fingerprint)).order_by(ALERT.c.id)).all()
    for row in rows:
        connection.execute(sa.insert(RESOLVED).values(alert_id=row.id, text=text, resolved_at=now))
        insert_new(connection, AlertQueueRow, [queue_row(row.id, alert_of(row), NoticeKind.RESOLVED, gravity=0)])
    withdraw(connection, [row.id for row in rows])
    return len(rows)
