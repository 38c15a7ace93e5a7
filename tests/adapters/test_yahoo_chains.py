"""Option chains of Yahoo, against a server on loopback that speaks its options JSON."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from werkzeug import Request, Response

from adapters.yahoo_access import YahooAccess
from adapters.yahoo_chains import PATH, YahooChains
from tests.adapters.yahoo_server import NOW, Yahoo, _own_cache, now, yahoo
from tests.chain_source_battery import ChainCase, ChainSourceBattery
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.options.chains import ExerciseStyle

__all__ = ["_own_cache", "yahoo"]

EXPIRIES = (date(2022, 10, 21), date(2022, 11, 18))
STRIKES = (300.0, 310.0, 320.0)


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def an_option(expiry: date, strike: float, right: str, root: str = "TSLA", **changes: Any) -> dict[str, Any]:
    """Return an option as Yahoo gives it, by default as it gave TSLA221021C00300000 on 2022-06-06."""
    row = {
        "contractSymbol": f"{root}{expiry:%y%m%d}{right}{int(strike * 1000):08d}",
        "strike": strike,
        "currency": "USD",
        "lastPrice": 33.05,
        "volume": 1,
        "openInterest": 2935,
        "bid": 33.1,
        "ask": 33.15,
        "contractSize": "REGULAR",
        "expiration": midnight(expiry),
        "lastTradeDate": 1654524013,
        "impliedVolatility": 1e-05,
    }
    return {**row, **changes}


def a_chain(expiries: tuple[date, ...] = EXPIRIES) -> dict[date, dict[str, list[dict[str, Any]]]]:
    return {
        expiry: {
            "calls": [an_option(expiry, strike, "C") for strike in STRIKES],
            "puts": [an_option(expiry, strike, "P") for strike in STRIKES],
        }
        for expiry in expiries
    }


def serve(
    yahoo: Yahoo, chain: dict[date, dict[str, list[dict[str, Any]]]], symbol: str = "TSLA", **quote: Any
) -> YahooChains:
    """Have it know this chain, and return the source."""

    def answer(request: Request) -> Response:
        asked = int(request.args.get("date", midnight(min(chain))))
        options = next({"expirationDate": asked, **part} for day, part in chain.items() if midnight(day) == asked)
        told = {"symbol": symbol, "quoteType": "EQUITY", "currency": "USD", "regularMarketPrice": 714.84, **quote}
        result = {
            "underlyingSymbol": symbol,
            "expirationDates": [midnight(day) for day in chain],
            "strikes": list(STRIKES),
            "hasMiniOptions": False,
            "quote": told,
            "options": [options],
        }
        return Response(json.dumps({"optionChain": {"result": [result], "error": None}}))

    yahoo.answers(PATH + symbol, answer)
    yahoo.answers(PATH + "NOSUCH1", {"optionChain": {"result": [], "error": None}})
    return chains_at(yahoo)


def chains_at(yahoo: Yahoo, **settings: Any) -> YahooChains:
    return YahooChains(YahooAccess(yahoo.address, **settings), now=now)


class TestYahooChains(ChainSourceBattery):
    @pytest.fixture
    def chain_case(self, yahoo: Yahoo) -> ChainCase:
        return ChainCase(
            source=serve(yahoo, a_chain()),
            underlying="TSLA",
            expiries=EXPIRIES,
            contracts=12,
            shut_down=yahoo.shut_down,
        )


def test_an_option_has_its_prices_volume_and_open_interest_and_the_underlying_its_price(yahoo: Yahoo):
    chain = serve(yahoo, a_chain()).fetch("TSLA")

    row = chain.frame.iloc[0]
    assert (row["bid"], row["ask"], row["last"], row["volume"], row["open_interest"]) == (33.1, 33.15, 33.05, 1, 2935)
    assert (chain.underlying_px, chain.currency, chain.multiplier, chain.at) == (714.84, "USD", 100, NOW)
    assert chain.style is ExerciseStyle.AMERICAN


def test_a_side_that_nobody_quotes_and_a_volume_that_is_not_told_are_missing(yahoo: Yahoo):
    chain = a_chain(EXPIRIES[:1])
    chain[EXPIRIES[0]]["calls"][0] |= {"bid": 0.0, "ask": 0, "volume": None}

    row = serve(yahoo, chain).fetch("TSLA").frame.iloc[0]

    assert np.isnan(row[["bid", "ask", "volume", "bid_size"]].astype(float)).all()


def test_contracts_of_another_size_are_left_out_and_each_option_comes_once(yahoo: Yahoo):
    chain = a_chain(EXPIRIES[:1])
    chain[EXPIRIES[0]]["calls"] += [
        an_option(EXPIRIES[0], 300, "C", root="TSLA7", contractSize="MINI", bid=1.0),
        an_option(EXPIRIES[0], 300, "C", root="TSLAW", bid=34.0),
    ]

    frame = serve(yahoo, chain).fetch("TSLA").frame

    assert len(frame) == 6
    assert frame.iloc[0]["bid"] == 34.0


def test_options_on_an_index_are_european(yahoo: Yahoo):
    chain = serve(yahoo, a_chain(), symbol="^SPX", quoteType="INDEX").fetch("^SPX")

    assert chain.style is ExerciseStyle.EUROPEAN


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"optionChain": {"result": [], "error": None}}, 200),
        ({"optionChain": {"result": [], "error": {"code": "Not Found", "description": "No data found"}}}, 404),
        ({"optionChain": {"result": [{"expirationDates": [], "options": []}], "error": None}}, 200),
    ],
)
def test_an_underlying_without_options_is_not_known_as_one(yahoo: Yahoo, body: Any, status: int):
    yahoo.answers(PATH + "ACME", body, status)

    with pytest.raises(UnknownSymbol, match="yahoo does not know ACME"):
        chains_at(yahoo).fetch("ACME")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}, 401),
        ({"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}, 200),
        ({"optionChain": {"result": None, "error": {"code": "Internal", "description": "broken"}}}, 200),
        ({"optionChain": {"result": [[]], "error": None}}, 200),
        ("<html>We are sorry</html>", 200),
        ('{"optionChain": {"result": [{', 200),
        ("Too Many Requests", 429),
        ("broken", 503),
    ],
)
def test_an_answer_that_is_no_chain_is_not_taken_for_an_underlying_without_options(
    yahoo: Yahoo, body: Any, status: int
):
    yahoo.answers(PATH + "TSLA", body, status)

    with pytest.raises(SourceUnavailable):
        chains_at(yahoo).fetch("TSLA")


@pytest.mark.parametrize(
    "changes", [{"bid": "abc"}, {"ask": -1}, {"strike": None}, {"expiration": "soon"}, {"volume": True}]
)
def test_one_value_that_cannot_be_read_makes_the_chain_unusable(yahoo: Yahoo, changes: dict[str, Any]):
    chain = a_chain()
    chain[EXPIRIES[1]]["puts"][0] |= changes

    with pytest.raises(SourceUnavailable, match="options on TSLA: "):
        serve(yahoo, chain).fetch("TSLA")


@pytest.mark.parametrize("rows", [{"calls": 5}, {"calls": [7]}])
def test_rows_that_are_none_make_the_chain_unusable(yahoo: Yahoo, rows: Any):
    with pytest.raises(SourceUnavailable):
        serve(yahoo, {EXPIRIES[0]: rows}).fetch("TSLA")


def test_an_answer_about_another_underlying_is_refused(yahoo: Yahoo):
    yahoo_chain = serve(yahoo, a_chain(), symbol="TSLA")
    yahoo.answers(PATH + "IBM", yahoo._answers[PATH + "TSLA"])

    with pytest.raises(SourceUnavailable, match="the answer is about"):
        yahoo_chain.fetch("IBM")


def test_a_chain_that_takes_too_long_is_told(yahoo: Yahoo):
    done = threading.Event()

    def wait(_: Request) -> Response:
        done.wait(5)
        return Response("")

    yahoo.answers(PATH + "TSLA", wait)
    try:
        with pytest.raises(SourceUnavailable, match="timed out"):
            chains_at(yahoo, timeout=timedelta(seconds=0.3)).fetch("TSLA")
    finally:
        done.set()
