"""Send marks in SQL: that orders go on the wire, what became of it, and which may not go any more."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from adapters.sql.alert_rows import put_alert
from adapters.sql.books import read_quality
from adapters.sql.breakers import active_restrictions
from adapters.sql.clearances import symbols_locked
from adapters.sql.order_rows import MARK, ORDER, STATE, fold_states, orders_of, working_orders
from adapters.sql.risk_states import Asked, risk_state
from adapters.sql.rows import table_of
from adapters.sql.tables import DecisionRow
from trading.ledger import Lease
from trading.orders.executions import SendMark
from trading.orders.orders import OrderPurpose, OrdStatus
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskDecision, RiskLimits
from trading.risk.send_rules import refused_at_sending, unsent_alert, unsent_text

DECISION = table_of(DecisionRow)


def insert_marks(
    connection: sa.Connection, lease: Lease, ids: Sequence[str], mark: SendMark, now: datetime, text: str
) -> None:
    """Record the same mark of these orders."""
    same = {"mark": mark.value, "token": lease.token, "marked_at": now, "text": text}
    if ids:
        connection.execute(sa.insert(MARK), [{"cl_ord_id": i} | same for i in ids])


def abandon_forbidden(
    connection: sa.Connection, lease: Lease, cl_ord_ids: Sequence[str], now: datetime
) -> tuple[RiskDecision, ...]:
    """Give up those of the orders that may not be sent any more, and tell a person; return why.

    In the caller's transaction: what they reserved is free when it ends, and the alert is never lost. What may be at
    the broker is left alone.
    """
    refused = _forbidden(connection, lease.account, cl_ord_ids, now)
    for refusal in refused:
        insert_marks(connection, lease, [refusal.cl_ord_id], SendMark.ABANDONED, now, unsent_text(refusal))
    if refused:
        fold_states(connection, [r.cl_ord_id for r in refused])
        put_alert(connection, unsent_alert(lease.account, refused, now))
    return refused


def _forbidden(
    connection: sa.Connection, account: str, cl_ord_ids: Sequence[str], now: datetime
) -> tuple[RiskDecision, ...]:
    locked = _quarantined_since(connection, cl_ord_ids) | symbols_locked(connection, account)
    if not (locked or active_restrictions(connection, account, now) or _any_unknown(connection, account)):
        return ()  # as nearly always: neither the orders nor what is held need be read
    meant = [o.new_order for o in orders_of(connection, cl_ord_ids) if o.may_be_sent]
    meant = [o for o in meant if o.purpose is not OrderPurpose.FLATTEN]
    if not meant:
        return ()
    asked = Asked(
        account=account,
        session=meant[0].session,
        as_of=max(o.expire_time for o in meant),
        now=now,
        equity=Decimal(0),
        cash=Decimal(0),
    )
    at_broker = [o for o in working_orders(connection, account) if not o.may_be_sent]
    # No price is needed for what may be bought or sold at all, and for what only closes.
    inputs = RiskInputs(limits=RiskLimits(), marks={}, blocked=locked)
    return refused_at_sending(meant, risk_state(connection, asked, inputs, at_broker))


def _any_unknown(connection: sa.Connection, account: str) -> bool:
    wanted = sa.select(STATE.c.cl_ord_id).where(STATE.c.account == account, STATE.c.is_open)
    wanted = wanted.where(STATE.c.ord_status == OrdStatus.UNKNOWN.value).limit(1)
    return connection.execute(wanted).first() is not None


def _quarantined_since(connection: sa.Connection, cl_ord_ids: Sequence[str]) -> dict[str, str]:
    """Return the symbols that a later verdict on the same bars than that of the decision has quarantined."""
    by_bars = (DECISION.c.source, DECISION.c.bars_session, DECISION.c.verdict_id)
    wanted = sa.select(*by_bars).distinct().join(ORDER, ORDER.c.decision_id == DECISION.c.decision_id)
    wanted = wanted.where(ORDER.c.cl_ord_id.in_(cl_ord_ids), DECISION.c.verdict_id != "")
    found: dict[str, str] = {}
    for row in connection.execute(wanted).all():
        report = read_quality(connection, row.source, row.bars_session, but_for=row.verdict_id)
        found |= report.quarantined() if report is not None else {}
    return found
