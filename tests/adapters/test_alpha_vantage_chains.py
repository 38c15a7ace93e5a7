"""Option chains of Alpha Vantage, against a server on loopback that speaks its HISTORICAL_OPTIONS."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from adapters.alpha_vantage_chains import AlphaVantageChains
from tests.adapters.alpha_vantage_server import BAD_ANSWERS, INVALID_CALL, KEY, NOW, AlphaVantage, now, vendor
from tests.chain_source_battery import ChainCase, ChainSourceBattery
from trading.errors import SourceUnavailable, UnknownSymbol

__all__ = ["vendor"]

EXPIRIES = (date(2024, 1, 5), date(2024, 1, 12))
# What Alpha Vantage sends to who has not paid for REALTIME_OPTIONS.
ARTIFICIAL = {
    "endpoint": "Realtime Options",
    "message": "This is a premium endpoint. ***THE SAMPLE DATA SCHEMA BELOW IS ARTIFICIAL AND FOR ILLUSTRATION "
    "PURPOSES ONLY***. To access the actual data, please subscribe.",
    "data": [
        {"contractID": "XXYYZZ999999C00020000", "symbol": "XXYYZZ", "expiration": "2099-99-99", "strike": "20.00"}
    ],
}


def an_option(
    expiry: date = EXPIRIES[0], strike: str = "150.00", right: str = "call", **changes: Any
) -> dict[str, Any]:
    row = {
        "contractID": f"IBM{expiry:%y%m%d}{right[0].upper()}{int(float(strike) * 1000):08d}",
        "symbol": "IBM",
        "expiration": expiry.isoformat(),
        "strike": strike,
        "type": right,
        "last": "12.00",
        "mark": "12.05",
        "bid": "11.90",
        "bid_size": "10",
        "ask": "12.20",
        "ask_size": "12",
        "volume": "55",
        "open_interest": "1200",
        "date": "2024-01-04",
        "implied_volatility": "0.25113",
        "delta": "0.95",
    }
    return {**row, **changes}


def a_chain(*options: dict[str, Any], message: str = "success") -> dict[str, Any]:
    return {"endpoint": "Historical Options", "message": message, "data": list(options)}


def chains_of(vendor: AlphaVantage, **settings: Any) -> AlphaVantageChains:
    return AlphaVantageChains(vendor.api(), now=now, **settings)


class TestAlphaVantageChains(ChainSourceBattery):
    @pytest.fixture
    def chain_case(self, vendor: AlphaVantage) -> ChainCase:
        options = [
            an_option(expiry, strike, right)
            for right in ("put", "call")
            for strike in ("155.00", "150.00")
            for expiry in EXPIRIES
        ]
        vendor.answers("HISTORICAL_OPTIONS", a_chain(*options), symbol="IBM")
        vendor.answers("HISTORICAL_OPTIONS", a_chain(message="No data for symbol NOSUCH1"), symbol="NOSUCH1")
        return ChainCase(
            source=chains_of(vendor),
            underlying="IBM",
            expiries=EXPIRIES,
            contracts=8,
            shut_down=vendor.shut_down,
        )


def test_a_chain_is_that_of_the_last_sessions_close(vendor: AlphaVantage):
    vendor.answers("HISTORICAL_OPTIONS", a_chain(an_option()), symbol="IBM")

    chain = chains_of(vendor).fetch("IBM")

    row = chain.frame.iloc[0]
    assert row[["bid", "ask", "bid_size", "ask_size", "last"]].to_list() == [11.9, 12.2, 10, 12, 12]
    assert row[["volume", "open_interest"]].to_list() == [55, 1200]
    assert chain.at == datetime(2024, 1, 4, 21, 0, tzinfo=UTC)
    assert chain.underlying_px is None


def test_a_chain_of_this_moment_has_to_be_asked_for_by_name_and_paid_for(vendor: AlphaVantage):
    vendor.answers("REALTIME_OPTIONS", a_chain(an_option(date="2026-11-20")), symbol="IBM")
    vendor.answers("REALTIME_OPTIONS", ARTIFICIAL, symbol="MSFT")
    source = chains_of(vendor, realtime=True)

    assert source.fetch("IBM").at == NOW
    with pytest.raises(SourceUnavailable, match="This is a premium endpoint"):
        source.fetch("MSFT")


def test_a_side_that_nobody_quotes_is_missing_and_a_volume_of_none_is_none(vendor: AlphaVantage):
    vendor.answers("HISTORICAL_OPTIONS", a_chain(an_option(bid="0.00", last="0.00", volume="0")), symbol="IBM")

    row = chains_of(vendor).fetch("IBM").frame.iloc[0]

    assert np.isnan(row[["bid", "last"]].astype(float)).all()
    assert row["volume"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "XXYYZZ"},
        {"expiration": "2099-99-99"},
        {"strike": "0"},
        {"type": "straddle"},
        {"type": ["call"]},
        {"bid": f"NaN {KEY}"},
        {"ask": "-1"},
        {"date": "2024-01-06"},  # a Saturday
        {"date": None},
    ],
)
def test_one_option_that_cannot_be_read_makes_the_chain_unusable(vendor: AlphaVantage, changes: dict[str, Any]):
    vendor.answers("HISTORICAL_OPTIONS", a_chain(an_option(**changes)), symbol="IBM")

    with pytest.raises(SourceUnavailable, match="options on IBM: ") as caught:
        chains_of(vendor).fetch("IBM")

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_options_of_two_days_are_no_chain_of_one_moment(vendor: AlphaVantage):
    options = a_chain(an_option(), an_option(EXPIRIES[1], date="2024-01-03"))
    vendor.answers("HISTORICAL_OPTIONS", options, symbol="IBM")

    with pytest.raises(SourceUnavailable, match="options of 2 days, from 2024-01-03 to 2024-01-04"):
        chains_of(vendor).fetch("IBM")


@pytest.mark.parametrize(("body", "status"), [*BAD_ANSWERS, ("{}", 200), ('{"data": 5}', 200)])
def test_an_answer_that_is_none_speaks_for_the_provider(vendor: AlphaVantage, body: str, status: int):
    vendor.answers("HISTORICAL_OPTIONS", body, status, symbol="IBM")

    with pytest.raises(SourceUnavailable) as caught:
        chains_of(vendor).fetch("IBM")

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_an_option_that_comes_twice_has_no_one_price(vendor: AlphaVantage):
    vendor.answers("HISTORICAL_OPTIONS", a_chain(an_option(), an_option(bid="11.80")), symbol="IBM")

    with pytest.raises(SourceUnavailable, match="options on IBM: an option comes twice"):
        chains_of(vendor).fetch("IBM")


def test_an_invalid_call_is_an_unknown_underlying(vendor: AlphaVantage):
    vendor.answers("HISTORICAL_OPTIONS", {"Error Message": INVALID_CALL}, symbol="IBM")

    with pytest.raises(UnknownSymbol, match="IBM"):
        chains_of(vendor).fetch("IBM")
