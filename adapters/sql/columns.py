"""Column types that keep the same value on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from adapters.plain_decimals import plain
from trading.errors import InvalidValue


class DecimalText(sa.types.TypeDecorator[Decimal]):
    """An exact Decimal: NUMERIC on PostgreSQL, TEXT on SQLite, whose NUMERIC is a float.

    Text neither sorts nor sums in SQL: sums are made in Python.
    """

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the type of the database."""
        # Without a scale: what is rounded would no longer equal the same report when the broker sends it again.
        return dialect.type_descriptor(sa.String() if dialect.name == "sqlite" else sa.Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        """Write the digits, never an exponent."""
        return value if value is None or dialect.name != "sqlite" else format(value, "f")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        """Read it back without the zeros that NUMERIC pads with."""
        return None if value is None else plain(value)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC; a naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn to UTC; SQLite keeps no zone, so it is dropped there."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidValue("time", value, "aware (UTC)")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return it in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class DatabaseTime(FunctionElement[datetime]):
    """The database's clock now, also within a transaction that began earlier."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(DatabaseTime, "sqlite")
def _sqlite_time(element: DatabaseTime, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001 - SQLAlchemy's
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"  # %f has milliseconds, and what is read are microseconds


@compiles(DatabaseTime, "postgresql")
def _postgresql_time(element: DatabaseTime, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001 - SQLAlchemy's
    return "clock_timestamp()"
