"""Nasdaq Data Link, against a server on loopback that speaks the JSON of its time series."""

import json
import re
import socket
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.nasdaq_data_link_bars import NasdaqDataLinkBars
from tests.adapters.vendor import FIRST, KEY, LAST, days_of, good_and, refusal
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import SourceUnavailable
from trading.market.adjustments import adjusted_closes
from trading.market.bars import FetchStatus, PriceBasis
from trading.market.corporate_actions import CashDividend, Split

RAW = ["Date", "Open", "High", "Low", "Close", "Volume", "Dividend", "Split"]
COLUMNS = [*RAW, "Adj_Open", "Adj_High", "Adj_Low", "Adj_Close", "Adj_Volume"]
# Apple on the tape: a dividend of 0.82 for each old share on 2020-08-07, four new shares for one on 2020-08-31.
APPLE: list[list[Any]] = [
    ["2020-08-06", 441.62, 457.65, 439.19, 455.61, 50607200.0, 0.0, 1.0, 110.4, 114.4, 109.8, 113.7, 202428800.0],
    ["2020-08-07", 452.82, 454.7, 441.17, 444.45, 49511400.0, 0.82, 1.0, 113.2, 113.7, 110.3, 111.1, 198045600.0],
    ["2020-08-27", 508.57, 509.94, 495.33, 500.04, 38888100.0, 0.0, 1.0, 127.1, 127.5, 123.8, 125.0, 155552400.0],
    ["2020-08-28", 504.05, 505.77, 498.31, 499.23, 46907500.0, 0.0, 1.0, 126.0, 126.4, 124.6, 124.8, 187630000.0],
    ["2020-08-31", 127.58, 131.0, 126.0, 129.04, 225702700.0, 0.0, 4.0, 127.6, 131.0, 126.0, 129.0, 225702700.0],
    ["2020-09-01", 132.76, 134.8, 130.53, 134.18, 151948100.0, 0.0, 1.0, 132.8, 134.8, 130.5, 134.2, 151948100.0],
]

Answer = Callable[[Request], Response]


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
            "data": APPLE if rows is None else rows,
            "order": "asc",
            "database_id": 12910,
            **more,
        }
    }


def an_error(code: str, message: str) -> str:
    return json.dumps({"quandl_error": {"code": code, "message": message}})


def with_value(column: str, value: Any, day: str = "2020-08-28") -> str:
    at = COLUMNS.index(column)
    return json.dumps(a_body([[*r[:at], value, *r[at + 1 :]] if r[0] == day else r for r in APPLE], "BAD"))


def bars_at(address: str, symbols: Sequence[str], key: str = KEY, **settings: Any) -> NasdaqDataLinkBars:
    return NasdaqDataLinkBars(symbols, api_key=SecretStr(key), base_url=address, **settings)


class NasdaqDataLink:
    """Nasdaq Data Link on loopback: it cuts and sorts as it is asked, and gives error codes with a status."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.asked: list[str] = []
        self._answers: dict[str, Answer] = {}
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def has(self, code: str, rows: list[list[Any]]) -> None:
        def answer(request: Request) -> Response:
            first, last = request.args["start_date"], request.args["end_date"]
            found = sorted((r for r in rows if first <= r[0] <= last), reverse=request.args["order"] == "desc")
            return Response(json.dumps(a_body(found, code, start_date=first, end_date=last)))

        self._answers[code] = answer

    def answers(self, code: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answers[code] = lambda _: Response(body, status, headers)

    def bars(self, *symbols: str, **settings: Any) -> NasdaqDataLinkBars:
        return bars_at(self.server.url_for(""), symbols, **settings)

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


class TestNasdaqDataLinkBars(BarSourceBattery):
    @pytest.fixture
    def case(self, vendor: NasdaqDataLink) -> SourceCase:
        vendor.has("IBM", APPLE)
        symbols = ("AAPL", "IBM")
        source = vendor.bars(*symbols)
        return SourceCase(source=source, symbols=symbols, first=FIRST, last=LAST, sessions=4, empty_year=2021)


def test_prices_volumes_dividends_and_splits_are_the_raw_columns(vendor: NasdaqDataLink):
    fetched = vendor.bars("AAPL").fetch(["AAPL"], date(2020, 8, 6), LAST)

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


def test_columns_are_found_by_name_wherever_they_stand(vendor: NasdaqDataLink):
    turned = [row[::-1] for row in APPLE]
    vendor.answers("AAPL", json.dumps(a_body(turned, columns=COLUMNS[::-1])))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]


def test_a_split_soon_after_the_range_is_asked_for_and_told(vendor: NasdaqDataLink):
    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, date(2020, 8, 28))

    assert days_of(fetched) == ["2020-08-27", "2020-08-28"]
    assert fetched.actions == (Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),)


def test_a_range_up_to_the_end_of_time_is_asked_for(vendor: NasdaqDataLink):
    assert len(vendor.bars("AAPL").fetch(["AAPL"], FIRST, date.max).bars.frame) == 4


def test_the_last_session_missing_is_one_bar_fewer_and_none_is_made_up(vendor: NasdaqDataLink):
    vendor.has("AAPL", APPLE[:-1])

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert statuses(fetched) == {"AAPL": FetchStatus.OK}
    assert days_of(fetched) == ["2020-08-27", "2020-08-28", "2020-08-31"]


def test_rows_out_of_order_are_sorted(vendor: NasdaqDataLink):
    vendor.answers("AAPL", json.dumps(a_body([APPLE[n] for n in (4, 0, 5, 3, 2, 1)])))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert days_of(fetched) == ["2020-08-27", "2020-08-28", "2020-08-31", "2020-09-01"]
    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]


@pytest.mark.parametrize("close", [499.23, 500.0])
def test_two_rows_for_one_day_fail_their_symbol(vendor: NasdaqDataLink, close: float):
    found, text = good_and(vendor, json.dumps(a_body([*APPLE, [*APPLE[3][:4], close, *APPLE[3][5:]]], "BAD")))

    assert found is FetchStatus.FAILED
    assert f"2020-08-28 has two rows, of closes 499.23 and {close}" in text


@pytest.mark.parametrize("value", ["NaN", "None", "", "n/a", "1_000", float("nan"), float("inf"), None, False, {}])
@pytest.mark.parametrize("column", ["Close", "Volume", "Dividend", "Split"])
def test_what_is_no_number_fails_its_symbol_with_day_and_value(vendor: NasdaqDataLink, column: str, value: Any):
    found, text = good_and(vendor, with_value(column, value))

    assert found is FetchStatus.FAILED
    assert f"{column.lower()} of 2020-08-28 is {value!r}, which is no number" in text


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
        (a_body(code="MSFT"), "dataset_code of the answer is 'MSFT', not 'BAD'"),
        (a_body(code=None), "dataset_code of the answer is None, not 'BAD'"),
        (a_body(code=KEY), "dataset_code of the answer is '***', not 'BAD'"),
        (a_body(code="BAD", database="WIKI"), "database_code of the answer is 'WIKI', not 'EOD'"),
        (a_body(["2020-08-28"], "BAD"), "a row has not 13 values: '2020-08-28'"),
        (a_body([APPLE[3][:7]], "BAD"), "a row has not 13 values: ['2020-08-28'"),
        ({"dataset": {"column_names": COLUMNS, "data": None}}, "an answer without column_names and data"),
        ({"dataset": [KEY]}, "{'dataset': ['***']}"),
        ({"dataset": None}, "an answer without column_names and data"),
        ({}, "an answer without column_names and data: {}"),
        ([], "an answer without column_names and data: []"),
        (None, "an answer without column_names and data: None"),
    ],
)
def test_an_answer_of_another_shape_fails_its_symbol_and_hides_the_key(vendor: NasdaqDataLink, body: Any, told: str):
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


def test_a_wrong_key_is_told_and_not_shown(vendor: NasdaqDataLink):
    with pytest.raises(SourceUnavailable, match="could not recognize your API key") as caught:
        vendor.bars("AAPL", key="WRONGKEY77").fetch(["AAPL"], FIRST, LAST)

    assert "WRONGKEY77" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (f"<html><body>{KEY} is too busy</body></html>", 200, "200 and no JSON: '<html><body>*** is too busy"),
        (json.dumps(a_body())[:300], 200, "200 and no JSON"),
        ("", 200, "200 and no JSON"),
        ("<html>not here</html>", 404, "404 and no JSON"),
        (an_error("QEXx01", "maintenance"), 503, "503: the provider has a fault of its own"),
        (an_error("QEPx02", "not permitted"), 403, "403: the key is not accepted"),
        (an_error("QELx04", "too many"), 429, "429, too many requests"),
    ],
)
def test_what_is_no_answer_of_nasdaq_makes_it_unavailable(vendor: NasdaqDataLink, body: str, status: int, told: str):
    vendor.answers("AAPL", body, status)
    assert told in refusal(vendor.bars("AAPL"))

    vendor.answers("AAPL", body, status, {"Retry-After": "17"})
    assert ("it asks to wait 17 s" in refusal(vendor.bars("AAPL"))) == (status == 429)


def test_a_silent_server_a_closed_port_and_one_without_tls_are_told(vendor: NasdaqDataLink):
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))
        addresses = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, closed)]
        told = [refusal(bars_at(address, ["AAPL"], timeout=timedelta(seconds=0.2))) for address in addresses]
    told.append(refusal(bars_at(vendor.server.url_for("").replace("http://", "https://"), ["AAPL"])))

    assert [why.split()[1] for why in told] == ["ReadTimeout", "ConnectError", "ConnectError"]
    assert "SSL" in told[2]


def test_after_three_failures_in_a_row_no_more_symbols_are_asked(vendor: NasdaqDataLink):
    symbols = ["AAPL", "A", "B", "C", "D"]
    for symbol in symbols[1:]:
        vendor.answers(symbol, "{}")

    with pytest.raises(SourceUnavailable, match="3 symbols in a row failed, last: nasdaq_data_link on C"):
        vendor.bars(*symbols).fetch(symbols, FIRST, LAST)

    assert vendor.asked == ["AAPL", "A", "B", "C"]


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
