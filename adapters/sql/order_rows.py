"""Orders in SQL: read back from their intents, send marks, reports and requests."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from adapters.sql.rows import by_key, chunks, new_order_of, report_of, table_of
from adapters.sql.tables import ExecutionReportRow, NewOrderRow, OrderRequestRow, OrderStateRow, SendMarkRow
from trading.orders.executions import SendMark, SendMarkEntry, fold_order
from trading.orders.orders import Order, OrderCancelReplaceRequest

ORDER, MARK, REPORT = table_of(NewOrderRow), table_of(SendMarkRow), table_of(ExecutionReportRow)
STATE, REQUEST = table_of(OrderStateRow), table_of(OrderRequestRow)
REPLACE = "replace"
_VALUES = ("order_qty", "price", "stop_px", "peg_offset_value")


def fold_states(connection: sa.Connection, cl_ord_ids: Sequence[str]) -> set[str]:
    """Derive the state of these orders from their facts, and return the ids that are ours."""
    orders = orders_of(connection, cl_ord_ids)
    if orders:
        for part in chunks(cl_ord_ids):
            connection.execute(sa.delete(STATE).where(STATE.c.cl_ord_id.in_(part)))
        insert_states(connection, orders)
    return {o.cl_ord_id for o in orders}


def insert_states(connection: sa.Connection, orders: Sequence[Order]) -> None:
    """Write down the state of orders that have none there."""
    rows = [
        {
            "cl_ord_id": o.cl_ord_id,
            "account": o.new_order.account,
            "ord_status": o.ord_status.value,
            "is_open": o.ord_status.is_open,
        }
        for o in orders
    ]
    connection.execute(sa.insert(STATE), rows)


def orders_of(connection: sa.Connection, cl_ord_ids: Sequence[str]) -> tuple[Order, ...]:
    """Return those of the orders that are ours."""
    return tuple(o for part in chunks(cl_ord_ids) for o in read_orders(connection, ORDER.c.cl_ord_id.in_(part)))


def read_orders(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> tuple[Order, ...]:
    """Return the orders that fit, in the order they were intended."""
    intended = (ORDER.c.transact_time, ORDER.c.decision_id, ORDER.c.position)
    news = [new_order_of(r) for r in connection.execute(sa.select(ORDER).where(wanted).order_by(*intended))]
    ids = sa.select(ORDER.c.cl_ord_id).where(wanted)
    reports = by_key(
        (report_of(r) for r in connection.execute(sa.select(REPORT).where(REPORT.c.cl_ord_id.in_(ids)).order_by("id"))),
        "cl_ord_id",
    )
    marks: dict[str, list[SendMarkEntry]] = {}
    for r in connection.execute(sa.select(MARK).where(MARK.c.cl_ord_id.in_(ids)).order_by("id")):
        entry = SendMarkEntry(mark=SendMark(r.mark), marked_at=r.marked_at, text=r.text)
        marks.setdefault(r.cl_ord_id, []).append(entry)
    return tuple(fold_order(n, marks.get(n.cl_ord_id, ()), reports.get(n.cl_ord_id, ())) for n in news)


def rows_to_mark(connection: sa.Connection, cl_ord_ids: Sequence[str]) -> list[sa.Row[Any]]:
    """Return id, account and purpose of those that are ours, and as `touched` whether anything was marked or reported.

    What nobody has touched may be sent, and need not be read in full to know it.
    """
    touched = sa.or_(*(sa.exists().where(fact.c.cl_ord_id == ORDER.c.cl_ord_id) for fact in (MARK, REPORT)))
    wanted = sa.select(ORDER.c.cl_ord_id, ORDER.c.account, ORDER.c.purpose, touched.label("touched"))
    parts = chunks(cl_ord_ids)
    return [row for part in parts for row in connection.execute(wanted.where(ORDER.c.cl_ord_id.in_(part)))]


def open_ids(account: str) -> sa.Select[Any]:
    """Return the query for the ids of the account's open orders."""
    return sa.select(STATE.c.cl_ord_id).where((STATE.c.account == account) & STATE.c.is_open)


def working_orders(connection: sa.Connection, account: str) -> tuple[Order, ...]:
    """Return the open orders, each under the worst of the values that it has and those asked for and not yet answered.

    A request that the broker refused is not told from one it has not answered: it stays reserved until another one
    holds, or the order ends.
    """
    orders = read_orders(connection, ORDER.c.cl_ord_id.in_(open_ids(account)))
    asked = replaces_of(connection, REQUEST.c.orig_cl_ord_id.in_(open_ids(account)))
    return tuple(_worst(order, asked.get(order.cl_ord_id, ())) for order in orders)


def replaces_of(
    connection: sa.Connection, wanted: sa.ColumnElement[bool]
) -> dict[str, list[OrderCancelReplaceRequest]]:
    """Return the replace requests that passed the gate by the order they are of, oldest first."""
    passed = (REQUEST.c.kind == REPLACE) & REQUEST.c.accepted & wanted
    rows = connection.execute(sa.select(REQUEST).where(passed).order_by("requested_at", "cl_ord_id"))
    return by_key((replace_of(row) for row in rows), "orig_cl_ord_id")


def replace_of(row: sa.Row[Any]) -> OrderCancelReplaceRequest:
    """Return the replace request of a row."""
    return OrderCancelReplaceRequest(
        cl_ord_id=row.cl_ord_id,
        orig_cl_ord_id=row.orig_cl_ord_id,
        account=row.account,
        transact_time=row.requested_at,
        **{name: getattr(row, name) for name in _VALUES},
    )


def _worst(order: Order, asked: Sequence[OrderCancelReplaceRequest]) -> Order:
    terms = order.in_force
    pending = list(asked)
    for number, request in enumerate(asked, start=1):
        if all(getattr(request, name) == getattr(terms, name) for name in _VALUES):
            pending = list(asked[number:])
    for request in pending:
        higher = {
            name: max(old, new)
            for name in _VALUES
            if (old := getattr(terms, name)) is not None and (new := getattr(request, name)) is not None
        }
        terms = replace(terms, **higher)
    return order if terms is order.in_force else replace(order, replaced_by=terms)
