"""Massive's latest quotes, against its server on loopback."""

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from adapters.massive_api import MassiveApi
from adapters.massive_quotes import MassiveQuotes
from tests.adapters.massive_server import MassiveServer, results
from tests.adapters.vendor import KEY
from tests.quote_source_battery import QuoteCase, QuoteSourceBattery, quote_statuses
from trading.errors import SourceUnavailable
from trading.market.bars import FetchStatus

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
QUOTED_AT, TRADED_AT = 1767624899123456789, 1767624898000000000  # 14:54:59.123456789 and a second before


def a_snapshot(ticker: str, *, status: str = "open", timeframe: str = "REAL-TIME", **changed: Any) -> dict[str, Any]:
    """Return a row of the unified snapshot, as its client recorded one of Apple."""
    quote = {"ask": 21.25, "ask_size": 110, "bid": 20.9, "bid_size": 172, "last_updated": QUOTED_AT, "midpoint": 21.075}
    trade = {"conditions": [209], "exchange": 316, "id": "4064", "last_updated": TRADED_AT, "price": 21.05, "size": 2}
    return {
        "last_quote": {**quote, "timeframe": timeframe},
        "last_trade": {**trade, "timeframe": timeframe},
        "market_status": status,
        "name": "Apple Inc.",
        "session": {"close": 21.4, "open": 22.49, "previous_close": 22.45, "volume": 37},
        "ticker": ticker,
        "type": "stocks",
    } | changed


def quotes_at(address: str) -> MassiveQuotes:
    return MassiveQuotes(MassiveApi(api_key=SecretStr(KEY), base_url=address), now=lambda: NOW)


@pytest.fixture
def server(httpserver: HTTPServer) -> MassiveServer:
    server = MassiveServer(httpserver, KEY)
    server.snapshots = {ticker: a_snapshot(ticker) for ticker in ("AAPL", "IBM")}
    return server


@pytest.fixture
def quotes(server: MassiveServer) -> MassiveQuotes:
    return quotes_at(server.server.url_for(""))


class TestMassiveQuotes(QuoteSourceBattery):
    @pytest.fixture
    def case(self, server: MassiveServer, quotes: MassiveQuotes) -> QuoteCase:
        server.server.expect_request("/refusing/v3/snapshot").respond_with_json(
            {"status": "ERROR", "error": f"Unknown API Key {KEY}"}, status=401
        )
        return QuoteCase(
            source=quotes,
            symbols=("AAPL", "IBM"),
            down=quotes_at("http://127.0.0.1:1"),
            refused=quotes_at(server.server.url_for("/refusing")),
            secrets=(KEY,),
        )


def test_prices_and_the_time_are_those_of_the_snapshot_and_sizes_in_lots_are_not_told(quotes: MassiveQuotes):
    (row,) = quotes.fetch(["AAPL"]).quotes.frame.to_dict("records")

    assert (row["bid"], row["ask"], row["last"], row["last_size"]) == (20.9, 21.25, 21.05, 2)
    assert row["quoted_at"] == pd.Timestamp("2026-01-05 14:54:59.123456Z")
    assert pd.isna(row["bid_size"])
    assert pd.isna(row["ask_size"])


@pytest.mark.parametrize(
    ("status", "timeframe", "kind"),
    [
        ("open", "REAL-TIME", "live"),
        ("early_trading", "REAL-TIME", "live"),
        ("closed", "REAL-TIME", "frozen"),
        ("open", "DELAYED", "delayed"),
        ("closed", "DELAYED", "delayed_frozen"),
        ("open", None, "delayed"),
    ],
)
def test_a_quote_says_whether_it_is_late_and_whether_the_market_is_closed(
    server: MassiveServer, quotes: MassiveQuotes, status: str, timeframe: Any, kind: str
):
    server.snapshots["AAPL"] = a_snapshot("AAPL", status=status, timeframe=timeframe)

    assert quotes.fetch(["AAPL"]).quotes.frame["kind"].to_list() == [kind]


def test_a_plan_without_quotes_gives_the_last_price_only(server: MassiveServer, quotes: MassiveQuotes):
    del server.snapshots["AAPL"]["last_quote"]

    (row,) = quotes.fetch(["AAPL"]).quotes.frame.to_dict("records")

    assert row["last"] == 21.05
    assert row["quoted_at"] == pd.Timestamp("2026-01-05 14:54:58Z")
    assert pd.isna(row["bid"])


def test_a_side_of_zero_is_quoted_by_nobody(server: MassiveServer, quotes: MassiveQuotes):
    server.snapshots["AAPL"]["last_quote"]["bid"] = 0

    (row,) = quotes.fetch(["AAPL"]).quotes.frame.to_dict("records")

    assert pd.isna(row["bid"])
    assert row["ask"] == 21.25


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"last_quote": {"bid": "NaN"}}, "a price is none: {'bid': 'NaN'"),
        ({"last_quote": {"ask": float("nan")}}, "a price is none"),
        ({"last_quote": {"ask": -1}}, "a price is none"),
        ({"last_quote": {"ask": KEY}}, "{'ask': '***'"),
        ({"last_quote": {}, "last_trade": {}}, "see whether your plan has quotes"),
        ({"last_quote": None, "last_trade": "none"}, "see whether your plan has quotes"),
        ({"error": "NOT_ENTITLED", "message": f"not with {KEY}"}, "'not with ***'"),
    ],
)
def test_a_row_that_cannot_be_used_fails_its_symbol_and_no_other(
    server: MassiveServer, quotes: MassiveQuotes, bad: dict[str, Any], told: str
):
    server.snapshots["IBM"] = a_snapshot("IBM", **bad)

    fetched = quotes.fetch(["AAPL", "IBM"])

    assert quote_statuses(fetched) == {"AAPL": FetchStatus.OK, "IBM": FetchStatus.FAILED}
    assert "massive on IBM: " in fetched.outcomes[1].text
    assert told in fetched.outcomes[1].text


def test_a_symbol_left_out_or_told_twice_has_failed(server: MassiveServer, quotes: MassiveQuotes):
    server.answers("AAPL", json.dumps(results([a_snapshot("IBM"), a_snapshot("IBM")])))

    fetched = quotes.fetch(["AAPL", "IBM"])

    assert [outcome.text for outcome in fetched.outcomes] == [
        "massive on AAPL: the answer has 0 rows of it, not one",
        "massive on IBM: the answer has 2 rows of it, not one",
    ]


@pytest.mark.parametrize(
    "body",
    [
        *("<html>busy</html>", '{"status": "OK", "results": [', "{}", "[]", '{"status": "OK", "results": 1}'),
        *(json.dumps(results([a_snapshot("MSFT")])), json.dumps(results([{}]))),
    ],
)
def test_an_answer_that_is_none_or_about_another_symbol_makes_it_unavailable(
    server: MassiveServer, quotes: MassiveQuotes, body: str
):
    server.answers("AAPL", body)

    with pytest.raises(SourceUnavailable, match="massive is unavailable: /v3/snapshot"):
        quotes.fetch(["AAPL"])


def test_two_hundred_and_fifty_symbols_take_one_request(server: MassiveServer, quotes: MassiveQuotes):
    symbols = [f"S{n}" for n in range(251)]
    server.snapshots = {symbol: a_snapshot(symbol) for symbol in symbols}

    fetched = quotes.fetch(symbols)

    assert len(fetched.quotes.frame) == 251
    assert len(server.asked) == 2
