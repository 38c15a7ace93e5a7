"""What is no daily bar: fetched from a Yahoo on loopback, judged, stored or put aside, and shown with its verdict."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.artifacts import Artifact
from werkzeug import Request, Response

from adapters import yahoo_chains, yahoo_quotes
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from flows.check_quotes import check_quotes
from flows.ingest_chains import ingest_chains
from flows.ingest_minutes import ingest_minutes
from tasks.ask import ask_chains
from tasks.judge import JudgedChain, volatility_rows
from tasks.keep import keep_minutes
from tests.adapters.test_yahoo_chains import an_option
from tests.adapters.test_yahoo_chains import serve as serve_chain
from tests.adapters.test_yahoo_minute_bars import CHART, NOT_FOUND
from tests.adapters.test_yahoo_minute_bars import serve as serve_minutes
from tests.adapters.test_yahoo_quotes import APPLE
from tests.adapters.yahoo_server import Yahoo, _own_cache, yahoo
from tests.flows.desks import Copy, DeskFolder
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import PRICE_COLUMNS, DailyBars, PriceBasis, bars_frame
from trading.market.calendars import TradingCalendar
from trading.market.feed_verdicts import FeedKind, FeedVerdict
from trading.market.minute_bars import FetchedMinuteBars, MinuteBars, minute_frame
from trading.market.quality import Rule, SymbolVerdict
from trading.options import american
from trading.options.chain_checks import check_chain
from trading.options.chain_quality import ChainPolicy, ChainRule
from trading.options.terms import ExpiryTime, PricingTerms
from trading.options.vanilla import VanillaOptions

__all__ = ["_own_cache", "yahoo"]

XNYS = TradingCalendar("XNYS")
DAY = XNYS.previous_session(XNYS.local_date(datetime.now(UTC)))
EXPIRIES = tuple(DAY + timedelta(days=days) for days in (60, 120))
STRIKES = (90.0, 95.0, 100.0, 105.0, 110.0)


async def a_feed(yahoo: Yahoo, name: str = "yahoo", path: str = "") -> str:
    """Save the block of a feed that asks that server."""
    block = f"feed-{name}-{time.monotonic_ns()}"
    await MarketFeed(name=name, base_url=yahoo.address + path).asave(block)
    return block


async def table(key: str) -> dict[str, dict[str, Any]]:
    """Return the rows of an artifact by their first cell."""
    artifact = await Artifact.get(key)
    assert artifact is not None
    return {next(iter(row.values())): row for row in json.loads(str(artifact.data))}


def put_aside(desk: DeskFolder) -> list[Path]:
    return sorted((desk.home / "quarantine").glob("*.parquet"))


def store_closes(desk: DeskFolder, **closes: float) -> None:
    """Store daily bars of the session, under the name `daily`."""
    rows = [{"symbol": s, "session": DAY, **dict.fromkeys(PRICE_COLUMNS, px)} for s, px in closes.items()]
    bars = DailyBars(frame=bars_frame(pd.DataFrame(rows)), source="daily", price_basis=PriceBasis.RAW)
    DeskStorage(home=desk.home).store().upsert(bars, known_at=datetime.now(UTC))


# -- minute bars


def trade(yahoo: Yahoo, symbol: str, px: float, last_px: float | None = None) -> int:
    """Have it know a bar for each half hour of the session, at that price but for the last; return how many."""
    times = pd.date_range(XNYS.open_at(DAY), XNYS.close_at(DAY), freq="30min", inclusive="left")
    prices = dict.fromkeys(times.tz_convert("America/New_York").to_pydatetime(), px)
    prices[max(prices)] = last_px or px
    serve_minutes(yahoo, prices, symbol)
    return len(prices)


def stored_minutes(desk: DeskFolder) -> pd.DataFrame:
    store = DeskStorage(home=desk.home).minute_store()
    return store.read("yahoo", None, XNYS.open_at(DAY), XNYS.close_at(DAY)).frame


async def test_minutes_that_pass_are_stored_and_fetching_them_again_changes_nothing(
    empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo
):
    desk, feed, count = await copy_of(empty_desk), await a_feed(yahoo), trade(yahoo, "AAPL", 230.0)

    state = await ingest_minutes(feed, ["AAPL"], DAY, storage=desk.storage, return_state=True)
    again = await ingest_minutes(feed, ["AAPL"], DAY, storage=desk.storage, return_state=True)

    assert state.message == f"yahoo {DAY}: minutes of 1 symbols, 0 quarantined, {count} bars added, 0 changed"
    assert again.message == f"yahoo {DAY}: minutes of 1 symbols, 0 quarantined, 0 bars added, 0 changed"
    assert stored_minutes(desk)["close"].to_list() == [230.0] * count
    verdict = desk.ledger.feeds.last(FeedKind.MINUTES, "yahoo", "AAPL")
    assert (verdict.session, verdict.verdicts) == (DAY, {"AAPL": (SymbolVerdict.PASS, 1.0)})
    assert (await table("minutes-verdicts"))["AAPL"]["score"] == 1.0


async def test_minutes_in_two_units_are_put_aside_and_those_beside_them_stored(
    empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo
):
    desk, feed = await copy_of(empty_desk), await a_feed(yahoo)
    count = trade(yahoo, "AAPL", 230.0)
    trade(yahoo, "BAD", 2.3, last_px=230.0)
    yahoo.answers(CHART + "NOSUCH1", NOT_FOUND, 404)
    store_closes(desk, AAPL=300.0)

    symbols = ["AAPL", "BAD", "NOSUCH1"]
    state = await ingest_minutes(feed, symbols, DAY, daily_source="daily", storage=desk.storage, return_state=True)

    assert (state.name, "2 quarantined" in state.message) == ("Quarantined", True)
    assert set(stored_minutes(desk)["symbol"]) == {"AAPL"}
    (path,) = put_aside(desk)
    aside = pd.read_parquet(path)
    assert (set(aside["symbol"]), len(aside)) == ({"BAD"}, count)
    assert "UNIT_ERROR" in aside["reason"].iloc[0]
    verdict = desk.ledger.feeds.last(FeedKind.MINUTES, "yahoo", "NOSUCH1")
    assert verdict.verdicts["AAPL"] == (SymbolVerdict.WARN, 0.9)
    assert {finding.rule for finding in verdict.findings} >= {Rule.DAILY_DIFFERS, Rule.UNIT_ERROR, Rule.UNKNOWN_SYMBOL}
    shown = await table("minutes-verdicts")
    assert [shown[symbol]["verdict"] for symbol in symbols] == ["warn", "quarantine", "quarantine"]


async def test_a_bar_that_comes_twice_is_stored_once(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk)
    bar = {"symbol": "AAPL", "bar_start": XNYS.open_at(DAY), "close": 230.0}
    bars = MinuteBars(frame=minute_frame(pd.DataFrame([bar, bar])), source="yahoo")
    verdict = FeedVerdict(
        kind=FeedKind.MINUTES,
        source="yahoo",
        session=DAY,
        verdicts={"AAPL": (SymbolVerdict.WARN, 0.9)},
        findings=(),
        checked_at=datetime.now(UTC),
    )

    count = await keep_minutes.fn(desk.storage, FetchedMinuteBars(bars=bars, outcomes=()), verdict)

    assert count.added == len(stored_minutes(desk)) == 1


# -- option chains


def fair_options(crossed: bool = False) -> dict[date, dict[str, list[dict[str, Any]]]]:
    """Return a chain on what stands at 100, at 5 cents around what 20 % of volatility are worth."""
    chain = {}
    for expiry in EXPIRIES:
        years = float(ExpiryTime().years(pd.Series([pd.Timestamp(expiry)]), datetime.now(UTC))[0])
        quoted: Mapping[str, list[dict[str, Any]]] = {"calls": [], "puts": []}
        for side, right in (("calls", "C"), ("puts", "P")):
            options = VanillaOptions.of(right, spot=100, strike=STRIKES, years=years, rate=0.05)
            for strike, px in zip(STRIKES, american.price(options, 0.2), strict=True):
                bid, ask = (px + 0.05, px - 0.05) if crossed else (px - 0.05, px + 0.05)
                quoted[side].append(an_option(expiry, strike, right, lastPrice=px, bid=bid, ask=ask))
        chain[expiry] = dict(quoted)
    return chain


async def test_chains_that_pass_are_stored_and_one_that_fails_does_not_spoil_the_others(
    empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo
):
    desk, feed = await copy_of(empty_desk), await a_feed(yahoo)
    serve_chain(yahoo, fair_options(), "FAIR", regularMarketPrice=100.0)
    serve_chain(yahoo, fair_options(crossed=True), "BAD", regularMarketPrice=100.0)
    yahoo.answers(yahoo_chains.PATH + "DOWN", "<html>", 500)

    state = await ingest_chains(
        feed, ["DOWN", "BAD", "FAIR", "NOSUCH1"], rate=0.05, storage=desk.storage, return_state=True
    )

    store = DeskStorage(home=desk.home).chain_store()
    verdict = desk.ledger.feeds.last(FeedKind.CHAINS, "yahoo", "FAIR")
    assert (state.name, state.message) == ("Quarantined", "yahoo: 1 chains stored, 3 of 4 quarantined")
    assert len(store.read("yahoo", "FAIR").frame) == 2 * 2 * len(STRIKES)
    assert store.versions("yahoo", "BAD") == ()
    (path,) = put_aside(desk)
    assert "CROSSED" in pd.read_parquet(path)["reason"].iloc[0]
    assert verdict.verdicts["FAIR"][0] is SymbolVerdict.PASS
    assert verdict.quarantined() == {"DOWN", "BAD", "NOSUCH1"}
    assert {ChainRule.CROSSED, Rule.FETCH_FAILED, Rule.UNKNOWN_SYMBOL} <= {f.rule for f in verdict.findings}
    assert "500" in (await table("chains-verdicts"))["DOWN"]["findings"]
    artifact = await Artifact.get("chains-volatilities")
    rows = json.loads(str(artifact.data))
    assert [row["why not"] for row in rows if row["underlying"] == "BAD"] == ["no option of it may be used"]
    assert [row for row in rows if row["underlying"] == "FAIR"] == [
        {"underlying": "FAIR", "expiry": str(day), "strike": 100.0, "call": "20.0%", "put": "20.0%", "why not": ""}
        for day in EXPIRIES
    ]


async def test_where_no_chain_comes_the_feed_is_unavailable(empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo):
    yahoo.answers(yahoo_chains.PATH + "DOWN", "<html>", 500)
    desk, feed = await copy_of(empty_desk), await a_feed(yahoo)

    with pytest.raises(SourceUnavailable, match=r"no chain came, last: .*DOWN"):
        await ask_chains.fn(feed, [], desk.storage, ["DOWN"])


async def test_a_chain_and_minutes_that_the_first_feed_cannot_give_come_from_the_next(
    empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo
):
    desk, first, next_one = await copy_of(empty_desk), await a_feed(yahoo, "gone", "/gone"), await a_feed(yahoo)
    yahoo.answers("/gone" + yahoo_chains.PATH + "FAIR", "<html>", 500)
    yahoo.answers("/gone" + CHART + "AAPL", "<html>", 500)
    serve_chain(yahoo, fair_options(), "FAIR", regularMarketPrice=100.0)
    count = trade(yahoo, "AAPL", 230.0)
    given = {"fallbacks": [next_one], "storage": desk.storage, "return_state": True}

    chains = await ingest_chains(first, ["FAIR"], rate=0.05, **given)
    minutes = await ingest_minutes(first, ["AAPL"], DAY, **given)

    assert chains.message == "gone: 1 chains stored, 0 of 1 quarantined"
    kept = DeskStorage(home=desk.home).chain_store().newest("FAIR", datetime.now(UTC))
    assert (kept.chain.source, kept.terms, len(kept.chain.frame)) == (
        "yahoo",
        PricingTerms(rate=0.05),
        2 * 2 * len(STRIKES),
    )
    assert minutes.message == f"gone {DAY}: minutes of 1 symbols, 0 quarantined, {count} bars added, 0 changed"
    assert (await table("minutes-verdicts"))["AAPL"]["given by"] == "yahoo"
    assert desk.ledger.providers.names() == ("gone", "yahoo")


def test_without_quantlib_the_table_says_what_is_missing(yahoo: Yahoo, monkeypatch: pytest.MonkeyPatch):
    serve_chain(yahoo, fair_options(), "FAIR", regularMarketPrice=100.0)
    chain, terms = MarketFeed(name="yahoo", base_url=yahoo.address).chains().fetch("FAIR"), PricingTerms(rate=0.05)
    judged = JudgedChain(chain=chain, report=check_chain(chain, terms, ChainPolicy()))
    monkeypatch.setitem(sys.modules, "QuantLib", None)

    (row,) = volatility_rows(judged, terms)

    assert row["underlying"] == "FAIR"
    assert "install openbell with its extra `options`" in str(row["why not"])


# -- quotes


def quote(yahoo: Yahoo, rows: Sequence[dict[str, Any]], path: str = "") -> None:
    """Have it know these quotes, of this second."""

    def answer(request: Request) -> Response:
        wanted = request.args["symbols"].split(",")
        known = [{**row, "regularMarketTime": int(time.time())} for row in rows if row["symbol"] in wanted]
        return Response(json.dumps({"quoteResponse": {"result": known, "error": None}}))

    yahoo.answers(path + yahoo_quotes.PATH, answer)


async def test_quotes_are_judged_beside_the_last_closes_and_who_stood_in_is_told(
    empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo
):
    desk = await copy_of(empty_desk)
    feed, other = await a_feed(yahoo), await a_feed(yahoo, "other", "/other")
    crossed, split = {**APPLE, "symbol": "BAD", "bid": 231.0}, {**APPLE, "symbol": "SPLIT"}
    quote(yahoo, [APPLE, crossed, split])
    quote(yahoo, [{**APPLE, "symbol": "IBM"}], "/other")
    store_closes(desk, AAPL=230.0, SPLIT=920.0)  # four for one, of which nobody told

    symbols = ["AAPL", "BAD", "SPLIT", "IBM", "NOSUCH1"]
    state = await check_quotes(feed, symbols, [other], daily_source="daily", storage=desk.storage, return_state=True)

    verdict = desk.ledger.feeds.last(FeedKind.QUOTES, "yahoo", "IBM")
    assert (state.name, state.message) == ("Quarantined", "yahoo: quotes of 5 symbols, 3 quarantined")
    assert verdict.quarantined() == {"BAD", "SPLIT", "NOSUCH1"}
    assert verdict.verdicts["AAPL"] == verdict.verdicts["IBM"] == (SymbolVerdict.PASS, 1.0)
    assert {f.symbol: f.rule for f in verdict.findings if f.symbol != "NOSUCH1"} == {
        "BAD": Rule.CROSSED,
        "SPLIT": Rule.JUMP,
    }
    shown = await table("quotes-verdicts")
    assert (shown["AAPL"]["given by"], shown["IBM"]["given by"]) == ("yahoo", "other")
    assert desk.ledger.providers.names() == ("other", "yahoo")


async def test_a_quote_that_passes_is_kept_without_a_fallback(empty_desk: DeskFolder, copy_of: Copy, yahoo: Yahoo):
    desk, feed = await copy_of(empty_desk), await a_feed(yahoo)
    quote(yahoo, [APPLE])

    state = await check_quotes(feed, ["AAPL"], storage=desk.storage, return_state=True)

    assert (state.name, state.message) == ("Completed", "yahoo: quotes of 1 symbols, 0 quarantined")
    assert desk.ledger.feeds.last(FeedKind.QUOTES, "yahoo", "AAPL").verdicts == {"AAPL": (SymbolVerdict.PASS, 1.0)}


async def test_a_feed_that_is_not_saved_is_named(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk)

    state = await ingest_minutes("nobody", ["AAPL"], DAY, storage=desk.storage, return_state=True)

    with pytest.raises(InvalidValue, match="openbell-market-feed name is 'nobody', but must be a saved block"):
        await state.result()
