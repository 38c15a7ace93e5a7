"""How history is asked for and shown: the spellings of a request's terms, and one bar."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ib_gateway.market_hours import NEW_YORK

DAY, WEEK, MONTH = 86_400, 7 * 86_400, 30 * 86_400

BAR_SECONDS: Mapping[str, int] = MappingProxyType(
    {
        **{f"{n} secs": n for n in (1, 5, 10, 15, 30)},
        "1 min": 60,
        **{f"{n} mins": n * 60 for n in (2, 3, 5, 10, 15, 20, 30)},
        "1 hour": 3600,
        **{f"{n} hours": n * 3600 for n in (2, 3, 4, 8)},
        "1 day": DAY,
        "1 week": WEEK,
        "1 month": MONTH,
        # what clients also write, and the gateway takes
        "1 secs": 1,
        "1 sec": 1,
        "1D": DAY,
        "1W": WEEK,
        "1M": MONTH,
    }
)
WHAT_TO_SHOW = frozenset({"TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST"})


class BadBarRequest(ValueError):
    """A request for bars that the gateway refuses, with the code it answers."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRequest:
    """What a client asks of history.

    Attributes:
        end: the last instant of interest, in UTC.
        duration: number and unit of S, D, W, M or Y; days are trading days, seconds are of trading time.
        bar_seconds: one of `BAR_SECONDS`.
        what: one of `WHAT_TO_SHOW`.
        regular_only: leave out extended hours.
    """

    end: datetime
    duration: tuple[int, str]
    bar_seconds: int
    what: str
    regular_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One historical bar as it is sent.

    Attributes:
        day: the trading day; of bars of a week or month, the last one in it.
        volume: -1 where quotes are shown, as the gateway does.
    """

    opens_at: datetime
    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    average: Decimal
    count: int


def parsed_duration(text: str) -> tuple[int, str]:
    """Read `30 D`.

    Raises:
        BadBarRequest: it is none, or one the gateway wants in another unit.
    """
    match = re.fullmatch(r"(\d+) ?([SDWMY])", text.strip().upper())
    if not match or int(match[1]) < 1:
        raise invalid(f"Historical data query: invalid duration '{text}'")
    number, unit = int(match[1]), match[2]
    if unit == "S" and number > DAY:
        raise invalid("Historical data requests for durations longer than 86400 seconds must be made in days.")
    if unit == "D" and number > 365:
        raise invalid("Historical data requests for durations longer than 365 days must be made in years.")
    return number, unit


def invalid(cause: str) -> BadBarRequest:
    """Return a refusal with code 321, which says what is wrong in a request."""
    return BadBarRequest(321, f"Error validating request.-'bP' : cause - {cause}")


def parsed_end(text: str, now: datetime) -> datetime:
    """Read `20261120 16:00:00 US/Eastern`, `20261120-21:00:00` (UTC) or nothing (now); without a zone it is New York's.

    What is yet to come is not known: a later end is now.

    Raises:
        BadBarRequest: it is no time.
    """
    text = text.strip()
    if not text:
        return now
    match = re.fullmatch(r"(\d{8})(?:([ -]+)(\d\d:\d\d:\d\d)(?: (\S+))?)?", text)
    try:
        if match is None:
            raise ValueError(text)
        zone = ZoneInfo(match[4]) if match[4] else UTC if match[2] == "-" else NEW_YORK
        at = time.fromisoformat(match[3]) if match[3] else time(23, 59, 59)
        return min(datetime.combine(date.fromisoformat(match[1]), at, zone).astimezone(UTC), now)
    except (ValueError, OverflowError, ZoneInfoNotFoundError) as exc:
        raise BadBarRequest(
            10314,
            f"End Date/Time: The date, time, or time-zone entered is invalid ('{text}'). "
            "The correct format is yyyymmdd hh:mm:ss xx/xxxx where yyyymmdd and xx/xxxx are optional.",
        ) from exc
