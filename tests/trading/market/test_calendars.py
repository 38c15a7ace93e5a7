"""Sessions of an exchange. Source of the days: nyse.com/markets/hours-calendars, 2024 and 2012."""

from datetime import UTC, date, datetime

import pytest

from trading.errors import InvalidValue, NotASession
from trading.market.calendars import TradingCalendar

NYSE = TradingCalendar("XNYS")
# Thanksgiving week of 2024: Thursday 28 closed, Friday 29 a half day.
WEDNESDAY, THANKSGIVING, BLACK_FRIDAY, SATURDAY, MONDAY = (
    date(2024, 11, 27),
    date(2024, 11, 28),
    date(2024, 11, 29),
    date(2024, 11, 30),
    date(2024, 12, 2),
)


@pytest.mark.parametrize(
    "holiday",
    [
        date(2024, 1, 1),
        date(2024, 1, 15),
        date(2024, 2, 19),
        date(2024, 3, 29),
        date(2024, 5, 27),
        date(2024, 6, 19),
        date(2024, 7, 4),
        date(2024, 9, 2),
        THANKSGIVING,
        date(2024, 12, 25),
    ],
)
def test_new_york_does_not_trade_on_its_holidays(holiday: date):
    assert not NYSE.is_session(holiday)


def test_new_york_had_252_sessions_in_2024():
    sessions = NYSE.sessions(date(2024, 1, 1), date(2024, 12, 31))

    assert len(sessions) == 252
    assert (sessions[0], sessions[-1]) == (date(2024, 1, 2), date(2024, 12, 31))


def test_new_york_stayed_closed_for_two_days_of_hurricane_sandy():
    assert NYSE.next_session(date(2012, 10, 26)) == date(2012, 10, 31)


@pytest.mark.parametrize("mic", ["XNAS", "ARCX"])
def test_other_us_exchanges_keep_the_sessions_of_new_york(mic: str):
    year = (date(2024, 1, 1), date(2024, 12, 31))

    assert TradingCalendar(mic).sessions(*year) == NYSE.sessions(*year)


def test_frankfurt_trades_on_thanksgiving_and_not_on_may_day():
    frankfurt = TradingCalendar("XFRA")

    assert frankfurt.is_session(THANKSGIVING)
    assert not frankfurt.is_session(date(2024, 5, 1))


def test_a_holiday_is_refused_with_the_sessions_around_it():
    with pytest.raises(
        NotASession, match="2024-11-28 is not a session of XNYS; the sessions around it are 2024-11-27 and 2024-11-29"
    ):
        NYSE.require_session(THANKSGIVING)


def test_the_sessions_before_and_after_any_day():
    assert NYSE.previous_session(BLACK_FRIDAY) == WEDNESDAY
    assert NYSE.previous_session(SATURDAY) == BLACK_FRIDAY
    assert NYSE.next_session(BLACK_FRIDAY) == MONDAY
    assert NYSE.next_session(THANKSGIVING) == BLACK_FRIDAY
    assert NYSE.session_on_or_after(SATURDAY) == MONDAY
    assert NYSE.session_on_or_after(MONDAY) == MONDAY
    assert NYSE.sessions_before(MONDAY, 2) == WEDNESDAY


def test_opening_hours_follow_new_york_through_daylight_saving():
    # 09:30 to 16:00: UTC-4 in summer, UTC-5 in winter.
    assert NYSE.open_at(date(2024, 7, 1)) == datetime(2024, 7, 1, 13, 30, tzinfo=UTC)
    assert NYSE.open_at(date(2024, 12, 2)) == datetime(2024, 12, 2, 14, 30, tzinfo=UTC)
    assert NYSE.close_at(date(2024, 12, 2)) == datetime(2024, 12, 2, 21, 0, tzinfo=UTC)


def test_a_half_day_closes_at_one():
    assert NYSE.is_half_day(BLACK_FRIDAY)
    assert not NYSE.is_half_day(MONDAY)
    assert NYSE.close_at(BLACK_FRIDAY) == datetime(2024, 11, 29, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize("ask", [NYSE.open_at, NYSE.close_at, NYSE.is_half_day])
def test_a_day_without_trading_has_no_hours(ask):
    with pytest.raises(NotASession):
        ask(SATURDAY)


def test_the_date_at_the_exchange_is_not_the_date_in_greenwich():
    assert NYSE.local_date(datetime(2024, 12, 3, 3, 0, tzinfo=UTC)) == MONDAY
    assert TradingCalendar("XTKS").local_date(datetime(2024, 12, 2, 16, 0, tzinfo=UTC)) == date(2024, 12, 3)


def test_sessions_come_as_the_labels_that_bars_have():
    index = NYSE.session_index(WEDNESDAY, MONDAY)

    assert index.dtype == "datetime64[us]"
    assert index.tz is None
    assert [stamp.date() for stamp in index] == [WEDNESDAY, BLACK_FRIDAY, MONDAY]


@pytest.mark.parametrize("mic", ["XXXX", "", "xnys"])
def test_an_unknown_exchange_is_refused(mic: str):
    with pytest.raises(InvalidValue, match="an exchange known to exchange_calendars"):
        TradingCalendar(mic)
