"""Column types that keep the same value on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa


class DecimalText(sa.types.TypeDecorator[Decimal]):
    """An exact Decimal: NUMERIC on PostgreSQL, TEXT on SQLite, whose NUMERIC is a float.

    Text neither sorts nor sums in SQL: sums are made in Python.
    """

    impl = sa.Numeric(38, 12)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the type of the database."""
        return dialect.type_descriptor(sa.String(60) if dialect.name == "sqlite" else sa.Numeric(38, 12))

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        """Write the digits, never an exponent."""
        return value if value is None or dialect.name != "sqlite" else format(value, "f")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        """Read it back without the zeros that NUMERIC pads with."""
        return None if value is None else plain(Decimal(value))


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC; a naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn to UTC; SQLite keeps no zone, so it is dropped there."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return it in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def plain(value: Decimal) -> Decimal:
    """Return the value without trailing zeros and without exponent; 100.00 and 1E+2 both give 100."""
    normal = value.normalize()
    return normal.quantize(Decimal(1)) if normal.as_tuple().exponent > 0 else normal  # type: ignore[operator]  # finite
