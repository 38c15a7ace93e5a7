"""What the gate is told of quotes: those that may be traded on as they are, and of every other one why not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from tests.trading.risk.gate_accounts import D, a_state, an_order, decision_on, limits
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.feed_verdicts import FeedKind, FeedVerdict
from trading.market.quality import SymbolVerdict
from trading.market.quotes import QuoteKind, Quotes, quotes_frame
from trading.risk.gate_quotes import GateQuotes, gate_quotes
from trading.risk.limits import RefusalCode, RiskDecision
from trading.risk.trading_facts import QuoteFact, TradingFacts

DECIDED = an_order().transact_time
NAN = float("nan")


def at_gate(*, live_only: bool = False, asked_after: int = 1, **of_a: Any) -> GateQuotes:
    """Return what becomes of a quote of A at 9.99 to 10.01 of the moment of the decision, but for the changes."""
    row = {"symbol": "A", "bid": 9.99, "ask": 10.01, "quoted_at": DECIDED, "kind": QuoteKind.LIVE.value} | of_a
    quotes = Quotes(
        frame=quotes_frame(pd.DataFrame([row])), source="feed", received_at=DECIDED + timedelta(seconds=asked_after)
    )
    return gate_quotes(quotes, verdict(), live_only=live_only)


def verdict(**changes: Any) -> FeedVerdict:
    passed = FeedVerdict(
        kind=FeedKind.QUOTES,
        source="feed",
        session=None,
        verdicts={"A": (SymbolVerdict.PASS, 1.0)},
        findings=(),
        checked_at=datetime(2024, 4, 1, 12, tzinfo=UTC),
    )
    return replace(passed, **changes)


def decided(told: GateQuotes, **limit: Any) -> RiskDecision:
    known = {"A": TradingFacts(average_volume=D(10**6))}
    return decision_on(an_order(), a_state(facts=told.beside(known)), limits(**limit))


def test_a_quote_that_passes_is_told_to_the_digit_beside_what_else_is_known():
    told = at_gate()

    assert told.beside({"A": TradingFacts(average_volume=D(5)), "B": TradingFacts(average_volume=D(7))}) == {
        "A": TradingFacts(
            average_volume=D(5),
            quote=QuoteFact(
                bid=D("9.99"), ask=D("10.01"), quoted_at=DECIDED, received_at=DECIDED + timedelta(seconds=1)
            ),
        ),
        "B": TradingFacts(average_volume=D(7)),
    }


@pytest.mark.parametrize(
    ("of_a", "value"),
    [
        ({"ask": NAN}, f"bid 9.99, ask None, at {DECIDED}"),
        ({"bid": NAN, "ask": NAN}, f"bid None, ask None, at {DECIDED}"),
    ],
)
def test_a_quote_without_both_sides_lets_nothing_through(of_a: dict[str, Any], value: str):
    decision = decided(at_gate(**of_a), max_spread_pct="1")

    assert (decision.code, decision.value) == (RefusalCode.NO_QUOTE, value)
    assert decision.text.endswith("wait for a whole one, or name a feed that gives it.")


def test_a_quote_without_a_time_has_a_spread_and_no_age():
    untimed = at_gate(quoted_at=pd.NaT)

    by_spread, by_age = decided(untimed, max_spread_pct="1"), decided(untimed, max_quote_age_seconds=60)

    assert by_spread.code is None
    assert (by_age.code, by_age.value) == (RefusalCode.NO_QUOTE, "bid 9.99, ask 10.01, at None")


@pytest.mark.parametrize("kind", [QuoteKind.DELAYED, QuoteKind.DELAYED_FROZEN, QuoteKind.FROZEN])
def test_real_money_is_not_let_through_by_a_quote_that_is_not_live(kind: QuoteKind):
    on_paper = decided(at_gate(kind=kind.value), max_spread_pct="1")
    real = decided(at_gate(kind=kind.value, live_only=True), max_spread_pct="1")

    assert on_paper.accepted  # what its policy lets pass may be tried out
    assert real.code is RefusalCode.NO_QUOTE
    assert f"that of feed is {kind}, and real money is traded on live quotes only" in real.text
    assert decided(at_gate(live_only=True), max_spread_pct="1").accepted


def test_what_was_quarantined_or_never_came_is_no_quote_and_says_why():
    nothing = Quotes(frame=quotes_frame(pd.DataFrame(columns=["symbol"])), source="feed", received_at=DECIDED)
    unanswered = FetchOutcome(symbol="A", status=FetchStatus.UNKNOWN_SYMBOL, text="feed does not know A")

    decision = decided(
        gate_quotes(nothing, verdict().with_unanswered([unanswered]), live_only=False), max_spread_pct="1"
    )

    assert decision.code is RefusalCode.NO_QUOTE
    assert "A at feed: UNKNOWN_SYMBOL: feed does not know A; " in decision.text


def test_a_whole_quote_in_quarantine_is_none():
    row = {"symbol": "A", "bid": 9.99, "ask": 10.01, "quoted_at": DECIDED}
    quotes = Quotes(frame=quotes_frame(pd.DataFrame([row])), source="feed", received_at=DECIDED)

    told = gate_quotes(quotes, verdict(verdicts={"A": (SymbolVerdict.QUARANTINE, 0.4)}), live_only=False)

    assert decided(told, max_spread_pct="1").code is RefusalCode.NO_QUOTE
    assert "feed gave none that may be used; name another feed" in told.unusable["A"]


def test_without_a_feed_the_refusal_says_how_one_is_named():
    decision = decided(GateQuotes(), max_quote_age_seconds=60)

    assert decision.code is RefusalCode.NO_QUOTE
    assert "name a market feed in `feed` of trade-session" in decision.text


def test_a_quote_ages_until_it_was_received_however_early_the_decision_was():
    # Quoted 10 seconds after the decision and received 70 after it: 60 seconds old.
    quoted_at = DECIDED + timedelta(seconds=10)

    at_the_limit = decided(at_gate(quoted_at=quoted_at, asked_after=70), max_quote_age_seconds=60)
    over = decided(at_gate(quoted_at=quoted_at, asked_after=71), max_quote_age_seconds=60)

    assert at_the_limit.accepted
    assert (over.code, over.limit, over.value) == (RefusalCode.MAX_QUOTE_AGE, "60 seconds", "61 seconds")
