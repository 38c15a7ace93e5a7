"""Records: how the paper broker lays its values into its tables and reads them back."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from adapters.paper.matching import Moment, WorkingOrder
from adapters.paper.reports import NumberedReport
from adapters.paper.tables import (
    PaperAccountRow,
    PaperCashRow,
    PaperOrderRow,
    PaperPositionRow,
    PaperReplaceRow,
    PaperReportRow,
)
from adapters.sql.rows import json_value, legs_of, table_of, triggers_of
from trading.broker import CashMovement, CashMovementType
from trading.money import Money
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.order_types import ContingencyType, PegOffsetType
from trading.orders.orders import OrderCancelReplaceRequest, OrdStatus, OrdType, Side, TimeInForce

ACCOUNTS, ORDERS, REPORTS = table_of(PaperAccountRow), table_of(PaperOrderRow), table_of(PaperReportRow)
POSITIONS, CASH = table_of(PaperPositionRow), table_of(PaperCashRow)
REPLACES = table_of(PaperReplaceRow)
_ADD_ORDER, _ADD_REPORTS = ORDERS.insert(), REPORTS.insert()
_ORDER_FIELDS = tuple(f.name for f in fields(WorkingOrder))
_TERMS = ("peg_offset_type", "contingency_type", "triggers", "legs")
_ORDER_CHANGES = (
    *("session", "moment", "triggered", "cum_qty", "ord_status", "reports", "due_at", "active_at", "order_qty"),
    *("price", "stop_px", "peg_offset_value", "triggers", "waits"),
)
_ANSWERED = sa.select(REPLACES.c.cl_ord_id).where(
    REPLACES.c.account == sa.bindparam("account"), REPLACES.c.cl_ord_id == sa.bindparam("cl_ord_id")
)
_REPORT_COLUMNS = tuple(c.name for c in REPORTS.columns if c.name not in ("number", "session"))
_REPORTS = sa.select(*(REPORTS.c[name] for name in _REPORT_COLUMNS)).where(REPORTS.c.account == sa.bindparam("account"))
# Sorted by number alone: SQLite would rather walk the account's whole history in order of time than sort three rows.
_REPORTS_OF = _REPORTS.where(REPORTS.c.cl_ord_id == sa.bindparam("cl_ord_id")).order_by(REPORTS.c.number)
_REPORTS_SINCE = _REPORTS.where(REPORTS.c.transact_time >= sa.bindparam("since")).order_by(
    REPORTS.c.transact_time, REPORTS.c.cl_ord_id, REPORTS.c.number
)


def open_account(connection: sa.Connection, row: dict[str, Any]) -> bool:
    """Insert the account unless it is there, and tell whether it was inserted."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(ACCOUNTS).on_conflict_do_nothing().returning(ACCOUNTS.c.account)
    return connection.execute(statement, row).first() is not None


def add_order(connection: sa.Connection, account: str, order: WorkingOrder) -> None:
    """Insert an order that is not there."""
    # SQLAlchemy compiles an "on conflict" anew each time, at thrice the cost of the insert; the account's lock is held.
    connection.execute(_ADD_ORDER, order_row(account, order))


def add_reports(connection: sa.Connection, reports: Sequence[NumberedReport]) -> None:
    """Append the reports."""
    if reports:
        connection.execute(_ADD_REPORTS, [_report_row(report) for report in reports])


def add_cash(connection: sa.Connection, movements: Sequence[CashMovement]) -> None:
    """Append the movements."""
    if movements:
        connection.execute(CASH.insert(), [_cash_row(movement) for movement in movements])


def reports_of(connection: sa.Connection, account: str, cl_ord_id: str) -> tuple[ExecutionReport, ...]:
    """Return the reports of one order in the order they happened."""
    rows = connection.execute(_REPORTS_OF, {"account": account, "cl_ord_id": cl_ord_id})
    return tuple(_report(row) for row in rows)


def reports_since(connection: sa.Connection, account: str, since: datetime) -> tuple[ExecutionReport, ...]:
    """Return the reports from that time on in the order they happened."""
    rows = connection.execute(_REPORTS_SINCE, {"account": account, "since": since})
    return tuple(_report(row) for row in rows)


def movements_of(connection: sa.Connection, account: str) -> tuple[CashMovement, ...]:
    """Return all cash movements of the account in the order they happened."""
    query = sa.select(CASH).where(CASH.c.account == account).order_by(CASH.c.value_time, CASH.c.movement_id)
    return tuple(
        CashMovement(
            account=row.account,
            movement_id=row.movement_id,
            movement_type=CashMovementType(row.movement_type),
            amount=Money(amount=row.amount, currency=row.currency),
            value_time=row.value_time,
            symbol=row.symbol,
            text=row.text,
        )
        for row in connection.execute(query)
    )


def is_answered(connection: sa.Connection, account: str, request: OrderCancelReplaceRequest, at: datetime) -> bool:
    """Tell whether the replace request came before; if not, note that it has come."""
    key = {"account": account, "cl_ord_id": request.cl_ord_id}
    if connection.execute(_ANSWERED, key).first() is not None:
        return True
    row = {**key, "orig_cl_ord_id": request.orig_cl_ord_id, "answered_at": at}
    connection.execute(REPLACES.insert(), row)
    return False


def orders_where(connection: sa.Connection, *clauses: sa.ColumnElement[bool]) -> list[WorkingOrder]:
    """Return the orders that fit."""
    return [_order(row) for row in connection.execute(sa.select(ORDERS).where(*clauses))]


def order_row(account: str, order: WorkingOrder) -> dict[str, Any]:
    """Return the row of an order."""
    row = {name: getattr(order, name) for name in _ORDER_FIELDS}
    row["account"] = account
    for name in ("side", "ord_type", "time_in_force", "moment", "ord_status"):
        row[name] = row[name].value
    for name in _TERMS:
        row[name] = _plain(row[name])
    return row


def update_orders(connection: sa.Connection, account: str, orders: Sequence[WorkingOrder]) -> None:
    """Write what has become of the orders."""
    if not orders:
        return
    changing = _ORDER_CHANGES
    key = (ORDERS.c.account == sa.bindparam("k_account")) & (ORDERS.c.cl_ord_id == sa.bindparam("k_cl_ord_id"))
    statement = ORDERS.update().where(key).values({name: sa.bindparam(f"v_{name}") for name in changing})
    rows = []
    for order in orders:
        values = {f"v_{name}": _plain(getattr(order, name)) for name in changing}
        rows.append({"k_account": account, "k_cl_ord_id": order.cl_ord_id, **values})
    connection.execute(statement, rows)


def add_positions(connection: sa.Connection, account: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert positions that are not there."""
    if rows:
        connection.execute(POSITIONS.insert(), [{**row, "account": account} for row in rows])


def update_positions(connection: sa.Connection, account: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what has become of positions that are there."""
    if not rows:
        return
    changing = ("qty", "session", "due_at")
    key = (POSITIONS.c.account == sa.bindparam("k_account")) & (POSITIONS.c.symbol == sa.bindparam("k_symbol"))
    statement = POSITIONS.update().where(key).values({name: sa.bindparam(f"v_{name}") for name in changing})
    values = [
        {"k_account": account, "k_symbol": row["symbol"], **{f"v_{name}": row[name] for name in changing}}
        for row in rows
    ]
    connection.execute(statement, values)


def next_due(connection: sa.Connection, account: str) -> datetime | None:
    """Return when any order or position of the account is looked at next."""
    times = [
        connection.execute(sa.select(sa.func.min(table.c.due_at)).where(table.c.account == account)).scalar()
        for table in (ORDERS, POSITIONS)
    ]
    return min((at for at in times if at is not None), default=None)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [json_value(part) for part in value] or None
    return value.value if isinstance(value, Enum) else value


def _order(row: sa.Row[Any]) -> WorkingOrder:
    values = {name: getattr(row, name) for name in _ORDER_FIELDS}
    values["side"], values["ord_type"] = Side(row.side), OrdType(row.ord_type)
    values["time_in_force"], values["moment"] = TimeInForce(row.time_in_force), Moment(row.moment)
    values["ord_status"] = OrdStatus(row.ord_status)
    values["peg_offset_type"] = row.peg_offset_type and PegOffsetType(row.peg_offset_type)
    values["contingency_type"] = row.contingency_type and ContingencyType(row.contingency_type)
    values["triggers"], values["legs"] = triggers_of(row.triggers), legs_of(row.legs)
    return WorkingOrder(**values)


def _report_row(numbered: NumberedReport) -> dict[str, Any]:
    row = {name: _plain(getattr(numbered.report, name)) for name in _REPORT_COLUMNS}
    return {**row, "number": numbered.number, "session": numbered.session}


def _report(row: sa.Row[Any]) -> ExecutionReport:
    values = {name: getattr(row, name) for name in _REPORT_COLUMNS}
    values["exec_type"], values["ord_status"] = ExecType(row.exec_type), OrdStatus(row.ord_status)
    values["side"] = Side(row.side)
    return ExecutionReport(**values)


def _cash_row(movement: CashMovement) -> dict[str, Any]:
    return {
        "account": movement.account,
        "movement_id": movement.movement_id,
        "movement_type": movement.movement_type.value,
        "amount": movement.amount.amount,
        "currency": movement.amount.currency,
        "value_time": movement.value_time,
        "symbol": movement.symbol,
        "text": movement.text,
    }
