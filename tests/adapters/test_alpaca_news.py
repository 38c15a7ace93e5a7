"""Alpaca's headlines through alpaca-py, against a server on loopback that speaks its formats."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from adapters.alpaca_news import AlpacaNews
from tests.adapters.alpaca_server import KEY, AlpacaServer
from trading.errors import SourceUnavailable
from trading.market.reference import Headline

NEW_YEARS_EVE, NEW_YEAR = datetime(2021, 12, 31, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)


def an_article(number: int = 24843171, at: str = "2021-12-31T11:08:42Z", **values: Any) -> dict[str, Any]:
    """Return an article as in Alpaca's documentation of its news."""
    return {
        "id": number,
        "headline": "Apple Leader in Phone Sales in China for Second Straight Month in November",
        "author": "Charles Gross",
        "created_at": at,
        "updated_at": at,
        "summary": "This headline-only article is meant to show you why a stock is moving",
        "content": "",
        "url": "https://www.benzinga.com/news/21/12/24843171",
        "images": [],
        "symbols": ["AAPL"],
        "source": "benzinga",
        **values,
    }


@pytest.fixture
def alpaca(httpserver: HTTPServer) -> AlpacaServer:
    return AlpacaServer(httpserver, news=[an_article()])


def headlines(alpaca: AlpacaServer, folder: Path, *symbols: str) -> tuple[Headline, ...]:
    return AlpacaNews(access=alpaca.access(folder)).headlines(symbols, NEW_YEARS_EVE, NEW_YEAR)


def test_a_headline_is_told_with_its_time_and_what_it_is_about(alpaca: AlpacaServer, tmp_path: Path):
    (found,) = headlines(alpaca, tmp_path, "AAPL", "IBM")

    assert found == Headline(
        provider="alpaca",
        headline_id="24843171",
        published_at=datetime(2021, 12, 31, 11, 8, 42, tzinfo=UTC),
        title="Apple Leader in Phone Sales in China for Second Straight Month in November",
        symbols=("AAPL",),
        url="https://www.benzinga.com/news/21/12/24843171",
    )
    assert headlines(alpaca, tmp_path, "IBM") == ()
    assert headlines(alpaca, tmp_path) == (found,)


def test_headlines_of_all_pages_come_by_time_each_once_and_the_end_is_excluded(alpaca: AlpacaServer, tmp_path: Path):
    hours = [5, 3, 1, 2, 4]
    alpaca.news = [an_article(hour, f"2021-12-31T0{hour}:00:00Z") for hour in hours]
    alpaca.news += [an_article(3, "2021-12-31T03:00:00Z"), an_article(9, "2022-01-01T00:00:00Z")]
    alpaca.page_size = 2

    assert [h.headline_id for h in headlines(alpaca, tmp_path)] == ["1", "2", "3", "4", "5"]


def test_an_article_that_was_changed_the_day_after_is_still_of_its_own_day(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.news = [an_article(updated_at="2022-01-01T09:00:00Z")]

    assert len(headlines(alpaca, tmp_path)) == 1


@pytest.mark.parametrize(
    ("article", "told"),
    [
        (an_article(created_at="today"), "time is 'today'"),
        (an_article(created_at=None), "article is 24843171"),
        (an_article(headline=None), "article is 24843171"),
        (an_article(symbols=KEY), "symbols is '***', but must be a list"),
        ({"updated_at": "2021-12-31T11:08:42Z", "symbols": ["AAPL"]}, "'created_at'"),
    ],
)
def test_an_article_that_makes_no_sense_makes_the_news_unavailable(
    alpaca: AlpacaServer, tmp_path: Path, article: dict[str, Any], told: str
):
    alpaca.news = [article]

    with pytest.raises(SourceUnavailable) as caught:
        headlines(alpaca, tmp_path)

    assert told in caught.value.why


@pytest.mark.parametrize(("body", "status"), [({"news": 7}, 200), ([], 200), ("", 500), ({"message": "slow"}, 429)])
def test_no_news_is_not_the_same_as_no_answer(alpaca: AlpacaServer, tmp_path: Path, body: Any, status: int):
    alpaca.answers("/v1beta1/news", body, status)

    with pytest.raises(SourceUnavailable):
        headlines(alpaca, tmp_path)
