"""Quotes: lines are counted, kept alive, and never taken for fresh when they are not."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.ib.quotes import IbQuotes
from ib_gateway.scenarios import Action, Fault
from tests.adapters.ib.ib_desk import Desk, until
from trading.errors import InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.quotes import QuoteKind, QuoteStream


def quotes_of(desk: Desk, wanted: QuoteKind = QuoteKind.LIVE, **patience: Any) -> IbQuotes:
    return IbQuotes(settings=desk.settings(**patience), now=desk.clock, wanted=wanted, sessions=desk.sessions[-1])


async def test_a_quote_shows_bid_ask_and_last_of_the_market(desk: Desk):
    quotes = quotes_of(desk)

    await quotes.subscribe(["AAPL"])
    await until(lambda: quotes.quotes()["AAPL"].last)

    quote = quotes.quotes()["AAPL"]
    shown = desk.gateway.market.quote(_con_id(desk), desk.clock())
    assert (quote.bid, quote.ask, quote.last) == (float(shown.bid), float(shown.ask), float(shown.last))
    assert quote.last == 200
    assert (quote.kind, quote.at) == (QuoteKind.LIVE, desk.clock())


def _con_id(desk: Desk) -> int:
    from ib_gateway.contracts import Contract

    return desk.gateway.market.find(Contract(symbol="AAPL", sec_type="STK", currency="USD"))[0].con_id


async def test_more_symbols_than_lines_are_refused_before_ib_is_asked(desk: Desk):
    """100 lines is what a user has; IB answers 101.

    https://aifinhub.io/articles/ibkr-tws-api-rate-limits-2026/
    """
    quotes = quotes_of(desk, quote_lines=2)
    await quotes.subscribe(["AAPL"])

    with pytest.raises(InvalidValue, match="market data lines is 3, but must be at most 2"):
        await quotes.subscribe(["MSFT", "KO"])

    await quotes.unsubscribe(["AAPL"])
    await quotes.subscribe(["MSFT", "KO"])
    assert set(quotes.quotes()) == {"MSFT", "KO"}


async def test_a_gateway_that_is_away_is_the_sources_fault(desk: Desk):
    away: QuoteStream = quotes_of(desk, port=1)

    for ask in (away.subscribe, away.unsubscribe):
        with pytest.raises(SourceUnavailable, match="nothing answers on 127"):
            await ask(["AAPL"])


async def test_an_unknown_symbol_has_no_quote(desk: Desk):
    with pytest.raises(UnknownSymbol, match="NONE"):
        await quotes_of(desk).subscribe(["NONE"])


async def test_data_that_are_not_paid_for_say_so_and_delayed_ones_are_called_delayed(desk: Desk):
    """354 without a subscription, 10167 when delayed data come instead.

    https://interactivebrokers.github.io/tws-api/delayed_data.html
    """
    desk.gateway.market.without_live_data.add("MSFT")
    live = quotes_of(desk)
    await live.subscribe(["MSFT"])
    await until(lambda: live.quotes()["MSFT"].error)
    assert live.quotes()["MSFT"].error.startswith("354:")
    await desk.as_after_a_restart()

    delayed = quotes_of(desk, QuoteKind.DELAYED)
    await delayed.subscribe(["MSFT"])
    await until(lambda: delayed.quotes()["MSFT"].last)

    assert delayed.quotes()["MSFT"].kind is QuoteKind.DELAYED
    assert delayed.quotes()["MSFT"].error == ""


async def test_a_quote_that_nothing_was_heard_of_for_too_long_is_stale(desk: Desk):
    """Subscriptions die without a word.

    https://github.com/nautechsystems/nautilus_trader/pull/3968
    """
    quotes = quotes_of(desk)
    await quotes.subscribe(["AAPL"])
    await until(lambda: quotes.quotes()["AAPL"].last)
    fresh = quotes.stale(timedelta(seconds=30))
    desk.gateway.faults.add(Fault(on="tickPrice", do=Action.DROP))
    desk.gateway.faults.add(Fault(on="tickSize", do=Action.DROP))

    desk.clock.at += timedelta(seconds=31)

    assert fresh == ()
    assert quotes.stale(timedelta(seconds=30)) == ("AAPL",)


@pytest.mark.parametrize("code", [1101, 2104])
async def test_lines_are_subscribed_anew_when_ib_has_lost_them(desk: Desk, code: int):
    """Neither library does so: ib_insync #256; bars die silently when a farm flaps (nautilus_trader PR 3968).

    https://github.com/erdewit/ib_insync/issues/256
    """
    quotes = quotes_of(desk)
    await quotes.subscribe(["AAPL", "MSFT"])
    await until(lambda: desk.heard("reqMktData") == 2)

    desk.gateway.farm(2103)
    desk.gateway.farm(code)

    await until(lambda: desk.heard("reqMktData") == 4)


async def test_lines_are_subscribed_anew_after_a_reconnect(desk: Desk):
    quotes = quotes_of(desk)
    await quotes.subscribe(["AAPL"])
    await until(lambda: quotes.quotes()["AAPL"].last)
    desk.gateway.drop_connections()

    await until(lambda: desk.heard("reqMktData") == 2)
    desk.gateway.set_price("AAPL", Decimal(201))

    await until(lambda: quotes.quotes()["AAPL"].last == 201)


async def test_a_stale_line_can_be_renewed(desk: Desk):
    quotes = quotes_of(desk)
    await quotes.subscribe(["AAPL"])

    await quotes.renew(["AAPL"])

    await until(lambda: (desk.heard("reqMktData"), desk.heard("cancelMktData")) == (2, 1))
