"""Massive's own client reads from the loopback server what it reads from Massive: so the formats are Massive's."""

from datetime import date

import massive
import pytest
from pytest_httpserver import HTTPServer

from tests.adapters.massive_server import MassiveServer
from tests.adapters.test_massive_chains import RECORDED
from tests.adapters.test_massive_quotes import a_snapshot
from tests.adapters.test_massive_reference import an_article
from tests.adapters.vendor import APPLE, KEY


@pytest.fixture
def server(httpserver: HTTPServer) -> MassiveServer:
    server = MassiveServer(httpserver, KEY)
    server.has("AAPL", APPLE)
    return server


@pytest.fixture
def client(server: MassiveServer):
    return massive.RESTClient(api_key=KEY, base=server.server.url_for("").rstrip("/"), retries=0)


def test_its_client_finds_bars_dividends_splits_and_tickers(client):
    bars = list(client.list_aggs("AAPL", 1, "day", "2020-08-06", "2020-09-01", adjusted=False, sort="asc", limit=50000))
    days = {"ex_dividend_date_gte": date(2020, 8, 1), "ex_dividend_date_lte": date(2020, 9, 1)}
    (dividend,) = client.list_stocks_dividends(ticker_any_of="AAPL,IBM", **days)
    (split,) = client.list_stocks_splits(
        ticker_any_of="AAPL,IBM", execution_date_gte="2020-08-01", execution_date_lte="2020-09-01"
    )
    (ticker,) = client.list_tickers(ticker="AAPL", active=True)

    assert [(bar.close, bar.volume) for bar in bars] == [(row["close"], row["volume"]) for row in APPLE]
    assert (dividend.ticker, dividend.ex_dividend_date, dividend.cash_amount) == ("AAPL", "2020-08-07", 0.82)
    assert (split.execution_date, split.split_from, split.split_to) == ("2020-08-31", 1, 4.0)
    assert ticker.ticker == "AAPL"


def test_its_client_finds_quotes_chains_and_news(client, server: MassiveServer):
    server.snapshots["AAPL"] = a_snapshot("AAPL")
    server.chains["AAPL"] = [RECORDED]
    server.news = [an_article("a", "2022-04-28T17:00:00Z", "AAPL")]

    quoted, unknown = client.list_universal_snapshots(ticker_any_of=["AAPL", "NOSUCH1"], limit=250)
    (contract,) = client.list_snapshot_options_chain("AAPL", params={"limit": 250})
    (article,) = client.list_ticker_news(ticker="AAPL", published_utc_gte="2022-04-28")

    assert (quoted.last_quote.bid, quoted.last_trade.price, unknown.error) == (20.9, 21.05, "NOT_FOUND")
    assert (contract.details.strike_price, contract.open_interest) == (150, 8133)
    assert article.published_utc == "2022-04-28T17:00:00Z"


def test_its_client_takes_an_error_for_no_bars_and_adjusts_what_follows_the_first_page(client, server: MassiveServer):
    """Why it is not used."""
    server.answers("IBM", "<html>busy</html>")
    server.page_size = 5

    assert list(client.list_aggs("IBM", 1, "day", "2020-08-06", "2020-09-01")) == []
    list(client.list_aggs("AAPL", 1, "day", "2020-08-06", "2020-09-01", adjusted=False))
    assert [asked.get("adjusted") for path, asked in server.asked if "AAPL" in path] == ["false", None]
