"""Exchange calendars: which days are sessions, and when they open and close."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import exchange_calendars
import pandas as pd

from trading.errors import InvalidValue, NotASession

FIRST_DAY, LAST_DAY = "1990-01-01", "2035-12-31"


@dataclass(frozen=True, slots=True)
class TradingCalendar:
    """Sessions of one exchange between FIRST_DAY and LAST_DAY, or as many of them as are known.

    Attributes:
        mic: ISO 10383 code of the exchange.
    """

    mic: str

    def __post_init__(self) -> None:
        if self.mic not in exchange_calendars.get_calendar_names():
            raise InvalidValue("mic", self.mic, "an exchange known to exchange_calendars, such as XNYS")

    def is_session(self, day: date) -> bool:
        """Tell whether the exchange trades on that day."""
        return bool(_calendar(self.mic).is_session(pd.Timestamp(day)))

    def require_session(self, day: date) -> date:
        """Return the day, or raise NotASession naming the sessions around it."""
        if not self.is_session(day):
            raise NotASession(day, self.mic, self.previous_session(day), self.next_session(day))
        return day

    def previous_session(self, day: date) -> date:
        """Return the last session before that day, which need not be a session itself."""
        found = _calendar(self.mic).date_to_session(pd.Timestamp(day) - pd.Timedelta(days=1), "previous")
        return _date(found)

    def next_session(self, day: date) -> date:
        """Return the first session after that day, which need not be a session itself."""
        return _date(_calendar(self.mic).date_to_session(pd.Timestamp(day) + pd.Timedelta(days=1), "next"))

    def sessions(self, first: date, last: date) -> Sequence[date]:
        """Return all sessions from `first` to `last`, both included."""
        return [_date(s) for s in self.session_index(first, last)]

    def session_index(self, first: date, last: date) -> pd.DatetimeIndex:
        """Return all sessions known from `first` to `last` as naive time stamps at midnight, datetime64[us]."""
        sessions = _calendar(self.mic).sessions
        found = sessions[
            sessions.searchsorted(pd.Timestamp(first)) : sessions.searchsorted(pd.Timestamp(last), "right")
        ]
        return found.as_unit("us")

    def sessions_before(self, session: date, count: int) -> date:
        """Return the session that lies `count` sessions before `session`."""
        return _date(_calendar(self.mic).session_offset(pd.Timestamp(session), -count))

    def open_at(self, session: date) -> datetime:
        """Return the opening time, UTC."""
        return _hours(self, session)[0]

    def close_at(self, session: date) -> datetime:
        """Return the closing time, UTC; earlier on half days."""
        return _hours(self, session)[1]

    def is_half_day(self, session: date) -> bool:
        """Tell whether the session closes early."""
        return pd.Timestamp(self.require_session(session)) in _calendar(self.mic).early_closes

    def session_on_or_after(self, day: date) -> date:
        """Return that day if it is a session, else the next one."""
        return _date(_calendar(self.mic).date_to_session(pd.Timestamp(day), "next"))

    def end_of_day(self, day: date) -> datetime:
        """Return the last moment of that day at the exchange, UTC."""
        midnight = datetime.combine(day + timedelta(days=1), time.min, _calendar(self.mic).tz)
        return midnight.astimezone(UTC) - timedelta.resolution

    def local_date(self, now: datetime) -> date:
        """Return the date at the exchange at that time."""
        return now.astimezone(_calendar(self.mic).tz).date()


@lru_cache(maxsize=8)
def _calendar(mic: str) -> exchange_calendars.ExchangeCalendar:
    named = exchange_calendars.resolve_alias(mic)  # XNAS keeps the calendar of XNYS: built once, held once
    if named != mic:
        return _calendar(named)
    with warnings.catch_warnings():
        # exchange_calendars 4.13 builds calendars with what pandas 4 drops; remove with the release that does not.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return exchange_calendars.get_calendar(mic, start=FIRST_DAY, end=LAST_DAY)
        except ValueError:  # the holidays of XTKS and a few others are known for fewer years
            known = exchange_calendars.get_calendar(mic)
            start = max(pd.Timestamp(FIRST_DAY), known.bound_min() or pd.Timestamp.min)
            end = min(pd.Timestamp(LAST_DAY), known.bound_max() or pd.Timestamp.max)
            return exchange_calendars.get_calendar(mic, start=start, end=end)


@lru_cache(maxsize=1024)  # asked for every order of a session
def _hours(calendar: TradingCalendar, session: date) -> tuple[datetime, datetime]:
    known, at = _calendar(calendar.mic), pd.Timestamp(calendar.require_session(session))
    return _time(known.session_open(at)), _time(known.session_close(at))


def _date(stamp: pd.Timestamp) -> date:
    return date(stamp.year, stamp.month, stamp.day)


def _time(stamp: pd.Timestamp) -> datetime:
    moment: datetime = stamp.to_pydatetime()
    return moment
