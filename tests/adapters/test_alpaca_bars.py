"""Alpaca's daily bars through alpaca-py, against a server on loopback that speaks its formats."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from adapters.alpaca_access import AlpacaFeed
from adapters.alpaca_bars import AlpacaBars
from tests.adapters.alpaca_server import APPLE, APPLE_ACTIONS, KEY, SECRET, AlpacaServer
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import SourceUnavailable
from trading.market.adjustments import adjusted_closes
from trading.market.bars import FetchStatus, PriceBasis
from trading.market.corporate_actions import CashDividend, Split

FIRST, LAST = date(2020, 8, 27), date(2020, 9, 1)


@pytest.fixture
def alpaca(httpserver: HTTPServer) -> AlpacaServer:
    return AlpacaServer(httpserver, bars={"AAPL": APPLE, "IBM": APPLE}, actions=APPLE_ACTIONS)


def bars_at(
    alpaca: AlpacaServer, folder: Path, symbols: Sequence[str] = ("AAPL", "IBM"), **settings: Any
) -> AlpacaBars:
    return AlpacaBars(symbols, access=alpaca.access(folder, **settings))


class TestAlpacaBars(BarSourceBattery):
    @pytest.fixture
    def case(self, alpaca: AlpacaServer, tmp_path: Path) -> SourceCase:
        source, symbols = bars_at(alpaca, tmp_path), ("AAPL", "IBM")
        return SourceCase(source=source, symbols=symbols, first=FIRST, last=LAST, sessions=4, empty_year=2021)


def test_prices_dividends_and_splits_are_those_of_the_tape(alpaca: AlpacaServer, tmp_path: Path):
    fetched = bars_at(alpaca, tmp_path).fetch(["AAPL"], date(2020, 8, 6), LAST)

    frame = fetched.bars.frame
    assert fetched.bars.price_basis is PriceBasis.RAW
    assert frame["close"].to_list() == [455.61, 444.45, 500.04, 499.23, 129.04, 134.18]
    assert frame.iloc[3][["open", "high", "low", "volume"]].to_list() == [504.05, 505.77, 498.31, 46907500]
    assert fetched.actions == (
        CashDividend(symbol="AAPL", ex_date=date(2020, 8, 7), amount_per_share=Decimal("0.82")),
        Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),
    )
    adjusted = adjusted_closes(frame, fetched.actions, LAST)["AAPL"]
    # By hand: (455.61 - 0.82) / 4 = 113.6975, and 499.23 / 4 = 124.8075.
    assert adjusted.iloc[[0, 3, 5]].to_list() == pytest.approx([113.6975, 124.8075, 134.18])


def test_a_split_of_the_next_week_is_told_and_a_dividend_paid_in_the_range_is_not(alpaca: AlpacaServer, tmp_path: Path):
    """The dividend of 2020-08-07 was paid, and so processed, on the 13th."""
    bars = bars_at(alpaca, tmp_path)

    ahead = bars.fetch(["AAPL"], date(2020, 8, 27), date(2020, 8, 27)).actions
    since_paid = bars.fetch(["AAPL"], date(2020, 8, 13), date(2020, 8, 28)).actions
    on_ex_date = bars.fetch(["AAPL"], date(2020, 8, 7), date(2020, 8, 7)).actions

    split = Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4))
    assert (ahead, since_paid) == ((split,), (split,))
    assert on_ex_date == (CashDividend(symbol="AAPL", ex_date=date(2020, 8, 7), amount_per_share=Decimal("0.82")),)


def an_action(kind: str, **values: Any) -> dict[str, list[dict[str, Any]]]:
    return {kind: [{"symbol": "IBM", "process_date": "2020-08-28", "ex_date": "2020-08-28", **values}]}


@pytest.mark.parametrize(
    ("entries", "ratio"),
    [
        (an_action("reverse_splits", new_rate=1, old_rate=50), Decimal("0.02")),  # MNTS, 2023-08-24
        (an_action("forward_splits", new_rate=2, old_rate=1), Decimal(2)),  # SRE, 2023-08-22
        (an_action("stock_dividends", rate=0.05), Decimal("1.05")),  # MSBC, 2023-05-19
    ],
)
def test_splits_and_stock_dividends_are_new_shares_for_old_ones(
    alpaca: AlpacaServer, tmp_path: Path, entries: Any, ratio: Decimal
):
    alpaca.actions = entries

    fetched = bars_at(alpaca, tmp_path).fetch(["IBM"], FIRST, LAST)

    assert fetched.actions == (Split(symbol="IBM", ex_date=date(2020, 8, 28), new_per_old=ratio),)


def test_a_special_dividend_and_the_usual_one_of_a_day_are_one_payment(alpaca: AlpacaServer, tmp_path: Path):
    usual, special = (an_action("cash_dividends", rate=rate)["cash_dividends"][0] for rate in (0.125, 2))
    alpaca.actions = {"cash_dividends": [usual, special]}

    fetched = bars_at(alpaca, tmp_path).fetch(["IBM"], FIRST, LAST)

    paid = CashDividend(symbol="IBM", ex_date=date(2020, 8, 28), amount_per_share=Decimal("2.125"))
    assert fetched.actions == (paid,)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (an_action("cash_dividends", rate=-0.5), "cash_dividend: rate is -0.5, but must be a number above 0"),
        (an_action("cash_dividends", rate="NaN"), "rate is 'NaN', but must be a number"),
        (an_action("forward_splits", new_rate=4, old_rate=0), "old_rate is 0, but must be"),
        (an_action("forward_splits", new_rate=4), "old_rate is None, but must be"),
        (
            an_action("forward_splits", new_rate=4, old_rate=1, ex_date="2020-02-30"),
            "ex_date is '2020-02-30', but must be a date",
        ),
    ],
)
def test_an_action_that_makes_no_sense_fails_its_symbol_only(
    alpaca: AlpacaServer, tmp_path: Path, entries: Any, told: str
):
    alpaca.actions = {**APPLE_ACTIONS, **entries}

    fetched = bars_at(alpaca, tmp_path).fetch(["AAPL", "IBM"], FIRST, LAST)

    assert statuses(fetched)["IBM"] is FetchStatus.FAILED
    assert set(fetched.bars.frame["symbol"]) == {"AAPL"}
    assert told in fetched.outcomes[1].text


def test_all_pages_are_read_and_each_request_takes_its_place_in_the_budget(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.page_size = 3
    access = alpaca.access(tmp_path)

    fetched = AlpacaBars(["AAPL", "IBM"], access=access).fetch(["AAPL", "IBM"], date(2020, 8, 6), LAST)

    assert fetched.bars.frame.groupby("symbol").size().to_dict() == {"AAPL": 6, "IBM": 6}
    assert [path for path, _ in alpaca.asked] == ["/v2/stocks/bars"] * 4 + ["/v1/corporate-actions"]
    assert (tmp_path / "requests").stat().st_size == 8 * len(alpaca.asked)  # a time of eight bytes each


def test_raw_prices_of_the_feed_that_is_paid_for_are_asked_up_to_the_last_bar(alpaca: AlpacaServer, tmp_path: Path):
    """2020-09-01 00:00 in New York is 04:00 UTC; a later end would be refused without a subscription."""
    bars_at(alpaca, tmp_path, feed=AlpacaFeed.DELAYED_SIP).fetch(["AAPL"], FIRST, LAST)

    asked = alpaca.asked[0][1]
    assert (asked["adjustment"], asked["feed"], asked["timeframe"]) == ("raw", "sip", "1Day")
    assert (asked["start"], asked["end"]) == ("2020-08-27T04:00:00+00:00", "2020-09-01T04:00:00+00:00")


def test_a_hundred_symbols_are_one_request(alpaca: AlpacaServer, tmp_path: Path):
    symbols = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJKL"]
    alpaca.bars = dict.fromkeys(symbols, APPLE)

    fetched = bars_at(alpaca, tmp_path, symbols).fetch(symbols, FIRST, LAST)

    assert len(fetched.bars.frame) == 4 * 120
    assert [path for path, _ in alpaca.asked] == ["/v2/stocks/bars"] * 2 + ["/v1/corporate-actions"] * 2


def with_value(code: str, value: Any) -> list[dict[str, Any]]:
    """Return bars with that value on 2020-08-28."""
    return [*APPLE[:3], APPLE[3] | {code: value}, *APPLE[4:]]


def without(code: str) -> list[dict[str, Any]]:
    return [*APPLE[:3], {name: value for name, value in APPLE[3].items() if name != code}, *APPLE[4:]]


def beside_a_good_one(alpaca: AlpacaServer, folder: Path, rows: Any) -> tuple[FetchStatus, str]:
    """Return what becomes of a symbol answered so, asked together with a good one."""
    alpaca.bars["BAD"] = rows
    fetched = bars_at(alpaca, folder).fetch(["AAPL", "BAD"], FIRST, LAST)
    assert statuses(fetched)["AAPL"] is FetchStatus.OK
    assert len(fetched.bars.frame) == 4 + 4 * (statuses(fetched)["BAD"] is FetchStatus.OK)
    return fetched.outcomes[1].status, fetched.outcomes[1].text


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (with_value("c", "NaN"), "close of 2020-08-28 is 'NaN', which is no number"),
        (with_value("c", float("nan")), "close of 2020-08-28 is nan, which is no number"),
        (with_value("v", None), "volume of 2020-08-28 is None, which is no number"),
        (without("o"), "2020-08-28 has no open"),
        (with_value("t", "0001-01-01T00:00:00+14:00"), "a row's day is '0001-01-01T00:00:00+14:00', which is no date"),
        (with_value("t", "yesterday"), "a row's day is 'yesterday', which is no date"),
        (without("t"), "a row's day is None, which is no date"),
        (with_value("c", f"{KEY.lower()} {SECRET}"), "close of 2020-08-28 is '*** ***', which is no number"),
        ([*APPLE, APPLE[5]], "2020-09-01 has two rows, of closes 134.18 and 134.18"),
        ("closed", "its bars are 'closed'"),
        ({"t": 1}, "its bars are {'t': 1}"),
        ([1, 2], "its bars are [1, 2]"),
    ],
)
def test_what_cannot_be_a_bar_fails_its_symbol_only(alpaca: AlpacaServer, tmp_path: Path, rows: Any, told: str):
    found, text = beside_a_good_one(alpaca, tmp_path, rows)

    assert found is FetchStatus.FAILED
    assert told in text


def test_rows_out_of_order_and_of_other_days_and_symbols_do_no_harm(alpaca: AlpacaServer, tmp_path: Path):
    bars = {"AAPL": [*reversed(APPLE)], "MSFT": APPLE}
    alpaca.answers("/v2/stocks/bars", {"bars": bars, "next_page_token": None})

    fetched = bars_at(alpaca, tmp_path).fetch(["AAPL"], FIRST, LAST)

    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]
    assert set(fetched.bars.frame["symbol"]) == {"AAPL"}


def test_one_symbol_that_is_none_does_not_have_the_others_refused(alpaca: AlpacaServer, tmp_path: Path):
    """Alpaca answers 400 to a whole request, `{"message":"invalid symbol: CSP1"}`, and names one of them."""
    fetched = bars_at(alpaca, tmp_path).fetch(["CSP1", "AAPL", "brk.b", "NOSUCH"], FIRST, LAST)

    unknown = FetchStatus.UNKNOWN_SYMBOL
    assert statuses(fetched) == {"CSP1": unknown, "AAPL": FetchStatus.OK, "brk.b": unknown, "NOSUCH": unknown}
    latest = [arguments for path, arguments in alpaca.asked if path == "/v2/stocks/bars/latest"]
    assert latest[-1] == {"symbols": "NOSUCH", "feed": "iex"}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v2/stocks/bars", {"bars": {}, "next_page_token": 1, "message": "no"}, "200 and the message 'no'"),
        ("/v1/corporate-actions", {"corporate_actions": {"forward_splits": 7}}, "its answer cannot be read: TypeError"),
        (
            "/v1/corporate-actions",
            {"corporate_actions": {"cash_dividends": [{}]}},
            "cash_dividends is {}, but must be entries",
        ),
        ("/v1/corporate-actions", {"message": "not in your plan"}, "'not in your plan'"),
    ],
)
def test_bars_without_their_splits_are_not_given(alpaca: AlpacaServer, tmp_path: Path, path: str, body: Any, told: str):
    alpaca.answers(path, body)

    with pytest.raises(SourceUnavailable) as caught:
        bars_at(alpaca, tmp_path).fetch(["AAPL"], FIRST, LAST)

    assert told in caught.value.why
