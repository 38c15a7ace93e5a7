"""When a contract trades: New York weekdays, without holidays or half days, by three simple timetables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from ib_gateway.contracts import Contract

NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a trading day without a pause.

    Attributes:
        opens: minutes from midnight of the trading day, negative on the evening before.
        closes: minutes from midnight of the trading day.
        regular: whether it is part of regular hours.
    """

    opens: int
    closes: int
    regular: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One stretch of one trading day, in UTC."""

    day: date
    opens: datetime
    closes: datetime
    regular: bool


_REGULAR = (Stretch(opens=570, closes=960, regular=True),)
_SHARES = (
    Stretch(opens=240, closes=570, regular=False),
    Stretch(opens=570, closes=960, regular=True),
    Stretch(opens=960, closes=1200, regular=False),
)

# Shares 04:00-20:00 with 09:30-16:00 regular, options and indexes 09:30-16:00, futures from 18:00 and
# currencies from 17:15 of the evening before to 17:00.
TIMETABLES: Mapping[str, tuple[Stretch, ...]] = MappingProxyType(
    {
        "STK": _SHARES,
        "OPT": _REGULAR,
        "IND": _REGULAR,
        "FUT": (Stretch(opens=-360, closes=1020, regular=True),),
        "CASH": (Stretch(opens=-405, closes=1020, regular=True),),
        "BAG": _REGULAR,
    }
)


def is_weekday(day: date) -> bool:
    """Return whether the market trades on this day."""
    return day.weekday() < 5


def weekdays(first: date, last: date) -> Iterator[date]:
    """Return the trading days from first to last, both included."""
    for number in range(first.toordinal(), last.toordinal() + 1):
        if number % 7 not in (6, 0):  # ordinal 1 is a Monday
            yield date.fromordinal(number)


def wall_time(day: date, minutes: int) -> datetime:
    """Return the UTC instant at which New York's clocks show these minutes after midnight of the day."""
    day, minutes = day + timedelta(days=minutes // 1440), minutes % 1440
    return datetime.combine(day, time(minutes // 60, minutes % 60), NEW_YORK).astimezone(UTC)


@lru_cache(maxsize=4096)
def periods(sec_type: str, day: date) -> tuple[Period, ...]:
    """Return the stretches of a trading day, in order; none at the weekend."""
    if not is_weekday(day):
        return ()
    return tuple(
        Period(
            day=day,
            opens=wall_time(day, stretch.opens),
            closes=wall_time(day, stretch.closes),
            regular=stretch.regular,
        )
        for stretch in TIMETABLES[sec_type]
    )


def trading_day(sec_type: str, at: datetime) -> date:
    """Return the day whose timetable an instant belongs to, be it open or not; the evening belongs to the day after."""
    local = at.astimezone(NEW_YORK)
    starts_before_midnight = TIMETABLES[sec_type][0].opens < 0
    minutes = local.hour * 60 + local.minute
    if starts_before_midnight and minutes >= 1440 + TIMETABLES[sec_type][0].opens:
        return local.date() + timedelta(days=1)
    return local.date()


def latest_period(sec_type: str, at: datetime, *, regular: bool = False, closed: bool = False) -> Period:
    """Return the stretch that is open at an instant, else the last one that closed before it.

    Args:
        regular: look at regular hours only.
        closed: look at what had ended by then only.
    """
    day = trading_day(sec_type, at)
    while True:
        begun = [
            period
            for period in periods(sec_type, day)
            if (period.closes if closed else period.opens) <= at and (period.regular or not regular)
        ]
        if begun:
            return begun[-1]
        day -= timedelta(days=1)


def is_open(sec_type: str, at: datetime, *, extended: bool = False) -> bool:
    """Return whether a kind of contract trades at an instant, in its regular or also in its extended hours."""
    period = latest_period(sec_type, at)
    return at < period.closes and (period.regular or extended)


def hours_text(contract: Contract, today: date, *, extended: bool) -> str:
    """Write six days of hours as contract details do: `20261123:0930-20261123:1600;20261128:CLOSED`."""
    days = [today + timedelta(days=ahead) for ahead in range(6)]
    return ";".join(_day_text(contract.sec_type, day, extended=extended) for day in days)


def _day_text(sec_type: str, day: date, *, extended: bool) -> str:
    open_periods = [period for period in periods(sec_type, day) if extended or period.regular]
    if not open_periods:
        return f"{day:%Y%m%d}:CLOSED"
    opens, closes = open_periods[0].opens.astimezone(NEW_YORK), open_periods[-1].closes.astimezone(NEW_YORK)
    return f"{opens:%Y%m%d:%H%M}-{closes:%Y%m%d:%H%M}"
