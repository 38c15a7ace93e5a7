"""Bytes of any kind, in any pieces."""

import asyncio
import itertools
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from iqfeed_desk import Clock, a_server, settings_of, until

from adapters.iqfeed.level1 import IqfeedQuotes
from adapters.iqfeed.level2 import IqfeedDepth
from adapters.iqfeed.lines import LINE_LIMIT, Lines
from iqfeed_server.faults import Port
from iqfeed_server.market import Level, Tick
from trading.errors import UnknownSymbol

MESSAGES = (
    b"S,CURRENT UPDATE FIELDNAMES,Symbol,Bid,Ask,Bid Size,Ask Size,Most Recent Trade,Most Recent Trade Size,Delay",
    b"P,AAPL,188.25,188.36,100,300,188.35,52500,0,",
    b"T,20191018 12:49:55",
    b"",
    b"\xff\x00 not a message",
    b"Q," + b"9" * (LINE_LIMIT + 1),
    b"Q," + b"9" * (LINE_LIMIT - 3),
)
WORDS = {"Q", "P", "S", "n", "F", "R", "N", "T"}
streams = st.lists(st.sampled_from(MESSAGES), max_size=8).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
garbage = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_characters="\n"), max_size=60),
    st.lists(
        st.sampled_from(["Q", "P", "S", "n", "7", "8", "9", "4", "5", "q", "AAPL", "", "nan", "-1", "B", "0"])
    ).map(",".join),
)


@given(streams, st.lists(st.integers(0, 3 * LINE_LIMIT), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_pieces_of_a_stream_give_the_same_lines(stream: bytes, cuts: list[int]):
    whole, pieces = Lines(), Lines()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    expected = whole.feed(stream)
    found = [line for one, two in itertools.pairwise(places) for line in pieces.feed(stream[one:two])]

    # A line that is not too long is its bytes, read as Latin-1, without the line end and without space about it.
    plain = [line.decode("latin-1").strip() for line in stream.split(b"\n") if len(line) <= LINE_LIMIT]
    assert expected == found == [line for line in plain if line]
    assert whole.too_long == pieces.too_long == sum(len(line) > LINE_LIMIT for line in stream.split(b"\n"))


@given(st.lists(garbage, max_size=20))
@settings(max_examples=40, deadline=None)
def test_garbage_never_stops_a_stream_and_none_of_it_is_left_out_in_silence(lines: list[str]):
    sent = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    # Of its other words, none begins a message of level 1; those that do may be cut short, and are counted then.
    strange = [line for line in lines if line.strip() and line.split(",")[0].strip() not in WORDS]

    counted = asyncio.run(_quoted_after(sent))

    assert counted >= len(strange)


async def _quoted_after(sent: bytes) -> int:
    """Return how many lines were counted as strange, once a quote of after them has arrived in both streams."""
    async with a_server() as server:
        quotes = IqfeedQuotes(settings=settings_of(server), now=Clock())
        depth = IqfeedDepth(settings=settings_of(server), now=Clock())
        await quotes.subscribe(["AAPL"])
        await depth.subscribe(["@ES#"])
        for port in (Port.LEVEL1, Port.LEVEL2):
            await server.send_raw(port, sent)
        server.market.set_tick("AAPL", Tick(bid=18825, ask=18836, bid_size=1, ask_size=1, last=18835, last_size=1))
        await server.tell_quotes("AAPL")
        with suppress(UnknownSymbol):
            await depth.subscribe(["NOSUCH"])  # once that is answered, all before it was heard
        await depth.unsubscribe(["@ES#"])  # a line that cannot be read has cost the book
        await depth.subscribe(["@ES#"])
        await server.change_depth("@ES#", Level(side="B", price=1, size=77, orders=1, maker=""))
        await until(lambda: quotes.quotes()["AAPL"].last == 188.35)
        await until(lambda: depth.books()["@ES#"].bids[-1].size == 77)
        await quotes.close()
        await depth.close()
        return quotes.strange_lines
