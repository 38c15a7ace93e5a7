"""Values as a provider writes them in an answer: usable, absent, or neither."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NONE = ("", ".", "-", "None", "null")  # how Alpha Vantage writes that it has no value


class Unusable(Exception):
    """What a provider wrote cannot be used; the text says why, and holds all of it."""


def quoted_number(name: str, value: object) -> float:
    """Return the number, NaN where the provider wrote none; "-1.5" is -1.5, "." is NaN.

    Raises:
        Unusable: it is neither; "NaN", "1,5", true and infinity are no numbers.
    """
    if value is None or value in _NONE:
        return math.nan
    text = repr(value) if isinstance(value, int | float) else value  # True becomes "True", and no number
    number = float(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise Unusable(f"{name} is {value!r}, which is no number")
    return number


def quoted_amount(name: str, value: object) -> float:
    """Return a size, volume or the like, >= 0; NaN where there is none.

    Raises:
        Unusable: it is no number, or below 0.
    """
    number = quoted_number(name, value)
    if number < 0:
        raise Unusable(f"{name} is {number:g}, which is below 0")
    return number


def quoted_price(name: str, value: object) -> float:
    """Return a price, > 0; NaN where there is none, which providers also write as 0.

    Raises:
        Unusable: it is no number, or below 0.
    """
    return quoted_amount(name, value) or math.nan


def quoted_epoch(name: str, value: object) -> datetime | None:
    """Return the time in UTC of seconds since 1970; None where there is none.

    Raises:
        Unusable: it is no number, or no time of our calendar.
    """
    seconds = quoted_number(name, value)
    try:
        return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unusable(f"{name} is {seconds:g}, which is no time") from None


def quoted_objects(name: str, value: object) -> Sequence[Mapping[str, object]]:
    """Return the JSON objects of an array; none where there is no array.

    Raises:
        Unusable: it is something else, or holds something else.
    """
    found = [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Unusable(f"{name} is {value!r}, which is no array of objects")
    return found


def quoted_day(name: str, value: object) -> date:
    """Return a day that is written as 2026-11-20.

    Raises:
        Unusable: it is none; "2099-99-99" is no day.
    """
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise Unusable(f"{name} is {value!r}, which is no day")
