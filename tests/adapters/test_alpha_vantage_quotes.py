"""Last prices of Alpha Vantage, against a server on loopback that speaks its GLOBAL_QUOTE."""

from typing import Any

import pandas as pd
import pytest

from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.alpha_vantage_quotes import AlphaVantageQuotes
from tests.adapters.alpha_vantage_server import BAD_ANSWERS, KEY, AlphaVantage, now, vendor
from tests.quote_source_battery import QuoteCase, QuoteSourceBattery, quote_statuses
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchStatus
from trading.market.quotes import QuoteKind

__all__ = ["vendor"]


def a_quote(symbol: str = "IBM", px: Any = "230.4900", key: str = "Global Quote") -> dict[str, Any]:
    return {
        key: {
            "01. symbol": symbol,
            "02. open": "228.5800",
            "03. high": "230.9000",
            "04. low": "228.2950",
            "05. price": px,
            "06. volume": "3013407",
            "07. latest trading day": "2026-11-20",
            "08. previous close": "229.3100",
            "09. change": "1.1800",
            "10. change percent": "0.5146%",
        }
    }


def quotes_of(vendor: AlphaVantage, api: AlphaVantageApi | None = None, **settings: Any) -> AlphaVantageQuotes:
    return AlphaVantageQuotes(api or vendor.api(), now=now, **settings)


class TestAlphaVantageQuotes(QuoteSourceBattery):
    @pytest.fixture
    def case(self, vendor: AlphaVantage) -> QuoteCase:
        for symbol in ("AAPL", "IBM"):
            vendor.answers("GLOBAL_QUOTE", a_quote(symbol), symbol=symbol)
        vendor.answers("GLOBAL_QUOTE", {"Global Quote": {}}, symbol="NOSUCH1")
        return QuoteCase(
            source=quotes_of(vendor),
            symbols=("AAPL", "IBM"),
            down=quotes_of(vendor, vendor.api(base_url="http://127.0.0.1:1")),
            refused=quotes_of(vendor, vendor.api(key="WRONG0KEY9X")),
            secrets=(KEY, "WRONG0KEY9X"),
        )


def test_a_quote_has_the_last_price_only_and_no_time_of_day(vendor: AlphaVantage):
    vendor.answers("GLOBAL_QUOTE", a_quote("BRK-B"), symbol="BRK-B")

    row = quotes_of(vendor).fetch(["BRK.B"]).quotes.frame.iloc[0]

    assert (row["symbol"], row["last"], row["kind"]) == ("BRK.B", 230.49, "delayed_frozen")
    assert row[["bid", "ask", "bid_size", "ask_size", "last_size"]].isna().all()
    assert row["quoted_at"] is pd.NaT


@pytest.mark.parametrize(
    ("entitled", "asked", "key", "kind"),
    [
        (QuoteKind.DELAYED_FROZEN, None, "Global Quote", "delayed_frozen"),
        (QuoteKind.DELAYED, "delayed", "Global Quote - DATA DELAYED BY 15 MINUTES", "delayed"),
        (QuoteKind.LIVE, "realtime", "Global Quote", "live"),
        (QuoteKind.LIVE, "realtime", "Global Quote - DATA DELAYED BY 15 MINUTES", "delayed"),
    ],
)
def test_how_old_a_price_is_follows_what_the_key_is_paid_for_and_what_the_answer_says(
    vendor: AlphaVantage, entitled: QuoteKind, asked: str | None, key: str, kind: str
):
    vendor.answers("GLOBAL_QUOTE", a_quote(key=key), symbol="IBM")

    fetched = quotes_of(vendor, entitled=entitled).fetch(["IBM"])

    assert fetched.quotes.frame["kind"].to_list() == [kind]
    assert vendor.asked[0].get("entitlement") == asked


def test_there_is_no_entitlement_to_frozen_prices(vendor: AlphaVantage):
    with pytest.raises(InvalidValue, match="entitled is 'frozen', but must be one of live, delayed, delayed_frozen"):
        quotes_of(vendor, entitled=QuoteKind.FROZEN)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (a_quote("MSFT"), "the answer is about"),
        (a_quote("BAD", "None"), "no price"),
        (a_quote("BAD", "0.0000"), "no price"),
        (a_quote("BAD", f"NaN {KEY}"), "which is no number"),
        ({"Something": 1}, "the answer is about"),
        ({"Global Quote": [KEY]}, "the answer is about"),
    ],
)
def test_a_price_that_cannot_be_used_fails_alone(vendor: AlphaVantage, body: Any, why: str):
    vendor.answers("GLOBAL_QUOTE", a_quote(), symbol="IBM")
    vendor.answers("GLOBAL_QUOTE", body, symbol="BAD")

    fetched = quotes_of(vendor).fetch(["IBM", "BAD"])

    assert quote_statuses(fetched) == {"IBM": FetchStatus.OK, "BAD": FetchStatus.FAILED}
    assert why in fetched.outcomes[1].text
    assert KEY not in fetched.outcomes[1].text


@pytest.mark.parametrize(("body", "status"), BAD_ANSWERS)
def test_an_answer_that_is_none_speaks_for_the_provider(vendor: AlphaVantage, body: str, status: int):
    vendor.answers("GLOBAL_QUOTE", body, status, symbol="IBM")

    with pytest.raises(SourceUnavailable) as caught:
        quotes_of(vendor).fetch(["IBM"])

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_after_three_failures_in_a_row_no_more_symbols_are_asked(vendor: AlphaVantage):
    for symbol in "ABCD":
        vendor.answers("GLOBAL_QUOTE", {"Something": 1}, symbol=symbol)

    with pytest.raises(SourceUnavailable, match="3 symbols in a row failed"):
        quotes_of(vendor).fetch(["A", "B", "C", "D"])

    assert [asked["symbol"] for asked in vendor.asked] == ["A", "B", "C"]
