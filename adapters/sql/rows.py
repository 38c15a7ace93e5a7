"""Rows and values: how each value of the desk is laid into its table and read back."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

from trading.orders.execution_algos import EXECUTION_ALGOS, ExecutionAlgo, TargetStrategy
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PositionEffect,
    PriceTrigger,
    TimeTrigger,
    TriggerDirection,
)
from trading.orders.orders import NewOrderSingle, OrderPurpose, OrdStatus, OrdType, Side, TimeInForce

T = TypeVar("T")
_MOST_PARAMETERS = 10_000
_ALGOS = {kind: TypeAdapter(made) for kind, made in EXECUTION_ALGOS.items()}


def table_of(model: type[SQLModel]) -> sa.Table:
    """Return the SQLAlchemy table of a SQLModel class."""
    return cast(sa.Table, model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass


def insert_new(connection: sa.Connection, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that break no unique key, and return how many that were."""
    if not rows:
        return 0
    statement = _inserting(connection, model).execution_options(preserve_rowcount=True)
    return connection.execute(statement, list(rows)).rowcount


def insert_told(
    connection: sa.Connection, model: type[SQLModel], rows: Sequence[Mapping[str, Any]], *columns: sa.Column[Any]
) -> set[tuple[Any, ...]]:
    """Insert the rows that break no unique key, and return these columns of them."""
    if not rows:
        return set()
    told = connection.execute(_inserting(connection, model).returning(*columns), list(rows))
    return {tuple(row) for row in told}


def _inserting(connection: sa.Connection, model: type[SQLModel]) -> sqlite.Insert | postgresql.Insert:
    table = table_of(model)
    inserting = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    return inserting.on_conflict_do_nothing()


def json_value(value: object) -> Any:
    """Return the value as JSON: decimals and times as text, enums as their value."""
    match value:
        case Enum():
            return value.value
        case Decimal():
            return format(value, "f")
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no such number
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(k): json_value(v) for k, v in value.items()}
        case tuple() | list() | frozenset():
            return [json_value(v) for v in value]
        case _ if hasattr(value, "__dataclass_fields__"):
            return {f.name: json_value(getattr(value, f.name)) for f in fields(cast(Any, value))}
        case _:
            return value


def triggers_of(values: Sequence[Mapping[str, Any]] | None) -> tuple[PriceTrigger | TimeTrigger, ...]:
    """Return the triggers that `json_value` made JSON of."""
    return tuple(
        PriceTrigger(symbol=v["symbol"], price=Decimal(v["price"]), direction=TriggerDirection(v["direction"]))
        if "price" in v
        else TimeTrigger(at=datetime.fromisoformat(v["at"]))
        for v in values or ()
    )


def legs_of(values: Sequence[Mapping[str, Any]] | None) -> tuple[OrderLeg, ...]:
    """Return the legs that `json_value` made JSON of."""
    return tuple(OrderLeg(symbol=v["symbol"], ratio=v["ratio"], side=Side(v["side"])) for v in values or ())


def algo_of(value: Mapping[str, Any] | None) -> ExecutionAlgo | None:
    """Return the execution algorithm that `flat` made JSON of."""
    if value is None:
        return None
    terms = {name: given for name, given in value.items() if name != "target_strategy"}
    return _ALGOS[TargetStrategy(value["target_strategy"])].validate_python(terms)


def flat(value: Any) -> dict[str, Any]:
    """Return a flat dataclass as a row: enums as their value, tuples as JSON, empty ones as nothing."""
    return {name: _column(getattr(value, name)) for name in value.__dataclass_fields__}


def _column(value: Any) -> Any:
    if isinstance(value, tuple):
        return json_value(value) or None
    if isinstance(value, ExecutionAlgo):
        return {"target_strategy": value.target_strategy.value, **json_value(value)}
    return value.value if isinstance(value, Enum) else value


def report_of(row: sa.Row[Any]) -> ExecutionReport:
    """Return the execution report of a row."""
    return ExecutionReport(
        account=row.account,
        cl_ord_id=row.cl_ord_id,
        order_id=row.order_id,
        exec_id=row.exec_id,
        exec_ref_id=row.exec_ref_id,
        exec_type=ExecType(row.exec_type),
        ord_status=OrdStatus(row.ord_status),
        symbol=row.symbol,
        side=Side(row.side),
        last_qty=row.last_qty,
        last_px=row.last_px,
        cum_qty=row.cum_qty,
        commission=row.commission,
        transact_time=row.transact_time,
        text=row.text,
        order_qty=row.order_qty,
        price=row.price,
        stop_px=row.stop_px,
        peg_offset_value=row.peg_offset_value,
    )


def new_order_of(row: sa.Row[Any]) -> NewOrderSingle:
    """Return the order of a row."""
    return NewOrderSingle(
        cl_ord_id=row.cl_ord_id,
        account=row.account,
        session=row.session,
        book=row.book,
        symbol=row.symbol,
        side=Side(row.side),
        order_qty=row.order_qty,
        ord_type=OrdType(row.ord_type),
        time_in_force=TimeInForce(row.time_in_force),
        price=row.price,
        stop_px=row.stop_px,
        expire_time=row.expire_time,
        transact_time=row.transact_time,
        peg_offset_value=row.peg_offset_value,
        peg_offset_type=row.peg_offset_type and PegOffsetType(row.peg_offset_type),
        good_till=row.good_till,
        outside_regular_hours=row.outside_regular_hours,
        position_effect=row.position_effect and PositionEffect(row.position_effect),
        triggers=triggers_of(row.triggers),
        legs=legs_of(row.legs),
        list_id=row.list_id,
        contingency_type=row.contingency_type and ContingencyType(row.contingency_type),
        parent_cl_ord_id=row.parent_cl_ord_id,
        algo=algo_of(row.algo),
        purpose=OrderPurpose(row.purpose),
    )


def by_key(values: Iterable[T], key: str) -> dict[str, list[T]]:
    """Return the values grouped by one of their attributes, in their order."""
    groups: dict[str, list[T]] = {}
    for value in values:
        groups.setdefault(getattr(value, key), []).append(value)
    return groups


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the values in parts that fit an IN list: SQLite takes 32,766 parameters, PostgreSQL 65,535."""
    for start in range(0, len(values), _MOST_PARAMETERS):
        yield values[start : start + _MOST_PARAMETERS]
