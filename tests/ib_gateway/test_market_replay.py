"""Recorded bars played again: they come back as they were, and the price runs through them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ib_gateway.contracts import Contract
from ib_gateway.market import Market
from ib_gateway.market_bar_terms import BAR_SECONDS, BarRequest
from ib_gateway.market_history import history
from ib_gateway.market_replay import BadReplayRow, read_bars

DAILY = """symbol,date,open,high,low,close,volume
AAPL,2026-11-18,10,12,9,11,1000
AAPL,2026-11-19,11,13,10,10.5,2000
"""
MINUTES = """Symbol,Time,Open,High,Low,Close,Volume
XYZ,2026-11-19T14:30:00Z,100,101,99,100.5,600
XYZ,2026-11-19T14:31:00Z,100.5,103,100,102,300
XYZ,2026-11-19T14:33:00Z,102,102,98,99,100
"""
EVENING = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)


def a_replay(text: str) -> Market:
    return Market(replay=read_bars(text.splitlines()))


def bars_of(market: Market, symbol: str, size: str, *, regular_only: bool = True) -> list[tuple[object, ...]]:
    [contract] = market.find(Contract(symbol=symbol, sec_type="STK"))
    request = BarRequest(
        end=EVENING, duration=(5, "D"), bar_seconds=BAR_SECONDS[size], what="TRADES", regular_only=regular_only
    )
    return [
        (*(float(price) for price in (bar.open, bar.high, bar.low, bar.close)), bar.volume)
        for bar in history(market, contract.con_id, request)
    ]


@pytest.mark.parametrize("regular_only", [True, False])
def test_recorded_days_come_back_as_they_were(regular_only):
    market = a_replay(DAILY)

    assert bars_of(market, "AAPL", "1 day", regular_only=regular_only) == [
        (10, 12, 9, 11, 1000),
        (11, 13, 10, 10.5, 2000),
    ]


def test_recorded_minutes_come_back_and_add_up():
    market = a_replay(MINUTES)

    assert bars_of(market, "XYZ", "1 min") == [
        (100, 101, 99, 100.5, 600),
        (100.5, 103, 100, 102, 300),
        (102, 102, 98, 99, 100),
    ]
    assert bars_of(market, "XYZ", "5 mins") == [(100, 103, 98, 99, 1000)]


def test_the_price_runs_from_open_over_low_and_high_to_the_close_of_a_rising_bar():
    market = a_replay(MINUTES)
    [contract] = market.find(Contract(symbol="XYZ"))

    def last(second: int) -> Decimal:
        return market.quote(contract.con_id, datetime(2026, 11, 19, 14, 30, second, tzinfo=UTC)).last

    assert [last(second) for second in (0, 20, 40)] == [100, 99, 101]


def test_between_two_bars_and_after_the_last_one_the_last_close_stands():
    market = a_replay(MINUTES)
    [contract] = market.find(Contract(symbol="XYZ"))

    assert market.quote(contract.con_id, datetime(2026, 11, 19, 14, 32, 30, tzinfo=UTC)).last == 102
    assert market.quote(contract.con_id, EVENING).last == 99


def test_a_symbol_that_is_only_recorded_can_be_traded():
    [contract] = a_replay(MINUTES).find(Contract(symbol="XYZ", sec_type="STK", exchange="SMART", currency="USD"))

    assert contract.primary_exchange == "NYSE"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("A,2026-11-18,10,9,11,10,0", "low and high"),
        ("A,2026-11-18,10,,9,10,0", "could not convert"),
        ("A,18.11.2026,10,12,9,10,0", "Invalid isoformat"),
        ("A,2026-11-18,nan,12,9,10,0", "low and high"),
    ],
)
def test_a_row_that_is_no_bar_is_named(row, why):
    with pytest.raises(BadReplayRow, match=f"row 2 .*{why}"):
        read_bars(["symbol,date,open,high,low,close,volume", row])


def test_a_file_without_a_needed_column_says_which():
    with pytest.raises(BadReplayRow, match="'symbol'"):
        read_bars(["date,open,high,low,close", "2026-11-18,10,12,9,11"])


def test_days_recorded_before_the_first_are_not_invented():
    market = a_replay(DAILY)

    assert len(bars_of(market, "AAPL", "1 hour")) == 14  # seven a day: 09:30, 10:00, ... 15:00
    assert market.day(market.find(Contract(symbol="AAPL", sec_type="STK"))[0].con_id, EVENING).previous_close == 11
    assert market.find(Contract(symbol="AAPL"), on=date(2026, 11, 19))
