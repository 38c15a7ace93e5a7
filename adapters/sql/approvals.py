"""Approvals in SQL: asked in the transaction that intends the orders, answered in one of their own, checked at sending.

What `require_approved` refuses goes nowhere, whoever wants to send it; all that asks persons stands above it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.approval_tables import ApprovalAnswerRow, ApprovalRequestRow
from adapters.sql.audit import append_audit, approval_action, approval_text
from adapters.sql.engine import reading, writing
from adapters.sql.order_rows import ORDER, open_ids, orders_of, read_orders, working_orders
from adapters.sql.rows import by_key, chunks, flat, table_of
from adapters.sql.tables import DecisionRow
from trading.errors import InvalidValue, NotApproved
from trading.ledger import Decision
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrderPurpose
from trading.risk.approvals import Approval, ApprovalAnswer, ApprovalRequest, ApprovalVerdict, asks_no_more
from trading.risk.exposure import orders_notional
from trading.risk.inputs import RiskInputs

DECISION = table_of(DecisionRow)
REQUEST, ANSWER = table_of(ApprovalRequestRow), table_of(ApprovalAnswerRow)
_NEEDS = (ORDER.c.decision_id == REQUEST.c.decision_id) & (ORDER.c.purpose == OrderPurpose.REBALANCE.value)
# A decision that closes or protects positions has the purpose of its orders in place of a strategy.
IS_REBALANCE = DECISION.c.strategy.not_in([p.value for p in OrderPurpose if p is not OrderPurpose.REBALANCE])
_LIVE = "live"


class SqlApprovals:
    """What persons were asked, and what they said, of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, decision_id: str) -> Approval | None:
        """Return the request of that decision with its answers, or None when it needed no approval."""
        with reading(self._engine) as connection:
            return next(iter(_approvals(connection, REQUEST.c.decision_id == decision_id)), None)

    def waiting(self, account: str | None = None) -> tuple[Approval, ...]:
        """Return what waits for an answer, of one account or of all, oldest first."""
        wanted = REQUEST.c.account == account if account is not None else sa.true()
        # One answer may be one of two, and is then weighed by the rule.
        with reading(self._engine) as connection:
            return tuple(a for a in _approvals(connection, wanted & _may_wait()) if a.waits)

    def withheld(self, account: str) -> dict[str, Approval]:
        """Return the open orders of the account that need approval and do not have it, by ClOrdID."""
        has_open = REQUEST.c.decision_id.in_(
            sa.select(ORDER.c.decision_id).where(ORDER.c.cl_ord_id.in_(open_ids(account)))
        )
        with reading(self._engine) as connection:
            still_open = set(connection.execute(open_ids(account)).scalars())
            return {
                cl_ord_id: approval
                for approval in _approvals(connection, (REQUEST.c.account == account) & has_open)
                for cl_ord_id in approval.orders
                if cl_ord_id in still_open and cl_ord_id not in approval.approved
            }

    def answer(
        self,
        decision_id: str,
        *,
        actor: str,
        verdict: ApprovalVerdict,
        only: Iterable[str] = (),
        note: str = "",
        now: datetime,
    ) -> Approval:
        """Record what a person says, and return what it comes to; of two at once the first counts.

        Raises:
            AnswerRefused: it is settled, too late, or this person has answered; nothing was written.
            InvalidValue: no such decision waits, or the answer does not fit it; likewise.
        """
        with writing(self._engine) as connection:
            approval = _approval(connection, decision_id)
            return _append(connection, approval, approval.answered(actor, verdict, only, note, now))

    def close_late(self, account: str, now: datetime) -> tuple[Approval, ...]:
        """Record the no of nobody for what waits beyond its deadline, and return it."""
        wanted = (REQUEST.c.account == account) & (REQUEST.c.deadline <= now) & _may_wait()
        if not any(a.request.deadline <= now for a in self.waiting(account)):
            return ()
        with writing(self._engine) as connection:
            late = [a for a in _approvals(connection, wanted) if a.waits]
            return tuple(_append(connection, a, a.unanswered(now)) for a in late)


def request_approval(
    connection: sa.Connection, decision: Decision, orders: Sequence[NewOrderSingle], inputs: RiskInputs
) -> None:
    """Record in the caller's transaction that the orders wait for a person, when the account's rules say so."""
    terms = inputs.approval
    asked = [o for o in orders if o.purpose is OrderPurpose.REBALANCE]
    if terms is None or not asked:
        return
    notional = orders_notional(asked, inputs.marks, inputs.multipliers())
    reason = terms.rules.why_needed(notional, _sessions_before(connection, decision))
    if reason is None:
        return
    request = ApprovalRequest(
        decision_id=decision.decision_id,
        account=decision.account,
        asked_at=terms.asked_at,
        deadline=terms.deadline,
        reason=reason,
        persons=2 if terms.rules.two_persons_when_live and decision.mode == _LIVE else 1,
    )
    connection.execute(sa.insert(REQUEST).values(**flat(request)))


def require_approved(connection: sa.Connection, cl_ord_ids: Sequence[str]) -> None:
    """Raise NotApproved when one of the orders needs a person's approval and does not have it."""
    needing: dict[str, list[str]] = {}
    for part in chunks(cl_ord_ids):
        wanted = sa.select(ORDER.c.cl_ord_id, ORDER.c.decision_id).join(REQUEST, _NEEDS)
        for row in connection.execute(wanted.where(ORDER.c.cl_ord_id.in_(part))):
            needing.setdefault(row.decision_id, []).append(row.cl_ord_id)
    for decision_id, ids in needing.items():
        approved = _approval(connection, decision_id).approved
        if refused := [i for i in ids if i not in approved]:
            raise NotApproved(decision_id, refused)


def require_no_more_than_approved(
    connection: sa.Connection, request: OrderCancelReplaceRequest, inputs: RiskInputs
) -> None:
    """Raise NotApproved when an order is to ask more than a person approved, or than goes without a person's word."""
    asking = _asking_more(connection, request)
    if asking is None:
        return
    decision_id, amended = asking
    if connection.execute(sa.select(REQUEST.c.decision_id).where(REQUEST.c.decision_id == decision_id)).first():
        raise NotApproved(decision_id, [request.cl_ord_id])
    if inputs.approval is None:
        return
    mine = (ORDER.c.decision_id == decision_id) & (ORDER.c.purpose == OrderPurpose.REBALANCE.value)
    worst = {o.cl_ord_id: o.in_force for o in working_orders(connection, request.account)}
    together = {o.cl_ord_id: worst.get(o.cl_ord_id, o.in_force) for o in read_orders(connection, mine)}
    together[amended.cl_ord_id] = amended
    notional = orders_notional(together.values(), inputs.marks, inputs.multipliers())
    decision = connection.execute(sa.select(DECISION).where(DECISION.c.decision_id == decision_id)).one()
    if inputs.approval.rules.why_needed(notional, _sessions_before(connection, decision)) is not None:
        raise NotApproved(decision_id, [request.cl_ord_id])


def _asking_more(connection: sa.Connection, request: OrderCancelReplaceRequest) -> tuple[str, NewOrderSingle] | None:
    """Return the decision, and the order as it is to be; None where it asks no more of the account than at first."""
    rebalances = ORDER.c.purpose == OrderPurpose.REBALANCE.value
    meant = sa.select(ORDER.c.decision_id).where(ORDER.c.cl_ord_id == request.orig_cl_ord_id, rebalances)
    decision_id = connection.execute(meant).scalar()
    if decision_id is None:
        return None
    require_approved(connection, [request.orig_cl_ord_id])
    (order,) = orders_of(connection, [request.orig_cl_ord_id])
    amended = order.in_force.replaced(request)
    return None if asks_no_more(amended, order.new_order) else (decision_id, amended)


def _may_wait() -> sa.ColumnElement[bool]:
    """Return the condition that leaves out what is settled for certain: as many answers as persons are needed."""
    given = sa.select(sa.func.count()).where(ANSWER.c.decision_id == REQUEST.c.decision_id).scalar_subquery()
    return given < REQUEST.c.persons


def _approval(connection: sa.Connection, decision_id: str) -> Approval:
    found = next(iter(_approvals(connection, REQUEST.c.decision_id == decision_id)), None)
    if found is None:
        raise InvalidValue("decision", decision_id, "one that waits for approval; `openbell approve` lists them")
    return found


def _approvals(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> tuple[Approval, ...]:
    rows = connection.execute(sa.select(REQUEST).where(wanted).order_by("asked_at", "decision_id")).all()
    meant = sa.select(REQUEST.c.decision_id).where(wanted)
    answers = connection.execute(sa.select(ANSWER).where(ANSWER.c.decision_id.in_(meant)).order_by("id"))
    answered = by_key((_answer_of(r) for r in answers), "decision_id")
    needing = sa.select(ORDER.c.decision_id, ORDER.c.cl_ord_id, ORDER.c.symbol).join(REQUEST, _NEEDS)
    orders = by_key(connection.execute(needing.where(wanted).order_by(ORDER.c.position)), "decision_id")
    return tuple(
        Approval(
            request=ApprovalRequest(**row._mapping),
            orders={o.cl_ord_id: o.symbol for o in orders.get(row.decision_id, ())},
            answers=tuple(answered.get(row.decision_id, ())),
        )
        for row in rows
    )


def _answer_of(row: sa.Row[Any]) -> ApprovalAnswer:
    values = {name: value for name, value in row._mapping.items() if name != "id"}
    return ApprovalAnswer(**values | {"verdict": ApprovalVerdict(row.verdict), "cl_ord_ids": frozenset(row.cl_ord_ids)})


def _append(connection: sa.Connection, approval: Approval, answer: ApprovalAnswer) -> Approval:
    row = flat(answer) | {"cl_ord_ids": sorted(answer.cl_ord_ids)}
    connection.execute(sa.insert(ANSWER).values(**row))
    append_audit(
        connection,
        actor=answer.actor,
        action=approval_action(answer.decision_id),
        text=approval_text(answer.verdict.value, row["cl_ord_ids"], answer.note),
        now=answer.answered_at,
    )
    return replace(approval, answers=(*approval.answers, answer))


def _sessions_before(connection: sa.Connection, decision: Decision | sa.Row[Any]) -> int:
    same = (DECISION.c.account == decision.account) & (DECISION.c.mode == decision.mode) & IS_REBALANCE
    sessions = sa.select(sa.func.count(sa.distinct(DECISION.c.session)))
    return int(connection.execute(sessions.where(same & (DECISION.c.session != decision.session))).scalar_one())
