"""What every source of bars must do that is asked over HTTP with a key: one battery, inherited by the tests of each."""

import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import pytest
from pytest_httpserver import HTTPServer

from adapters.request_budget import RequestBudget
from adapters.source_budget import SourceBudget
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import SourceUnavailable
from trading.market.adjustments import adjusted_closes
from trading.market.bars import BarSource, FetchedBars, FetchStatus, PriceBasis
from trading.market.corporate_actions import CashDividend, Split

KEY = "QK7XSECRET0V"
FIRST, LAST = date(2020, 8, 27), date(2020, 9, 1)
COLUMNS = ("day", "open", "high", "low", "close", "volume", "dividend", "split")
# Apple on the tape: a dividend of 0.82 for each old share on 2020-08-07, four new shares for one on 2020-08-31.
APPLE: tuple[Mapping[str, Any], ...] = tuple(
    dict(zip(COLUMNS, row, strict=True))
    for row in (
        ("2020-08-06", 441.62, 457.65, 439.19, 455.61, 50607200, 0.0, 1.0),
        ("2020-08-07", 452.82, 454.7, 441.17, 444.45, 49511400, 0.82, 1.0),
        ("2020-08-27", 508.57, 509.94, 495.33, 500.04, 38888100, 0.0, 1.0),
        ("2020-08-28", 504.05, 505.77, 498.31, 499.23, 46907500, 0.0, 1.0),
        ("2020-08-31", 127.58, 131.0, 126.0, 129.04, 225702700, 0.0, 4.0),
        ("2020-09-01", 132.76, 134.8, 130.53, 134.18, 151948100, 0.0, 1.0),
    )
)
NO_NUMBERS: tuple[Any, ...] = ("NaN", float("nan"), None, True)  # test_quoted_rows.py has many more
PAGE = f"<html><body>{KEY} is too busy</body></html>"


class Vendor(Protocol):
    """The server, which accepts KEY.

    Attributes:
        doubled: what is told of an answer in which 2020-08-28 comes twice.
    """

    server: HTTPServer
    doubled: str

    @property
    def symbols_asked(self) -> list[str]:
        """Return the symbols whose bars were asked for, one for each request."""
        ...

    def has(self, symbol: str, tape: Sequence[Mapping[str, Any]]) -> None:
        """Have these rows of COLUMNS, and answer as it is asked."""

    def body(self, symbol: Any, tape: Sequence[Mapping[str, Any]]) -> str:
        """Return an answer with these rows in this order."""
        ...

    def answers(self, code: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer so when asked for the bars of a symbol."""

    def bars(
        self,
        *symbols: str,
        key: str = KEY,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
    ) -> BarSource:
        """Return the adapter that asks it."""
        ...


def tape_with(field: str, value: Any, day: str = "2020-08-28") -> list[Mapping[str, Any]]:
    return [{**row, field: value} if row["day"] == day else row for row in APPLE]


def fate_of_bad(source: BarSource) -> tuple[FetchStatus, str]:
    """Return what becomes of the symbol BAD, asked together with a good one."""
    fetched = source.fetch(["AAPL", "BAD"], FIRST, LAST)
    assert statuses(fetched)["AAPL"] is FetchStatus.OK
    assert set(fetched.bars.frame["symbol"]) == {"AAPL"}
    assert {action.symbol for action in fetched.actions} == {"AAPL"}
    outcome = fetched.outcomes[1]
    assert "BAD" in outcome.text
    assert KEY not in outcome.text
    return outcome.status, outcome.text


def good_and(vendor: Vendor, body: str, status: int = 200) -> tuple[FetchStatus, str]:
    """Return what becomes of a symbol answered so, asked together with a good one."""
    vendor.answers("BAD", body, status)
    return fate_of_bad(vendor.bars("AAPL", "BAD"))


def refusal(source: BarSource, symbol: str = "AAPL") -> str:
    """Return why the provider as a whole is unavailable; the key is never in it."""
    with pytest.raises(SourceUnavailable) as caught:
        source.fetch([symbol], FIRST, LAST)
    assert KEY not in str(caught.value)
    return caught.value.why


def days_of(fetched: FetchedBars) -> list[str]:
    return [f"{session:%Y-%m-%d}" for session in fetched.bars.frame["session"]]


def answer_half(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(10_000)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"half": [1, 2')


class VendorBattery(BarSourceBattery):
    """Inherit it, and give a fixture `vendor` that has APPLE as AAPL."""

    @pytest.fixture
    def case(self, vendor: Vendor) -> SourceCase:
        vendor.has("IBM", APPLE)
        symbols = ("AAPL", "IBM")
        source = vendor.bars(*symbols)
        return SourceCase(source=source, symbols=symbols, first=FIRST, last=LAST, sessions=4, empty_year=2021)

    def test_prices_volumes_dividends_and_splits_are_those_of_the_tape(self, vendor: Vendor):
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

    def test_rows_outside_the_range_are_dropped_but_a_split_soon_after_it_is_told(self, vendor: Vendor):
        fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, date(2020, 8, 28))

        assert days_of(fetched) == ["2020-08-27", "2020-08-28"]
        assert fetched.actions == (Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),)
        assert vendor.bars("AAPL").fetch(["AAPL"], date(2020, 8, 6), date(2020, 8, 23)).actions[1:] == ()

    def test_a_range_up_to_the_end_of_time_is_asked_for(self, vendor: Vendor):
        assert len(vendor.bars("AAPL").fetch(["AAPL"], FIRST, date.max).bars.frame) == 4

    def test_the_last_session_missing_is_one_bar_fewer_and_none_is_made_up(self, vendor: Vendor):
        vendor.has("AAPL", APPLE[:-1])

        fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

        assert statuses(fetched) == {"AAPL": FetchStatus.OK}
        assert days_of(fetched) == ["2020-08-27", "2020-08-28", "2020-08-31"]

    def test_the_session_before_is_not_taken_for_the_one_that_was_asked(self, vendor: Vendor):
        vendor.answers("AAPL", vendor.body("AAPL", APPLE[:-1]))

        fetched = vendor.bars("AAPL").fetch(["AAPL"], LAST, LAST)

        assert statuses(fetched) == {"AAPL": FetchStatus.NO_BARS}
        assert fetched.bars.frame.empty

    def test_rows_out_of_order_are_sorted(self, vendor: Vendor):
        vendor.answers("AAPL", vendor.body("AAPL", [APPLE[n] for n in (4, 0, 5, 3, 2, 1)]))

        fetched = vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)

        assert days_of(fetched) == ["2020-08-27", "2020-08-28", "2020-08-31", "2020-09-01"]
        assert fetched.bars.frame["close"].to_list() == [500.04, 499.23, 129.04, 134.18]

    @pytest.mark.parametrize("close", [499.23, 500.0])
    def test_two_rows_for_one_day_are_never_taken(self, vendor: Vendor, close: float):
        vendor.answers("AAPL", vendor.body("AAPL", [*APPLE, {**APPLE[3], "close": close}]))
        source = vendor.bars("AAPL")

        told = ""
        with suppress(SourceUnavailable):
            (outcome,) = source.fetch(["AAPL"], FIRST, LAST).outcomes
            told = outcome.text

        assert vendor.doubled.format(close=close) in (told or refusal(source))

    @pytest.mark.parametrize("field", ["close", "volume", "dividend", "split"])
    def test_what_is_no_number_fails_its_symbol_with_day_and_value(self, vendor: Vendor, field: str):
        source = vendor.bars("AAPL", "BAD")
        for value in NO_NUMBERS:
            vendor.has("BAD", tape_with(field, value))

            found, text = fate_of_bad(source)

            assert found is FetchStatus.FAILED, value
            assert f"{field} of 2020-08-28 is " in text
            assert repr(value) in text
            assert "which is no number" in text

    @pytest.mark.parametrize(("field", "value"), [("dividend", -0.82), ("split", 0.0), ("split", -2.0)])
    def test_a_dividend_below_zero_and_a_split_into_nothing_fail(self, vendor: Vendor, field: str, value: float):
        vendor.has("BAD", tape_with(field, value))

        found, text = fate_of_bad(vendor.bars("AAPL", "BAD"))

        assert found is FetchStatus.FAILED
        assert f"2020-08-28: {'amount' if field == 'dividend' else 'new_per_old'}" in text

    def test_a_bad_value_of_a_day_that_was_not_asked_does_no_harm(self, vendor: Vendor):
        vendor.answers("AAPL", vendor.body("AAPL", tape_with("close", "NaN", "2020-08-06")))

        assert statuses(vendor.bars("AAPL").fetch(["AAPL"], FIRST, LAST)) == {"AAPL": FetchStatus.OK}

    @pytest.mark.parametrize(("about", "told"), [("MSFT", "'MSFT'"), (None, "None"), (KEY, "'***'")])
    def test_an_answer_about_another_symbol_fails_its_symbol(self, vendor: Vendor, about: str | None, told: str):
        found, text = good_and(vendor, vendor.body(about, APPLE))

        assert found is FetchStatus.FAILED
        assert f"{told}, not 'BAD'" in text

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ("{}", "{}"),
            ("[]", "[]"),
            ("null", "None"),
            ("5", "5"),
            ('"closed"', "'closed'"),
            (f'{{"detail": "no luck with {KEY}"}}', "no luck with ***"),
        ],
    )
    def test_an_answer_of_another_shape_fails_its_symbol_and_hides_the_key(self, vendor: Vendor, body: str, told: str):
        found, text = good_and(vendor, body)

        assert found is FetchStatus.FAILED
        assert told in text

    @pytest.mark.parametrize(
        ("body", "status", "told"),
        [
            (PAGE, 200, "200 and no JSON: '<html><body>*** is too busy"),
            ("", 200, "200 and no JSON"),
            ("<html>not here</html>", 404, "404 and no JSON"),
            ("{}", 500, "500: the provider has a fault of its own"),
            (PAGE, 503, "503: the provider has a fault of its own"),
            ("{}", 401, "401: the key is not accepted"),
            (f'{{"message": "{KEY} has no plan for this"}}', 403, "403: the key is not accepted"),
            ("{}", 429, "429, too many requests"),
        ],
    )
    def test_what_is_no_answer_makes_it_unavailable(self, vendor: Vendor, body: str, status: int, told: str):
        vendor.answers("AAPL", body, status)
        assert told in refusal(vendor.bars("AAPL"))

        vendor.answers("AAPL", body, status, {"Retry-After": "17"})
        assert ("it asks to wait 17 s" in refusal(vendor.bars("AAPL"))) == (status == 429)

    def test_half_an_answer_is_none(self, vendor: Vendor):
        vendor.answers("AAPL", vendor.body("AAPL", APPLE)[:300])

        assert "200 and no JSON" in refusal(vendor.bars("AAPL"))

    def test_a_server_that_hangs_up_in_the_middle_is_told(self, vendor: Vendor):
        with socket.create_server(("127.0.0.1", 0)) as server:
            hanging_up = Thread(target=answer_half, args=(server,))
            hanging_up.start()
            told = refusal(vendor.bars("AAPL", base_url=f"http://127.0.0.1:{server.getsockname()[1]}"))
            hanging_up.join(10)

        assert told.split()[1] == "RemoteProtocolError"

    def test_a_redirection_is_not_followed(self, vendor: Vendor):
        vendor.answers("AAPL", "", 302, {"Location": vendor.server.url_for("/elsewhere")})

        assert "302: it sends us elsewhere" in refusal(vendor.bars("AAPL"))
        assert "/elsewhere" not in {request.path for request, _ in vendor.server.log}

    def test_a_silent_server_a_closed_port_and_one_without_tls_are_told(self, vendor: Vendor):
        with socket.socket() as silent, socket.socket() as closed:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            closed.bind(("127.0.0.1", 0))
            addresses = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, closed)]
            soon = timedelta(seconds=0.2)
            told = [refusal(vendor.bars("AAPL", base_url=address, timeout=soon)) for address in addresses]
        https = vendor.server.url_for("").replace("http://", "https://")
        told.append(refusal(vendor.bars("AAPL", base_url=https)))

        assert [why.split()[1] for why in told] == ["ReadTimeout", "ConnectError", "ConnectError"]
        assert "SSL" in told[2]

    def test_a_wrong_key_is_told_and_not_shown(self, vendor: Vendor):
        with pytest.raises(SourceUnavailable, match=r"(?i)api.?key") as caught:
            vendor.bars("AAPL", key="WRONGKEY77").fetch(["AAPL"], FIRST, LAST)

        assert "WRONGKEY77" not in str(caught.value)

    def test_the_key_is_in_no_log(self, vendor: Vendor, caplog: pytest.LogCaptureFixture):
        with caplog.at_level(logging.DEBUG):
            vendor.bars("AAPL").fetch(["AAPL", "NOSUCH1"], FIRST, LAST)

        ours = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]  # which is the server's
        assert any("HTTP Request: GET http://" in line for line in ours)
        assert [line for line in ours if KEY in line] == []

    def test_after_three_failures_in_a_row_no_more_symbols_are_asked(self, vendor: Vendor):
        symbols = ["AAPL", "A", "B", "C", "D"]
        for symbol in symbols[1:]:
            vendor.answers(symbol, "{}")
        source = vendor.bars(*symbols)

        with pytest.raises(SourceUnavailable, match=f"3 symbols in a row failed, last: {source.name} on C"):
            source.fetch(symbols, FIRST, LAST)

        assert vendor.symbols_asked == ["AAPL", "A", "B", "C"]

    def test_nobody_is_asked_when_the_budget_has_no_room(self, vendor: Vendor, tmp_path: Path):
        hourly = RequestBudget(tmp_path / "hourly", limit=3, seconds=3600)
        budget = SourceBudget([hourly])
        for _ in range(3):
            budget.take("another process")

        assert "there is room in " in refusal(vendor.bars("AAPL", budget=budget))
        assert vendor.server.log == []
