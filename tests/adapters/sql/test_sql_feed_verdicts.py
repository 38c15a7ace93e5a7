"""Verdicts on quotes, chains and minute bars, as they are kept."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from adapters.sql.feed_verdicts import SqlFeedVerdicts
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.feed_verdicts import FeedKind, FeedVerdict
from trading.market.quality import Finding, FindingSeverity, Rule, SymbolVerdict
from trading.options.chain_quality import ChainRule

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)


def a_finding(rule: Rule | ChainRule, symbol: str) -> Finding:
    return Finding(
        rule=rule,
        severity=FindingSeverity.CRITICAL,
        symbol=symbol,
        session=date(2024, 3, 15),
        value="bid 5 above ask 4",
        limit="a bid below the ask",
        text=f"{symbol}: {rule}: bid 5 above ask 4",
    )


def a_verdict(kind: FeedKind = FeedKind.QUOTES, **changes: object) -> FeedVerdict:
    verdict = FeedVerdict(
        kind=kind,
        source="acme",
        session=None,
        verdicts={"BRK.B": (SymbolVerdict.PASS, 1.0), '^X "A" $': (SymbolVerdict.QUARANTINE, 0.25)},
        findings=(a_finding(Rule.CROSSED, '^X "A" $'),),
        checked_at=NOON,
    )
    return replace(verdict, **changes)


def test_the_last_verdict_on_a_symbol_comes_back_as_it_was(engine):
    feeds = SqlFeedVerdicts(engine)
    before = a_verdict()
    after = a_verdict(verdicts={"BRK.B": (SymbolVerdict.WARN, 0.9)}, checked_at=NOON + timedelta(hours=1))
    feeds.record(before)
    feeds.record(after)

    assert feeds.last(FeedKind.QUOTES, "acme", "BRK.B") == after
    assert feeds.last(FeedKind.QUOTES, "acme", '^X "A" $') == before
    assert feeds.last(FeedKind.QUOTES, "acme", "BRK") is None
    assert feeds.last(FeedKind.QUOTES, "other", "BRK.B") is None
    assert feeds.last(FeedKind.CHAINS, "acme", "BRK.B") is None


def test_a_finding_about_a_chain_comes_back_as_a_word_for_chains(engine):
    feeds = SqlFeedVerdicts(engine)
    crossed, failed = a_finding(ChainRule.CROSSED, "TSLA"), a_finding(Rule.FETCH_FAILED, "SPY")
    feeds.record(a_verdict(FeedKind.CHAINS, verdicts={"TSLA": (SymbolVerdict.WARN, 0.7)}, findings=(crossed, failed)))
    feeds.record(a_verdict(FeedKind.MINUTES, session=date(2024, 3, 15)))

    chains = feeds.last(FeedKind.CHAINS, "acme", "TSLA")
    minutes = feeds.last(FeedKind.MINUTES, "acme", "BRK.B")

    assert [type(finding.rule) for finding in chains.findings] == [ChainRule, Rule]
    assert minutes.session == date(2024, 3, 15)


def test_a_symbol_that_was_not_answered_is_quarantined_with_what_was_said():
    unknown = FetchOutcome(symbol="NOSUCH", status=FetchStatus.UNKNOWN_SYMBOL, text="acme does not know NOSUCH")

    verdict = a_verdict().with_unanswered([FetchOutcome(symbol="BRK.B", status=FetchStatus.OK), unknown])

    assert verdict.quarantined() == {'^X "A" $', "NOSUCH"}
    assert verdict.verdicts["NOSUCH"] == (SymbolVerdict.QUARANTINE, 0.0)
    assert "acme does not know NOSUCH" in verdict.why("NOSUCH")
    assert verdict.why("BRK.B") == ""
