"""Quotes of IQFeed, from a server on loopback that speaks its protocol."""

from datetime import timedelta

import pytest
from iqfeed_desk import NOON, Clock, a_server, settings_of, until

from adapters.iqfeed.level1 import NO_SERVERS, IqfeedQuotes
from iqfeed_server.faults import Fault, Port
from iqfeed_server.market import Tick
from iqfeed_server.server import IqfeedServer
from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.quotes import QuoteKind

APPLE = Tick(bid=18825, ask=18836, bid_size=100, ask_size=300, last=18835, last_size=52500)
# As recorded of AAPL in the tests of github.com/mathpaquette/IQFeed.CSharpApiClient, in the fields IQConnect chooses.
RECORDED = "P,AAPL,188.3500,52500,19:59:14.503633,19,0,188.2500,100,188.3600,100,,,,187.9700,Cbacv,8801,"


async def test_a_symbol_subscribed_is_quoted_with_its_best_prices(server: IqfeedServer, quotes: IqfeedQuotes):
    server.market.set_tick("AAPL", APPLE)

    await quotes.subscribe(["AAPL"])

    quote = quotes.quotes()["AAPL"]
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (188.25, 188.36, 100, 300)
    assert (quote.last, quote.last_size, quote.kind, quote.at, quote.error) == (
        188.35,
        52500,
        QuoteKind.LIVE,
        NOON,
        "",
    )


async def test_a_quote_moves_with_the_market(server: IqfeedServer, quotes: IqfeedQuotes, clock: Clock):
    server.market.set_tick("IBM", APPLE)
    await quotes.subscribe(["AAPL", "IBM"])
    clock.move(60)

    server.market.set_tick("IBM", Tick(bid=None, ask=10001, bid_size=0, ask_size=7, last=10000, last_size=1))
    await server.tell_quotes("IBM")
    await until(lambda: quotes.quotes()["IBM"].last == 100)

    quote = quotes.quotes()["IBM"]
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (None, 0, 100.01, 7)
    assert quotes.stale(timedelta(seconds=30)) == ("AAPL",)


async def test_an_unknown_symbol_is_named_and_the_others_are_subscribed(quotes: IqfeedQuotes):
    with pytest.raises(UnknownSymbol, match="iqfeed does not know NOSUCH"):
        await quotes.subscribe(["AAPL", "NOSUCH", "IBM"])

    assert set(quotes.quotes()) == {"AAPL", "IBM"}


@pytest.mark.parametrize("symbol", ["AAPL\r\nS,UNWATCH ALL", "A,B", "A B", "", "aapl", "A;B", "Ä"])
async def test_a_symbol_that_would_be_another_command_is_refused(quotes: IqfeedQuotes, symbol: str):
    with pytest.raises(InvalidValue, match="as IQFeed spells it"):
        await quotes.subscribe(["AAPL", symbol])

    assert quotes.quotes() == {}


async def test_no_more_symbols_than_the_account_may_watch(clock: Clock):
    async with a_server(symbol_limit=2) as server:
        quotes = IqfeedQuotes(settings=settings_of(server), now=clock)

        with pytest.raises(SourceUnavailable, match=r"MSFT is one more than may be watched.* 1 more"):
            await quotes.subscribe(["AAPL", "IBM", "MSFT", "SPY"])

        assert set(quotes.quotes()) == {"AAPL", "IBM"}
        await quotes.unsubscribe(["IBM"])
        await quotes.subscribe(["MSFT"])
        assert set(quotes.quotes()) == {"AAPL", "MSFT"}
        await quotes.close()


async def test_a_delayed_account_is_not_taken_for_a_live_one(clock: Clock):
    async with a_server(delay_minutes=15) as server:
        quotes = IqfeedQuotes(settings=settings_of(server), now=clock)

        await quotes.subscribe(["AAPL"])

        assert quotes.quotes()["AAPL"].kind is QuoteKind.DELAYED
        server.faults.arm(Fault.OWN_FIELDS, Port.LEVEL1)  # which have no field for the delay
        server.drop_connections(Port.LEVEL1)
        await until(lambda: quotes.quotes()["AAPL"].error)
        await until(lambda: not quotes.quotes()["AAPL"].error)
        assert quotes.quotes()["AAPL"].kind is QuoteKind.DELAYED
        await quotes.close()


async def test_updates_are_read_by_the_order_of_fields_that_was_confirmed(server: IqfeedServer, quotes: IqfeedQuotes):
    server.faults.arm(Fault.OWN_FIELDS, Port.LEVEL1)
    await quotes.subscribe(["AAPL"])

    await server.say(Port.LEVEL1, RECORDED)
    await until(lambda: quotes.quotes()["AAPL"].last == 188.35)

    quote = quotes.quotes()["AAPL"]
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size, quote.last_size) == (188.25, 100, 188.36, 100, 52500)


async def test_fields_without_a_bid_are_refused(server: IqfeedServer, quotes: IqfeedQuotes, clock: Clock):
    await quotes.subscribe(["AAPL"])

    await server.say(Port.LEVEL1, "S,CURRENT UPDATE FIELDNAMES,Symbol,Last,Ask")
    await until(lambda: quotes.quotes()["AAPL"].error)

    assert "does not send the field 'Bid'" in quotes.quotes()["AAPL"].error


async def test_a_connection_cut_in_mid_line_is_made_again_and_all_symbols_watched_again(
    server: IqfeedServer, quotes: IqfeedQuotes
):
    server.market.set_tick("AAPL", APPLE)
    await quotes.subscribe(["AAPL", "IBM"])
    server.faults.arm(Fault.DROP_MID_LINE, Port.LEVEL1)

    server.market.set_tick("AAPL", Tick(bid=1, ask=3, bid_size=1, ask_size=1, last=2, last_size=1))
    await server.tell_quotes("AAPL")
    await until(lambda: quotes.quotes()["AAPL"].error)
    before = quotes.quotes()["AAPL"]
    await until(lambda: quotes.quotes()["AAPL"].last == 0.02)

    assert (before.last, before.error.split(":")[0]) == (188.35, "IQConnect at 127.0.0.1")
    assert quotes.quotes()["AAPL"].error == ""
    assert server.watched(Port.LEVEL1) == [frozenset({"AAPL", "IBM"})]


async def test_a_restart_of_iqconnect_is_survived(server: IqfeedServer, quotes: IqfeedQuotes, clock: Clock):
    await quotes.subscribe(["AAPL"])
    await server.go_away()
    await until(lambda: quotes.quotes()["AAPL"].error)
    clock.move(10)

    await server.come_back()
    await until(lambda: not quotes.quotes()["AAPL"].error)

    assert quotes.stale(timedelta(seconds=5)) == ()


async def test_a_feed_that_is_lost_is_told_and_comes_back_with_new_prices(server: IqfeedServer, quotes: IqfeedQuotes):
    await quotes.subscribe(["AAPL"])
    await server.lose_feed()
    await until(lambda: quotes.quotes()["AAPL"].error == NO_SERVERS)

    with pytest.raises(SourceUnavailable, match=NO_SERVERS):
        await quotes.subscribe(["IBM"])
    server.market.set_tick("AAPL", APPLE)
    await server.restore_feed()

    await until(lambda: quotes.quotes()["AAPL"].last == 188.35)
    assert quotes.quotes()["AAPL"].error == ""


async def test_no_iqconnect_and_one_of_an_older_protocol_are_told(server: IqfeedServer, clock: Clock):
    async with a_server(protocol="6.1") as older:
        for settings, told in (
            (settings_of(older), "6.1', and not 6.2; update IQConnect"),
            (settings_of(server, level1_port=9), "127.0.0.1:9"),
        ):
            with pytest.raises(SourceUnavailable, match=told):
                await IqfeedQuotes(settings=settings, now=clock).subscribe(["AAPL"])


async def test_an_iqconnect_that_does_not_shake_hands_is_told(server: IqfeedServer, clock: Clock):
    server.faults.arm(Fault.SILENT, Port.LEVEL1, times=None)
    quotes = IqfeedQuotes(settings=settings_of(server, answer_seconds=0.1), now=clock)

    with pytest.raises(SourceUnavailable, match="does not answer in time"):
        await quotes.subscribe(["AAPL"])


async def test_a_silent_iqconnect_is_not_waited_for_for_ever(server: IqfeedServer, clock: Clock):
    server.faults.arm(Fault.SILENT, Port.LEVEL1, after=2, times=None)
    quotes = IqfeedQuotes(settings=settings_of(server, answer_seconds=0.1), now=clock)

    with pytest.raises(SourceUnavailable, match="AAPL was not answered in time"):
        await quotes.subscribe(["AAPL"])

    assert quotes.quotes() == {}
    await quotes.close()


async def test_a_stream_that_does_not_even_tell_the_time_is_made_again(server: IqfeedServer, clock: Clock):
    quotes = IqfeedQuotes(settings=settings_of(server, silent_seconds=0.1), now=clock)
    await quotes.subscribe(["AAPL"])

    await until(lambda: quotes.quotes()["AAPL"].error)
    await until(lambda: not quotes.quotes()["AAPL"].error)

    assert server.watched(Port.LEVEL1)[-1] == frozenset({"AAPL"})
    await quotes.close()


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.LONG_LINE, Fault.HALF_LINES, Fault.SLOW])
async def test_bad_bytes_are_counted_and_the_quotes_after_them_arrive(
    server: IqfeedServer, quotes: IqfeedQuotes, fault: Fault
):
    await quotes.subscribe(["AAPL"])
    server.faults.arm(fault, Port.LEVEL1)

    server.market.set_tick("AAPL", APPLE)
    await server.tell_quotes("AAPL")
    await until(lambda: quotes.quotes()["AAPL"].last == 188.35)

    assert (quotes.strange_lines > 0) == (fault in {Fault.GARBAGE, Fault.LONG_LINE})


@pytest.mark.parametrize(
    "line",
    [
        "Q,AAPL,nan,188.36,100,100,188.35,1,0,",
        "Q,AAPL,188.25,1e999,100,100,188.35,1,0,",
        "Q,AAPL,188.25",
        "Q",
        "Q,AAPL,x,y,z,a,b,c,0,",
        "E,!SYNTAX_ERROR!,",
        "Z,AAPL,188",
    ],
)
async def test_a_line_that_cannot_be_read_changes_no_quote(server: IqfeedServer, quotes: IqfeedQuotes, line: str):
    server.market.set_tick("AAPL", APPLE)
    await quotes.subscribe(["AAPL"])
    before = quotes.quotes()

    await server.say(Port.LEVEL1, line)
    await until(lambda: quotes.strange_lines)

    assert quotes.quotes() == before
    assert quotes.strange_lines == 1
