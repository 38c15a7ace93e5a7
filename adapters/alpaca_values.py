"""Single values of Alpaca's answers, judged."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from adapters.quoted_rows import decimal_of
from trading.errors import InvalidValue


def price(entry: Mapping[str, Any], name: str) -> float | None:
    """Return a price or size; None where there is none, which Alpaca also writes as 0.

    Raises:
        InvalidValue: it is no number, or below 0.
    """
    value = entry.get(name)
    if value is None:
        return None
    number = decimal_of(value)
    if number is None or number < 0:
        raise InvalidValue(name, value, "a number, 0 or above")
    return float(number) or None


def time_of(value: object) -> datetime | None:
    """Return a time in UTC, cut to microseconds; None where there is none.

    Raises:
        InvalidValue: it is no time with a zone.
    """
    if value is None:
        return None
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
    raise InvalidValue("time", value, "written as 2022-03-18T14:33:58.547942Z")
