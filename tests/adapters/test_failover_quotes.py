"""From a stream to those who are asked, and back: nothing is lost or mixed, and who gave what is told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from adapters.alpaca_quote_stream import AlpacaQuoteStream
from adapters.alpaca_quotes import AlpacaQuotes
from adapters.failover_quotes import FailoverQuotes
from tests.adapters.alpaca_server import KEY, SECRET, AlpacaServer, AlpacaStream, a_snapshot
from tests.adapters.ib.ib_desk import until
from tests.adapters.test_failover_bars import MemoryTrail
from tests.quote_source_battery import QuoteCase, QuoteSourceBattery, quote_statuses
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchStatus
from trading.market.providers import FIRST_REST
from trading.market.quotes import FetchedQuotes

NOW = datetime(2024, 3, 15, 15, 0, tzinfo=UTC)


@dataclass
class Desk:
    """Alpaca's stream, and behind it two who are asked: Alpaca itself and another."""

    stream_server: AlpacaStream
    polled: AlpacaServer
    stream: AlpacaQuoteStream
    quotes: FailoverQuotes
    trail: MemoryTrail
    now: datetime = NOW

    async def fetch(self, *symbols: str) -> FetchedQuotes:
        return await asyncio.to_thread(self.quotes.fetch, symbols)

    async def hears(self, symbol: str, bid: float) -> None:
        await self.stream_server.quote(symbol, bid, bid + 0.02, self.now)
        await until(lambda: self.stream.quotes()[symbol].bid == bid)


@pytest.fixture
def polled(httpserver: HTTPServer) -> AlpacaServer:
    return AlpacaServer(httpserver, snapshots={"AAPL": a_snapshot(20, 20.02), "IBM": a_snapshot(30, 30.02)})


@pytest.fixture
async def desk(polled: AlpacaServer, tmp_path: Path) -> AsyncIterator[Desk]:
    async with AlpacaStream() as server:
        trail = MemoryTrail()
        access = polled.access(tmp_path)
        stream = AlpacaQuoteStream(
            access=server.access(tmp_path, timeout=timedelta(seconds=2)),
            now=lambda: desk.now,
            reconnect_after=timedelta(seconds=0.02),
        )
        polls = [AlpacaQuotes(access=access, name=name, now=lambda: desk.now) for name in ("alpaca", "other")]
        quotes = FailoverQuotes(stream, polls, trail, name=stream.name, now=lambda: desk.now)
        desk = Desk(stream_server=server, polled=polled, stream=stream, quotes=quotes, trail=trail)
        yield desk
        await stream.close()


def given(fetched: FetchedQuotes) -> dict[str, tuple[str, float]]:
    """Return who gave each symbol, and its bid."""
    bids = dict(zip(fetched.quotes.frame["symbol"], fetched.quotes.frame["bid"], strict=True))
    return {o.symbol: (o.provider, bids[o.symbol]) for o in fetched.outcomes if o.status is FetchStatus.OK}


def failover(polled: AlpacaServer, folder: Path, **settings: object) -> FailoverQuotes:
    access = polled.access(folder, **settings)
    return FailoverQuotes(
        AlpacaQuoteStream(access=access), [AlpacaQuotes(access=access)], MemoryTrail(), name="alpaca_stream"
    )


class TestFailoverQuotesWithoutItsStream(QuoteSourceBattery):
    @pytest.fixture
    def case(self, polled: AlpacaServer, tmp_path: Path) -> QuoteCase:
        return QuoteCase(
            source=failover(polled, tmp_path),
            symbols=("IBM", "AAPL"),
            down=failover(polled, tmp_path, base_url="http://127.0.0.1:9"),
            refused=failover(polled, tmp_path, key="PKWRONGKEY"),
            secrets=("PKWRONGKEY", KEY, SECRET),
        )


async def test_while_the_stream_is_fresh_nobody_else_is_asked(desk: Desk):
    await desk.quotes.subscribe(["AAPL", "IBM"])
    await desk.hears("AAPL", 10)
    await desk.hears("IBM", 11)

    fetched = await desk.fetch("AAPL", "IBM")

    assert given(fetched) == {"AAPL": ("", 10), "IBM": ("", 11)}
    assert (desk.polled.asked, desk.trail.answers) == ([], [])


async def test_a_stream_cut_in_the_middle_is_stood_in_for_and_comes_back_by_itself(desk: Desk):
    await desk.quotes.subscribe(["AAPL", "IBM"])
    await desk.hears("AAPL", 10)
    await desk.hears("IBM", 11)

    desk.stream_server.away = True
    desk.stream_server.cut()
    await until(lambda: desk.stream.quotes()["AAPL"].error)
    during = await desk.fetch("AAPL", "IBM")
    desk.stream_server.away = False
    await until(lambda: desk.stream_server.subscribed)
    await desk.hears("AAPL", 12)
    desk.now += timedelta(seconds=29)
    await desk.hears("IBM", 13)
    after = await desk.fetch("AAPL", "IBM")

    assert given(during) == {"AAPL": ("alpaca", 20), "IBM": ("alpaca", 30)}
    assert all(o.text.startswith(f"alpaca_stream on {o.symbol}: ") for o in during.outcomes)
    assert [(a.provider, a.asked, a.given) for a in desk.trail.answers] == [("alpaca", 2, 2)]
    assert given(after) == {"AAPL": ("", 12), "IBM": ("", 13)}


async def test_only_what_is_stale_or_not_streamed_is_asked_and_each_says_why(desk: Desk):
    desk.stream_server.limit = 2
    desk.polled.snapshots["KO"] = a_snapshot(40, 40.02)
    await desk.quotes.subscribe(["AAPL", "IBM"])
    await desk.quotes.subscribe(["KO"])
    await desk.hears("AAPL", 10)
    desk.now += timedelta(seconds=31)
    await desk.hears("IBM", 11)

    fetched = await desk.fetch("AAPL", "IBM", "KO", "NOSUCH")

    assert given(fetched) == {"AAPL": ("alpaca", 20), "IBM": ("", 11), "KO": ("alpaca", 40)}
    assert [o.text for o in fetched.outcomes] == [
        "alpaca_stream on AAPL: nothing was heard for 30 s",
        "",
        "alpaca_stream on KO: 405: symbol limit exceeded",
        "alpaca_stream on NOSUCH: it is not subscribed; alpaca does not know NOSUCH; other does not know NOSUCH",
    ]
    assert quote_statuses(fetched)["NOSUCH"] is FetchStatus.UNKNOWN_SYMBOL


async def test_a_source_that_does_not_answer_rests_and_the_next_is_asked_first(desk: Desk):
    """Three unanswered requests in a row: twice in the first fetch, once more in the second."""
    desk.polled.answers("/v2/stocks/snapshots", "", 503)
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match=r"on AAPL: it is not subscribed; alpaca: 503.*; other"):
            await desk.fetch("AAPL")
    desk.trail.answers = [answer for answer in desk.trail.answers if answer.provider == "alpaca"]
    desk.polled.answers_as_usual()

    resting = await desk.fetch("AAPL")
    desk.now += 2 * FIRST_REST
    rested = await desk.fetch("AAPL")

    assert (given(resting), given(rested)) == ({"AAPL": ("other", 20)}, {"AAPL": ("alpaca", 20)})
    assert [a.failed for a in desk.trail.lately("alpaca")] == [1, 1, 1, 1, 0]


async def test_what_the_stream_has_is_given_although_no_source_answers(desk: Desk):
    desk.polled.answers("/v2/stocks/snapshots", "", 503)
    await desk.quotes.subscribe(["AAPL"])
    await desk.hears("AAPL", 10)

    fetched = await desk.fetch("AAPL", "IBM")

    assert quote_statuses(fetched) == {"AAPL": FetchStatus.OK, "IBM": FetchStatus.FAILED}
    assert "other did not answer (503" in fetched.outcomes[1].text


async def test_a_stream_that_cannot_be_reached_is_no_error_where_others_can_be_asked(desk: Desk):
    desk.stream_server.refuses = (402, "auth failed")

    await desk.quotes.subscribe(["AAPL"])
    fetched = await desk.fetch("AAPL")

    assert given(fetched) == {"AAPL": ("alpaca", 20)}
    assert "auth failed" in fetched.outcomes[0].text


def test_two_providers_of_one_name_are_refused(polled: AlpacaServer, tmp_path: Path):
    access = polled.access(tmp_path)

    with pytest.raises(InvalidValue, match="each named once"):
        FailoverQuotes(AlpacaQuoteStream(access=access), [AlpacaQuotes(access=access)], MemoryTrail(), name="alpaca")
