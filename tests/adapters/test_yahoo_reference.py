"""Levels of indices from Yahoo, against a server on loopback that speaks its chart JSON."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.yahoo_access import YahooAccess
from adapters.yahoo_reference import YahooIndices
from tests.adapters.yahoo_server import Yahoo, _own_cache, closed_port, yahoo
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.market.reference import IndexLevel

__all__ = ["_own_cache", "yahoo"]

CHART = "/v8/finance/chart/"
# Closes of VIX at its height of 2020, as Cboe publishes them.
VIX = {date(2020, 3, 13): 57.83, date(2020, 3, 16): 82.69, date(2020, 3, 17): 75.91}


def a_chart(levels: dict[date, float | None], currency: str = "USD") -> dict[str, Any]:
    stamps = [
        int(datetime(d.year, d.month, d.day, 9, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()) for d in levels
    ]
    closes = list(levels.values())
    period = {"timezone": "EDT", "start": stamps[-1], "end": stamps[-1] + 23_400, "gmtoffset": -14_400}
    meta = {
        "currency": currency,
        "symbol": "^VIX",
        "instrumentType": "INDEX",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EDT",
        "gmtoffset": -14_400,
        "regularMarketTime": stamps[-1],
        "currentTradingPeriod": dict.fromkeys(("pre", "regular", "post"), period),
        "dataGranularity": "1d",
        "validRanges": ["1d", "5d", "max"],
    }
    quote = dict.fromkeys(("open", "high", "low", "close"), closes) | {"volume": [0] * len(closes)}
    indicators = {"quote": [quote], "adjclose": [{"adjclose": closes}]}
    return {"chart": {"error": None, "result": [{"meta": meta, "timestamp": stamps, "indicators": indicators}]}}


def indices_at(address: str) -> YahooIndices:
    return YahooIndices(YahooAccess(address))


def test_levels_are_those_published_by_session(yahoo: Yahoo):
    yahoo.answers(CHART + "^VIX", a_chart({**VIX, date(2020, 3, 18): None}))

    levels = indices_at(yahoo.address).levels("VIX", date(2020, 3, 16), date(2020, 3, 18))

    assert levels == (
        IndexLevel(index="VIX", session=date(2020, 3, 16), level=82.69),
        IndexLevel(index="VIX", session=date(2020, 3, 17), level=75.91),
    )


def test_an_index_goes_by_its_usual_name_or_by_yahoos(yahoo: Yahoo):
    yahoo.answers(CHART + "^GSPC", a_chart({date(2020, 3, 16): 2386.1298828125}))
    indices = indices_at(yahoo.address)

    levels = [indices.levels(name, date(2020, 3, 16), date(2020, 3, 16))[0] for name in ("SPX", "^GSPC")]

    assert [(each.index, each.level) for each in levels] == [("SPX", 2386.13), ("^GSPC", 2386.13)]


def test_an_unknown_index_a_range_without_levels_and_a_provider_that_is_down_are_told_apart(yahoo: Yahoo):
    not_found = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}
    yahoo.answers(CHART + "^NONE", not_found, 404)
    yahoo.answers(CHART + "^VIX", a_chart(VIX))
    yahoo.answers(CHART + "^N225", a_chart(VIX, currency="JPY"))
    yahoo.answers(CHART + "^RUT", "<html>")
    first, last = date(2020, 3, 16), date(2020, 3, 17)
    indices = indices_at(yahoo.address)

    with pytest.raises(UnknownSymbol, match="yahoo does not know NONE"):
        indices.levels("NONE", first, last)
    assert indices.levels("VIX", date(2019, 1, 1), date(2019, 1, 2)) == ()
    with pytest.raises(SourceUnavailable, match="in JPY, not in USD"):
        indices.levels("N225", first, last)
    for source in (indices, indices_at(closed_port())):
        with pytest.raises(SourceUnavailable):
            source.levels("RUT", first, last)
