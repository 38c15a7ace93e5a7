"""The outbox: an alert is a row first, and stays due until a channel has taken it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.engine import reading, writing
from adapters.sql.rows import flat, insert_new, table_of
from adapters.sql.tables import AlertDeliveryRow, AlertRow
from trading.alerts import Alert, Severity

ALERT, DELIVERY = table_of(AlertRow), table_of(AlertDeliveryRow)


class SqlOutbox:
    """Alerts of one ledger, and their receipts."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def raise_alert(self, alert: Alert) -> None:
        """Put the alert into the outbox; one with a known fingerprint is there already."""
        with writing(self._engine) as connection:
            insert_new(connection, AlertRow, [flat(alert)])

    def due(self) -> tuple[Alert, ...]:
        """Return the alerts that no channel has taken yet, oldest first."""
        taken = sa.select(DELIVERY.c.alert_id).where(DELIVERY.c.delivered)
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(ALERT).where(ALERT.c.id.not_in(taken)).order_by(ALERT.c.id)).all()
        return tuple(
            Alert(
                fingerprint=r.fingerprint,
                severity=Severity(r.severity),
                title=r.title,
                text=r.text,
                raised_at=r.raised_at,
            )
            for r in rows
        )

    def record_delivery(self, alerts: Sequence[Alert], *, delivered: bool, text: str, now: datetime) -> None:
        """Append the receipt, or the failure, of one try."""
        with writing(self._engine) as connection:
            wanted = ALERT.c.fingerprint.in_([a.fingerprint for a in alerts])
            ids = [i for (i,) in connection.execute(sa.select(ALERT.c.id).where(wanted))]
            same = {"tried_at": now, "delivered": delivered, "text": text}
            if ids:
                connection.execute(sa.insert(DELIVERY), [{"alert_id": i} | same for i in ids])
