"""Quotes of Yahoo, against a server on loopback that speaks its quote JSON."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from werkzeug import Request, Response

from adapters.yahoo_access import YahooAccess
from adapters.yahoo_quotes import PATH, YahooQuotes
from tests.adapters.yahoo_server import Yahoo, _own_cache, closed_port, now, yahoo
from tests.quote_source_battery import QuoteCase, QuoteSourceBattery, quote_statuses
from trading.errors import SourceUnavailable
from trading.market.bars import FetchStatus

__all__ = ["_own_cache", "yahoo"]

# Apple as Yahoo serves it in regular hours; the fields that are not read are left out.
APPLE = {
    "symbol": "AAPL",
    "quoteType": "EQUITY",
    "currency": "USD",
    "marketState": "REGULAR",
    "exchangeDataDelayedBy": 0,
    "regularMarketPrice": 230.49,
    "regularMarketTime": 1795186795,  # 14:59:55 UTC
    "bid": 230.48,
    "ask": 230.5,
    "bidSize": 4,
    "askSize": 4,
}
FTSE = {**APPLE, "symbol": "VOD.L", "currency": "GBp", "exchangeDataDelayedBy": 15}


def quotes_at(address: str, **settings: Any) -> YahooQuotes:
    return YahooQuotes(YahooAccess(address, **settings), now=now)


def serve(yahoo: Yahoo, *rows: dict[str, Any]) -> YahooQuotes:
    """Have it know these, and return the source."""

    def answer(request: Request) -> Response:
        wanted = request.args["symbols"].split(",")
        known = [row for row in rows if row["symbol"] in wanted]
        return Response(json.dumps({"quoteResponse": {"result": known, "error": None}}))

    yahoo.answers(PATH, answer)
    return quotes_at(yahoo.address)


class TestYahooQuotes(QuoteSourceBattery):
    @pytest.fixture
    def case(self, yahoo: Yahoo) -> QuoteCase:
        yahoo.answers("/refused" + PATH, "Unauthorized", 401)
        return QuoteCase(
            source=serve(yahoo, APPLE, {**APPLE, "symbol": "IBM"}),
            symbols=("AAPL", "IBM"),
            down=quotes_at(closed_port()),
            refused=quotes_at(yahoo.address + "/refused"),
            secrets=(),
        )


def test_a_quote_has_bid_ask_last_and_the_time_of_the_last_and_sizes_of_unknown_unit_are_left_out(yahoo: Yahoo):
    row = serve(yahoo, APPLE).fetch(["AAPL"]).quotes.frame.iloc[0]

    assert (row["bid"], row["ask"], row["last"]) == (230.48, 230.5, 230.49)
    assert row["quoted_at"] == datetime(2026, 11, 20, 14, 59, 55, tzinfo=UTC)
    assert np.isnan(row[["bid_size", "ask_size", "last_size"]].astype(float)).all()


@pytest.mark.parametrize(
    ("state", "late", "kind"),
    [
        ("REGULAR", 0, "live"),
        ("REGULAR", 15, "delayed"),
        ("PRE", 0, "frozen"),
        ("POSTPOST", 0, "frozen"),
        ("CLOSED", 15, "delayed_frozen"),
        (None, None, "frozen"),
    ],
)
def test_how_old_a_quote_is_by_its_kind_follows_the_state_of_the_market(
    yahoo: Yahoo, state: str | None, late: int | None, kind: str
):
    source = serve(yahoo, {**APPLE, "marketState": state, "exchangeDataDelayedBy": late})

    assert source.fetch(["AAPL"]).quotes.frame["kind"].to_list() == [kind]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"currency": "GBp"}, "quoted in GBp, not in USD"),
        ({"bid": "NaN"}, "bid is 'NaN'"),
        ({"ask": -1}, "ask is -1, which is below 0"),
        ({"bid": 0, "ask": 0, "regularMarketPrice": 0}, "no bid, ask or price"),
        ({"regularMarketTime": 1e30}, "which is no time"),
        ({"exchangeDataDelayedBy": True}, "exchangeDataDelayedBy is True"),
    ],
)
def test_a_quote_that_cannot_be_used_fails_alone(yahoo: Yahoo, changes: dict[str, Any], why: str):
    source = serve(yahoo, APPLE, {**APPLE, "symbol": "BAD", **changes})

    fetched = source.fetch(["AAPL", "BAD"])

    assert quote_statuses(fetched) == {"AAPL": FetchStatus.OK, "BAD": FetchStatus.FAILED}
    assert fetched.outcomes[1].text.startswith("yahoo on BAD: ")
    assert why in fetched.outcomes[1].text
    assert fetched.quotes.frame["symbol"].to_list() == ["AAPL"]


def test_a_side_that_nobody_quotes_is_missing_and_not_zero(yahoo: Yahoo):
    row = serve(yahoo, {**APPLE, "bid": 0.0, "ask": None}).fetch(["AAPL"]).quotes.frame.iloc[0]

    assert np.isnan(row["bid"])
    assert np.isnan(row["ask"])
    assert row["last"] == 230.49


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<html>We are sorry</html>", 200),
        ('{"quoteResponse": {"result": [{"symbol": "AAPL"', 200),
        ("[]", 200),
        ('{"quoteResponse": {"result": null, "error": {"code": "Internal", "description": "broken"}}}', 200),
        ('{"finance": {"result": null, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}', 401),
        ("Too Many Requests", 429),
        ("broken", 500),
        ("", 404),
    ],
)
def test_an_answer_that_is_no_list_of_quotes_is_no_answer(yahoo: Yahoo, body: str, status: int):
    yahoo.answers(PATH, body, status)

    with pytest.raises(SourceUnavailable, match="yahoo is unavailable: "):
        quotes_at(yahoo.address).fetch(["AAPL"])


def test_an_answer_that_takes_too_long_or_speaks_no_tls_is_told(yahoo: Yahoo):
    done = threading.Event()

    def wait(_: Request) -> Response:
        done.wait(5)
        return Response("")

    yahoo.answers(PATH, wait)
    try:
        with pytest.raises(SourceUnavailable, match="timed out"):
            quotes_at(yahoo.address, timeout=timedelta(seconds=0.3)).fetch(["AAPL"])
    finally:
        done.set()
    with pytest.raises(SourceUnavailable, match=r"(?i)ssl|tls"):
        quotes_at(yahoo.address.replace("http://", "https://")).fetch(["AAPL"])


def test_many_symbols_are_asked_for_in_few_requests_and_a_share_class_is_written_with_a_dash(yahoo: Yahoo):
    symbols = ["BRK.B", *(f"S{n}" for n in range(149))]
    source = serve(yahoo, *({**APPLE, "symbol": symbol.replace(".", "-")} for symbol in symbols))

    fetched = source.fetch(symbols)

    assert set(quote_statuses(fetched).values()) == {FetchStatus.OK}
    assert set(fetched.quotes.frame["symbol"]) == set(symbols)
    assert len(yahoo.asked) == 2
