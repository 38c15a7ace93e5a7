"""Bars of IQFeed, from a server on loopback that speaks its protocol."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest
from iqfeed_desk import ThreadedServer, scripted, threaded_server

from adapters.iqfeed.history import IqfeedBars
from iqfeed_server.faults import Fault, Port
from iqfeed_server.market import Bar
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchedBars, FetchStatus, PriceBasis

FIRST, LAST = date(2020, 8, 24), date(2020, 9, 1)
# Apple on the tape, in the prices of after its split of 2020-08-31: four for one.
APPLE = {
    date(2020, 8, 28): (12601, 12644, 12458, 12481, 187630000),
    date(2020, 8, 31): (12758, 13100, 12600, 12904, 225702700),
    date(2020, 9, 1): (13276, 13480, 13053, 13418, 151948100),
}
# As recorded: of a day by github.com/mpdroog/docker-iqfeed; of a minute in a public client of protocol 6.2.
RECORDED_DAY = "LH,2018-04-27,164.3300,160.6300,164.0000,162.3200,35655839,0,"
RECORDED_MINUTE = "LH,2026-01-12 10:11:00,4627.6,4625.7,4626.4,4626.4,177511,185,0,"


def bars_of(server: ThreadedServer, *symbols: str, **settings: Any) -> IqfeedBars:
    return IqfeedBars(symbols or ("AAPL", "IBM"), settings=server.settings(**settings))


def fetch_apple(server: ThreadedServer, **settings: Any) -> FetchedBars:
    return bars_of(server, **settings).fetch(["AAPL"], FIRST, LAST)


def why_unavailable(server: ThreadedServer, **settings: Any) -> str:
    with pytest.raises(SourceUnavailable) as caught:
        fetch_apple(server, **settings)
    return caught.value.why


class TestIqfeedBars(BarSourceBattery):
    @pytest.fixture
    def case(self, lookups: ThreadedServer) -> SourceCase:
        return SourceCase(
            source=bars_of(lookups),
            symbols=("AAPL", "IBM"),
            first=FIRST,
            last=LAST,
            sessions=7,
            empty_year=1990,
        )


def test_apple_over_its_split_is_in_the_prices_of_after_it(lookups: ThreadedServer):
    lookups.server.market.set_days(
        "AAPL",
        [
            Bar(starts=datetime.combine(day, datetime.min.time()), open=o, high=h, low=low, close=c, volume=v)
            for day, (o, h, low, c, v) in APPLE.items()
        ],
    )

    fetched = fetch_apple(lookups)

    assert fetched.bars.price_basis is PriceBasis.SPLIT_ADJUSTED
    assert fetched.bars.frame["close"].to_list() == [124.81, 129.04, 134.18]
    assert fetched.bars.frame.iloc[1, 2:].to_list() == [127.58, 131.0, 126.0, 129.04, 225702700.0]
    assert fetched.actions == ()


def test_the_request_and_a_row_are_as_recorded():
    with scripted(f"ID,{RECORDED_DAY}\nID,!ENDMSG!,\n") as server:
        fetched = IqfeedBars(["AAPL"], settings=server.settings).fetch(["AAPL"], date(2018, 4, 27), date(2018, 4, 30))

        assert server.asked == ["HDT,AAPL,20180427,20180430,,1,OB000001"]
        assert fetched.bars.frame.iloc[0, 2:].to_list() == [164.0, 164.33, 160.63, 162.32, 35655839.0]


def test_a_minute_is_stamped_with_its_beginning_in_new_york():
    with scripted(f"ID,{RECORDED_MINUTE}\nID,!ENDMSG!,\n") as server:
        begin, end = datetime(2026, 1, 12, 15, 11, tzinfo=UTC), datetime(2026, 1, 12, 15, 13, tzinfo=UTC)

        fetched = IqfeedBars(["QGC#"], settings=server.settings).minute_bars(["QGC#"], begin, end)

        assert server.asked == ["HIT,QGC#,60,20260112 101100,20260112 101259,,,,1,OB000001,,s,1"]
        assert fetched.bars.frame.iloc[0].to_list() == [
            "QGC#",
            pd.Timestamp("2026-01-12 15:11", tz="UTC"),
            4626.4,
            4627.6,
            4625.7,
            4626.4,
            185.0,
        ]


def test_the_minutes_of_a_day_make_the_day(lookups: ThreadedServer):
    source = bars_of(lookups)
    day = source.fetch(["IBM"], LAST, LAST).bars.frame.iloc[0]
    begin, end = datetime(2020, 9, 1, 13, 30, tzinfo=UTC), datetime(2020, 9, 1, 20, 0, tzinfo=UTC)

    minutes = source.minute_bars(["IBM", "NOSUCH"], begin, end)

    frame = minutes.bars.frame
    assert len(frame) == 390
    assert (frame["open"].iloc[0], frame["close"].iloc[-1]) == (day["open"], day["close"])
    assert (frame["high"].max() <= day["high"], frame["low"].min() >= day["low"]) == (True, True)
    assert [outcome.status for outcome in minutes.outcomes] == [FetchStatus.OK, FetchStatus.UNKNOWN_SYMBOL]


def test_minutes_of_a_time_without_a_zone_and_of_no_time_are_refused(lookups: ThreadedServer):
    aware = datetime(2020, 9, 1, 13, 30, tzinfo=UTC)

    with pytest.raises(InvalidValue, match="with its zone"):
        bars_of(lookups).minute_bars(["IBM"], aware.replace(tzinfo=None), aware)
    with pytest.raises(InvalidValue, match="after begin"):
        bars_of(lookups).minute_bars(["IBM"], aware, aware)


def test_rows_in_the_wrong_order_are_sorted(lookups: ThreadedServer):
    right = fetch_apple(lookups)
    lookups.server.faults.arm(Fault.WRONG_ORDER, Port.LOOKUP)

    assert fetch_apple(lookups).bars.content_hash() == right.bars.content_hash()


@pytest.mark.parametrize("ended", [True, False])
def test_an_unknown_symbol_is_told_whether_or_not_the_error_is_ended(ended: bool):
    with threaded_server(end_after_error=ended) as server:
        fetched = bars_of(server).fetch(["NOSUCH", "A,B", "AAPL"], FIRST, LAST)

    assert statuses(fetched) == {
        "NOSUCH": FetchStatus.UNKNOWN_SYMBOL,
        "A,B": FetchStatus.UNKNOWN_SYMBOL,
        "AAPL": FetchStatus.OK,
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("LH,2020-08-28,nan,1,1,1,1,0,", "'nan' is no number"),
        ("LH,2020-08-28,1,1,1,1_0,1,0,", "'1_0' is no number"),
        ("LH,2020-08-28,1,1", "index out of range"),
        ("LH,2020-02-30,1,1,1,1,1,0,", "day"),
        ("LH,28.08.2020,1,1,1,1,1,0,", "does not begin with LH and a day"),
        ("2020-08-28,1,1,1,1,1,0,", "does not begin with LH and a day"),
        ("<html>", "out of range"),
        ("LH,2020-09-01,1,1,1,1,1,0,\nID,LH,2020-09-01,2,2,2,2,2,0,", "2020-09-01 has two rows"),
    ],
)
def test_a_row_that_cannot_be_read_fails_its_symbol_alone(row: str, told: str):
    good = "ID,LH,2020-09-01,134.80,130.53,132.76,134.18,151948100,0,\nID,!ENDMSG!,\n"
    with scripted(f"ID,{row}\nID,!ENDMSG!,\n", good) as server:
        fetched = IqfeedBars(["BAD", "AAPL"], settings=server.settings).fetch(["BAD", "AAPL"], FIRST, LAST)

        assert statuses(fetched) == {"BAD": FetchStatus.FAILED, "AAPL": FetchStatus.OK}
        assert told in fetched.outcomes[0].text


def test_rows_of_days_that_were_not_asked_are_left_out():
    rows = "".join(f"ID,LH,{day},1,1,1,1,1,0,\n" for day in ("2020-08-21", "2020-08-24", "2020-09-02"))
    with scripted(f"{rows}ID,!ENDMSG!,\n") as server:
        fetched = IqfeedBars(["AAPL"], settings=server.settings).fetch(["AAPL"], FIRST, LAST)

        assert fetched.bars.frame["session"].to_list() == [pd.Timestamp(2020, 8, 24)]


def test_after_three_errors_in_a_row_it_is_unavailable(lookups: ThreadedServer):
    lookups.server.faults.arm(Fault.ERROR, Port.LOOKUP, times=None)

    fetched = fetch_apple(lookups)
    with pytest.raises(SourceUnavailable, match="3 symbols in a row failed"):
        bars_of(lookups).fetch(["AAPL", "IBM", "SPY", "QQQ"], FIRST, LAST)

    assert "IQConnect says 'Could not connect to History socket.'" in fetched.outcomes[0].text


@pytest.mark.parametrize(
    ("fault", "seconds", "told"),
    [
        (Fault.NO_END, 0.2, "no line in 0.2 s"),
        (Fault.WRONG_ID, 0.2, "no line in 0.2 s"),
        (Fault.SILENT, 0.2, "no line in 0.2 s"),
        (Fault.DROP_MID_LINE, 30, "it has closed the connection"),
        (Fault.LONG_LINE, 30, "a line that does not end"),
    ],
)
def test_an_answer_without_its_end_is_no_answer(lookups: ThreadedServer, fault: Fault, seconds: float, told: str):
    after = 0 if fault in {Fault.NO_END, Fault.WRONG_ID} else 1  # the handshake passes
    lookups.server.faults.arm(fault, Port.LOOKUP, after=after, times=None)

    assert told in why_unavailable(lookups, answer_seconds=seconds)


@pytest.mark.parametrize("fault", [Fault.HALF_LINES, Fault.GARBAGE])
def test_half_lines_and_garbage_between_the_rows_do_no_harm(lookups: ThreadedServer, fault: Fault):
    right = fetch_apple(lookups)
    lookups.server.faults.arm(fault, Port.LOOKUP, times=None)

    assert fetch_apple(lookups).bars.content_hash() == right.bars.content_hash()


def test_no_iqconnect_an_older_one_and_a_syntax_error_are_told(lookups: ThreadedServer):
    assert "is it running and logged in?" in why_unavailable(lookups, lookup_port=9)
    with threaded_server(protocol="6.1") as older:
        assert "and not 6.2; update it" in why_unavailable(older)
    refused = pytest.raises(SourceUnavailable, match=r"asked HDT, IQConnect says 'E,!SYNTAX_ERROR!,'")
    with scripted("E,!SYNTAX_ERROR!,\n") as server, refused:
        IqfeedBars(["AAPL"], settings=server.settings).fetch(["AAPL"], FIRST, LAST)
