"""Massive's levels of indices and its headlines, against its server on loopback."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from adapters.massive_api import MassiveApi
from adapters.massive_reference import MassiveIndices, MassiveNews
from tests.adapters.massive_server import MassiveServer, aggregates, results
from tests.adapters.vendor import KEY
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.market.reference import Headline, IndexLevel

# Cboe's closes of VIX, cdn.cboe.com/api/global/us_indices/daily_prices/VIX_History.csv
VIX = [
    {"day": "2020-03-13", "open": 71.31, "high": 77.57, "low": 55.17, "close": 57.83},
    {"day": "2020-03-16", "open": 57.83, "high": 83.56, "low": 57.83, "close": 82.69},
]
SINCE, UNTIL = datetime(2022, 4, 28, 17, 0, tzinfo=UTC), datetime(2022, 4, 28, 18, 0, tzinfo=UTC)


def an_article(article_id: str, at: str, *tickers: str, **changed: Any) -> dict[str, Any]:
    """Return an article as /v2/reference/news has it."""
    return {
        "id": article_id,
        "publisher": {"name": "MarketWatch", "homepage_url": "https://www.marketwatch.com/"},
        "title": f"About {' and '.join(tickers)}",
        "author": "MarketWatch",
        "published_utc": at,
        "article_url": f"https://www.marketwatch.com/story/{article_id}",
        "tickers": list(tickers),
    } | changed


@pytest.fixture
def server(httpserver: HTTPServer) -> MassiveServer:
    server = MassiveServer(httpserver, KEY)
    server.has("I:VIX", VIX)
    server.news = [
        an_article("a", "2022-04-28T17:00:00Z", "MSFT", "NFLX"),
        an_article("b", "2022-04-28T17:08:00Z", "NFLX"),
        an_article("c", "2022-04-28T18:00:00Z", "NFLX"),
    ]
    return server


@pytest.fixture
def api(server: MassiveServer) -> MassiveApi:
    return MassiveApi(api_key=SecretStr(KEY), base_url=server.server.url_for(""))


def test_the_level_of_vix_is_its_close(api: MassiveApi):
    levels = MassiveIndices(api).levels("VIX", date(2020, 3, 13), date(2020, 3, 16))

    assert levels == (
        IndexLevel(index="VIX", session=date(2020, 3, 13), level=57.83),
        IndexLevel(index="VIX", session=date(2020, 3, 16), level=82.69),
    )


def test_an_index_without_levels_in_the_range_has_none_and_one_that_never_was_is_unknown(api: MassiveApi):
    indices = MassiveIndices(api)

    assert indices.levels("VIX", date(2021, 1, 1), date(2021, 1, 31)) == ()
    with pytest.raises(UnknownSymbol, match="massive does not know NOSUCH1"):
        indices.levels("NOSUCH1", date(2020, 3, 13), date(2020, 3, 16))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (aggregates("I:SPX", VIX), "ticker of the answer is 'I:SPX', not 'I:VIX'"),
        (aggregates("I:VIX", [*VIX, VIX[0]]), "a level is none, or is there twice"),
        (aggregates("I:VIX", [VIX[0] | {"close": "NaN"}]), "a level is none"),
        (aggregates("I:VIX", [VIX[0] | {"day": 1584057600000}]), "a level is none"),  # midnight in Greenwich
        (aggregates("I:VIX", [VIX[0] | {"day": "yesterday"}]), "a level is none"),
        ({"status": "ERROR", "error": f"not for {KEY}"}, r"not for \*\*\*"),
    ],
)
def test_a_level_that_cannot_be_read_makes_it_unavailable(
    server: MassiveServer, api: MassiveApi, body: dict[str, Any], told: str
):
    server.answers("I:VIX", json.dumps(body))

    with pytest.raises(SourceUnavailable, match=told):
        MassiveIndices(api).levels("VIX", date(2020, 3, 13), date(2020, 3, 16))


def test_headlines_are_those_of_the_time_once_each(server: MassiveServer, api: MassiveApi):
    server.page_size = 1

    headlines = MassiveNews(api).headlines(["NFLX", "MSFT"], SINCE, UNTIL)

    assert [headline.headline_id for headline in headlines] == ["a", "b"]
    assert headlines[0] == Headline(
        provider="massive",
        headline_id="a",
        published_at=SINCE,
        title="About MSFT and NFLX",
        symbols=("MSFT", "NFLX"),
        url="https://www.marketwatch.com/story/a",
    )


def test_without_a_symbol_the_headlines_of_all_are_asked_for(server: MassiveServer, api: MassiveApi):
    headlines = MassiveNews(api).headlines([], SINCE, UNTIL)

    assert len(headlines) == 2
    assert ["ticker" in asked for _, asked in server.asked] == [False]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"title": 5},
        {"published_utc": "yesterday"},
        {"published_utc": "2022-04-28T17:00:00"},
        {"tickers": KEY},
    ],
)
def test_a_headline_that_cannot_be_read_makes_it_unavailable(
    server: MassiveServer, api: MassiveApi, changed: dict[str, Any]
):
    server.answers("NFLX", json.dumps(results([an_article("a", "2022-04-28T17:00:00Z", "NFLX", **changed)])))

    with pytest.raises(SourceUnavailable, match="a headline without id, title, tickers or time") as caught:
        MassiveNews(api).headlines(["NFLX"], SINCE, UNTIL)

    assert KEY not in str(caught.value)
