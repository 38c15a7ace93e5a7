"""Minute bars of Yahoo, against a server on loopback that speaks its chart JSON for minutes."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from werkzeug import Request, Response

from adapters.yahoo_access import YahooAccess
from adapters.yahoo_minute_bars import YahooMinuteBars
from tests.adapters.yahoo_server import NOW, Yahoo, _own_cache, closed_port, now, yahoo
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchStatus

__all__ = ["_own_cache", "yahoo"]

CHART = "/v8/finance/chart/"
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
NOT_FOUND = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found"}}}
NOTHING_THEN = {"chart": {"result": None, "error": {"code": "Bad Request", "description": "Data doesn't exist"}}}
Minutes = Mapping[datetime, float | None]


def at(day: date, clock: str) -> datetime:
    """Return that time of day in New York."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo("America/New_York"))


def stamp(moment: datetime) -> int:
    return int(moment.timestamp())


def a_chart(
    minutes: Minutes, currency: str = "USD", splits: Mapping[str, Any] | None = None, volume: int = 400
) -> dict[str, Any]:
    days = sorted({moment.date() for moment in minutes})
    periods = [
        [{"timezone": "EST", "start": stamp(at(d, "09:30")), "end": stamp(at(d, "16:00")), "gmtoffset": -18_000}]
        for d in days
    ]
    meta = {
        "currency": currency,
        "symbol": "AAPL",
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EST",
        "gmtoffset": -18_000,
        "regularMarketTime": stamp(NOW),
        "currentTradingPeriod": {part: dict(periods[-1][0]) for part in ("pre", "regular", "post")},
        "tradingPeriods": periods,
        "dataGranularity": "1m",
        "range": "",
        "validRanges": ["1d", "5d", "max"],
    }
    prices = list(minutes.values())
    quote = dict.fromkeys(("open", "high", "low", "close"), prices) | {"volume": [volume] * len(prices)}
    result = {"meta": meta, "timestamp": [stamp(m) for m in minutes], "indicators": {"quote": [quote]}}
    return {"chart": {"error": None, "result": [result | ({"events": {"splits": splits}} if splits else {})]}}


def serve(yahoo: Yahoo, minutes: Minutes, symbol: str = "AAPL", **chart: Any) -> None:
    """Have it know these minutes; a range without any does not exist."""

    def answer(request: Request) -> Response:
        since, until = (int(request.args.get(name, default)) for name, default in (("period1", 0), ("period2", 1e11)))
        within = {moment: px for moment, px in minutes.items() if since <= stamp(moment) < until}
        if not within:
            return Response(json.dumps(NOTHING_THEN), status=400)
        return Response(json.dumps(a_chart(within, **chart)))

    yahoo.answers(CHART + symbol, answer)


def bars_at(address: str) -> YahooMinuteBars:
    return YahooMinuteBars(YahooAccess(address), now=now)


@pytest.fixture
def traded(yahoo: Yahoo) -> Yahoo:
    serve(
        yahoo,
        {
            at(THURSDAY, "09:30"): 230.0,
            at(THURSDAY, "09:31"): None,
            at(THURSDAY, "15:59"): 231.25,
            at(FRIDAY, "09:30"): 232.1199951171875,
            at(FRIDAY, "09:59"): 233.0,
            at(FRIDAY, "10:00"): 234.0,
        },
    )
    yahoo.answers(CHART + "NOSUCH1", NOT_FOUND, 404)
    return yahoo


def test_minutes_without_a_trade_have_no_row_and_the_one_that_runs_is_left_out(traded: Yahoo):
    fetched = bars_at(traded.address).fetch(["AAPL"], THURSDAY, FRIDAY)

    frame = fetched.bars.frame
    assert [outcome.status for outcome in fetched.outcomes] == [FetchStatus.OK]
    assert frame["close"].to_list() == [230.0, 231.25, 232.12, 233.0]
    assert frame["bar_start"].iloc[0] == pd.Timestamp("2026-11-19T14:30Z")
    assert frame["bar_start"].iloc[-1] == pd.Timestamp("2026-11-20T14:59Z")
    assert set(frame["symbol"]) == {"AAPL"}


def test_both_ends_of_the_range_are_included_and_nothing_beside_them(traded: Yahoo):
    frame = bars_at(traded.address).fetch(["AAPL"], THURSDAY, THURSDAY).bars.frame

    assert frame["close"].to_list() == [230.0, 231.25]


def test_a_month_is_asked_for_in_pieces_of_a_week(traded: Yahoo):
    first = FRIDAY - timedelta(days=29)

    frame = bars_at(traded.address).fetch(["AAPL"], first, FRIDAY).bars.frame

    asked = [path for path in traded.asked if "interval=1m" in path]
    assert len(frame) == 4
    assert len(asked) >= 5


def test_what_yahoo_no_longer_keeps_is_refused_before_it_is_asked(traded: Yahoo):
    with pytest.raises(InvalidValue, match="must be 2026-10-22 or later: Yahoo keeps minutes of the last 30 days"):
        bars_at(traded.address).fetch(["AAPL"], date(2026, 10, 21), FRIDAY)

    assert traded.asked == []


def test_minutes_before_a_split_are_brought_back_to_what_was_traded(yahoo: Yahoo):
    """Four new shares for one on Friday: of 928.00 on Thursday Yahoo says 232.00, of 100 shares 400."""
    splits = {"1": {"date": stamp(at(FRIDAY, "09:30")), "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}}
    serve(yahoo, {at(THURSDAY, "15:59"): 232.0, at(FRIDAY, "09:30"): 233.0}, splits=splits)

    frame = bars_at(yahoo.address).fetch(["AAPL"], THURSDAY, FRIDAY).bars.frame
    before = bars_at(yahoo.address).fetch(["AAPL"], THURSDAY, THURSDAY).bars.frame

    assert frame[["close", "volume"]].to_numpy().tolist() == [[928.0, 100], [233.0, 400]]
    assert before[["close", "volume"]].to_numpy().tolist() == [[928.0, 100]]


def test_every_symbol_has_its_own_outcome(traded: Yahoo):
    serve(traded, {at(FRIDAY, "09:30"): 1.0}, symbol="VOD", currency="GBp")
    serve(traded, {at(FRIDAY, "09:30"): 1.0}, symbol="NEW")
    traded.answers(CHART + "BAD", "<html>")

    source = bars_at(traded.address)
    fetched = source.fetch(["AAPL", "NOSUCH1", "VOD", "AAPL", "BAD"], THURSDAY, FRIDAY)
    none_yet = source.fetch(["NEW"], THURSDAY, THURSDAY)

    assert [(outcome.symbol, outcome.status.name) for outcome in fetched.outcomes] == [
        ("AAPL", "OK"),
        ("NOSUCH1", "UNKNOWN_SYMBOL"),
        ("VOD", "FAILED"),
        ("BAD", "FAILED"),
    ]
    assert set(fetched.bars.frame["symbol"]) == {"AAPL"}
    assert [outcome.status for outcome in none_yet.outcomes] == [FetchStatus.NO_BARS]
    assert none_yet.bars.frame.empty


def test_asking_for_nothing_gives_nothing_and_a_range_must_not_end_before_it_begins(traded: Yahoo):
    fetched = bars_at(traded.address).fetch([], THURSDAY, FRIDAY)

    assert fetched.outcomes == ()
    assert fetched.bars.frame.empty
    with pytest.raises(InvalidValue, match="not before first"):
        bars_at(traded.address).fetch(["AAPL"], FRIDAY, THURSDAY)


def test_a_provider_that_refuses_us_or_cannot_be_reached_is_unavailable_as_a_whole(yahoo: Yahoo):
    yahoo.answers(CHART + "AAPL", "Too Many Requests", 429)

    for address in (yahoo.address, closed_port()):
        with pytest.raises(SourceUnavailable, match="AAPL"):
            bars_at(address).fetch(["AAPL"], THURSDAY, FRIDAY)
