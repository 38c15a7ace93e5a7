"""Alpaca's quotes through alpaca-py, when they are asked for, against a server on loopback that speaks its formats."""

import inspect
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pytest_httpserver import HTTPServer

from adapters.alpaca_access import AlpacaAccess, AlpacaFeed
from adapters.alpaca_api import AlpacaApi, vendor_errors
from adapters.alpaca_quotes import AlpacaQuotes
from adapters.request_budget import Priority, RequestBudget
from tests.adapters.alpaca_server import KEY, SECRET, AlpacaServer, a_snapshot
from tests.quote_source_battery import QuoteCase, QuoteSourceBattery, quote_statuses
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchStatus

NOW = datetime(2022, 3, 18, 14, 34, tzinfo=UTC)


@pytest.fixture
def alpaca(httpserver: HTTPServer) -> AlpacaServer:
    return AlpacaServer(httpserver, snapshots={"AAPL": a_snapshot(), "IBM": a_snapshot(128.5, 128.6, 128.55)})


@pytest.fixture
def closed_port() -> Iterator[str]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


def quotes_at(access: AlpacaAccess) -> AlpacaQuotes:
    return AlpacaQuotes(access=access, now=lambda: NOW)


def refusal(access: AlpacaAccess) -> str:
    """Return why Alpaca is unavailable; no key is in it."""
    with pytest.raises(SourceUnavailable) as caught:
        quotes_at(access).fetch(["AAPL"])
    assert not [secret for secret in (KEY, SECRET) if secret.lower() in str(caught.value).lower()]
    return caught.value.why


class TestAlpacaQuotes(QuoteSourceBattery):
    @pytest.fixture
    def case(self, alpaca: AlpacaServer, closed_port: str, tmp_path: Path) -> QuoteCase:
        return QuoteCase(
            source=quotes_at(alpaca.access(tmp_path)),
            symbols=("IBM", "AAPL"),
            down=quotes_at(alpaca.access(tmp_path, base_url=closed_port)),
            refused=quotes_at(alpaca.access(tmp_path, key="PKWRONGKEY")),
            secrets=("PKWRONGKEY", KEY, SECRET),
        )


def test_the_quote_is_that_of_the_snapshot_and_the_sizes_of_its_sides_are_not_told(
    alpaca: AlpacaServer, tmp_path: Path
):
    fetched = quotes_at(alpaca.access(tmp_path)).fetch(["AAPL"])

    row = fetched.quotes.frame.iloc[0]
    assert row[["bid", "ask", "last", "last_size"]].to_list() == [161.19, 161.2, 161.1998, 200]
    assert row[["bid_size", "ask_size"]].isna().all()
    assert row["quoted_at"] == pd.Timestamp("2022-03-18T14:33:58.547942Z")


@pytest.mark.parametrize(
    ("feed", "kind"),
    [(AlpacaFeed.IEX, "live"), (AlpacaFeed.SIP, "live"), (AlpacaFeed.DELAYED_SIP, "delayed")],
)
def test_the_feed_is_asked_for_by_name_and_says_how_old_its_quotes_are(
    alpaca: AlpacaServer, tmp_path: Path, feed: AlpacaFeed, kind: str
):
    fetched = quotes_at(alpaca.access(tmp_path, feed=feed)).fetch(["AAPL"])

    assert alpaca.asked[0][1]["feed"] == feed.value
    assert fetched.quotes.frame["kind"].to_list() == [kind]


def test_a_side_that_nobody_quotes_is_nan_and_nothing_at_all_is_no_quote(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.snapshots |= {"AAPL": a_snapshot(bid=0), "IBM": {"latestQuote": None, "latestTrade": None}}

    fetched = quotes_at(alpaca.access(tmp_path)).fetch(["AAPL", "IBM"])

    assert quote_statuses(fetched) == {"AAPL": FetchStatus.OK, "IBM": FetchStatus.NO_BARS}
    assert fetched.quotes.frame["bid"].isna().all()


def test_a_quote_of_yesterday_says_so(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.snapshots["AAPL"] = a_snapshot(at="2022-03-17T20:00:00Z")

    quotes = quotes_at(alpaca.access(tmp_path)).fetch(["AAPL"]).quotes

    assert quotes.received_at - quotes.frame["quoted_at"][0] == pd.Timedelta(hours=18, minutes=34)


@pytest.mark.parametrize(
    ("snapshot", "told"),
    [
        (a_snapshot(bid="NaN"), "bp is 'NaN', but must be a number"),
        (a_snapshot(ask=float("nan")), "ap is nan, but must be"),
        (a_snapshot(last=-1), "p is -1, but must be"),
        (a_snapshot(at="yesterday"), "time is 'yesterday'"),
        (a_snapshot(at="0001-01-01T00:00:00+14:00"), "time is '0001-01-01"),
        (a_snapshot(at="2022-03-18T14:33:58"), "time is '2022-03-18T14:33:58'"),
        ([], "snapshot is [], but must be a JSON object"),
        ({"latestQuote": 7}, "latestQuote and latestTrade is [7, {}]"),
        (a_snapshot(bid=f"{KEY} {SECRET}"), "bp is '*** ***', but"),
    ],
)
def test_what_cannot_be_a_quote_fails_its_symbol_only(alpaca: AlpacaServer, tmp_path: Path, snapshot: Any, told: str):
    alpaca.snapshots["BAD"] = snapshot

    fetched = quotes_at(alpaca.access(tmp_path)).fetch(["AAPL", "BAD"])

    assert quote_statuses(fetched) == {"AAPL": FetchStatus.OK, "BAD": FetchStatus.FAILED}
    assert told in fetched.outcomes[1].text
    assert fetched.quotes.frame["symbol"].to_list() == ["AAPL"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"message": "too many requests."}, 429, "429, too many requests"),
        (
            {"message": f"forbidden {KEY}"},
            403,
            'see the block\'s `api_key` ({"message": "forbidden ***"})',
        ),
        ("<html>busy</html>", 504, "504: the provider has a fault of its own"),
        ({"message": f"no such feed {SECRET}"}, 400, '400 and {"message": "no such feed ***"}'),
        (f"<html>{KEY} is too busy</html>", 200, "its answer cannot be read: JSONDecodeError"),
        ('{"AAPL": {"latestQuote"', 200, "its answer cannot be read: JSONDecodeError"),
        ("", 200, "its answer cannot be read: ValueError an answer that is no JSON object: 'None'"),
        ("[1]", 200, "an answer that is no JSON object: '[1]'"),
        ({"message": f"sorry {KEY}"}, 200, "200 and the message 'sorry ***'"),
        ("", 302, "an answer that is no JSON object"),
    ],
)
def test_what_is_no_answer_makes_it_unavailable_at_once(
    alpaca: AlpacaServer, tmp_path: Path, body: Any, status: int, told: str
):
    """alpaca-py would sleep nine seconds over a 429 or a 504, and ask four times."""
    alpaca.answers("/v2/stocks/snapshots", body, status, {"Retry-After": "17"})
    started = time.monotonic()

    why = refusal(alpaca.access(tmp_path))

    assert told in why
    assert ("it asks to wait 17 s" in why) == (status == 429)
    assert len(alpaca.asked) == 1
    assert time.monotonic() - started < 2


def test_a_silent_server_a_closed_port_and_one_without_tls_are_told_within_the_time_out(
    alpaca: AlpacaServer, closed_port: str, tmp_path: Path
):
    """alpaca-py itself waits for ever."""
    soon = timedelta(seconds=0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = [refusal(alpaca.access(tmp_path, base_url=each, timeout=soon)) for each in (address, closed_port)]
    tls = alpaca.http.url_for("").replace("http://", "https://")
    told.append(refusal(alpaca.access(tmp_path, base_url=tls)))

    assert [why.split()[0] for why in told] == ["ReadTimeout", "ConnectionError", "SSLError"]


def test_without_room_in_the_budget_nobody_is_asked_and_nothing_waits_for_long(alpaca: AlpacaServer, tmp_path: Path):
    """Of 6 requests data may use 4: a third is kept for orders."""
    budget = RequestBudget(tmp_path / "shared", limit=6, seconds=60)
    access = alpaca.access(tmp_path, budget=budget, timeout=timedelta(seconds=1))
    while not budget.try_to_take(Priority.DATA):
        pass

    why = refusal(access)

    assert why.startswith("our budget of requests has room in")
    assert alpaca.asked == []


def test_pages_that_lead_nowhere_are_not_read_for_ever(alpaca: AlpacaServer, tmp_path: Path):
    alpaca.answers("/v2/stocks/snapshots", {"AAPL": a_snapshot(), "next_page_token": "again"})

    assert "a page that names itself as the next" in refusal(alpaca.access(tmp_path))


def test_every_error_of_the_library_and_of_what_it_is_built_on_is_translated():
    """A new kind that descends from none of those below is not translated, and fails this."""
    import requests.exceptions
    import urllib3.exceptions
    from alpaca.common import exceptions

    found = {
        kind
        for module in (exceptions, requests.exceptions, urllib3.exceptions)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
    }

    assert len(found) >= 50
    assert {kind for kind in found if not issubclass(kind, vendor_errors())} == set()


def test_every_error_becomes_the_one_of_ours_without_a_foreign_one_behind_it(alpaca: AlpacaServer, tmp_path: Path):
    api = AlpacaApi("alpaca", alpaca.access(tmp_path))

    def raised(kind: type[Exception]) -> None:
        raise kind(f"with {KEY}")

    for kind in vendor_errors():
        with pytest.raises(SourceUnavailable, match=r"with \*\*\*") as caught:
            api.ask(raised, kind)
        assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("key", ["", "two words", "line\n", "schlüssel"])
def test_a_key_that_no_header_takes_is_refused_without_being_shown(alpaca: AlpacaServer, tmp_path: Path, key: str):
    with pytest.raises(InvalidValue, match=r"api_key of alpaca is '\*\*\*', but must be"):
        alpaca.access(tmp_path, key=key)


@pytest.mark.parametrize(
    ("setting", "address", "shown"),
    [
        ("base_url", "data.alpaca.markets", "'data.alpaca.markets'"),
        ("stream_url", "https://stream.data.alpaca.markets", "'https://stream"),
        ("trading_url", "https://me:secret@host", r"'\*\*\*'"),
    ],
)
def test_what_is_no_address_is_refused(alpaca: AlpacaServer, tmp_path: Path, setting: str, address: str, shown: str):
    with pytest.raises(InvalidValue, match=f"{setting} of alpaca is {shown}.*, but must be an address such as"):
        alpaca.access(tmp_path, **{setting: address})


def test_without_the_library_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch):
    import sys

    from adapters.alpaca_api import library

    monkeypatch.setitem(sys.modules, "alpaca.common.rest", None)
    monkeypatch.delitem(sys.modules, "adapters.alpaca_clients", raising=False)

    with pytest.raises(InvalidValue, match=r"pip install openbell\[alpaca\]"):
        library("adapters.alpaca_clients")
