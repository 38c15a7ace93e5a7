"""Massive's daily bars, against its server on loopback."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from adapters.massive_api import MassiveApi
from adapters.massive_bars import MassiveBars
from adapters.source_budget import SourceBudget
from tests.adapters.massive_server import MassiveServer, aggregates, milliseconds
from tests.adapters.vendor import APPLE, FIRST, KEY, LAST, VendorBattery, days_of, fate_of_bad, good_and, refusal
from tests.bar_source_battery import statuses
from trading.market.bars import FetchStatus
from trading.market.corporate_actions import CashDividend, Split


class MassiveVendor(MassiveServer):
    """Massive as a vendor of bars."""

    doubled = "2020-08-28 has two rows, of closes 499.23 and {close}"

    @property
    def symbols_asked(self) -> list[str]:
        return [path.split("/")[4] for path, _ in self.asked if path.startswith("/v2/aggs/")]

    def body(self, symbol: Any, tape: Sequence[Mapping[str, Any]]) -> str:
        return json.dumps(aggregates(symbol, tape))

    def bars(
        self,
        *symbols: str,
        key: str = KEY,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
    ) -> MassiveBars:
        address = base_url or self.server.url_for("")
        return MassiveBars(
            symbols, MassiveApi(api_key=SecretStr(key), base_url=address, timeout=timeout, budget=budget)
        )


@pytest.fixture
def vendor(httpserver: HTTPServer) -> MassiveVendor:
    vendor = MassiveVendor(httpserver, KEY)
    vendor.has("AAPL", APPLE)
    return vendor


class TestMassiveBars(VendorBattery):
    """It passes what every provider must."""


def test_every_page_is_raw_and_asked_for_at_our_own_address(vendor: MassiveVendor):
    """Its server adjusts a page for splits that is asked for by the cursor alone, and sends us to api.massive.com."""
    vendor.page_size = 2

    fetched = vendor.bars("AAPL").fetch(["AAPL"], date(2020, 8, 6), LAST)

    assert fetched.bars.frame["close"].to_list() == [455.61, 444.45, 500.04, 499.23, 129.04, 134.18]
    assert vendor.symbols_asked == ["AAPL"] * 3


def test_a_next_page_of_another_host_is_not_asked_for_there(vendor: MassiveVendor):
    """Nobody listens there; a request would fail, and take the key along."""
    page = json.dumps(aggregates("AAPL", APPLE[:4], next_url="http://127.0.0.1:1/v2/aggs/ticker/IBM/range/1/day/1/2"))
    vendor.answers("AAPL", page)

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert fetched.outcomes[0].text == "massive on AAPL: ticker of the answer is 'IBM', not 'AAPL'"


def test_a_page_that_says_it_is_adjusted_fails_its_symbol(vendor: MassiveVendor):
    found, text = good_and(vendor, json.dumps(aggregates("BAD", APPLE, adjusted=True)))

    assert found is FetchStatus.FAILED
    assert "adjusted of the answer is True, not False" in text


@pytest.mark.parametrize(
    "next_url",
    [
        *("@evil.example/v2?cursor=1", f"evil?apiKey={KEY}", "https://[", 7),
        "/v2/aggs/ticker/BAD/range/1/day/2020-08-27/2020-09-01?n=1",
    ],
)
def test_a_next_page_that_is_none_or_comes_again_fails_its_symbol(vendor: MassiveVendor, next_url: Any):
    found, text = good_and(vendor, json.dumps(aggregates("BAD", APPLE, next_url=next_url)))

    assert found is FetchStatus.FAILED
    assert "its next page is " in text


def test_what_was_listed_once_has_no_bars_and_what_never_was_is_unknown(vendor: MassiveVendor):
    vendor.has("TWTR", [])
    vendor.delisted.add("TWTR")

    fetched = vendor.bars("TWTR").fetch(["TWTR", "NOSUCH1"], FIRST, LAST)

    assert statuses(fetched) == {"TWTR": FetchStatus.NO_BARS, "NOSUCH1": FetchStatus.UNKNOWN_SYMBOL}


def test_corporate_actions_of_all_symbols_take_two_requests(vendor: MassiveVendor):
    vendor.has("BRK.B", APPLE)

    vendor.bars("AAPL", "BRK.B").fetch(["AAPL", "BRK.B"], FIRST, LAST)

    assert [path for path, _ in vendor.asked] == [
        "/stocks/v1/dividends",
        "/stocks/v1/splits",
        "/v2/aggs/ticker/AAPL/range/1/day/2020-08-27/2020-09-01",
        "/v2/aggs/ticker/BRK.B/range/1/day/2020-08-27/2020-09-01",
    ]


def test_a_special_dividend_on_the_day_of_the_regular_one_is_added_to_it(vendor: MassiveVendor):
    vendor.pays("AAPL", "2020-08-28", 0.82)
    vendor.pays("AAPL", "2020-08-28", 3.0, distribution_type="special", frequency=0)

    dividend, _ = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST).actions

    assert dividend == CashDividend(symbol="AAPL", ex_date=date(2020, 8, 28), amount_per_share=Decimal("3.82"))


@pytest.mark.parametrize(
    ("old", "new", "ratio"),
    [(1, 20, Decimal(20)), (8, 1, Decimal("0.125")), (3, 1, Decimal(1) / 3), (1, 1.05, Decimal("1.05"))],
)
def test_a_split_is_told_in_new_shares_for_old_ones(vendor: MassiveVendor, old: float, new: float, ratio: Decimal):
    vendor.has("IBM", APPLE[:4])
    vendor.splits("IBM", "2020-09-01", old, new)

    (split,) = vendor.bars("IBM").fetch(["IBM"], FIRST, LAST).actions

    assert split == Split(symbol="IBM", ex_date=date(2020, 9, 1), new_per_old=ratio)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"id": "E0"}, "a dividend or a split came twice"),
        ({"currency": "CAD"}, "the dividend of 2020-08-28 is in 'CAD', not USD"),
        ({"currency": KEY}, "is in '***', not USD"),
    ],
)
def test_a_dividend_that_cannot_be_booked_fails_its_symbol(vendor: MassiveVendor, event: dict[str, Any], told: str):
    vendor.has("BAD", APPLE)
    vendor.pays("BAD", "2020-08-31", 0.1, id="E0")
    vendor.pays("BAD", "2020-08-28", 0.82, **event)

    found, text = fate_of_bad(vendor.bars("AAPL", "BAD"))

    assert found is FetchStatus.FAILED
    assert told in text


def test_two_splits_of_one_day_and_one_of_no_shares_fail_their_symbol(vendor: MassiveVendor):
    vendor.has("BAD", APPLE)
    vendor.splits("BAD", "2020-08-31", 1, 4)
    assert "2020-08-31 has two splits" in fate_of_bad(vendor.bars("AAPL", "BAD"))[1]

    vendor.has("BAD", APPLE[:4])
    vendor.splits("BAD", "2020-08-28", 0, 4)
    assert "split of 2020-08-28 is '4 for 0', which is no number" in fate_of_bad(vendor.bars("AAPL", "BAD"))[1]


def test_a_dividend_of_a_symbol_that_was_not_asked_makes_it_unavailable(vendor: MassiveVendor):
    vendor.pays("AAPL", "2020-08-28", 0.82)
    vendor.ignores_tickers = True

    assert "nobody asked for 'AAPL', which it told" in refusal(vendor.bars("IBM"), "IBM")


@pytest.mark.parametrize("several", ["AAPL,IBM", "", " "])
def test_a_symbol_that_is_a_list_or_nothing_is_unknown_and_spoils_no_other(vendor: MassiveVendor, several: str):
    fetched = vendor.bars("AAPL").fetch([several, "AAPL"], FIRST, LAST)

    assert statuses(fetched) == {several: FetchStatus.UNKNOWN_SYMBOL, "AAPL": FetchStatus.OK}


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_a_missing_field_fails_its_symbol(vendor: MassiveVendor, field: str):
    vendor.has("BAD", [{name: row[name] for name in row if name != field} for row in APPLE])

    found, text = fate_of_bad(vendor.bars("AAPL", "BAD"))

    assert found is FetchStatus.FAILED
    assert f"2020-08-27 has no {field}" in text


@pytest.mark.parametrize("at", [milliseconds("2020-08-28") + 1, 1598572800000, "2020-08-28 ", None, True, 10**30, KEY])
def test_a_row_that_is_of_no_midnight_in_new_york_fails_its_symbol(vendor: MassiveVendor, at: Any):
    """1598572800000 is midnight in Greenwich."""
    found, text = good_and(vendor, vendor.body("BAD", [*APPLE, {**APPLE[3], "day": at}]))

    assert found is FetchStatus.FAILED
    assert "a row's day is " in text


def test_bars_of_both_halves_of_the_year_are_of_their_day(vendor: MassiveVendor):
    """New York is five hours behind Greenwich in winter, four in summer."""
    winter = [{**APPLE[3], "day": "2021-03-12"}, {**APPLE[3], "day": "2021-03-15"}]
    vendor.answers("AAPL", vendor.body("AAPL", winter))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], date(2021, 3, 1), date(2021, 3, 31))

    assert [milliseconds(row["day"]) % 86_400_000 // 3_600_000 for row in winter] == [5, 4]
    assert days_of(fetched) == ["2021-03-12", "2021-03-15"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"status": "ERROR", "error": f"{KEY} waits"}, 200, "none of OK, DELAYED: {'status': 'ERROR', 'error': '*** w"),
        ({"status": "NOT_FOUND", "message": "no"}, 404, "404: {'status': 'NOT_FOUND'"),
        ({**aggregates("BAD", APPLE), "results": None}, 200, "an answer without a list of results"),
        ({**aggregates("BAD", APPLE), "results": [KEY]}, 200, "an answer without a list of results"),
    ],
)
def test_an_answer_that_is_none_of_its_own_fails_its_symbol(
    vendor: MassiveVendor, body: dict[str, Any], status: int, told: str
):
    found, text = good_and(vendor, json.dumps(body), status)

    assert found is FetchStatus.FAILED
    assert told in text


def test_what_a_plan_does_not_include_is_told_in_its_own_words(vendor: MassiveVendor):
    """Recorded: a key without a plan, asked for what was more than two years ago."""
    said = (
        '{"status":"NOT_AUTHORIZED","request_id":"e2fbf8d97c383b7c9b664f74e82d0cb1","message":"Your plan doesn\'t '
        'include this data timeframe. Please upgrade your plan at https://polygon.io/pricing"}'
    )
    vendor.answers("AAPL", said, 403)

    assert "Your plan doesn't include this data timeframe" in refusal(vendor.bars("AAPL")).replace("\\'", "'")


def test_the_delayed_answers_of_a_cheap_plan_are_answers(vendor: MassiveVendor):
    vendor.answers("AAPL", json.dumps(aggregates("AAPL", APPLE) | {"status": "DELAYED"}))

    assert statuses(vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)) == {"AAPL": FetchStatus.OK}
