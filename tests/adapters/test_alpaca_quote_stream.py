"""Alpaca's stream of quotes through alpaca-py, against a server on loopback: what arrives, is lost and is told."""

import inspect
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgpack
import pytest

from adapters.alpaca_access import AlpacaAccess, AlpacaFeed
from adapters.alpaca_quote_stream import AlpacaQuoteStream
from tests.adapters.alpaca_server import KEY, SECRET, AlpacaStream
from tests.adapters.ib.ib_desk import until
from trading.errors import SourceUnavailable
from trading.market.quotes import QuoteKind

SOON = timedelta(seconds=0.02)
NOW = datetime(2024, 3, 15, 15, 0, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def alpaca() -> AsyncIterator[AlpacaStream]:
    async with AlpacaStream() as server:
        yield server


@asynccontextmanager
async def stream_of(access: AlpacaAccess, clock: Callable[[], datetime]) -> AsyncIterator[AlpacaQuoteStream]:
    stream = AlpacaQuoteStream(access=access, now=clock, reconnect_after=SOON)
    try:
        yield stream
    finally:
        await stream.close()


async def test_a_quote_arrives_with_its_own_time(alpaca: AlpacaStream, tmp_path: Path):
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        await stream.subscribe(["AAPL", "MSFT"])
        await alpaca.quote("AAPL", 126.54, 126.56, NOW - timedelta(seconds=1))
        await until(lambda: stream.quotes()["AAPL"].at)

        quote = stream.quotes()["AAPL"]
        assert (quote.bid, quote.ask, quote.last, quote.error) == (126.54, 126.56, None, "")
        assert (quote.at, quote.kind) == (NOW - timedelta(seconds=1), QuoteKind.LIVE)
        assert stream.stale(timedelta(seconds=5)) == ("MSFT",)
        assert alpaca.subscribed == {"AAPL", "MSFT"}


async def test_a_quote_that_stops_goes_stale_and_one_that_comes_late_never_was_fresh(
    alpaca: AlpacaStream, tmp_path: Path
):
    clock = Clock()
    async with stream_of(alpaca.access(tmp_path, feed=AlpacaFeed.DELAYED_SIP), clock) as stream:
        await stream.subscribe(["AAPL", "MSFT"])
        await alpaca.quote("AAPL", 10, 11, NOW)
        await alpaca.quote("MSFT", 10, 11, NOW - timedelta(hours=18))
        await until(lambda: stream.quotes()["MSFT"].at)

        fresh_at_first = stream.stale(timedelta(seconds=5))
        clock.now += timedelta(seconds=6)

        assert (fresh_at_first, stream.stale(timedelta(seconds=5))) == (("MSFT",), ("AAPL", "MSFT"))
        assert stream.quotes()["AAPL"].kind is QuoteKind.DELAYED


async def test_a_quote_that_was_overtaken_by_a_newer_one_is_left(alpaca: AlpacaStream, tmp_path: Path):
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        await stream.subscribe(["AAPL", "MSFT"])
        await alpaca.quote("AAPL", 12, 13, NOW)
        await alpaca.quote("AAPL", 10, 11, NOW - timedelta(seconds=1))
        await alpaca.quote("MSFT", 1, 2, NOW)
        await until(lambda: stream.quotes()["MSFT"].at)

        assert stream.quotes()["AAPL"].bid == 12


async def test_a_cut_connection_is_told_at_once_and_made_anew_with_all_symbols(alpaca: AlpacaStream, tmp_path: Path):
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        await stream.subscribe(["AAPL"])
        await stream.subscribe(["MSFT"])
        await alpaca.quote("AAPL", 10, 11, NOW)
        await until(lambda: stream.quotes()["AAPL"].at)

        alpaca.away = True
        alpaca.cut()
        await until(lambda: alpaca.connections > 2)
        lost = stream.quotes()["AAPL"]
        alpaca.away = False
        await until(lambda: not stream.quotes()["AAPL"].error)
        await alpaca.quote("AAPL", 12, 13, NOW)
        await until(lambda: stream.quotes()["AAPL"].bid == 12)

        assert lost.bid == 10
        assert lost.error
        assert alpaca.subscribed == {"AAPL", "MSFT"}


async def test_more_symbols_than_the_plan_has_are_refused_and_nothing_is_changed(alpaca: AlpacaStream, tmp_path: Path):
    alpaca.limit = 2
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        await stream.subscribe(["AAPL", "MSFT"])

        with pytest.raises(SourceUnavailable, match="405: symbol limit exceeded"):
            await stream.subscribe(["IBM"])

        assert set(stream.quotes()) == {"AAPL", "MSFT"}
        await stream.unsubscribe(["MSFT"])
        await stream.subscribe(["IBM"])
        assert set(stream.quotes()) == alpaca.subscribed == {"AAPL", "IBM"}


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((402, f"auth failed {KEY} {SECRET}"), "auth failed *** ***"),
        ((406, "connection limit exceeded"), "connection limit exceeded"),
        ((409, "insufficient subscription"), "insufficient subscription"),
    ],
)
async def test_a_refused_connection_says_why_and_shows_no_key(
    alpaca: AlpacaStream,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    refusal: tuple[int, str],
    told: str,
):
    alpaca.refuses = refusal
    with caplog.at_level(logging.DEBUG):
        async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
            with pytest.raises(SourceUnavailable) as caught:
                await stream.subscribe(["AAPL"])

            assert told in caught.value.why
            assert told in stream.quotes()["AAPL"].error
    ours = [f"{r.getMessage()} {r.exc_info}" for r in caplog.records if not r.name.startswith("websockets.server")]
    assert not [line for line in ours if KEY in line or SECRET in line or SECRET.encode().hex(" ")[:20] in line]


async def test_once_it_takes_the_keys_again_the_symbols_are_had_without_being_asked_for(
    alpaca: AlpacaStream, tmp_path: Path
):
    alpaca.refuses = (402, "auth failed")
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        with pytest.raises(SourceUnavailable):
            await stream.subscribe(["AAPL"])

        alpaca.refuses = None
        await until(lambda: alpaca.subscribed)

        assert alpaca.subscribed == {"AAPL"}
        await until(lambda: stream.quotes()["AAPL"].error == "")


async def test_a_server_that_says_nothing_is_given_up_within_the_time_out(alpaca: AlpacaStream, tmp_path: Path):
    """alpaca-py itself waits for the first words for ever."""
    alpaca.silent = True
    async with stream_of(alpaca.access(tmp_path, timeout=timedelta(seconds=0.2)), Clock()) as stream:
        with pytest.raises(SourceUnavailable, match=r"no answer in 0\.2 s"):
            await stream.subscribe(["AAPL"])

        assert stream.stale(timedelta(hours=1)) == ("AAPL",)


def test_every_error_of_websockets_and_messagepack_counts_as_a_lost_connection():
    import msgpack.exceptions
    import websockets.exceptions

    from adapters.alpaca_socket import SOCKET_ERRORS

    found = {
        kind
        for module in (websockets.exceptions, msgpack.exceptions)
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Exception) and kind is not Exception
    }

    assert len(found) >= 30
    assert {kind for kind in found if not issubclass(kind, SOCKET_ERRORS)} == set()


async def test_a_subscription_of_nothing_connects_nowhere(alpaca: AlpacaStream, tmp_path: Path):
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        await stream.subscribe([])

        assert (stream.quotes(), stream.stale(SOON), alpaca.connections) == ({}, (), 0)


@pytest.mark.parametrize(
    "message",
    [
        "text",
        b"\xc1",
        7,
        [7, None, {"T": "q"}, {"T": "zzz"}],
        [{"T": "q", "S": "AAPL", "bp": "NaN", "ap": 1, "t": 1}],
        [{"T": "q", "S": "AAPL", "bp": 1, "ap": 1, "t": "today"}],
        [{"T": "q", "S": "AAPL", "bp": 1, "ap": 1, "t": msgpack.Timestamp(1 << 50)}],
        [{"T": "q", "S": "ZZZ", "bp": 1, "ap": 1}],
        [{"T": "error", "code": 500, "msg": f"internal error {KEY}"}],
    ],
)
async def test_what_makes_no_sense_leaves_the_quotes_and_the_connection_as_they_are(
    alpaca: AlpacaStream, tmp_path: Path, message: Any
):
    async with stream_of(alpaca.access(tmp_path), Clock()) as stream:
        await stream.subscribe(["AAPL"])
        await alpaca.quote("AAPL", 10, 11, NOW)
        await alpaca.send(message)
        await until(lambda: stream.quotes()["AAPL"].at)

        before = stream.quotes()["AAPL"]
        await alpaca.quote("AAPL", 12, 13, NOW)
        await until(lambda: stream.quotes()["AAPL"].bid == 12)

        assert (before.bid, before.ask) == (10, 11)
        assert set(stream.quotes()) == {"AAPL"}
        assert KEY not in before.error
        assert alpaca.connections == 1
