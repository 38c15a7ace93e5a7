"""The outbox: an alert is a row first, and stays due on each channel until the channel has taken it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import sqlalchemy as sa

from adapters.sql.alert_ending import end_alerts, unresolved
from adapters.sql.alert_planning import make_plans, record_plans
from adapters.sql.alert_rows import (
    ACKNOWLEDGED,
    ALERT,
    GRAVE,
    IS_ACKNOWLEDGED,
    IS_OPEN,
    IS_RESOLVED,
    IS_TOLD,
    QUEUE,
    alert_of,
    alert_states,
    put_alerts,
)
from adapters.sql.alert_sending import is_due, lapsed, mark_sending, next_notices, record_receipt, withdraw
from adapters.sql.audit import append_audit
from adapters.sql.engine import reading, writing
from adapters.sql.ledger_place import Place
from adapters.sql.schema import require_schema
from trading.alert_messages import OutgoingMessage
from trading.alert_routes import AlertPolicy, AlertRoute
from trading.alerts import Alert, AlertState
from trading.errors import InvalidValue

NO_RECEIPT = "no receipt in time: whoever sent it was stopped, so nobody knows whether it was taken"


class SqlOutbox:
    """Alerts of one ledger, who was told, and their receipts."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def of(cls, place: Place) -> Self:
        """Open the outbox of a ledger without the rest of it, which takes seconds to load.

        Raises:
            SchemaMismatch: it has not been migrated to this version.
            LedgerUnavailable: it cannot be read.
        """
        engine = place.engine()
        require_schema(engine)
        return cls(engine)

    def raise_alert(self, alert: Alert) -> None:
        """Put the alert into the outbox; one that is there already and not resolved is counted."""
        self.raise_alerts([alert])

    def raise_alerts(self, alerts: Sequence[Alert]) -> None:
        """Put many alerts into the outbox, all or none."""
        if alerts:
            with writing(self._engine) as connection:
                put_alerts(connection, alerts)

    def resolve(self, fingerprint: str, text: str, now: datetime) -> int:
        """Record that what was raised is over; who heard of it hears of that too.

        Returns:
            How many alerts that were: with none the raiser may go on, nothing was open.
        """
        with reading(self._engine) as connection:  # asked at each clearing of a rule, and mostly in vain
            if connection.execute(sa.select(ALERT.c.id).where(unresolved(fingerprint)).limit(1)).first() is None:
                return 0
        with writing(self._engine) as connection:
            return end_alerts(connection, fingerprint, text, now)

    def acknowledge(self, alert_id: int, *, actor: str, note: str, now: datetime) -> AlertState:
        """Record a person's word that the alert is seen to, with its entry in the audit trail.

        Raises:
            InvalidValue: there is no such alert, or it was acknowledged before.
        """
        with writing(self._engine) as connection:
            state = _state(connection, alert_id)
            if state.acknowledged is not None:
                before = f"{state.acknowledged.actor} did at {state.acknowledged.acknowledged_at:%Y-%m-%d %H:%M} UTC"
                raise InvalidValue("alert", alert_id, f"one that nobody has acknowledged; {before}")
            row = {"alert_id": alert_id, "actor": actor, "note": note, "acknowledged_at": now}
            connection.execute(sa.insert(ACKNOWLEDGED).values(**row))
            append_audit(connection, actor=actor, action=f"acknowledge alert {alert_id}", text=note, now=now)
            withdraw(connection, [alert_id])
            return _state(connection, alert_id)

    def due(self) -> tuple[Alert, ...]:
        """Return the alerts that no channel has taken yet and somebody should hear of, oldest first."""
        wanted = sa.select(ALERT).where(~IS_TOLD, ~IS_ACKNOWLEDGED, ~IS_RESOLVED).order_by(ALERT.c.id)
        with reading(self._engine) as connection:
            return tuple(alert_of(row) for row in connection.execute(wanted))

    def overdue(self, before: datetime) -> int | None:
        """Return the number of the oldest grave alert raised before then that is still to be told and nobody took."""
        wanted = sa.select(ALERT.c.id).join(QUEUE, QUEUE.c.alert_id == ALERT.c.id)
        wanted = wanted.where(ALERT.c.severity.in_(GRAVE), ALERT.c.raised_at < before)
        wanted = wanted.where(~IS_TOLD, ~IS_ACKNOWLEDGED, ~IS_RESOLVED).order_by(ALERT.c.raised_at, ALERT.c.id)
        with reading(self._engine) as connection:
            return connection.execute(wanted.limit(1)).scalar()

    def open(self) -> tuple[AlertState, ...]:
        """Return the alerts that are of concern, the gravest first, then the oldest."""
        with reading(self._engine) as connection:
            return alert_states(connection, IS_OPEN)

    def plan(self, policy: AlertPolicy, now: datetime) -> None:
        """Decide who is to hear of what is new, repeated, over or not acknowledged; give up what has no receipt."""
        with reading(self._engine) as connection:
            if not make_plans(connection, policy, now) and not lapsed(connection, now):
                return
        with writing(self._engine) as connection:
            for message in lapsed(connection, now):
                record_receipt(connection, message, policy, delivered=None, text=NO_RECEIPT, now=now)
            record_plans(connection, make_plans(connection, policy, now), now)

    def take(self, policy: AlertPolicy, route: AlertRoute, now: datetime) -> OutgoingMessage | None:
        """Return the channel's next message, recorded as being sent; None when it has none, or must wait.

        Of two who ask at once, one gets it.
        """
        with reading(self._engine) as connection:
            due = sa.select(QUEUE.c.alert_id).where(is_due(policy, route, now)).limit(1)
            if connection.execute(due).first() is None:
                return None
        with writing(self._engine) as connection:
            notices = next_notices(connection, policy, route, now)
            return mark_sending(connection, route, notices, now) if notices else None

    def record(
        self, message: OutgoingMessage, policy: AlertPolicy, *, delivered: bool | None, text: str, now: datetime
    ) -> None:
        """Append the receipt of a message, or why there is none; what was not taken is tried again later.

        Args:
            delivered: None where nobody can know.
        """
        with writing(self._engine) as connection:
            record_receipt(connection, message, policy, delivered=delivered, text=text, now=now)


def _state(connection: sa.Connection, alert_id: int) -> AlertState:
    found = alert_states(connection, ALERT.c.id == alert_id)
    if not found:
        raise InvalidValue(
            "alert", alert_id, "the number of one that was raised; `openbell alerts` lists the open ones"
        )
    return found[0]
