"""Alpaca's option chains through alpaca-py, against a server on loopback that speaks its formats."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pytest_httpserver import HTTPServer

from adapters.alpaca_chains import AlpacaChains
from tests.adapters.alpaca_server import KEY, AlpacaServer, a_snapshot
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.options.chains import CHAIN_COLUMNS, ExerciseStyle, OptionChain

NOW = datetime(2024, 1, 12, 20, 0, tzinfo=UTC)
CALL = "AAPL240119C00100000"


def a_contract(code: str = CALL, **values: Any) -> dict[str, Any]:
    """Return a contract as in Alpaca's documentation of its options."""
    return {
        "id": "6e58f870-fe73-4583-81e4-b9a37892c36f",
        "symbol": code,
        "name": "AAPL Jan 19 2024 100 Call",
        "status": "active",
        "tradable": True,
        "expiration_date": "2024-01-19",
        "root_symbol": "AAPL",
        "underlying_symbol": "AAPL",
        "underlying_asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "type": "call",
        "style": "american",
        "strike_price": "100",
        "size": "100",
        "open_interest": "6168",
        "open_interest_date": "2024-01-12",
        "close_price": "85.81",
        "close_price_date": "2024-01-12",
        **values,
    }


def an_option(**values: Any) -> dict[str, Any]:
    return {
        "latestQuote": {"t": "2024-01-12T19:59:59.5Z", "ax": "A", "ap": 86.1, "as": 7, "bx": "A", "bp": 85.6, "bs": 9},
        "latestTrade": {"t": "2024-01-12T15:00:00.1Z", "x": "A", "p": 85.81, "s": 1, "c": "I"},
        "dailyBar": {"t": "2024-01-12T05:00:00Z", "o": 85, "h": 86, "l": 85, "c": 85.81, "v": 12},
        "impliedVolatility": 0.45,
        **values,
    }


@pytest.fixture
def alpaca(httpserver: HTTPServer) -> AlpacaServer:
    put = a_contract("AAPL240216P00102500", expiration_date="2024-02-16", strike_price="102.5", type="put")
    return AlpacaServer(
        httpserver,
        snapshots={"AAPL": a_snapshot(last=185.92)},
        contracts=[put | {"open_interest": "0"}, a_contract()],
        options={CALL: an_option()},
    )


def chain_of(alpaca: AlpacaServer, folder: Path, underlying: str = "AAPL") -> OptionChain:
    return AlpacaChains(access=alpaca.access(folder), now=lambda: NOW).fetch(underlying)


def test_a_chain_has_every_contract_with_its_quote_and_open_interest(alpaca: AlpacaServer, tmp_path: Path):
    chain = chain_of(alpaca, tmp_path)

    call, put = (chain.frame.iloc[row] for row in range(2))
    assert tuple(chain.frame.columns) == CHAIN_COLUMNS
    assert (chain.style, chain.multiplier, chain.underlying_px) == (ExerciseStyle.AMERICAN, Decimal(100), 185.92)
    assert call.to_list() == [
        *(pd.Timestamp("2024-01-19"), 100, "C", 85.6, 86.1, 9, 7, 85.81, 12, 6168),
        pd.Timestamp("2024-01-12T19:59:59.5Z"),
    ]
    assert put[["strike", "right", "open_interest"]].to_list() == [102.5, "P", 0]
    assert put[["bid", "ask", "last", "volume", "quoted_at"]].isna().all()


def test_all_pages_of_contracts_and_quotes_are_read_and_all_expiries_asked_for(alpaca: AlpacaServer, tmp_path: Path):
    """Alpaca lists the contracts of this week alone unless an end is named."""
    strikes = range(50, 60)
    alpaca.contracts = [a_contract(f"AAPL{k}", strike_price=str(k), expiration_date="2026-01-16") for k in strikes]
    alpaca.options = {f"AAPL{k}": an_option() for k in strikes}
    alpaca.page_size = 3

    chain = chain_of(alpaca, tmp_path)

    assert chain.frame["strike"].to_list() == list(strikes)
    assert chain.frame["bid"].notna().all()


def test_options_on_something_else_than_the_shares_are_left_out(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.contracts.append(a_contract("AAPL1240119C00100000", root_symbol="AAPL1", size="10"))

    assert len(chain_of(alpaca, tmp_path).frame) == 2


def test_a_volume_of_another_day_is_not_todays(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.options[CALL] = an_option(dailyBar={"t": "2024-01-11T05:00:00Z", "v": 12})

    assert chain_of(alpaca, tmp_path).frame["volume"].isna().all()


@pytest.mark.parametrize("underlying", ["NOSUCH", "NOSUCH1"])
def test_a_share_without_options_is_unknown(alpaca: AlpacaServer, tmp_path: Path, underlying: str):
    with pytest.raises(UnknownSymbol, match=underlying):
        chain_of(alpaca, tmp_path, underlying)


@pytest.mark.parametrize(
    ("contract", "option", "told"),
    [
        (a_contract(strike_price="NaN"), an_option(), f"strike_price of option {CALL} is 'NaN'"),
        (a_contract(type="straddle"), an_option(), f"type of option {CALL} is 'straddle'"),
        (a_contract(style="asian"), an_option(), "style of its options is ['american', 'asian']"),
        (a_contract(size="10"), an_option(), "size of its options is ['10', '100']"),
        (a_contract(open_interest="many"), an_option(), f"open_interest of option {CALL} is 'many'"),
        (a_contract(), an_option(latestQuote={"bp": f"-{KEY}"}), "bp is '-***', but must be a number"),
        (a_contract(), [1], f"{CALL} is [1], but must be a JSON object"),
    ],
)
def test_a_chain_with_a_value_that_makes_no_sense_is_not_given(
    alpaca: AlpacaServer, tmp_path: Path, contract: dict[str, Any], option: Any, told: str
):
    alpaca.contracts[1], alpaca.options[CALL] = contract, option

    with pytest.raises(SourceUnavailable) as caught:
        chain_of(alpaca, tmp_path)

    assert told in caught.value.why


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/v2/options/contracts", {"option_contracts": 7}, 200, "its option_contracts are no list"),
        ("/v2/options/contracts", "", 503, "503: the provider"),
        (
            "/v1beta1/options/snapshots",
            {"message": "OPRA agreement is not signed"},
            403,
            "OPRA agreement is not signed",
        ),
        ("/v1beta1/options/snapshots", {"snapshots": 7}, 200, "its answer cannot be read"),
    ],
)
def test_a_provider_that_does_not_answer_properly_is_unavailable(
    alpaca: AlpacaServer, tmp_path: Path, path: str, body: Any, status: int, told: str
):
    alpaca.answers(path, body, status)

    with pytest.raises(SourceUnavailable) as caught:
        chain_of(alpaca, tmp_path)

    assert told in caught.value.why
