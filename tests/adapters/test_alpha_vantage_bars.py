"""Alpha Vantage, against a server on loopback that speaks its TIME_SERIES_DAILY_ADJUSTED."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.alpha_vantage_bars import AlphaVantageBars
from adapters.source_budget import SourceBudget
from tests.adapters.vendor import APPLE, FIRST, KEY, LAST, VendorBattery, fate_of_bad, good_and, refusal, tape_with
from tests.bar_source_battery import statuses
from trading.market.bars import FetchStatus
from trading.market.calendars import TradingCalendar
from trading.market.corporate_actions import Split

# As it writes them, and with how many digits.
FIELDS: Mapping[str, tuple[str, str]] = {
    "open": ("1. open", ".4f"),
    "high": ("2. high", ".4f"),
    "low": ("3. low", ".4f"),
    "close": ("4. close", ".4f"),
    "volume": ("6. volume", ".0f"),
    "dividend": ("7. dividend amount", ".4f"),
    "split": ("8. split coefficient", ".1f"),
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
Days = Sequence[tuple[str, Any]]


def days_of_tape(tape: Iterable[Mapping[str, Any]]) -> Days:
    return [(row["day"], {FIELDS[name][0]: written(row[name], name) for name in FIELDS if name in row}) for row in tape]


def written(value: Any, name: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return format(value, FIELDS[name][1]) if is_number else value


def a_body(days: Any = None, symbol: Any = "AAPL", size: str = "Compact") -> str:
    meta = {
        "1. Information": "Daily Time Series with Splits and Dividend Events",
        "2. Symbol": symbol,
        "3. Last Refreshed": "2020-09-01",
        "4. Output Size": size,
        "5. Time Zone": "US/Eastern",
    }
    days = days_of_tape(APPLE) if days is None else days
    if not isinstance(days, list):
        return json.dumps({"Meta Data": meta, "Time Series (Daily)": days})
    series = ", ".join(f"{json.dumps(day)}: {json.dumps(values)}" for day, values in days)  # a day may come twice
    return f'{{"Meta Data": {json.dumps(meta)}, "Time Series (Daily)": {{{series}}}}}'


def long_history() -> list[dict[str, Any]]:
    """Return 150 sessions up to LAST, whose closes count them: the last is 150."""
    sessions = TradingCalendar("XNYS").session_index(date(2020, 1, 2), LAST)[-150:]
    quiet = {"volume": 1000, "dividend": 0, "split": 1}
    return [
        {"day": f"{session:%Y-%m-%d}", **dict.fromkeys(("open", "high", "low", "close"), count), **quiet}
        for count, session in enumerate(sessions, start=1)
    ]


class AlphaVantage:
    """Alpha Vantage on loopback: it answers 200 to everything."""

    doubled = "200 and no JSON"  # its days are the names of an object

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.asked: list[tuple[str, str]] = []
        self._answers: dict[str, Answer] = {}
        server.expect_request("/query").respond_with_handler(self._answer)

    @property
    def symbols_asked(self) -> list[str]:
        return [symbol for symbol, _ in self.asked]

    def has(self, symbol: str, tape: Sequence[Mapping[str, Any]]) -> None:
        def answer(request: Request) -> Response:
            full = request.args.get("outputsize", "compact") == "full"
            newest = sorted(days_of_tape(tape), reverse=True)[: None if full else 100]
            return Response(a_body(newest, symbol, "Full size" if full else "Compact"))

        self._answers[symbol] = answer

    def body(self, symbol: Any, tape: Sequence[Mapping[str, Any]]) -> str:
        return a_body(days_of_tape(tape), symbol)

    def answers(self, code: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answers[code] = lambda _: Response(body, status, headers)

    def bars(
        self,
        *symbols: str,
        key: str = KEY,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
    ) -> AlphaVantageBars:
        address = base_url or self.server.url_for("")
        return AlphaVantageBars(symbols, api_key=SecretStr(key), base_url=address, timeout=timeout, budget=budget)

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


class TestAlphaVantageBars(VendorBattery):
    """It passes what every provider must."""


@pytest.mark.parametrize(
    ("quoted", "ratio"),
    [("0.3333", Decimal(1) / 3), ("0.05", Decimal("0.05")), ("1.5000", Decimal("1.5")), ("1.2345", Decimal("1.2345"))],
)
def test_a_split_ratio_cut_to_four_digits_is_restored(vendor: AlphaVantage, quoted: str, ratio: Decimal):
    vendor.has("IBM", tape_with("split", quoted))

    splits = vendor.bars("IBM").fetch(["IBM"], FIRST, date(2020, 8, 28)).actions

    assert splits[0] == Split(symbol="IBM", ex_date=date(2020, 8, 28), new_per_old=ratio)


def test_the_short_answer_is_enough_for_the_last_hundred_sessions(vendor: AlphaVantage):
    history = long_history()
    vendor.has("AAPL", history)
    oldest_of_compact = date.fromisoformat(history[-100]["day"])

    fetched = vendor.bars("AAPL").fetch(["AAPL"], oldest_of_compact, LAST)

    assert vendor.asked == [("AAPL", "compact")]
    assert fetched.bars.frame["close"].to_list() == [float(count) for count in range(51, 151)]


def test_an_older_session_takes_the_full_answer_and_the_next_symbols_are_asked_in_full_at_once(vendor: AlphaVantage):
    history = long_history()
    vendor.has("AAPL", history)
    vendor.has("IBM", history)
    first = date.fromisoformat(history[-101]["day"])

    fetched = vendor.bars("AAPL", "IBM").fetch(["AAPL", "IBM"], first, LAST)

    assert vendor.asked == [("AAPL", "compact"), ("AAPL", "full"), ("IBM", "full")]
    assert fetched.bars.frame.groupby("symbol").size().to_dict() == {"AAPL": 101, "IBM": 101}


def test_a_short_answer_is_not_taken_for_the_full_one(vendor: AlphaVantage):
    vendor.answers("AAPL", vendor.body("AAPL", long_history()[-100:]))

    fetched = vendor.bars("AAPL").fetch(["AAPL"], date(2019, 1, 2), LAST)

    assert vendor.asked == [("AAPL", "full")]
    assert statuses(fetched) == {"AAPL": FetchStatus.FAILED}
    assert "AAPL: asked for all sessions, it gave the last 100" in fetched.outcomes[0].text


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_fails_its_symbol(vendor: AlphaVantage, field: str):
    vendor.has("BAD", [{name: row[name] for name in row if name != field} for row in APPLE])

    found, text = fate_of_bad(vendor.bars("AAPL", "BAD"))

    assert found is FetchStatus.FAILED
    assert f"2020-08-27 has no {field}" in text


@pytest.mark.parametrize("day", ["2020-02-30", "20200828", "2020-08-28 16:00:00", "28.08.2020", ""])
def test_a_row_without_a_date_fails_its_symbol(vendor: AlphaVantage, day: str):
    found, text = good_and(vendor, vendor.body("BAD", [*APPLE, {**APPLE[3], "day": day}]))

    assert found is FetchStatus.FAILED
    assert f"a row's day is {day!r}, which is no date" in text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{}", "an answer without 'Time Series (Daily)': {}"),
        ("[]", "an answer without 'Time Series (Daily)': []"),
        (a_body(7, "BAD"), "an answer without 'Time Series (Daily)'"),
        (a_body([("2020-08-28", "closed")], "BAD"), "2020-08-28 has no open"),
        (json.dumps({"Error Message": f"cannot help {KEY} today"}), "cannot help *** today"),
        (json.dumps({"Error Message": None}), "None"),
        (a_body([("2020-08-28", {"1. open": KEY})], "BAD"), "open of 2020-08-28 is '***', which is no number"),
    ],
)
def test_a_series_of_another_shape_fails_its_symbol_and_hides_the_key(vendor: AlphaVantage, body: str, told: str):
    found, text = good_and(vendor, body)

    assert found is FetchStatus.FAILED
    assert told in text


def test_an_invalid_call_is_an_unknown_symbol_and_no_rows_are_no_bars(vendor: AlphaVantage):
    assert good_and(vendor, json.dumps({"Error Message": INVALID_CALL}))[0] is FetchStatus.UNKNOWN_SYMBOL
    assert good_and(vendor, a_body([], "BAD", "Full size"))[0] is FetchStatus.NO_BARS


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


def test_an_answer_of_404_makes_it_unavailable(vendor: AlphaVantage):
    vendor.answers("AAPL", json.dumps({"message": KEY}), 404)

    assert "404 and {'message': '***'}" in refusal(vendor.bars("AAPL"))


@pytest.mark.parametrize("echoed", ["BRK-B", "BRK.B", "brk-b"])
def test_a_share_class_is_written_with_a_dash_for_alpha_vantage_only(vendor: AlphaVantage, echoed: str):
    vendor.answers("BRK-B", a_body(symbol=echoed))

    fetched = vendor.bars("BRK.B").fetch(["BRK.B"], FIRST, LAST)

    assert statuses(fetched) == {"BRK.B": FetchStatus.OK}
    assert set(fetched.bars.frame["symbol"]) == {"BRK.B"}
