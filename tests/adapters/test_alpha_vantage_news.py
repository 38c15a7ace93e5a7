"""Headlines of Alpha Vantage, against a server on loopback that speaks its NEWS_SENTIMENT."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.alpha_vantage_news import MOST, AlphaVantageNews
from tests.adapters.alpha_vantage_server import BAD_ANSWERS, KEY, AlphaVantage, vendor
from trading.errors import SourceUnavailable
from trading.market.reference import Headline

__all__ = ["vendor"]

SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
NO_ARTICLES = {
    "Information": "No articles found. Please adjust the time range or refer to the API documentation "
    "https://www.alphavantage.co/documentation#newsapi and try again."
}


def an_article(at: str = "20260301T120000", name: str = "1", tickers: tuple[str, ...] = ("AAPL",)) -> dict[str, Any]:
    return {
        "title": f"Headline {name}",
        "url": f"https://example.com/{name}",
        "time_published": at,
        "authors": [],
        "summary": "What it says.",
        "source": "Reuters",
        "overall_sentiment_score": 0.15,
        "ticker_sentiment": [{"ticker": ticker, "relevance_score": "0.8"} for ticker in tickers],
    }


def a_feed(*articles: dict[str, Any]) -> dict[str, Any]:
    return {"items": str(len(articles)), "sentiment_score_definition": "x <= -0.35: Bearish", "feed": list(articles)}


def news_of(vendor: AlphaVantage) -> AlphaVantageNews:
    return AlphaVantageNews(vendor.api())


def test_a_headline_is_told_once_with_all_symbols_it_is_about(vendor: AlphaVantage):
    both = an_article("20260301T130000", "both", ("AAPL", "BRK-B", "FOREX:USD"))
    vendor.answers("NEWS_SENTIMENT", a_feed(both), symbol="AAPL")
    vendor.answers("NEWS_SENTIMENT", a_feed(an_article("20260301T090000", "early", ("BRK-B",)), both), symbol="BRK-B")

    early, told = news_of(vendor).headlines(["AAPL", "BRK.B"], SINCE, UNTIL)

    assert (early.title, early.symbols) == ("Headline early", ("BRK.B",))
    assert told == Headline(
        provider="alpha_vantage",
        headline_id="https://example.com/both",
        published_at=datetime(2026, 3, 1, 13, tzinfo=UTC),
        title="Headline both",
        symbols=("AAPL", "BRK.B", "FOREX:USD"),
        url="https://example.com/both",
    )


def test_the_end_is_excluded_and_so_is_what_alpha_vantage_gives_beyond_the_minute(vendor: AlphaVantage):
    feed = a_feed(*(an_article(at, at) for at in ("20260228T235959", "20260301T000000", "20260302T000000")))
    vendor.answers("NEWS_SENTIMENT", feed)

    found = news_of(vendor).headlines([], SINCE, UNTIL)

    assert [headline.published_at for headline in found] == [SINCE]
    assert {name: vendor.asked[0][name] for name in ("time_from", "time_to", "sort")} == {
        "time_from": "20260301T0000",
        "time_to": "20260302T0001",
        "sort": "EARLIEST",
    }
    assert "tickers" not in vendor.asked[0]


def test_more_headlines_than_an_answer_holds_are_asked_for_from_the_last_one_on(vendor: AlphaVantage):
    times = [SINCE + timedelta(seconds=20 * n) for n in range(MOST)]
    vendor.answers("NEWS_SENTIMENT", a_feed(*(an_article(f"{at:%Y%m%dT%H%M%S}", f"{at:%H%M%S}") for at in times)))

    with pytest.raises(SourceUnavailable, match="more than 1000 headlines in a minute"):  # it always gives the same
        news_of(vendor).headlines([], SINCE, UNTIL)

    assert [asked["time_from"] for asked in vendor.asked] == ["20260301T0000", f"{times[-1]:%Y%m%dT%H%M}"]


def test_no_articles_are_no_error(vendor: AlphaVantage):
    vendor.answers("NEWS_SENTIMENT", NO_ARTICLES, symbol="AAPL")

    assert news_of(vendor).headlines(["AAPL"], SINCE, UNTIL) == ()


@pytest.mark.parametrize(
    "article",
    [
        {**an_article(), "title": ""},
        {**an_article(), "url": None},
        {**an_article(), "time_published": f"yesterday {KEY}"},
        {**an_article(), "ticker_sentiment": KEY},
    ],
)
def test_a_headline_that_cannot_be_read_is_not_passed_over(vendor: AlphaVantage, article: dict[str, Any]):
    vendor.answers("NEWS_SENTIMENT", a_feed(an_article(), article), symbol="AAPL")

    with pytest.raises(SourceUnavailable, match="NEWS_SENTIMENT: ") as caught:
        news_of(vendor).headlines(["AAPL"], SINCE, UNTIL)

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("body", "status"), [*BAD_ANSWERS, ('{"Information": "Invalid inputs."}', 200), ('{"x": 1}', 200)]
)
def test_an_answer_that_is_none_is_not_taken_for_no_news(vendor: AlphaVantage, body: str, status: int):
    vendor.answers("NEWS_SENTIMENT", body, status, symbol="AAPL")

    with pytest.raises(SourceUnavailable) as caught:
        news_of(vendor).headlines(["AAPL"], SINCE, UNTIL)

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"
