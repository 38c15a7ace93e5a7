"""Yahoo through yfinance, against a server on loopback that speaks Yahoo's chart JSON."""

import inspect
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.yahoo_access import YahooAccess
from adapters.yahoo_bars import MEANING, YahooBars
from adapters.yahoo_charts import to_single_precision
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import SourceUnavailable
from trading.market.bars import FetchStatus, PriceBasis
from trading.market.corporate_actions import CashDividend, Split

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2020, 8, 27), date(2020, 9, 1)
# Apple as Yahoo served it after its 4-for-1 split of 2020-08-31: earlier closes divided by 4, in single precision.
APPLE_DAYS = [date(2020, 8, 27), date(2020, 8, 28), date(2020, 8, 31), date(2020, 9, 1)]
APPLE_CLOSES = [125.01000213623047, 124.80750274658203, 129.03999328613281, 134.17999267578125]
APPLE_VOLUMES = [155552400, 187630000, 225702700, 151948100]
FOUR_FOR_ONE = {"numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}


def stamp(day: date) -> int:
    return int(pd.Timestamp(day, tz=NEW_YORK).timestamp()) + 34_200  # 09:30, the open


def a_chart(
    symbol: str = "AAPL",
    days: list[date] = APPLE_DAYS,
    closes: list[float | None] = APPLE_CLOSES,  # type: ignore[assignment] # no prices are None here
    volumes: list[int] = APPLE_VOLUMES,
    dividends: dict[date, float] | None = None,
    splits: dict[date, dict[str, Any]] | None = None,
    currency: str = "USD",
) -> dict[str, Any]:
    last = stamp(days[-1]) if days else stamp(LAST)
    period = {"timezone": "EDT", "start": last, "end": last + 23_400, "gmtoffset": -14_400}
    meta = {
        "currency": currency,
        "symbol": symbol,
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EDT",
        "gmtoffset": -14_400,
        "regularMarketTime": last,
        "regularMarketPrice": 134.18,
        "firstTradeDate": 345_479_400,
        "currentTradingPeriod": dict.fromkeys(("pre", "regular", "post"), period),
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "max"],
    }
    events = {
        "dividends": {str(stamp(d)): {"amount": a, "date": stamp(d)} for d, a in (dividends or {}).items()},
        "splits": {str(stamp(d)): {"date": stamp(d), **s} for d, s in (splits or {}).items()},
    }
    quote = dict.fromkeys(("open", "high", "low", "close"), closes) | {"volume": volumes}
    indicators = {"quote": [quote if days else {}], "adjclose": [{"adjclose": closes} if days else {}]}
    result = {"meta": meta, "events": events, "indicators": indicators}
    if days:
        result["timestamp"] = [stamp(d) for d in days]
    return {"chart": {"error": None, "result": [result]}}


def an_error(code: str, description: str) -> str:
    return json.dumps({"chart": {"result": None, "error": {"code": code, "description": description}}})


Answer = Callable[[Request], Response]


def in_range(request: Request, **chart: Any) -> Response:
    """Answer like Yahoo: the time-zone probe with the last day, a range with its days, or that there is none."""
    days, closes, volumes = (
        chart.pop(k, v) for k, v in (("days", APPLE_DAYS), ("closes", APPLE_CLOSES), ("volumes", APPLE_VOLUMES))
    )
    after = int(request.args.get("period1", 0))
    kept = [n for n, d in enumerate(days) if stamp(d) >= after]
    if not kept:
        return Response(an_error("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2"), status=400)
    answer = a_chart(
        days=[days[n] for n in kept], closes=[closes[n] for n in kept], volumes=[volumes[n] for n in kept], **chart
    )
    return Response(json.dumps(answer))


class Yahoo:
    """Yahoo on loopback: symbols it was not told of are not found."""

    def __init__(self, server: HTTPServer) -> None:
        self.server, self.asked = server, []
        self._answers: dict[str, Answer] = {}
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def answers(self, symbol: str, answer: Answer | str, status: int = 200) -> None:
        self._answers[symbol] = answer if callable(answer) else lambda _: Response(answer, status=status)

    def bars(self, *symbols: str, **settings: Any) -> YahooBars:
        return YahooBars(YahooAccess(self.server.url_for(""), **settings), symbols)

    def _answer(self, request: Request) -> Response:
        if request.path == "/v1/test/getcrumb":
            return Response("crumb")
        if not request.path.startswith("/v8/finance/chart/"):
            return Response("", status=404)
        symbol = request.path.rsplit("/", 1)[1]
        self.asked.append(symbol)
        if symbol in self._answers:
            return self._answers[symbol](request)
        return Response(an_error("Not Found", "No data found, symbol may be delisted"), status=404)


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    import yfinance

    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


@pytest.fixture
def yahoo(httpserver: HTTPServer) -> Iterator[Yahoo]:
    yield Yahoo(httpserver)
    httpserver.check_assertions()


class TestYahooBars(BarSourceBattery):
    @pytest.fixture
    def case(self, yahoo: Yahoo) -> SourceCase:
        splits = {date(2020, 8, 31): FOUR_FOR_ONE}
        yahoo.answers("AAPL", lambda r: in_range(r, splits=splits, dividends={date(2020, 8, 28): 0.205}))
        yahoo.answers("IBM", lambda r: in_range(r, symbol="IBM"))
        return SourceCase(
            source=yahoo.bars("AAPL", "IBM"),
            symbols=("AAPL", "IBM"),
            first=FIRST,
            last=LAST,
            sessions=4,
            empty_year=2021,
        )


def test_prices_volumes_and_dividends_are_brought_back_to_what_was_traded_and_paid(yahoo: Yahoo):
    # Apple's closes on the tape: 500.04, 499.23, then 129.04 and 134.18 in new shares.
    splits = {date(2020, 8, 31): FOUR_FOR_ONE}
    yahoo.answers("AAPL", lambda r: in_range(r, splits=splits, dividends={date(2020, 8, 28): 0.205}))

    fetched = yahoo.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert fetched.bars.price_basis is PriceBasis.RAW
    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]
    assert fetched.bars.frame["volume"].to_list() == [38888100, 46907500, 225702700, 151948100]
    assert fetched.actions == (
        CashDividend(symbol="AAPL", ex_date=date(2020, 8, 28), amount_per_share=Decimal("0.82")),
        Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),
    )


def test_a_split_after_the_range_is_undone_too_and_reported_as_announced(yahoo: Yahoo):
    yahoo.answers("AAPL", lambda r: in_range(r, splits={date(2020, 8, 31): FOUR_FOR_ONE}))

    fetched = yahoo.bars("AAPL").fetch(["AAPL"], FIRST, date(2020, 8, 28))

    assert fetched.bars.frame["close"].to_list() == [500.04, 499.23]
    assert fetched.actions == (Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),)


def test_a_consolidation_keeps_its_exact_ratio(yahoo: Yahoo):
    one_for_three = {"numerator": 1.0, "denominator": 3.0, "splitRatio": "1:3"}
    yahoo.answers("AAPL", lambda r: in_range(r, splits={date(2020, 8, 31): one_for_three}))

    (split,) = yahoo.bars("AAPL").fetch(["AAPL"], FIRST, LAST).actions

    assert split == Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(1) / Decimal(3))


def test_a_session_with_null_prices_is_no_bar_and_a_range_of_them_is_no_bars(yahoo: Yahoo):
    holes = [*APPLE_CLOSES[:2], None, None]
    yahoo.answers("AAPL", lambda r: in_range(r, closes=holes))
    yahoo.answers("IBM", lambda r: in_range(r, closes=[None] * 4))

    fetched = yahoo.bars("AAPL", "IBM").fetch(["AAPL", "IBM"], FIRST, LAST)

    assert statuses(fetched) == {"AAPL": FetchStatus.OK, "IBM": FetchStatus.NO_BARS}
    assert [d.date() for d in fetched.bars.frame["session"]] == APPLE_DAYS[:2]


def good_and(yahoo: Yahoo, answer: Answer | str, status: int = 200, **settings: Any) -> tuple[FetchStatus, str]:
    """Return what becomes of a symbol answered so, asked together with a good one."""
    yahoo.answers("AAPL", in_range)
    yahoo.answers("BAD", answer, status)
    fetched = yahoo.bars("AAPL", "BAD", **settings).fetch(["AAPL", "BAD"], FIRST, LAST)
    assert statuses(fetched)["AAPL"] is FetchStatus.OK
    assert set(fetched.bars.frame["symbol"]) == {"AAPL"}
    return fetched.outcomes[1].status, fetched.outcomes[1].text


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (an_error("Not Found", "No data found, symbol may be delisted"), 404, FetchStatus.UNKNOWN_SYMBOL),
        (json.dumps(a_chart(days=[], closes=[], volumes=[])), 200, FetchStatus.NO_BARS),
        (json.dumps({"chart": {"error": None, "result": []}}), 200, FetchStatus.NO_BARS),
        (json.dumps({"chart": {"error": None, "result": None}}), 200, FetchStatus.NO_BARS),
        (json.dumps(a_chart())[:300], 200, FetchStatus.FAILED),
        ("<html><body>We are sorry</body></html>", 200, FetchStatus.FAILED),
        ("<html><body>not here</body></html>", 404, FetchStatus.FAILED),
        ("<html><body>broken</body></html>", 500, FetchStatus.FAILED),
        ("[" * 100_000, 200, FetchStatus.FAILED),
        (an_error("Internal", "broken"), 503, FetchStatus.FAILED),
        ("", 200, FetchStatus.FAILED),
        ("[]", 200, FetchStatus.FAILED),
        (json.dumps({"chart": {"error": None, "result": [{"meta": {}}]}}), 200, FetchStatus.FAILED),
    ],
)
def test_what_yahoo_answers_decides_what_became_of_a_symbol(yahoo: Yahoo, body: str, status: int, outcome: FetchStatus):
    found, text = good_and(yahoo, body, status)

    assert found is outcome
    assert "BAD" in text


def test_an_answer_that_takes_too_long_fails_its_symbol(yahoo: Yahoo):
    done = threading.Event()

    def wait(_: Request) -> Response:
        done.wait(5)
        return Response("")

    try:
        found, text = good_and(yahoo, wait, timeout=timedelta(seconds=0.5))
    finally:
        done.set()

    assert found is FetchStatus.FAILED
    assert "timed out" in text


def test_prices_in_pence_are_not_taken_for_pounds(yahoo: Yahoo):
    found, text = good_and(yahoo, json.dumps(a_chart(currency="GBp")))

    assert found is FetchStatus.FAILED
    assert "quotes BAD in GBp, not in USD" in text


@pytest.mark.parametrize("status", [429, 403, 401])
def test_a_provider_that_refuses_us_is_unavailable_as_a_whole(yahoo: Yahoo, status: int):
    with pytest.raises(SourceUnavailable, match="asked for BAD"):
        good_and(yahoo, "Too Many Requests", status)


def test_a_provider_that_cannot_be_reached_is_unavailable_as_a_whole():
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        source = YahooBars(YahooAccess(f"http://127.0.0.1:{nobody_listens.getsockname()[1]}"), ["AAPL", "IBM"])

        with pytest.raises(SourceUnavailable, match="every symbol failed"):
            source.fetch(["AAPL", "IBM"], FIRST, LAST)


def test_after_three_failures_in_a_row_no_more_symbols_are_asked(yahoo: Yahoo):
    symbols = ["AAPL", "A", "B", "C", "D", "E"]
    for symbol in symbols:
        yahoo.answers(symbol, in_range if symbol == "AAPL" else "<html>")

    with pytest.raises(SourceUnavailable, match="3 symbols in a row failed"):
        yahoo.bars(*symbols).fetch(symbols, FIRST, LAST)

    assert not {"D", "E"} & set(yahoo.asked)


def test_a_symbol_that_failed_is_well_again_on_the_next_fetch(yahoo: Yahoo):
    source = yahoo.bars("AAPL", "IBM")
    yahoo.answers("AAPL", in_range)
    yahoo.answers("IBM", "<html>")
    assert statuses(source.fetch(["AAPL", "IBM"], FIRST, LAST))["IBM"] is FetchStatus.FAILED

    yahoo.answers("IBM", in_range)

    assert statuses(source.fetch(["AAPL", "IBM"], FIRST, LAST))["IBM"] is FetchStatus.OK


def test_a_share_class_is_written_with_a_dash_for_yahoo_only(yahoo: Yahoo):
    yahoo.answers("BRK-B", in_range)

    fetched = yahoo.bars("BRK.B").fetch(["BRK.B"], FIRST, LAST)

    assert statuses(fetched) == {"BRK.B": FetchStatus.OK}
    assert set(fetched.bars.frame["symbol"]) == {"BRK.B"}


def test_every_exception_of_yfinance_has_a_meaning():
    from yfinance import exceptions

    raised = {name for name, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)}

    assert len(raised) >= 9
    assert raised == set(MEANING)


def test_yfinance_is_left_as_it_was_found(yahoo: Yahoo):
    import yfinance

    yahoo.answers("AAPL", in_range)
    yahoo.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

    assert yfinance.config.debug.hide_exceptions is True


@pytest.mark.parametrize(
    ("served", "meant"), [(129.03999328613281, 129.04), (3000.1201171875, 3000.12), (0.09977679, 0.09977679)]
)
def test_the_noise_of_single_precision_is_taken_off(served: float, meant: float):
    assert to_single_precision(np.array([served, np.nan, 0.0]))[0] == meant
