"""Alpha Vantage, against a server on loopback that speaks its TIME_SERIES_DAILY_ADJUSTED."""

import json
import socket
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.alpha_vantage_bars import AlphaVantageBars
from tests.adapters.vendor import FIRST, KEY, LAST, days_of, good_and, refusal
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import SourceUnavailable
from trading.market.adjustments import adjusted_closes
from trading.market.bars import FetchStatus, PriceBasis
from trading.market.calendars import TradingCalendar
from trading.market.corporate_actions import CashDividend, Split

FIELDS = ("1. open", "2. high", "3. low", "4. close", "6. volume", "7. dividend amount", "8. split coefficient")
# Apple on the tape: a dividend of 0.82 for each old share on 2020-08-07, four new shares for one on 2020-08-31.
APPLE = {
    "2020-08-06": ("441.6200", "457.6500", "439.1900", "455.6100", "50607200", "0.0000", "1.0"),
    "2020-08-07": ("452.8200", "454.7000", "441.1700", "444.4500", "49511400", "0.8200", "1.0"),
    "2020-08-27": ("508.5700", "509.9400", "495.3300", "500.0400", "38888100", "0.0000", "1.0"),
    "2020-08-28": ("504.0500", "505.7700", "498.3100", "499.2300", "46907500", "0.0000", "1.0"),
    "2020-08-31": ("127.5800", "131.0000", "126.0000", "129.0400", "225702700", "0.0000", "4.0"),
    "2020-09-01": ("132.7600", "134.8000", "130.5300", "134.1800", "151948100", "0.0000", "1.0"),
}
INVALID_CALL = (
    "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) "
    "for TIME_SERIES_DAILY_ADJUSTED."
)
INVALID_KEY = (
    "the parameter apikey is invalid or missing. Please claim your free API key on "
    "(https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds."
)
DAILY_LIMIT = f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day."
THANK_YOU = "Thank you for using Alpha Vantage!"

Answer = Callable[[Request], Response]


def series_of(days: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    newest_first = sorted(days.items(), reverse=True)
    return {day: dict(zip(FIELDS, values, strict=True)) for day, values in newest_first}


def a_body(series: Any = None, symbol: Any = "AAPL", size: str = "Compact") -> dict[str, Any]:
    meta = {
        "1. Information": "Daily Time Series with Splits and Dividend Events",
        "2. Symbol": symbol,
        "3. Last Refreshed": "2020-09-01",
        "4. Output Size": size,
        "5. Time Zone": "US/Eastern",
    }
    return {"Meta Data": meta, "Time Series (Daily)": series_of(APPLE) if series is None else series}


def with_value(field: str, *values: Any) -> str:
    """Return an answer about BAD with that value on 2020-08-28, or without the field when none is given."""
    series = series_of(APPLE)
    del series["2020-08-28"][field]
    series["2020-08-28"].update((field, value) for value in values)
    return json.dumps(a_body(series, "BAD"))


def long_history() -> dict[str, tuple[str, ...]]:
    """Return 150 sessions up to LAST, whose closes count them: the last is 150."""
    sessions = TradingCalendar("XNYS").session_index(date(2020, 1, 2), LAST)[-150:]
    return {
        f"{session:%Y-%m-%d}": (*[f"{count}.0000"] * 4, "1000", "0.0000", "1.0")
        for count, session in enumerate(sessions, start=1)
    }


def bars_at(address: str, symbols: Sequence[str], key: str = KEY, **settings: Any) -> AlphaVantageBars:
    return AlphaVantageBars(symbols, api_key=SecretStr(key), base_url=address, **settings)


class AlphaVantage:
    """Alpha Vantage on loopback: it answers 200 to everything."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.asked: list[tuple[str, str]] = []
        self._answers: dict[str, Answer] = {}
        server.expect_request("/query").respond_with_handler(self._answer)

    def has(self, symbol: str, days: dict[str, tuple[str, ...]]) -> None:
        def answer(request: Request) -> Response:
            full = request.args.get("outputsize", "compact") == "full"
            newest = list(series_of(days).items())[: None if full else 100]
            return Response(json.dumps(a_body(dict(newest), symbol, "Full size" if full else "Compact")))

        self._answers[symbol] = answer

    def answers(self, symbol: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answers[symbol] = lambda _: Response(body, status, headers)

    def bars(self, *symbols: str, **settings: Any) -> AlphaVantageBars:
        return bars_at(self.server.url_for(""), symbols, **settings)

    def _answer(self, request: Request) -> Response:
        assert request.args["function"] == "TIME_SERIES_DAILY_ADJUSTED"
        if request.args.get("apikey") != KEY:
            return Response(json.dumps({"Error Message": INVALID_KEY}))
        symbol = request.args["symbol"]
        self.asked.append((symbol, request.args["outputsize"]))
        if symbol in self._answers:
            return self._answers[symbol](request)
        return Response(json.dumps({"Error Message": INVALID_CALL}))


@pytest.fixture
def vendor(httpserver: HTTPServer) -> AlphaVantage:
    vendor = AlphaVantage(httpserver)
    vendor.has("AAPL", APPLE)
    return vendor


class TestAlphaVantageBars(BarSourceBattery):
    @pytest.fixture
    def case(self, vendor: AlphaVantage) -> SourceCase:
        vendor.has("IBM", APPLE)
        symbols = ("AAPL", "IBM")
        source = vendor.bars(*symbols)
        return SourceCase(source=source, symbols=symbols, first=FIRST, last=LAST, sessions=4, empty_year=2021)


def test_prices_volumes_dividends_and_splits_are_those_of_the_tape(vendor: AlphaVantage):
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


def test_rows_outside_the_range_are_dropped_but_a_split_soon_after_it_is_told(vendor: AlphaVantage):
    fetched = vendor.bars("AAPL").fetch(["AAPL"], date(2020, 8, 27), date(2020, 8, 27))

    assert days_of(fetched) == ["2020-08-27"]
    assert fetched.actions == (Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),)
    assert vendor.bars("AAPL").fetch(["AAPL"], date(2020, 8, 6), date(2020, 8, 23)).actions[1:] == ()


@pytest.mark.parametrize(
    ("quoted", "ratio"),
    [("0.3333", Decimal(1) / 3), ("0.05", Decimal("0.05")), ("1.5000", Decimal("1.5")), ("1.2345", Decimal("1.2345"))],
)
def test_a_split_ratio_cut_to_four_digits_is_restored(vendor: AlphaVantage, quoted: str, ratio: Decimal):
    vendor.has("IBM", APPLE | {"2020-08-28": (*APPLE["2020-08-28"][:6], quoted)})

    splits = vendor.bars("IBM").fetch(["IBM"], FIRST, date(2020, 8, 28)).actions

    assert splits[0] == Split(symbol="IBM", ex_date=date(2020, 8, 28), new_per_old=ratio)


def test_the_short_answer_is_enough_for_the_last_hundred_sessions(vendor: AlphaVantage):
    history = long_history()
    vendor.has("AAPL", history)
    oldest_of_compact = date.fromisoformat(sorted(history)[-100])

    fetched = vendor.bars("AAPL").fetch(["AAPL"], oldest_of_compact, LAST)

    assert vendor.asked == [("AAPL", "compact")]
    assert fetched.bars.frame["close"].to_list() == [float(count) for count in range(51, 151)]


def test_an_older_session_takes_the_full_answer_and_the_next_symbols_are_asked_in_full_at_once(vendor: AlphaVantage):
    history = long_history()
    vendor.has("AAPL", history)
    vendor.has("IBM", history)
    first = date.fromisoformat(sorted(history)[-101])

    fetched = vendor.bars("AAPL", "IBM").fetch(["AAPL", "IBM"], first, LAST)

    assert vendor.asked == [("AAPL", "compact"), ("AAPL", "full"), ("IBM", "full")]
    assert fetched.bars.frame.groupby("symbol").size().to_dict() == {"AAPL": 101, "IBM": 101}


def test_a_short_answer_is_not_taken_for_the_full_one(vendor: AlphaVantage):
    newest = dict(sorted(long_history().items())[-100:])
    vendor.answers("AAPL", json.dumps(a_body(series_of(newest), size="Compact")))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], date(2019, 1, 2), LAST)

    assert vendor.asked == [("AAPL", "full")]
    assert statuses(fetched) == {"AAPL": FetchStatus.FAILED}
    assert "AAPL: asked for all sessions, it gave the last 100" in fetched.outcomes[0].text


def test_the_last_session_missing_is_one_bar_fewer_and_none_is_made_up(vendor: AlphaVantage):
    vendor.has("AAPL", {day: values for day, values in APPLE.items() if day != "2020-09-01"})

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert statuses(fetched) == {"AAPL": FetchStatus.OK}
    assert days_of(fetched) == ["2020-08-27", "2020-08-28", "2020-08-31"]


def test_rows_out_of_order_are_sorted(vendor: AlphaVantage):
    days = ["2020-08-31", "2020-08-06", "2020-09-01", "2020-08-28", "2020-08-27"]
    vendor.answers("AAPL", json.dumps(a_body({day: series_of(APPLE)[day] for day in days})))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert days_of(fetched) == sorted(days)[1:]
    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]


@pytest.mark.parametrize(
    "value", ["NaN", "None", "", "n/a", "1,234.5", "1_000", "٣", "Infinity", "1e999", float("nan"), None, True, []]
)
@pytest.mark.parametrize("field", ["4. close", "6. volume", "7. dividend amount", "8. split coefficient"])
def test_what_is_no_number_fails_its_symbol_with_day_and_value(vendor: AlphaVantage, field: str, value: Any):
    found, text = good_and(vendor, with_value(field, value))

    assert found is FetchStatus.FAILED
    assert "2020-08-28" in text
    assert f"is {value!r}, which is no number" in text


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_fails_its_symbol(vendor: AlphaVantage, field: str):
    found, text = good_and(vendor, with_value(field))

    assert found is FetchStatus.FAILED
    assert f"2020-08-28 has no {field.split()[1]}" in text


@pytest.mark.parametrize(
    ("field", "value"),
    [("7. dividend amount", "-0.8200"), ("8. split coefficient", "0.0000"), ("8. split coefficient", "-2")],
)
def test_a_dividend_below_zero_and_a_split_into_nothing_fail(vendor: AlphaVantage, field: str, value: str):
    found, text = good_and(vendor, with_value(field, value))

    assert found is FetchStatus.FAILED
    assert f"2020-08-28: {'amount' if 'dividend' in field else 'new_per_old'}" in text


@pytest.mark.parametrize("day", ["2020-02-30", "20200828", "2020-08-28 16:00:00", "28.08.2020", ""])
def test_a_row_without_a_date_fails_its_symbol(vendor: AlphaVantage, day: str):
    series = series_of(APPLE)
    found, text = good_and(vendor, json.dumps(a_body(series | {day: series["2020-08-28"]}, "BAD")))

    assert found is FetchStatus.FAILED
    assert f"a row's day is {day!r}, which is no date" in text


def test_a_bad_value_of_a_day_that_was_not_asked_does_no_harm(vendor: AlphaVantage):
    series = series_of(APPLE)
    series["2020-08-06"]["4. close"] = "NaN"
    vendor.answers("AAPL", json.dumps(a_body(series)))

    assert statuses(vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)) == {"AAPL": FetchStatus.OK}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (a_body(symbol="MSFT"), "the answer is about 'MSFT', not 'BAD'"),
        (a_body(symbol=None), "the answer is about None, not 'BAD'"),
        (a_body(symbol=KEY), "the answer is about '***', not 'BAD'"),
        ({}, "an answer without 'Time Series (Daily)': {}"),
        ([], "an answer without 'Time Series (Daily)': []"),
        ({"detail": f"no luck with {KEY}"}, "no luck with ***"),
        (a_body([], "BAD"), "an answer without 'Time Series (Daily)'"),
        (a_body({"2020-08-28": "closed"}, "BAD"), "2020-08-28 has no open"),
        ({"Error Message": f"cannot help {KEY} today"}, "cannot help *** today"),
        ({"Error Message": None}, "None"),
        (a_body({"2020-08-28": dict.fromkeys(FIELDS, KEY)}, "BAD"), "open of 2020-08-28 is '***', which is no number"),
    ],
)
def test_an_answer_of_another_shape_fails_its_symbol_and_hides_the_key(vendor: AlphaVantage, body: Any, told: str):
    found, text = good_and(vendor, json.dumps(body))

    assert found is FetchStatus.FAILED
    assert told in text


def test_an_invalid_call_is_an_unknown_symbol_and_no_rows_are_no_bars(vendor: AlphaVantage):
    assert good_and(vendor, json.dumps({"Error Message": INVALID_CALL}))[0] is FetchStatus.UNKNOWN_SYMBOL
    assert good_and(vendor, json.dumps(a_body({}, "BAD", "Full size")))[0] is FetchStatus.NO_BARS


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("Note", f"{THANK_YOU} Our standard API call frequency is 5 calls per minute.", "Note: 'Thank you"),
        ("Information", f"{THANK_YOU} This is a premium endpoint.", "This is a premium endpoint"),
        ("Information", DAILY_LIMIT, "your API key as *** and our standard API rate limit is 25"),
        ("Information", DAILY_LIMIT.replace(KEY, KEY.lower()), "your API key as *** and our standard"),
        ("Information", "x" * 190 + KEY, "x***'"),
        ("Error Message", INVALID_KEY, "the parameter apikey is invalid or missing"),
        ("Error Message", "This API function (TIME_SERIES) does not exist.", "does not exist"),
    ],
)
def test_a_limit_an_unpaid_plan_and_a_bad_key_speak_for_all(vendor: AlphaVantage, name: str, said: str, told: str):
    vendor.answers("AAPL", json.dumps({name: said}))

    why = refusal(vendor.bars("AAPL"))

    assert told in why
    assert KEY.lower() not in why


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (f"<html><body>{KEY} is too busy</body></html>", 200, "200 and no JSON: '<html><body>*** is too busy"),
        (json.dumps(a_body())[:300], 200, "200 and no JSON"),
        ("", 200, "200 and no JSON"),
        (json.dumps({"message": KEY}), 404, "404 and {'message': '***'}"),
        ("<html>not here</html>", 404, "404 and no JSON"),
        ("{}", 503, "503: the provider has a fault of its own"),
        ("{}", 403, "403: the key is not accepted"),
        ("{}", 429, "429, too many requests"),
    ],
)
def test_what_is_no_answer_makes_it_unavailable(vendor: AlphaVantage, body: str, status: int, told: str):
    vendor.answers("AAPL", body, status)
    assert told in refusal(vendor.bars("AAPL"))

    vendor.answers("AAPL", body, status, {"Retry-After": "17"})
    assert ("it asks to wait 17 s" in refusal(vendor.bars("AAPL"))) == (status == 429)


def test_a_silent_server_a_closed_port_and_one_without_tls_are_told(vendor: AlphaVantage):
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))
        addresses = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, closed)]
        told = [refusal(bars_at(address, ["AAPL"], timeout=timedelta(seconds=0.2))) for address in addresses]
    told.append(refusal(bars_at(vendor.server.url_for("").replace("http://", "https://"), ["AAPL"])))

    assert [why.split()[1] for why in told] == ["ReadTimeout", "ConnectError", "ConnectError"]
    assert "SSL" in told[2]


def test_after_three_failures_in_a_row_no_more_symbols_are_asked(vendor: AlphaVantage):
    symbols = ["AAPL", "A", "B", "C", "D"]
    for symbol in symbols[1:]:
        vendor.answers(symbol, "{}")

    with pytest.raises(SourceUnavailable, match="3 symbols in a row failed, last: alpha_vantage on C"):
        vendor.bars(*symbols).fetch(symbols, FIRST, LAST)

    assert [symbol for symbol, _ in vendor.asked] == ["AAPL", "A", "B", "C"]


@pytest.mark.parametrize("echoed", ["BRK-B", "BRK.B", "brk-b"])
def test_a_share_class_is_written_with_a_dash_for_alpha_vantage_only(vendor: AlphaVantage, echoed: str):
    vendor.answers("BRK-B", json.dumps(a_body(symbol=echoed)))

    fetched = vendor.bars("BRK.B").fetch(["BRK.B"], FIRST, LAST)

    assert statuses(fetched) == {"BRK.B": FetchStatus.OK}
    assert set(fetched.bars.frame["symbol"]) == {"BRK.B"}
