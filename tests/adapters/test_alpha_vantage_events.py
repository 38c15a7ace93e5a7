"""Indicators and results from Alpha Vantage, against a server on loopback that speaks its JSON and its CSV."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.alpha_vantage_events import INDICATORS, AlphaVantageEarnings, AlphaVantageIndicators
from adapters.request_budget import RequestBudget
from adapters.source_budget import SourceBudget
from tests.adapters.alpha_vantage_server import BAD_ANSWERS, KEY, AlphaVantage, now, vendor
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.reference import EconomicEvent

__all__ = ["vendor"]

# Jobs outside farming in the USA, newest first, as Alpha Vantage gave them in 2025.
PAYROLL = {
    "name": "Total Nonfarm Payroll",
    "interval": "monthly",
    "unit": "thousands of persons",
    "data": [
        {"date": "2025-09-01", "value": "."},
        {"date": "2025-06-01", "value": "160475"},
        {"date": "2025-05-01", "value": "159958"},
    ],
}
CALENDAR = '''symbol,name,reportDate,fiscalDateEnding,estimate,currency,timeOfTheDay
AAPL,Apple Inc,2027-01-28,2026-12-31,2.35,USD,post-market
BRK-B,"Berkshire Hathaway, Inc. ""B""",2027-02-26,2026-12-31,,USD,
MSFT,Microsoft Corporation,2027-01-27,2026-12-31,3.12,USD,pre-market
'''
WHEN = (date(2026, 11, 20), date(2027, 2, 17))
LONG_AGO, FAR = date(1900, 1, 1), date(2100, 1, 1)


def indicators_of(vendor: AlphaVantage, *names: str) -> AlphaVantageIndicators:
    return AlphaVantageIndicators(vendor.api(), names)


def earnings_of(vendor: AlphaVantage, *symbols: str) -> AlphaVantageEarnings:
    return AlphaVantageEarnings(vendor.api(), symbols, now=now)


def test_a_number_has_its_period_its_unit_and_the_one_before_it(vendor: AlphaVantage):
    vendor.answers("NONFARM_PAYROLL", PAYROLL)

    events = indicators_of(vendor, "NONFARM_PAYROLL").events(LONG_AGO, FAR)

    assert [(event.name, event.actual, event.previous) for event in events] == [
        ("Total Nonfarm Payroll, 2025-05", 159958, None),
        ("Total Nonfarm Payroll, 2025-06", 160475, 159958),
    ]
    assert {(event.subject, event.unit, event.at) for event in events} == {("US", "thousands of persons", None)}


@pytest.mark.parametrize(
    ("function", "interval", "period", "released", "label"),
    [
        # Releases of the Bureau of Labor Statistics, the Bureau of Economic Analysis and the Federal Reserve.
        ("NONFARM_PAYROLL", "monthly", date(2025, 9, 1), date(2025, 11, 20), "2025-09"),
        ("CPI", "monthly", date(2024, 3, 1), date(2024, 4, 10), "2024-03"),
        ("REAL_GDP", "quarterly", date(2025, 7, 1), date(2025, 12, 23), "2025 Q3"),
        ("FEDERAL_FUNDS_RATE", "daily", date(2024, 3, 28), date(2024, 4, 1), "2024-03-28"),
    ],
)
def test_no_number_is_told_before_it_was_released(
    vendor: AlphaVantage, function: str, interval: str, period: date, released: date, label: str
):
    body = {"name": "N", "interval": interval, "unit": "u", "data": [{"date": period.isoformat(), "value": "1.5"}]}
    vendor.answers(function, body)
    source = indicators_of(vendor, function)

    (event,) = source.events(LONG_AGO, FAR)

    assert event.on >= released
    assert event.name == f"N, {label}"
    assert source.events(event.on, event.on) == (event,)
    assert source.events(LONG_AGO, event.on - timedelta(days=1)) == ()


def test_only_indicators_that_there_are_can_be_named(vendor: AlphaVantage):
    assert set(INDICATORS) >= {"CPI", "FEDERAL_FUNDS_RATE", "NONFARM_PAYROLL"}
    with pytest.raises(InvalidValue, match="indicators is 'VIX', but must be among CPI"):
        indicators_of(vendor, "VIX")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *BAD_ANSWERS,
        ({**PAYROLL, "interval": "daily"}, 200),
        ({**PAYROLL, "name": None}, 200),
        ({**PAYROLL, "data": [{"date": f"June {KEY}", "value": "1"}]}, 200),
        ({**PAYROLL, "data": [{"date": "2025-06-01", "value": "many"}]}, 200),
        ({**PAYROLL, "data": KEY}, 200),
    ],
)
def test_numbers_that_cannot_be_read_are_no_numbers(vendor: AlphaVantage, body: Any, status: int):
    vendor.answers("NONFARM_PAYROLL", body, status)

    with pytest.raises(SourceUnavailable, match=r"NONFARM_PAYROLL|/query") as caught:
        indicators_of(vendor, "NONFARM_PAYROLL").events(LONG_AGO, FAR)

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_results_are_told_for_the_symbols_wanted_by_day(vendor: AlphaVantage):
    vendor.answers("EARNINGS_CALENDAR", CALENDAR)

    ours = earnings_of(vendor, "AAPL", "BRK.B").events(WHEN[0], FAR)
    everybodys = earnings_of(vendor).events(*WHEN)

    assert ours[0] == EconomicEvent(
        provider="alpha_vantage",
        name="results to 2026-12-31, post-market",
        subject="AAPL",
        on=date(2027, 1, 28),
        forecast=2.35,
        unit="USD per share",
    )
    assert [(event.subject, event.forecast) for event in ours] == [("AAPL", 2.35), ("BRK.B", None)]
    assert [event.subject for event in everybodys] == ["MSFT", "AAPL"]


@pytest.mark.parametrize(("days", "horizon"), [(0, "3month"), (89, "3month"), (90, "6month"), (200, "12month")])
def test_no_more_of_the_calendar_is_asked_for_than_is_needed(vendor: AlphaVantage, days: int, horizon: str):
    vendor.answers("EARNINGS_CALENDAR", CALENDAR)

    earnings_of(vendor).events(WHEN[0], WHEN[0] + timedelta(days=days))

    assert vendor.asked[0]["horizon"] == horizon


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *BAD_ANSWERS,
        (CALENDAR.replace("2027-01-28", f"soon {KEY}"), 200),
        (CALENDAR.replace("2.35", "much"), 200),
        (CALENDAR.replace("reportDate", "when"), 200),
        (CALENDAR.replace(",2.35,USD,post-market", ""), 200),  # a row that is cut
        (CALENDAR + 'KO,"Coca', 200),
        # Its own way of telling an error in CSV: the letters of the JSON, as rows.
        ("symbol,name,reportDate,fiscalDateEnding,estimate,currency\nI,n,f,o,r,m\n", 200),
        (CALENDAR, 404),
    ],
)
def test_a_calendar_that_cannot_be_read_is_none(vendor: AlphaVantage, body: str, status: int):
    vendor.answers("EARNINGS_CALENDAR", body, status)

    with pytest.raises(SourceUnavailable, match="EARNINGS_CALENDAR") as caught:
        earnings_of(vendor).events(WHEN[0], FAR)

    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_a_provider_that_cannot_be_reached_or_speaks_no_tls_is_told_without_the_key(vendor: AlphaVantage):
    encrypted = vendor.server.url_for("").replace("http://", "https://")

    for address in ("http://127.0.0.1:1", encrypted):
        with pytest.raises(SourceUnavailable, match="EARNINGS_CALENDAR: ConnectError") as caught:
            AlphaVantageEarnings(vendor.api(base_url=address), now=now).events(*WHEN)
        assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_a_table_is_taken_from_the_budget_of_the_key_as_everything_else_is(vendor: AlphaVantage, tmp_path: Path):
    one = RequestBudget(tmp_path / "requests", limit=3, seconds=86_400.0)
    api = vendor.api(budget=SourceBudget([one]))
    vendor.answers("EARNINGS_CALENDAR", CALENDAR)
    source = AlphaVantageEarnings(api, now=now)
    for _ in range(3):
        source.events(*WHEN)

    with pytest.raises(SourceUnavailable, match="the requests it allows are used up; there is room in"):
        source.events(*WHEN)

    assert len(vendor.asked) == 3
