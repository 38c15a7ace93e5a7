"""Nasdaq Data Link, against a server on loopback that speaks the JSON of its time series."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.nasdaq_data_link_bars import NasdaqDataLinkBars
from adapters.source_budget import SourceBudget
from tests.adapters.vendor import APPLE, FIRST, KEY, LAST, VendorBattery, good_and, refusal
from tests.bar_source_battery import statuses
from trading.market.bars import FetchStatus
from trading.market.corporate_actions import CashDividend

RAW = ["Date", "Open", "High", "Low", "Close", "Volume", "Dividend", "Split"]
COLUMNS = [*RAW, "Adj_Open", "Adj_High", "Adj_Low", "Adj_Close", "Adj_Volume"]
Answer = Callable[[Request], Response]


def rows_of(tape: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the rows as it writes them: the adjusted columns are those of a split of four, and nobody reads them."""
    return [
        [row[name.lower() if name != "Date" else "day"] for name in RAW] + [1.0, 2.0, 0.5, 1.5, 4.0] for row in tape
    ]


TAPE = rows_of(APPLE)


def a_body(
    rows: Any = None, code: Any = "AAPL", database: Any = "EOD", columns: Any = None, **more: Any
) -> dict[str, Any]:
    return {
        "dataset": {
            "id": 9775409,
            "dataset_code": code,
            "database_code": database,
            "name": "Stock Prices, Dividends and Splits",
            "column_names": COLUMNS if columns is None else columns,
            "frequency": "daily",
            "type": "Time Series",
            "premium": True,
            **dict.fromkeys(("limit", "transform", "column_index", "collapse")),
            "start_date": "2020-08-06",
            "end_date": "2020-09-01",
            "data": TAPE if rows is None else rows,
            "order": "asc",
            "database_id": 12910,
            **more,
        }
    }


def an_error(code: str, message: str) -> str:
    return json.dumps({"quandl_error": {"code": code, "message": message}})


def with_value(column: str, value: Any, day: str = "2020-08-28") -> str:
    at = COLUMNS.index(column)
    return json.dumps(a_body([[*r[:at], value, *r[at + 1 :]] if r[0] == day else r for r in TAPE], "BAD"))


class NasdaqDataLink:
    """Nasdaq Data Link on loopback: it cuts and sorts as it is asked, and gives error codes with a status."""

    doubled = "2020-08-28 has two rows, of closes 499.23 and {close}"

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.asked: list[str] = []
        self._answers: dict[str, Answer] = {}
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    @property
    def symbols_asked(self) -> list[str]:
        return self.asked

    def has(self, symbol: str, tape: Sequence[Mapping[str, Any]]) -> None:
        def answer(request: Request) -> Response:
            first, last = request.args["start_date"], request.args["end_date"]
            within = [row for row in rows_of(tape) if first <= row[0] <= last]
            found = sorted(within, key=lambda row: row[0], reverse=request.args["order"] == "desc")
            return Response(json.dumps(a_body(found, symbol, start_date=first, end_date=last)))

        self._answers[symbol] = answer

    def body(self, symbol: Any, tape: Sequence[Mapping[str, Any]]) -> str:
        return json.dumps(a_body(rows_of(tape), symbol))

    def answers(self, code: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answers[code] = lambda _: Response(body, status, headers)

    def bars(
        self,
        *symbols: str,
        key: str = KEY,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
        mic: str = "XNYS",
        currency: str = "USD",
    ) -> NasdaqDataLinkBars:
        return NasdaqDataLinkBars(
            symbols,
            api_key=SecretStr(key),
            base_url=base_url or self.server.url_for(""),
            timeout=timeout,
            budget=budget,
            mic=mic,
            currency=currency,
        )

    def _answer(self, request: Request) -> Response:
        if request.args.get("api_key") != KEY:
            return Response(an_error("QEAx01", "We could not recognize your API key. Please check your API key."), 400)
        found = re.fullmatch(r"/api/v3/datasets/EOD/([A-Z0-9_]+)\.json", request.path)
        self.asked.append(found[1] if found else request.path)
        if found and found[1] in self._answers:
            return self._answers[found[1]](request)
        message = "You have submitted an incorrect Dataset code. Please check your Dataset codes and try again."
        return Response(an_error("QECx02", message), 404)


@pytest.fixture
def vendor(httpserver: HTTPServer) -> NasdaqDataLink:
    vendor = NasdaqDataLink(httpserver)
    vendor.has("AAPL", APPLE)
    return vendor


class TestNasdaqDataLinkBars(VendorBattery):
    """It passes what every provider must."""


def test_columns_are_found_by_name_wherever_they_stand(vendor: NasdaqDataLink):
    turned = [row[::-1] for row in TAPE]
    vendor.answers("AAPL", json.dumps(a_body(turned, columns=COLUMNS[::-1])))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]


@pytest.mark.parametrize("day", ["2020-02-30", "20200828", "2020-08-28T00:00:00", "", None, 20200828, KEY])
def test_a_row_without_a_date_fails_its_symbol(vendor: NasdaqDataLink, day: Any):
    found, text = good_and(vendor, with_value("Date", day))

    assert found is FetchStatus.FAILED
    assert f"a row's day is {'***' if day == KEY else day!r}, which is no date".replace("is ***", "is '***'") in text


def test_an_adjusted_column_is_not_looked_at(vendor: NasdaqDataLink):
    vendor.answers("AAPL", with_value("Adj_Close", None).replace('"BAD"', '"AAPL"'))

    assert statuses(vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)) == {"AAPL": FetchStatus.OK}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (a_body(code="BAD", database="WIKI"), "database_code of the answer is 'WIKI', not 'EOD'"),
        (a_body(["2020-08-28"], "BAD"), "a row has not 13 values: '2020-08-28'"),
        (a_body([TAPE[3][:7]], "BAD"), "a row has not 13 values: ['2020-08-28'"),
        ({"dataset": {"column_names": COLUMNS, "data": None}}, "an answer without column_names and data"),
        ({"dataset": [KEY]}, "{'dataset': ['***']}"),
        ({"dataset": None}, "an answer without column_names and data"),
        ({}, "an answer without column_names and data: {}"),
        ([], "an answer without column_names and data: []"),
        (None, "an answer without column_names and data: None"),
    ],
)
def test_a_dataset_of_another_shape_fails_its_symbol_and_hides_the_key(vendor: NasdaqDataLink, body: Any, told: str):
    found, text = good_and(vendor, json.dumps(body))

    assert found is FetchStatus.FAILED
    assert told in text


@pytest.mark.parametrize("column", RAW)
def test_a_missing_column_makes_the_database_unusable_and_the_columns_that_came_are_told(
    vendor: NasdaqDataLink, column: str
):
    others = ["Settle" if name == column else name for name in COLUMNS]
    vendor.answers("AAPL", json.dumps(a_body(columns=others)))
    why = refusal(vendor.bars("AAPL"))
    assert f"['{column}']" in why
    assert "Settle" in why

    vendor.answers("AAPL", json.dumps(a_body(columns=[*COLUMNS[:-1], column])))
    assert f"no column or two of ['{column}']" in refusal(vendor.bars("AAPL"))


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("QECx02", 404, FetchStatus.UNKNOWN_SYMBOL),
        ("QECx05", 404, FetchStatus.UNKNOWN_SYMBOL),
        ("QECx02", 200, FetchStatus.UNKNOWN_SYMBOL),
        ("QESx03", 422, FetchStatus.FAILED),
        ("QEZx02", 400, FetchStatus.FAILED),
        ("QEZx02", 200, FetchStatus.FAILED),
        ("", 404, FetchStatus.FAILED),
    ],
)
def test_its_error_code_decides_what_became_of_a_symbol(
    vendor: NasdaqDataLink, code: str, status: int, outcome: FetchStatus
):
    found, text = good_and(vendor, an_error(code, f"There is a reason, {KEY}."), status)

    assert found is outcome
    assert f"BAD: {status}: " in text
    assert "There is a reason, ***." in text


@pytest.mark.parametrize("body", [{"message": "no such page"}, {"quandl_error": "no"}, [], None])
def test_a_404_without_its_error_code_is_no_unknown_symbol(vendor: NasdaqDataLink, body: Any):
    assert good_and(vendor, json.dumps(body), 404)[0] is FetchStatus.FAILED


@pytest.mark.parametrize(
    ("code", "status"),
    [("QEAx01", 400), ("QEPx04", 400), ("QELx04", 400), ("QELx06", 200), ("QEMx01", 422), ("QEXx01", 400)],
)
def test_a_key_a_limit_and_a_fault_of_its_own_speak_for_the_whole_provider(
    vendor: NasdaqDataLink, code: str, status: int
):
    vendor.answers("AAPL", an_error(code, f"You, {KEY}, wait."), status)

    why = refusal(vendor.bars("AAPL"))

    assert code in why
    assert "You, ***, wait." in why


@pytest.mark.parametrize("body", [an_error("QECx02", f"gone for {KEY}"), "{}", "null"])
def test_a_retired_dataset_fails_its_symbol_and_no_other(vendor: NasdaqDataLink, body: str):
    found, text = good_and(vendor, body, 410)

    assert found is FetchStatus.FAILED
    assert "410, its dataset is retired" in text


def test_a_share_class_is_written_with_an_underscore_for_nasdaq_only(vendor: NasdaqDataLink):
    vendor.has("BRK_B", APPLE)

    fetched = vendor.bars("BRK.B").fetch(["BRK.B"], FIRST, LAST)

    assert statuses(fetched) == {"BRK.B": FetchStatus.OK}
    assert set(fetched.bars.frame["symbol"]) == {"BRK.B"}


def test_a_symbol_cannot_lead_to_another_path(vendor: NasdaqDataLink):
    fetched = vendor.bars("AAPL").fetch(["../WIKI/AAPL"], FIRST, LAST)

    assert statuses(fetched) == {"../WIKI/AAPL": FetchStatus.UNKNOWN_SYMBOL}


def test_dividends_are_in_the_currency_of_the_instruments(vendor: NasdaqDataLink):
    source = vendor.bars("AAPL", mic="XTSE", currency="CAD")

    (dividend, _) = source.fetch(["AAPL"], date(2020, 8, 6), LAST).actions

    assert isinstance(dividend, CashDividend)
    assert (dividend.currency, source.instruments()["AAPL"].currency) == ("CAD", "CAD")
