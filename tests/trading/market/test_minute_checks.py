"""The gate of bars within the day: calm minutes pass; of bad ones exactly what is bad is found; real ones are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from tests.bar_builders import XNYS, data_file
from trading.market.bars import DailyBars, PriceBasis, bars_frame
from trading.market.calendars import TradingCalendar
from trading.market.minute_bars import MinuteBars, minute_frame
from trading.market.minute_checks import MinutePolicy, MinuteReport, check_minutes
from trading.market.quality import FindingSeverity, Rule, SymbolVerdict

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
NAN = float("nan")
OPEN, CLOSE = "2024-07-03 09:30", "2024-07-03 13:00"  # the half day before Independence Day
NEW_YORK = "America/New_York"
NOW = datetime(2024, 7, 4, 1, tzinfo=UTC)


def minutes(first: str = OPEN, end: str = CLOSE) -> pd.DataFrame:
    """Return calm minutes of AAPL: closes 220.00, 220.01, 220.02, ..."""
    start = pd.date_range(first, end, freq="min", inclusive="left", tz=NEW_YORK)
    close = 220 + 0.01 * pd.Series(range(len(start)))
    prices = {"open": close - 0.01, "high": close + 0.02, "low": close - 0.03, "close": close}
    return minute_frame(pd.DataFrame({"symbol": "AAPL", "bar_start": start, "volume": 1000.0} | prices))


def changed(row: int, **values: float) -> pd.DataFrame:
    frame = minutes()
    frame.loc[row, list(values)] = list(values.values())
    return frame


def check(frame: pd.DataFrame, **arguments: Any) -> MinuteReport:
    defaults = {"calendar": XNYS, "policy": MinutePolicy(), "now": NOW}
    return check_minutes(MinuteBars(frame=frame, source="test"), **(defaults | arguments))


def found(report: MinuteReport) -> set[tuple[Rule, FindingSeverity]]:
    return {(f.rule, f.severity) for f in report.findings}


def test_calm_minutes_of_a_half_day_pass() -> None:
    report = check(minutes())

    assert report.findings == ()
    assert report.symbols == (("AAPL", SymbolVerdict.PASS),)
    assert report.low_bars.empty


@pytest.mark.parametrize(
    ("frame", "rule", "severity"),
    [
        (changed(60, close=NAN), Rule.PRICE_MISSING, CRITICAL),
        (changed(60, low=0.0), Rule.PRICE_NOT_POSITIVE, CRITICAL),
        (changed(60, high=220.0), Rule.OHLC_INCOHERENT, CRITICAL),
        (changed(60, volume=-1.0), Rule.VOLUME_NEGATIVE, CRITICAL),
        (changed(60, low=2.205, close=2.206), Rule.UNIT_ERROR, CRITICAL),
        (changed(60, low=150.0, close=151.0), Rule.JUMP, WARNING),
        (pd.concat([minutes(), minutes()[60:61]]), Rule.DUPLICATE, WARNING),
        (pd.concat([minutes(), changed(60, volume=7.0)[60:61]]), Rule.DUPLICATE, CRITICAL),
        (pd.concat([minutes()[:30], minutes()[91:]]), Rule.GAP, WARNING),  # 61 minutes
        (minutes()[:149], Rule.GAP, WARNING),  # up to the early close
        (minutes("2024-06-19 10:00", "2024-06-19 11:00"), Rule.OUT_OF_SESSION, CRITICAL),
    ],
)
def test_what_is_bad_about_minutes_is_found(frame: pd.DataFrame, rule: Rule, severity: FindingSeverity) -> None:
    report = check(frame)

    assert found(report) == {(rule, severity)}
    assert ("AAPL" in report.quarantined()) == (severity is CRITICAL)


def test_an_hour_without_a_trade_is_no_gap_after_an_early_close_or_when_it_has_not_come() -> None:
    assert found(check(minutes())) == set()
    assert found(check(minutes()[:60], now=datetime(2024, 7, 3, 14, 35, tzinfo=UTC))) == set()


def test_minutes_after_an_early_close_are_shown_where_only_regular_hours_are_wanted() -> None:
    long = minutes(end="2024-07-03 16:00")

    assert found(check(long)) == set()
    assert found(check(long, policy=MinutePolicy(extended_hours=False))) == {(Rule.OUT_OF_SESSION, WARNING)}
    assert len(check(long, policy=MinutePolicy(extended_hours=False)).low_bars) == 180


def test_a_minute_that_has_not_come_is_refused() -> None:
    report = check(minutes(), now=datetime(2024, 7, 3, 15, 0, tzinfo=UTC))

    assert found(report) == {(Rule.FUTURE_TIME, CRITICAL)}
    assert report.findings[0].text.startswith("AAPL at 2024-07-03 15:01 UTC: FUTURE_TIME, 119 times in all")


@pytest.mark.parametrize(("close", "fits"), [(222.09, True), (219.0, False)])
def test_minutes_are_compared_with_the_daily_bar(close: float, fits: bool) -> None:
    row = {"symbol": "AAPL", "session": "2024-07-03", "open": 219.99, "high": 222.2, "low": 219.9, "close": close}
    daily = DailyBars(frame=bars_frame(pd.DataFrame([row])), source="test", price_basis=PriceBasis.RAW)

    assert found(check(minutes(), daily=daily)) == (set() if fits else {(Rule.DAILY_DIFFERS, WARNING)})


def _hours(name: str, symbol: str) -> pd.DataFrame:
    rows = pd.read_csv(data_file("dirty", "yfinance", f"{name}.csv")).rename(columns=str.lower)
    return minute_frame(rows.assign(symbol=symbol, bar_start=pd.to_datetime(rows["datetime"], utc=True)))


def test_an_hour_partly_in_another_unit_is_found_in_a_real_download_and_not_in_its_corrected_twin() -> None:
    hour = {"calendar": TradingCalendar("XLON"), "length": timedelta(hours=1), "now": datetime(2024, 11, 1, tzinfo=UTC)}

    bad = check(_hours("ASAI-L-1h-bad-unit", "ASAI.L"), **hour)
    fixed = check(_hours("ASAI-L-1h-bad-unit-fixed", "ASAI.L"), **hour)

    assert "ASAI.L at 2024-10-24 15:00 UTC: UNIT_ERROR" in bad.quarantined()["ASAI.L"]
    assert fixed.quarantined() == {}
    assert {f.rule for f in fixed.findings} == {Rule.GAP}  # it hardly trades


def test_a_real_download_that_looks_odd_and_is_right_passes() -> None:
    last = datetime(2026, 6, 3, 18, 30, tzinfo=UTC)

    report = check(_hours("EA-15m-no-bad-divs", "EA"), length=timedelta(minutes=15), now=last)

    assert report.findings == ()


def test_real_minutes_pass_beside_their_daily_bars() -> None:
    bars = minute_frame(pd.read_parquet(data_file("equity", "us_equity_minute_trade_bars.parquet")))
    days = pd.read_parquet(data_file("equity", "us_equity_daily_raw.parquet")).rename(columns={"date": "session"})
    daily = DailyBars(frame=bars_frame(days), source="test", price_basis=PriceBasis.RAW)

    report = check(bars, daily=daily)

    assert (len(report.symbols), len(bars)) == (10, 21_252)
    assert report.findings == ()
