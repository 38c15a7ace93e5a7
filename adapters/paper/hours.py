"""Session times, remembered: an order asks for the same few again and again."""

from datetime import date, datetime
from functools import lru_cache

from trading.market.calendars import TradingCalendar


@lru_cache(maxsize=64)
def calendar(mic: str) -> TradingCalendar:
    """Return the calendar of the exchange."""
    return TradingCalendar(mic)


@lru_cache(maxsize=4096)
def is_session(mic: str, day: date) -> bool:
    """Tell whether the exchange trades on that day."""
    return calendar(mic).is_session(day)


@lru_cache(maxsize=4096)
def open_at(mic: str, session: date) -> datetime:
    """Return the opening time, UTC."""
    return calendar(mic).open_at(session)


@lru_cache(maxsize=4096)
def close_at(mic: str, session: date) -> datetime:
    """Return the closing time, UTC."""
    return calendar(mic).close_at(session)


@lru_cache(maxsize=4096)
def next_session(mic: str, day: date) -> date:
    """Return the first session after that day."""
    return calendar(mic).next_session(day)


@lru_cache(maxsize=4096)
def previous_session(mic: str, day: date) -> date:
    """Return the last session before that day."""
    return calendar(mic).previous_session(day)
