"""Circuit breakers in SQL: a tripped one survives every restart, with what tripped it and who reset it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.alert_rows import put_alert
from adapters.sql.audit import append_audit, breaker_action
from adapters.sql.breaker_tables import BreakerChangeRow, TrippedBreakerRow
from adapters.sql.engine import reading, writing
from adapters.sql.order_rows import MARK, ORDER, STATE
from adapters.sql.rows import flat, table_of
from adapters.sql.tables import ReconciliationRow
from trading.errors import DeskHalted
from trading.orders.executions import SendMark
from trading.orders.orders import OrdStatus, TimeInForce
from trading.risk.breaker_changes import BreakerChange, BreakerEvent, trip_alert
from trading.risk.breaker_rulings import reset_by, rule_breakers
from trading.risk.breakers import BreakerKind, BreakerRules, ResetRule
from trading.risk.equity_curve import Valuation
from trading.risk.observations import RiskObservation, Sending
from trading.risk.restrictions import Restriction, RestrictionKind, RiskScope

CHANGE, TRIPPED = table_of(BreakerChangeRow), table_of(TrippedBreakerRow)
RECONCILIATION = table_of(ReconciliationRow)
_KEY = ("account", "kind", "scope", "subject")

# Asked before every single order, so written once: SQLAlchemy then need not read it each time.
_FORBIDS = (TRIPPED.c.account == sa.bindparam("account")) | (TRIPPED.c.scope == RiskScope.DESK.value)
_IN_FORCE = CHANGE.c.until.is_(None) | (CHANGE.c.until > sa.bindparam("now", type_=CHANGE.c.until.type))
_ACTIVE = sa.select(CHANGE).join(TRIPPED, TRIPPED.c.change_id == CHANGE.c.id).where(_FORBIDS, _IN_FORCE).order_by("id")
BREAKER_HALTS = _ACTIVE.where(CHANGE.c.action == RestrictionKind.HALT.value)


class SqlBreakers:
    """Breakers of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def rule(
        self, rules: BreakerRules, seen: RiskObservation, now: datetime, next_session_at: datetime
    ) -> tuple[BreakerChange, ...]:
        """Record every change that the rules make of what is seen, and return them.

        The change, its audit entry and the alert of a trip are one transaction: none is lost in a crash. Two who look
        at once record one trip.
        """
        with reading(self._engine) as connection:
            if not rule_breakers(rules, seen, last_changes(connection, seen.account), now, next_session_at):
                return ()
        with writing(self._engine) as connection:
            changes = rule_breakers(rules, seen, last_changes(connection, seen.account), now, next_session_at)
            for change in changes:
                append_change(connection, change)
        return changes

    def reset(
        self, account: str, kind: BreakerKind, subject: str | None, *, actor: str, reason: str, now: datetime
    ) -> BreakerChange:
        """Record a person's word, and return what it came to: the reset, or the first of two words.

        Args:
            subject: the symbol, of a breaker of an instrument.

        Raises:
            InvalidValue: it is not tripped, no reason was given, or the second word is that of the first person.
        """
        with writing(self._engine) as connection:
            known = last_changes(connection, account)
            meant = [c for c in known if c.kind is kind and c.subject == (subject or account)]
            tripped = sorted(c.name for c in known if c.event is not BreakerEvent.RESET)
            # Of another scope there may be one from before the rule was changed: the one that holds is meant.
            last = max(meant, key=lambda c: (c.event is not BreakerEvent.RESET, c.changed_at), default=None)
            name = f"{kind} {subject}" if subject else kind.value
            change = reset_by(last, name, tripped, actor=actor, reason=reason, now=now)
            append_change(connection, change)
        return change

    def active(self, account: str, now: datetime) -> tuple[BreakerChange, ...]:
        """Return the tripped breakers that forbid the account something now, in the order they tripped."""
        with reading(self._engine) as connection:
            return active_breakers(connection, account, now)

    def restrictions(self, account: str, now: datetime) -> tuple[Restriction, ...]:
        """Return what the tripped breakers forbid the account now."""
        with reading(self._engine) as connection:
            return active_restrictions(connection, account, now)

    def tripped(self, account: str | None = None) -> tuple[BreakerChange, ...]:
        """Return the breakers that nobody has reset, of one account or of all; the time of some may be over."""
        wanted = sa.select(CHANGE).join(TRIPPED, TRIPPED.c.change_id == CHANGE.c.id).order_by(CHANGE.c.id)
        with reading(self._engine) as connection:
            return _changes(connection, wanted if account is None else wanted.where(CHANGE.c.account == account))

    def history(self, account: str | None = None) -> tuple[BreakerChange, ...]:
        """Return every change of the breakers of one account or of all, oldest first."""
        wanted = sa.select(CHANGE).order_by(CHANGE.c.id)
        with reading(self._engine) as connection:
            return _changes(connection, wanted if account is None else wanted.where(CHANGE.c.account == account))

    def sendings(self, account: str, session: date) -> tuple[Sending, ...]:
        """Return every sending of an order of the session, in the order they were marked."""
        wanted = sa.select(MARK.c.marked_at, STATE.c.ord_status).join_from(MARK, ORDER).join(STATE)
        wanted = wanted.where(ORDER.c.account == account, ORDER.c.session == session)
        wanted = wanted.where(MARK.c.mark == SendMark.SENDING.value).order_by(MARK.c.id)
        with reading(self._engine) as connection:
            return tuple(
                Sending(at=row.marked_at, rejected=row.ord_status == OrdStatus.REJECTED.value)
                for row in connection.execute(wanted)
            )

    def valuations(self, account: str) -> tuple[Valuation, ...]:
        """Return what the account was worth at the latest reconciliation of each session, oldest session first."""
        worth = (RECONCILIATION.c.session, RECONCILIATION.c.reconciled_at, RECONCILIATION.c.equity)
        wanted = sa.select(*worth).where(RECONCILIATION.c.account == account).order_by(RECONCILIATION.c.id)
        with reading(self._engine) as connection:
            latest = {row.session: row for row in connection.execute(wanted)}
        return tuple(Valuation(session=s, at=r.reconciled_at, equity=r.equity) for s, r in sorted(latest.items()))

    def at_close(self, cl_ord_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these orders that were for the closing auction."""
        found = sa.select(ORDER.c.cl_ord_id).where(ORDER.c.time_in_force == TimeInForce.CLS.value)
        with reading(self._engine) as connection:
            return frozenset(connection.execute(found.where(ORDER.c.cl_ord_id.in_(cl_ord_ids))).scalars())

    def require_none_halts(self, account: str, now: datetime) -> None:
        """Raise DeskHalted when a tripped breaker halts the account."""
        with reading(self._engine) as connection:
            require_no_halting_breaker(connection, account, now)


def active_breakers(connection: sa.Connection, account: str, now: datetime) -> tuple[BreakerChange, ...]:
    """Return the tripped breakers that forbid the account something, as this transaction sees them."""
    return _changes(connection, _ACTIVE, {"account": account, "now": now})


def active_restrictions(connection: sa.Connection, account: str, now: datetime) -> tuple[Restriction, ...]:
    """Return what the tripped breakers forbid the account, as this transaction sees them."""
    return tuple(change.restriction() for change in active_breakers(connection, account, now))


def require_no_halting_breaker(connection: sa.Connection, account: str, now: datetime) -> None:
    """Raise DeskHalted when a tripped breaker halts the account."""
    for row in connection.execute(BREAKER_HALTS, {"account": account, "now": now}):
        change = _change_of(row)
        scope = "desk" if change.scope is RiskScope.DESK else f"account {account}"
        raise DeskHalted(scope, f"breaker {change.name} of {change.account}: {change.cause}", change.how_it_ends())


def last_changes(connection: sa.Connection, account: str) -> tuple[BreakerChange, ...]:
    """Return the last change of each breaker of the account."""
    key = [CHANGE.c[name] for name in _KEY]
    newest = sa.select(sa.func.max(CHANGE.c.id)).where(CHANGE.c.account == account).group_by(*key)
    return _changes(connection, sa.select(CHANGE).where(CHANGE.c.id.in_(newest)).order_by(CHANGE.c.id))


def _changes(
    connection: sa.Connection, wanted: sa.Select[Any], parameters: Mapping[str, Any] | None = None
) -> tuple[BreakerChange, ...]:
    return tuple(_change_of(row) for row in connection.execute(wanted, parameters))


def append_change(connection: sa.Connection, change: BreakerChange) -> None:
    """Record, in the caller's transaction, a change with its audit entry and, of a trip, its alert."""
    row = flat(change)
    (change_id,) = connection.execute(sa.insert(CHANGE).values(**row)).inserted_primary_key or (None,)
    same = sa.and_(*(TRIPPED.c[name] == row[name] for name in _KEY))
    connection.execute(sa.delete(TRIPPED).where(same))
    if change.event is not BreakerEvent.RESET:
        connection.execute(sa.insert(TRIPPED).values(**{name: row[name] for name in _KEY}, change_id=change_id))
    append_audit(
        connection,
        actor=change.actor,
        action=breaker_action(row["event"], row["account"], row["kind"], row["subject"]),
        text=change.reason or change.cause,
        now=change.changed_at,
    )
    if change.event is BreakerEvent.TRIPPED:
        put_alert(connection, trip_alert(change))


def _change_of(row: sa.Row[Any]) -> BreakerChange:
    values = {name: value for name, value in row._mapping.items() if name != "id"}
    typed = {
        "kind": BreakerKind(row.kind),
        "scope": RiskScope(row.scope),
        "event": BreakerEvent(row.event),
        "action": RestrictionKind(row.action),
        "reset_rule": ResetRule(row.reset_rule),
    }
    return BreakerChange(**(values | typed))
