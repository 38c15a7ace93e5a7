"""Minute bars of IQFeed by session, from a server on loopback that speaks its protocol."""

from datetime import UTC, date, datetime

import pandas as pd
from iqfeed_desk import ThreadedServer, scripted

from adapters.iqfeed.minutes import IqfeedMinuteBars
from trading.market.bars import FetchStatus

MONDAY, TUESDAY = date(2020, 8, 31), date(2020, 9, 1)
SATURDAY = date(2020, 8, 29)


def minutes_of(server: ThreadedServer, now: datetime = datetime(2020, 9, 2, tzinfo=UTC)) -> IqfeedMinuteBars:
    return IqfeedMinuteBars(settings=server.settings(), now=lambda: now)


def test_the_minutes_of_two_sessions_are_those_between_open_and_close(lookups: ThreadedServer):
    fetched = minutes_of(lookups).fetch(["IBM", "NOSUCH", "IBM"], SATURDAY, TUESDAY)

    frame = fetched.bars.frame
    assert frame["bar_start"].dt.date.value_counts().to_dict() == {MONDAY: 390, TUESDAY: 390}
    assert frame["bar_start"].iloc[0] == pd.Timestamp("2020-08-31T13:30Z")
    assert [(o.symbol, o.status) for o in fetched.outcomes] == [
        ("IBM", FetchStatus.OK),
        ("NOSUCH", FetchStatus.UNKNOWN_SYMBOL),
    ]


def test_the_minute_that_runs_and_those_to_come_are_left_out(lookups: ThreadedServer):
    at_half_past_ten = datetime(2020, 9, 1, 14, 30, 59, tzinfo=UTC)

    frame = minutes_of(lookups, at_half_past_ten).fetch(["IBM"], TUESDAY, TUESDAY).bars.frame

    assert (len(frame), frame["bar_start"].iloc[-1]) == (60, pd.Timestamp("2020-09-01T14:29Z"))


def test_where_no_session_has_begun_there_are_no_bars_and_nothing_is_asked(lookups: ThreadedServer):
    before_the_open = minutes_of(lookups, datetime(2020, 9, 1, 13, 30, 5, tzinfo=UTC))

    for source, day in ((minutes_of(lookups), SATURDAY), (before_the_open, TUESDAY)):
        fetched = source.fetch(["IBM"], day, day)

        assert [o.status for o in fetched.outcomes] == [FetchStatus.NO_BARS]
        assert fetched.bars.frame.empty


def test_a_symbol_that_traded_before_the_open_only_has_no_bars():
    row = "LH,2020-09-01 08:00:00,124.5,124.1,124.2,124.4,900,900,0,"
    with scripted(f"ID,{row}\nID,!ENDMSG!,\n") as server:
        source = IqfeedMinuteBars(settings=server.settings, now=lambda: datetime(2020, 9, 2, tzinfo=UTC))

        fetched = source.fetch(["IBM"], TUESDAY, TUESDAY)

    assert [(o.status, "has no bars of IBM" in o.text) for o in fetched.outcomes] == [(FetchStatus.NO_BARS, True)]
