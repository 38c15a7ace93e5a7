"""Requests to cancel or replace an order, recorded before they are sent; a replace passes the gate first."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from adapters.sql.order_rows import ORDER, REPLACE, REQUEST, orders_of, replace_of, working_orders
from adapters.sql.risk_states import Asked, risk_state
from adapters.sql.rows import chunks, flat, insert_new, table_of
from adapters.sql.tables import DecisionRow, OrderRequestRow
from trading.errors import InvalidValue, OrderNotOpen, OrderUnknown
from trading.ledger import Lease
from trading.orders.orders import (
    NewOrderSingle,
    Order,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrdStatus,
)
from trading.risk.gate import RiskState, check_orders
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RefusalCode, RiskDecision
from trading.risk.risk_decisions import RiskOutcome

DECISION = table_of(DecisionRow)
_PASSED = {"accepted": True, "code": None, "limit": "", "before": "", "value": "", "text": ""}
_UNANSWERED = (OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN)


def insert_cancels(connection: sa.Connection, requests: Sequence[OrderCancelRequest]) -> None:
    """Record the cancel requests that are new.

    Raises:
        OrderUnknown: one is of an order that is not in the ledger.
    """
    meant = [request.orig_cl_ord_id for request in requests]
    known = {
        cl_ord_id
        for part in chunks(meant)
        for cl_ord_id in connection.execute(sa.select(ORDER.c.cl_ord_id).where(ORDER.c.cl_ord_id.in_(part))).scalars()
    }
    for unknown in sorted(set(meant) - known):
        raise OrderUnknown(unknown)
    values = dict.fromkeys(("order_qty", "price", "stop_px", "peg_offset_value", "token"))
    rows = [
        {
            "cl_ord_id": request.cl_ord_id,
            "orig_cl_ord_id": request.orig_cl_ord_id,
            "account": request.account,
            "kind": "cancel",
            "requested_at": request.transact_time,
        }
        | values
        | _PASSED
        for request in requests
    ]
    insert_new(connection, OrderRequestRow, rows)


def gate_replace(
    connection: sa.Connection,
    lease: Lease,
    request: OrderCancelReplaceRequest,
    inputs: RiskInputs,
) -> RiskDecision:
    """Decide about a replace request and record it with the verdict; one that is known has its verdict already."""
    order = next(iter(orders_of(connection, [request.orig_cl_ord_id])), None)
    if order is None:
        raise OrderUnknown(request.orig_cl_ord_id)
    known = connection.execute(sa.select(REQUEST).where(REQUEST.c.cl_ord_id == request.cl_ord_id)).one_or_none()
    if known is not None:
        if replace(replace_of(known), transact_time=request.transact_time) != request:
            raise InvalidValue(f"replace request {request.cl_ord_id}", request, "as it was recorded, or another id")
        return _verdict_of(known, order)
    if order.ord_status in _UNANSWERED or not order.ord_status.is_open:
        raise OrderNotOpen(order.cl_ord_id, order.ord_status.name)
    new = order.in_force.replaced(request)
    verdict = RiskDecision(
        cl_ord_id=request.cl_ord_id,
        symbol=new.symbol,
        accepted=True,
        asked_qty=new.order_qty,
        granted_qty=new.order_qty,
    )
    working = {o.cl_ord_id: o for o in working_orders(connection, order.new_order.account)}
    if not _only_less(new, working.get(order.cl_ord_id, order).in_force):
        state = _risk_state(connection, order, request, inputs, working.values())
        verdict = replace(_gated(new, state, inputs), cl_ord_id=request.cl_ord_id)
    row = flat(request) | flat(verdict) | {"kind": REPLACE, "token": lease.token}
    row["requested_at"] = row.pop("transact_time")
    for name in ("symbol", "asked_qty", "granted_qty"):
        del row[name]
    connection.execute(sa.insert(REQUEST), row)
    return verdict


def _only_less(new: NewOrderSingle, old: NewOrderSingle) -> bool:
    return new.order_qty <= old.order_qty and replace(new, order_qty=old.order_qty) == old


def _risk_state(
    connection: sa.Connection,
    order: Order,
    request: OrderCancelReplaceRequest,
    inputs: RiskInputs,
    working: Collection[Order],
) -> RiskState:
    """Return the account as if the order had never been, for its new values are to be judged whole."""
    account, meant = request.account, order.new_order
    of_account = sa.select(DECISION).where(DECISION.c.account == account)
    decided = connection.execute(of_account.order_by(DECISION.c.session.desc(), DECISION.c.decided_at.desc())).first()
    equity, cash = (decided.equity, decided.cash) if decided is not None else (Decimal(0), Decimal(0))
    asked = Asked(
        account=account,
        session=meant.session,
        as_of=max(meant.expire_time, request.transact_time),
        now=request.transact_time,
        equity=equity,
        cash=cash,
        but_for=order,
    )
    return risk_state(connection, asked, inputs, working)


def _gated(new: NewOrderSingle, state: RiskState, inputs: RiskInputs) -> RiskDecision:
    """Let the new values pass or not: what was asked of a broker's order is not to be something else."""
    (verdict,) = check_orders([new], state, replace(inputs.limits, reduce_to_fit=False))
    if verdict.outcome is RiskOutcome.REDUCED:
        return replace(verdict, accepted=False, granted_qty=Decimal(0))
    return verdict


def _verdict_of(row: sa.Row[Any], order: Order) -> RiskDecision:
    return RiskDecision(
        cl_ord_id=row.cl_ord_id,
        symbol=order.new_order.symbol,
        accepted=row.accepted,
        code=RefusalCode(row.code) if row.code else None,
        limit=row.limit,
        before=row.before,
        value=row.value,
        text=row.text,
        asked_qty=row.order_qty,
        granted_qty=row.order_qty if row.accepted else Decimal(0),
    )
