"""The limits on quotes in a run: the feed is asked before the gate, and what it cannot say refuses."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from werkzeug import Request, Response

from adapters import yahoo_quotes
from adapters.ib.sessions import process_sessions
from blocks.broker_account import Mode
from blocks.market_feed import MarketFeed
from flows.check_risk import check_risk
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from tests.adapters.test_yahoo_quotes import APPLE
from tests.adapters.yahoo_server import Yahoo, _own_cache, yahoo
from tests.flows.desks import SYMBOLS, WEDNESDAY, Copy, DeskFolder, cents, sample_closes
from tests.flows.ib_days import ACCOUNT, IbDay
from tests.flows.test_live_locks import LIVE, arm, protect
from trading.market.quote_rules import QuotePolicy
from trading.market.timetable import MissedRun
from trading.risk.breakers import BreakerKind
from trading.risk.limits import RefusalCode, RiskDecision, RiskLimits

__all__ = ["_own_cache", "yahoo"]

AFTER_OPEN = datetime(2022, 12, 28, 14, 40, tzinfo=UTC)  # ten minutes of trading in New York
NEXT_DAY = datetime(2022, 12, 29, 15, 0, tzinfo=UTC)
NARROW = RiskLimits(max_spread_pct=Decimal("0.3"), max_quote_age_seconds=60)


@pytest_asyncio.fixture
async def gateway(prefect_harness: None) -> AsyncIterator[Gateway]:
    settings = GatewaySettings(poll_seconds=0, accounts=(GatewayAccount(name=ACCOUNT), GatewayAccount(name=LIVE)))
    async with Gateway(settings, now=lambda: AFTER_OPEN) as gateway:
        yield gateway
        await process_sessions().close_all()
        process_sessions.cache_clear()


async def a_day(
    gateway: Gateway, home: Path, patch: pytest.MonkeyPatch, account: str = ACCOUNT, **settings: Any
) -> IbDay:
    """Return a day ten minutes after the open, for the feed too, of an account with limits on quotes."""
    day = IbDay(home=home, patch=patch)
    await day.open(gateway, account, limits=NARROW, **settings)
    for module in ("flows.quoting", "blocks.market_feed"):
        patch.setattr(f"{module}.wall_clock", lambda: AFTER_OPEN)
    day.it_is(AFTER_OPEN)
    return day


async def a_feed(yahoo: Yahoo, name: str, at: datetime = AFTER_OPEN, **quotes: dict[str, Any]) -> str:
    """Save a feed that quotes each symbol a cent around Wednesday's close five seconds ago, but for the changes."""
    rows = {
        symbol: APPLE
        | {"symbol": symbol, "bid": float(cents(px)) - 0.01, "ask": float(cents(px)) + 0.01}
        | {"regularMarketPrice": float(px), "regularMarketTime": int(at.timestamp()) - 5}
        | quotes.get("every", {})
        | quotes.get(symbol, {})
        for symbol, px in sample_closes(WEDNESDAY).items()
    }

    def answer(request: Request) -> Response:
        known = [rows[symbol] for symbol in request.args["symbols"].split(",")]
        return Response(json.dumps({"quoteResponse": {"result": known, "error": None}}))

    yahoo.answers(yahoo_quotes.PATH, answer)
    policy = QuotePolicy(delayed_allowed=True)
    await MarketFeed(name="yahoo", base_url=yahoo.address, quote_quality=policy).asave(name)
    return name


async def trade(day: IbDay, feed: str | None) -> str:
    state = await day.desk.trade(None, missed_run=MissedRun.CATCH_UP, feed=feed)
    return str(state.message)


def refused(desk: DeskFolder) -> dict[str, RiskDecision]:
    verdicts = desk.ledger.journal.risk_decisions(f"{desk.account}:{WEDNESDAY}:main")
    return {v.symbol: v for v in verdicts if not v.accepted}


async def test_a_wide_spread_and_an_old_quote_are_refused_and_the_others_trade_and_nobody_asks_twice(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yahoo: Yahoo
):
    day = await a_day(gateway, tmp_path, monkeypatch)
    wide = {"bid": 126.0, "ask": 126.4}  # 0.40 of 126.20
    late = {"regularMarketTime": int(AFTER_OPEN.timestamp()) - 61}
    feed = await a_feed(yahoo, "feed-wide", AAPL=wide, KO=late, PEP={"bid": 0, "ask": 180.0}, PG={"ask": 1.0})

    told = await trade(day, feed)
    asked = len(yahoo.asked)
    again = await trade(day, feed)

    found = refused(day.desk)
    assert {symbol: v.code for symbol, v in found.items()} == {
        "AAPL": RefusalCode.MAX_SPREAD,
        "KO": RefusalCode.MAX_QUOTE_AGE,
        "PEP": RefusalCode.NO_QUOTE,
        "PG": RefusalCode.NO_QUOTE,
    }
    assert (found["AAPL"].limit, found["AAPL"].value) == ("0.3 %", "0.3170 %")  # 40 / 126.2 = 0.31696
    assert (found["KO"].limit, found["KO"].value) == ("60 seconds", "61 seconds")
    assert "PG at 2022-12-28 14:39:55 UTC: CROSSED: bid 149.12, ask 1," in found["PG"].text
    assert told == "2022-12-28: 16 orders sent, 16 of 16 filled, 0 working"
    assert set(day.at_broker()) == set(SYMBOLS) - set(found)
    assert "it had been decided before" in again
    assert len(yahoo.asked) == asked


async def test_a_feed_that_is_down_refuses_every_order_and_says_so_and_the_run_goes_on(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yahoo: Yahoo
):
    monkeypatch.setattr("flows.quoting.RETRY_SECONDS", 0)
    day = await a_day(gateway, tmp_path, monkeypatch)
    feed = await a_feed(yahoo, "feed-down")
    yahoo.answers(yahoo_quotes.PATH, "<html>", 500)

    told = await trade(day, feed)

    found = refused(day.desk)
    assert {v.code for v in found.values()} == {RefusalCode.NO_QUOTE}
    assert set(found) == set(SYMBOLS)
    assert f"market feed {feed} gave none: " in found["AAPL"].text
    assert "mend it, or name another feed" in found["AAPL"].text
    assert told.startswith("2022-12-28: 0 orders sent, 0 of 0 filled, 0 working")
    assert gateway.accepted == []


async def test_real_money_with_every_lock_open_does_not_trade_on_delayed_quotes(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yahoo: Yahoo
):
    day = await a_day(gateway, tmp_path, monkeypatch, LIVE, mode=Mode.LIVE)
    arm(day)
    protect(day, yahoo.server)
    yahoo.answers("/api/admin/version", "Unauthorized", 401)  # the same server
    feed = await a_feed(yahoo, "feed-late", every={"exchangeDataDelayedBy": 15}, AAPL={"exchangeDataDelayedBy": 0})

    told = await trade(day, feed)

    assert set(refused(day.desk)) == set(SYMBOLS) - {"AAPL"}
    assert "real money is traded on live quotes only" in refused(day.desk)["KO"].text
    assert told == "2022-12-28: 1 orders sent, 1 of 1 filled, 0 working"
    assert list(day.at_broker()) == ["AAPL"]


async def test_a_check_in_the_session_values_what_is_held_at_the_quotes_of_its_feed_and_goes_on_without(
    traded_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch, yahoo: Yahoo
):
    monkeypatch.setattr("flows.quoting.RETRY_SECONDS", 0)
    desk = await copy_of(traded_desk)
    for module in ("flows.check_risk", "flows.quoting", "blocks.market_feed"):
        monkeypatch.setattr(f"{module}.wall_clock", lambda: NEXT_DAY)
    fallen = {s: {"bid": float(px) * 0.8, "ask": float(px) * 0.8} for s, px in sample_closes(WEDNESDAY).items()}
    feed = await a_feed(yahoo, "feed-fallen", at=NEXT_DAY, **fallen)

    at_quotes = await check_risk(desk.account_block, feed, storage=desk.storage, return_state=True)
    tripped = {c.kind: c.value for c in desk.ledger.breakers.tripped()}
    yahoo.answers(yahoo_quotes.PATH, "<html>", 500)
    without = await check_risk(desk.account_block, feed, storage=desk.storage, return_state=True)

    worth = sum(order.cum_qty * cents(sample_closes(WEDNESDAY)[symbol]) for symbol, order in desk.orders().items())
    left = Decimal(desk.rows("paper_account")[0].cash) + worth * 4 / 5  # of the million that was last decided by
    assert at_quotes.name == "Tripped"
    assert tripped[BreakerKind.DAILY_LOSS] == pytest.approx((10**6 - left) / 10**4, abs=Decimal("0.001"))
    assert without.is_completed()


async def test_a_rehearsed_session_has_no_quotes_and_takes_none_of_today(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk, limits=NARROW)

    with_a_feed = await desk.trade(WEDNESDAY, feed="any")
    without = await desk.trade(WEDNESDAY)

    assert with_a_feed.is_failed()
    assert "feed is 'any', but must be left out: 2022-12-28 is over" in with_a_feed.message
    assert without.is_completed()
    assert {v.code for v in refused(desk).values()} == {RefusalCode.NO_QUOTE}
    assert "rehearse it with an account without these limits" in refused(desk)["AAPL"].text
    assert desk.at_broker() == []
