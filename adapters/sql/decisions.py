"""Decisions in SQL, with what the gate said of each of their orders."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from adapters.sql.approvals import IS_REBALANCE
from adapters.sql.rows import flat, json_value, table_of
from adapters.sql.tables import DecisionRow, RiskDecisionRow
from trading.ledger import Decision
from trading.risk.limits import RefusalCode, RiskDecision

DECISION, RISK = table_of(DecisionRow), table_of(RiskDecisionRow)
_Row = sa.Row[Any] | None


def insert_decision(connection: sa.Connection, decision: Decision) -> None:
    """Record a decision."""
    row = {name: getattr(decision, name) for name in DECISION.c.keys()}  # noqa: SIM118 - a ColumnCollection is no dict
    as_values = {name: json_value(row[name]) for name in ("parameters", "sizing", "targets")}
    connection.execute(sa.insert(DECISION), row | as_values)


def insert_verdicts(connection: sa.Connection, decision: Decision, verdicts: Sequence[RiskDecision]) -> None:
    """Record what the gate decided, in its order."""
    made = {"decision_id": decision.decision_id, "decided_at": decision.decided_at}
    rows = [flat(v) | made | {"position": i} for i, v in enumerate(verdicts)]
    if rows:
        connection.execute(sa.insert(RISK), rows)


def decision_for(connection: sa.Connection, account: str, session: date, book: str) -> _Row:
    """Return the one decision of a session for the book."""
    wanted = (DECISION.c.account == account) & (DECISION.c.session == session) & (DECISION.c.book == book)
    return connection.execute(sa.select(DECISION).where(wanted)).one_or_none()


def newest_rebalance(connection: sa.Connection, account: str) -> _Row:
    """Return the decision of the last session that a strategy decided for the account."""
    newest = sa.select(DECISION).order_by(DECISION.c.session.desc(), DECISION.c.decided_at.desc()).limit(1)
    return connection.execute(newest.where(DECISION.c.account == account, IS_REBALANCE)).first()


def decision_before(connection: sa.Connection, account: str, session: date, book: str) -> _Row:
    """Return the book's last decision for an earlier session."""
    earlier = (DECISION.c.account == account) & (DECISION.c.book == book) & (DECISION.c.session < session)
    newest = sa.select(DECISION).where(earlier).order_by(DECISION.c.session.desc()).limit(1)
    return connection.execute(newest).first()


def decision_of(connection: sa.Connection, cl_ord_id: str) -> _Row:
    """Return the decision that an order was proposed by, accepted or not."""
    wanted = sa.select(DECISION).join(RISK, RISK.c.decision_id == DECISION.c.decision_id)
    return connection.execute(wanted.where(RISK.c.cl_ord_id == cl_ord_id)).first()


def decided_for(connection: sa.Connection) -> tuple[str, ...]:
    """Return the accounts that were ever decided for."""
    found = connection.execute(sa.select(DECISION.c.account).distinct().order_by("account"))
    return tuple(account for (account,) in found)


def verdicts_of(connection: sa.Connection, decision_id: str) -> tuple[RiskDecision, ...]:
    """Return what the gate decided of the decision's orders, in its order."""
    rows = connection.execute(sa.select(RISK).where(RISK.c.decision_id == decision_id).order_by(RISK.c.position))
    return tuple(
        RiskDecision(
            cl_ord_id=r.cl_ord_id,
            symbol=r.symbol,
            accepted=r.accepted,
            code=RefusalCode(r.code) if r.code else None,
            limit=r.limit,
            before=r.before,
            value=r.value,
            text=r.text,
            asked_qty=r.asked_qty,
            granted_qty=r.granted_qty,
        )
        for r in rows
    )


def as_json(row: _Row) -> dict[str, Any] | None:
    """Return a decision as JSON values, or None."""
    return None if row is None else dict(row._mapping)
