"""Massive's option chains, against its server on loopback."""

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from adapters.massive_api import MassiveApi
from adapters.massive_chains import MassiveChains
from tests.adapters.massive_server import MassiveServer, an_error, results
from tests.adapters.vendor import KEY
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.options.chains import ExerciseStyle

NOW = datetime(2022, 4, 29, 17, 45, tzinfo=UTC)
# Recorded by Massive's client, test_rest/mocks/v3/snapshot/options/AAPL.json; without what we do not read.
RECORDED = {
    "day": {"close": 29, "volume": 8, "vwap": 30.7738},
    "details": {
        "contract_type": "call",
        "exercise_style": "american",
        "expiration_date": "2023-06-16",
        "shares_per_contract": 100,
        "strike_price": 150,
        "ticker": "O:AAPL230616C00150000",
    },
    "implied_volatility": 0.3570277203465058,
    "last_quote": {"ask": 29.25, "ask_size": 209, "bid": 28.9, "bid_size": 294, "last_updated": 1651254260800059648},
    "open_interest": 8133,
    "underlying_asset": {"last_updated": 1651254263172073152, "price": 159.9606, "ticker": "AAPL"},
}


def a_contract(root: str = "AAPL", right: str = "put", strike: float = 145, **changed: Any) -> dict[str, Any]:
    """Return the recorded contract with another ticker, and with these parts changed."""
    ticker = f"O:{root}230616{right[0].upper()}{round(strike * 1000):08d}"
    details = {"contract_type": right, "strike_price": strike, "ticker": ticker}
    row: dict[str, Any] = RECORDED | {"details": RECORDED["details"] | details}
    return row | {name: {**row[name], **part} if isinstance(part, dict) else part for name, part in changed.items()}


@pytest.fixture
def server(httpserver: HTTPServer) -> MassiveServer:
    server = MassiveServer(httpserver, KEY)
    server.chains["AAPL"] = [RECORDED, a_contract()]
    return server


@pytest.fixture
def chains(server: MassiveServer) -> MassiveChains:
    api = MassiveApi(api_key=SecretStr(KEY), base_url=server.server.url_for(""))
    return MassiveChains(api, now=lambda: NOW)


def test_a_chain_holds_what_was_recorded(chains: MassiveChains):
    chain = chains.fetch("AAPL")

    row = chain.frame.iloc[1]
    assert (chain.underlying, chain.underlying_px, chain.style, chain.multiplier, chain.source, chain.at) == (
        *("AAPL", 159.9606, ExerciseStyle.AMERICAN, 100, "massive"),
        NOW,
    )
    assert (row["expiry"], row["strike"], row["right"]) == (pd.Timestamp("2023-06-16"), 150.0, "C")
    assert row[["bid", "ask", "bid_size", "ask_size", "volume", "open_interest"]].to_list() == [
        28.9,
        29.25,
        294,
        209,
        8,
        8133,
    ]
    assert pd.isna(row["last"])
    assert row["quoted_at"] == pd.Timestamp("2022-04-29 17:44:20.800059Z")


def test_all_pages_make_one_chain_sorted_by_strike(server: MassiveServer, chains: MassiveChains):
    server.page_size = 2
    server.chains["AAPL"] = [a_contract(strike=strike) for strike in (150, 140, 147.5, 155, 145)]

    chain = chains.fetch("AAPL")

    assert chain.frame["strike"].to_list() == [140, 145, 147.5, 150, 155]
    assert len(server.asked) == 3


def test_contracts_of_adjusted_or_unusual_size_are_left_out(server: MassiveServer, chains: MassiveChains):
    server.chains["AAPL"] += [
        a_contract("AAPL1", strike=120),
        a_contract(strike=125, details={"shares_per_contract": 10}),
        a_contract(strike=130, details={"contract_type": "other"}),
    ]

    assert chains.fetch("AAPL").frame["strike"].to_list() == [145, 150]


def test_of_two_roots_the_underlying_s_own_is_taken_and_an_index_has_a_level(
    server: MassiveServer, chains: MassiveChains
):
    """SPX is settled at the open, SPXW at the close."""
    index = {"last_updated": 1651254263172073152, "value": 4131.93, "ticker": "I:SPX"}
    server.chains["I:SPX"] = [
        a_contract(root, strike=strike, open_interest=interest, details={"exercise_style": "european"})
        | {"underlying_asset": index}
        for root, strike, interest in (("SPXW", 4000, 1), ("SPX", 4000, 2), ("SPXW", 4005, 3))
    ]

    chain = chains.fetch("I:SPX")

    assert chain.frame["open_interest"].to_list() == [2, 3]
    assert (chain.style, chain.underlying_px) == (ExerciseStyle.EUROPEAN, 4131.93)


def test_a_plan_without_quotes_and_a_side_of_zero_give_nan(server: MassiveServer, chains: MassiveChains):
    bare = {"details": RECORDED["details"]}
    server.chains["AAPL"] = [bare, a_contract(last_quote={"bid": 0, "bid_size": 0})]

    frame = chains.fetch("AAPL").frame

    assert frame["bid"].isna().all()
    assert frame["bid_size"].to_list()[0] == 0
    assert pd.isna(frame["quoted_at"].iloc[1])


def test_an_underlying_without_options_is_unknown(chains: MassiveChains):
    with pytest.raises(UnknownSymbol, match="massive does not know NOSUCH1"):
        chains.fetch("NOSUCH1")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (RECORDED, "is there twice"),
        (a_contract(strike=140, underlying_asset={"ticker": "MSFT"}), "of another underlying"),
        (a_contract(strike=140, last_quote={"bid": "NaN"}), "a price, a size, a strike or an expiry that is none"),
        (a_contract(strike=140, open_interest=-1), "a price, a size, a strike or an expiry that is none"),
        (a_contract(strike=140, details={"strike_price": None}), "a price, a size, a strike or an expiry that is none"),
        (a_contract(strike=140, details={"expiration_date": "2023-06-31"}), "an expiry that is none"),
        (a_contract(strike=140, details={"exercise_style": "european"}), r"styles \['american', 'european'\]"),
        (a_contract(strike=140, details={"ticker": KEY}), r"AAPL: '\*\*\*' has no OCC symbol"),
        ({}, "has no OCC symbol"),
    ],
)
def test_a_contract_that_cannot_be_read_spoils_the_chain(
    server: MassiveServer, chains: MassiveChains, row: dict[str, Any], told: str
):
    server.chains["AAPL"].append(row)

    with pytest.raises(SourceUnavailable, match=told) as caught:
        chains.fetch("AAPL")

    assert KEY not in str(caught.value)


def test_a_plan_without_options_is_told(server: MassiveServer, chains: MassiveChains):
    refused = an_error(403, "You are not entitled to this data.", "NOT_AUTHORIZED")
    server.answers("AAPL", refused.get_data(as_text=True), 403)

    with pytest.raises(SourceUnavailable, match="You are not entitled to this data"):
        chains.fetch("AAPL")


def test_a_half_answer_is_no_chain(server: MassiveServer, chains: MassiveChains):
    server.answers("AAPL", json.dumps(results([RECORDED]))[:-20])

    with pytest.raises(SourceUnavailable, match="200 and no JSON"):
        chains.fetch("AAPL")
