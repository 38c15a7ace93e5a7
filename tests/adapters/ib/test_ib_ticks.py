"""Every tick of Interactive Brokers' lines: trades once and in order, quotes whole, through every reconnect."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from adapters.ib.quotes import IbQuotes
from adapters.tapped_ticks import TappedTicks
from adapters.tick_buffer import TickBuffer
from adapters.tick_tap import TickTap, microseconds
from ib_gateway.client import Client
from tests.adapters.ib.ib_desk import Desk, until
from tests.adapters.taken_ticks import taken
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.market.quotes import QuoteKind

PLACES = {"AAPL": 1, "MSFT": 0}


def ticks_of(desk: Desk, *, most_quotes: int = 1000, kind: QuoteKind = QuoteKind.LIVE, **patience: Any) -> TappedTicks:
    tap = TickTap(TickBuffer(most_quotes=most_quotes))
    stream = IbQuotes(
        settings=desk.settings(**patience), now=desk.clock, wanted=kind, sessions=desk.sessions[-1], tap=tap
    )
    return TappedTicks("ib", stream, tap)


def trade(desk: Desk, number: int, text: str) -> None:
    """Have the gateway tell a trade on the line of that number, as RTVolume."""
    for client in lines(desk):
        client.post(46, 6, number, 48, text)


def quote(desk: Desk, number: int, bid: float, ask: float) -> None:
    for client in lines(desk):
        client.post(1, 6, number, 1, bid, 300, 1)
        client.post(1, 6, number, 2, ask, 400, 1)


def lines(desk: Desk) -> list[Client]:
    return [client for client in desk.gateway.clients if client.subscriptions]


def number_of(desk: Desk) -> int:
    return max(number for client in lines(desk) for _, number in client.subscriptions)


async def test_a_line_tells_the_market_as_one_quote_and_its_trade_with_ibs_time(desk: Desk):
    ticks = ticks_of(desk)

    await ticks.subscribe(PLACES)
    batch = await taken(ticks, trades=2, quotes=2)

    shown = desk.clock()
    assert sorted(zip(batch.quote_symbol, batch.bid, batch.ask, strict=True)) == [
        (0, 399.99, 400.01),
        (1, 199.99, 200.01),
    ]
    assert sorted(zip(batch.trade_symbol, batch.trade_px, strict=True)) == [(0, 400.0), (1, 200.0)]
    assert set(batch.traded_at) == set(batch.trade_received_at) == {microseconds(shown)}
    assert (batch.bid_size > 0).all()
    assert (batch.trade_size > 0).all()


async def test_every_trade_is_told_once_in_order_and_the_last_one_not_again_after_a_reconnect(desk: Desk):
    """As IB documents RTVolume: 701.28;1;1348075471534;67854;701.46918464;true."""
    ticks = ticks_of(desk)
    await ticks.subscribe({"AAPL": 0})
    await taken(ticks, trades=1, quotes=1)
    told = [f"{701 + n / 100};{n + 1};{1348075471534 + n};{67854 + n};701.46918464;true" for n in range(200)]

    for text in told:
        trade(desk, number_of(desk), text)
    trade(desk, number_of(desk), ";0;1348075471999;68100;701.47;true")
    trade(desk, number_of(desk), told[-1])
    batch = await taken(ticks, trades=200)
    desk.gateway.drop_connections()
    await until(lambda: desk.heard("reqMktData") == 2)
    again = await taken(ticks, quotes=1)

    assert batch.trade_px.tolist() == [701 + n / 100 for n in range(200)]
    assert batch.trade_size.tolist() == [n + 1 for n in range(200)]
    assert batch.traded_at.tolist() == [(1348075471534 + n) * 1000 for n in range(200)]
    assert len(again.bid) == 1, "the quote of the new line, also where it is that of the old one"


async def test_a_burst_of_quotes_is_conflated_and_counted(desk: Desk):
    ticks = ticks_of(desk, most_quotes=50)
    await ticks.subscribe({"AAPL": 0})
    await taken(ticks, quotes=1)

    for n in range(1, 501):
        quote(desk, number_of(desk), 100 + n / 100, 101 + n / 100)
    trade(desk, number_of(desk), "1.5;1;1348075471534;67854;701.4;true")
    batch = await taken(ticks, trades=1, quotes=1, ask=106.0)

    assert ticks.conflated > 0
    assert 500 <= len(batch.bid) + ticks.conflated <= 1000, "a quote is two only where the socket parts bid and ask"
    assert (batch.bid[-1], batch.ask[-1]) == (105.0, 106.0)


async def test_a_side_that_nobody_quotes_any_more_is_told(desk: Desk):
    ticks = ticks_of(desk)
    await ticks.subscribe({"AAPL": 0})
    await taken(ticks, quotes=1)

    quote(desk, number_of(desk), -1, 200.01)
    batch = await taken(ticks, quotes=1)

    assert np.isnan(batch.bid[-1])
    assert batch.ask[-1] == 200.01


async def test_a_trade_that_cannot_be_read_is_a_problem_of_its_symbol(desk: Desk):
    ticks = ticks_of(desk)
    await ticks.subscribe({"AAPL": 0})
    await taken(ticks, quotes=1)

    trade(desk, number_of(desk), "seven;1;x")
    await until(ticks.problems)

    assert ticks.problems() == {"AAPL": "it sent a trade that cannot be read: 'seven;1;x'"}


async def test_a_stale_line_is_subscribed_anew_and_what_ib_does_not_know_is_named(desk: Desk):
    ticks = ticks_of(desk)

    with pytest.raises(UnknownSymbol, match="NONE") as caught:
        await ticks.subscribe({"NONE": 0, "AAPL": 1})
    await ticks.subscribe({"AAPL": 1})
    await until(lambda: desk.heard("reqMktData") == 2)

    assert caught.value.symbols == ("NONE",)
    assert desk.heard("cancelMktData") == 1, "the stale line was not given back before the new one"
    assert set((await taken(ticks, trades=1, quotes=1)).quote_symbol) == {1}
    await ticks.unsubscribe(["AAPL"])
    await until(lambda: desk.heard("cancelMktData") == 2)
    await ticks.close()


async def test_what_has_no_line_is_said_and_had_when_one_is_free(desk: Desk):
    ticks = ticks_of(desk, quote_lines=1)

    with pytest.raises(SourceUnavailable, match="MSFT: market data lines is 2, but must be at most 1"):
        await ticks.subscribe({"AAPL": 0, "MSFT": 1})

    assert set(ticks.problems()) == {"MSFT"}
    assert set((await taken(ticks, trades=1, quotes=1)).quote_symbol) == {0}
    await ticks.close()


async def test_delayed_data_are_not_taken_for_live_ones(desk: Desk):
    desk.gateway.market.without_live_data.add("MSFT")
    ticks = ticks_of(desk, kind=QuoteKind.DELAYED)

    await ticks.subscribe({"MSFT": 0})
    await taken(ticks, quotes=1)

    assert ticks.problems() == {"MSFT": "only delayed data come of it"}


async def test_the_market_moves_and_a_trade_comes_with_it(desk: Desk):
    ticks = ticks_of(desk)
    await ticks.subscribe({"AAPL": 0})
    await taken(ticks, trades=1, quotes=1)

    desk.gateway.set_price("AAPL", Decimal(201))

    assert (await taken(ticks, trades=1, quotes=1)).trade_px.tolist() == [201.0]
