"""Headlines of IQFeed and the state of IQConnect, from a server on loopback."""

from datetime import UTC, datetime

import pytest
from iqfeed_desk import ThreadedServer, scripted

from adapters.iqfeed.admin import FeedStatus, feed_status
from adapters.iqfeed.news import IqfeedNews
from iqfeed_server.faults import Fault, Port
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.reference import Headline

# As recorded in github.com/mathpaquette/IQFeed.CSharpApiClient, NewsHeadlinesMessage.cs.
RECORDED = (
    "N,BEN,22290175664,:BZRatings::AAPL::AMD:,20200612131321,"
    "Why Key Intel Chip Design Exec's Departure Is Positive For AMD, Nvidia"
)
MORNING, EVENING = datetime(2020, 6, 12, 12, 0, tzinfo=UTC), datetime(2020, 6, 12, 21, 0, tzinfo=UTC)


def test_a_headline_is_read_as_recorded_with_the_commas_of_its_title():
    with scripted(f"ID,{RECORDED}\nID,!ENDMSG!,\n") as server:
        found = IqfeedNews(settings=server.settings).headlines(["AMD"], MORNING, EVENING)

        assert server.asked == ["NHL,,AMD,t,,20200612,OB000001"]
        assert found == (
            Headline(
                provider="iqfeed",
                headline_id="22290175664",
                published_at=datetime(2020, 6, 12, 17, 13, 21, tzinfo=UTC),
                title="Why Key Intel Chip Design Exec's Departure Is Positive For AMD, Nvidia",
                symbols=("BZRatings", "AAPL", "AMD"),
            ),
        )


def test_a_row_that_is_no_headline_is_counted_and_the_others_are_kept():
    with scripted(f"ID,N,BEN\nID,{RECORDED}\nID,N,BEN,1,:A:,yesterday,Title\nID,!ENDMSG!,\n") as server:
        news = IqfeedNews(settings=server.settings)

        found = news.headlines(["AMD"], MORNING, EVENING)

        assert [headline.headline_id for headline in found] == ["22290175664"]
        assert news.strange_lines == 2


def test_headlines_of_some_days_come_once_each_in_order_and_within_the_time(lookups: ThreadedServer):
    news = IqfeedNews(settings=lookups.settings())
    week = datetime(2020, 6, 8, tzinfo=UTC), datetime(2020, 6, 13, tzinfo=UTC)

    apple, both = news.headlines(["AAPL"], *week), news.headlines(["AAPL", "IBM", "AAPL"], *week)
    everything = news.headlines([], *week)

    times = [headline.published_at for headline in both]
    assert times == sorted(times)
    assert len({headline.headline_id for headline in both}) == len(both)
    assert set(apple) < set(both) < set(everything)
    assert {symbol for headline in both for symbol in headline.symbols} == {"AAPL", "IBM"}
    assert news.headlines(["AAPL"], apple[1].published_at, apple[2].published_at) == apple[1:2]


def test_a_symbol_without_headlines_has_none(lookups: ThreadedServer):
    assert IqfeedNews(settings=lookups.settings()).headlines(["NOSUCH"], MORNING, EVENING) == ()


def test_a_time_without_a_zone_and_one_that_is_too_long_are_refused(lookups: ThreadedServer):
    news = IqfeedNews(settings=lookups.settings())

    for since, until in ((MORNING, EVENING.replace(tzinfo=None)), (EVENING, MORNING), (MORNING, EVENING.replace(2022))):
        with pytest.raises(InvalidValue):
            news.headlines(["AAPL"], since, until)


def test_an_error_makes_news_unavailable(lookups: ThreadedServer):
    lookups.server.faults.arm(Fault.ERROR, Port.LOOKUP)

    with pytest.raises(SourceUnavailable, match="Could not connect to News socket"):
        IqfeedNews(settings=lookups.settings()).headlines(["AAPL"], MORNING, EVENING)


def test_iqconnect_tells_whether_it_is_connected(lookups: ThreadedServer):
    connected = feed_status(lookups.settings())
    lookups.do(lookups.server.lose_feed())

    assert connected == FeedStatus(is_connected=True, symbol_limit=500, watched=0, version="6.2.0.25")
    assert feed_status(lookups.settings()).is_connected is False


def test_statistics_that_cannot_be_read_are_told(lookups: ThreadedServer):
    lookups.server.faults.arm(Fault.DROP_MID_LINE, Port.ADMIN)

    with pytest.raises(SourceUnavailable, match="closed the connection"):
        feed_status(lookups.settings())
    with pytest.raises(SourceUnavailable, match="no line in"):
        feed_status(lookups.settings(admin_port=lookups.server.ports[Port.LOOKUP], answer_seconds=0.1))
