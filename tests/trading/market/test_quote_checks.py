"""The gate of quotes: good ones pass; of a bad one exactly what is bad is found."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.bar_builders import XNYS, data_file
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quality import FindingSeverity, Rule, SymbolVerdict
from trading.market.quote_checks import QuoteReport, check_quotes
from trading.market.quote_rules import QuotePolicy
from trading.market.quotes import FetchedQuotes, QuoteKind, Quotes, quotes_frame

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
NOON = datetime(2024, 6, 12, 16, 0, tzinfo=UTC)  # 12:00 in New York
EVENING = datetime(2024, 6, 13, 0, 0, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")
CLOSES = {"AAPL": 207.15, "SPY": 536.95}


def a_quote(now: datetime = NOON, **aapl: Any) -> FetchedQuotes:
    """Return quotes of AAPL and SPY of two seconds ago, those of AAPL changed."""
    good = {"bid": 213.0, "ask": 213.02, "bid_size": 300.0, "ask_size": 200.0, "last": 213.01, "last_size": 100.0}
    spy = {"bid": 542.5, "ask": 542.51, "bid_size": 800.0, "ask_size": 900.0, "last": 542.5, "last_size": 10.0}
    at = {"quoted_at": now - timedelta(seconds=2), "kind": QuoteKind.LIVE.value}
    rows = [{"symbol": "AAPL"} | good | at | aapl, {"symbol": "SPY"} | spy | at]
    frame = quotes_frame(pd.DataFrame(rows))
    outcomes = tuple(FetchOutcome(symbol=symbol, status=FetchStatus.OK) for symbol in CLOSES)
    return FetchedQuotes(quotes=Quotes(frame=frame, source="test", received_at=now), outcomes=outcomes)


def check(fetched: FetchedQuotes, now: datetime = NOON, policy: QuotePolicy | None = None) -> QuoteReport:
    return check_quotes(fetched, calendar=XNYS, policy=policy or QuotePolicy(), now=now, closes=CLOSES)


def found(report: QuoteReport) -> set[tuple[Rule, FindingSeverity]]:
    assert {f.symbol for f in report.findings} <= {"AAPL"}
    return {(f.rule, f.severity) for f in report.findings}


def test_good_quotes_pass_with_a_score_of_one() -> None:
    report = check(a_quote())

    assert report.findings == ()
    assert report.symbols == (("AAPL", SymbolVerdict.PASS), ("SPY", SymbolVerdict.PASS))
    assert [scored.score for scored in report.scores] == [1.0, 1.0]


BAD: list[tuple[dict[str, Any], Rule, FindingSeverity]] = [
    ({"bid": NAN}, Rule.SIDE_MISSING, WARNING),
    ({"bid": NAN, "ask": NAN}, Rule.SIDE_MISSING, CRITICAL),
    ({"last": INF}, Rule.PRICE_MISSING, CRITICAL),
    ({"last": -1.0}, Rule.PRICE_NOT_POSITIVE, CRITICAL),  # what Interactive Brokers sends for "none"
    ({"bid": 213.05}, Rule.CROSSED, CRITICAL),
    ({"bid": 213.02}, Rule.LOCKED, WARNING),
    ({"ask": 220.0}, Rule.SPREAD_WIDE, WARNING),  # 7 / 216.5 = 3.2 %
    ({"bid": 160.0}, Rule.SPREAD_WIDE, CRITICAL),  # 53 / 186.5 = 28 %
    ({"bid_size": 0.0}, Rule.SIZE_NOT_POSITIVE, WARNING),
    ({"ask_size": -100.0}, Rule.SIZE_NOT_POSITIVE, CRITICAL),
    ({"quoted_at": NOON - timedelta(minutes=2)}, Rule.QUOTE_STALE, WARNING),
    ({"quoted_at": NOON - timedelta(hours=1)}, Rule.QUOTE_STALE, CRITICAL),  # another zone, or an old quote
    ({"quoted_at": NOON + timedelta(hours=1)}, Rule.FUTURE_TIME, CRITICAL),
    ({"kind": QuoteKind.DELAYED.value}, Rule.NOT_LIVE, CRITICAL),
    ({"kind": QuoteKind.FROZEN.value}, Rule.NOT_LIVE, CRITICAL),
    ({"bid": 2.13, "ask": 2.1302, "last": 2.1301}, Rule.UNIT_ERROR, CRITICAL),
    ({"last": 21_301.0}, Rule.UNIT_ERROR, CRITICAL),
    ({"bid": 106.5, "ask": 106.51, "last": 106.5}, Rule.JUMP, WARNING),  # as after a 2-for-1 split
    ({"bid": 21.3, "ask": 21.302, "last": 21.301}, Rule.JUMP, CRITICAL),
]


@pytest.mark.parametrize(("change", "rule", "severity"), BAD)
def test_what_is_bad_about_a_quote_is_found_and_nothing_else(
    change: dict[str, Any], rule: Rule, severity: FindingSeverity
) -> None:
    report = check(a_quote(**change))

    assert found(report) == {(rule, severity)}
    assert ("AAPL" in report.quarantined()) == (severity is CRITICAL)


def test_yesterdays_quote_is_refused_while_the_exchange_trades_and_right_when_it_is_closed() -> None:
    yesterday = {"quoted_at": NOON - timedelta(days=1)}

    assert (Rule.OUT_OF_SESSION, CRITICAL) in found(check(a_quote(**yesterday)))
    frozen = a_quote(EVENING, quoted_at=EVENING - timedelta(hours=4), kind=QuoteKind.FROZEN.value)
    assert found(check(frozen, EVENING)) == set()


def test_delayed_quotes_are_only_shown_where_they_are_allowed() -> None:
    delayed = a_quote(kind=QuoteKind.DELAYED.value)

    assert found(check(delayed, policy=QuotePolicy(delayed_allowed=True))) == {(Rule.NOT_LIVE, WARNING)}


def test_a_quote_without_a_time_is_as_old_as_its_receipt() -> None:
    fetched = a_quote(quoted_at=pd.NaT)

    assert found(check(fetched)) == set()
    late = check(fetched, NOON + timedelta(seconds=59))
    later = check(fetched, NOON + timedelta(seconds=61))
    assert [f.symbol for f in late.findings] == ["SPY"]  # quoted two seconds before it was received
    assert [f.symbol for f in later.findings] == ["AAPL", "SPY"]


def test_a_symbol_that_got_no_quote_is_quarantined() -> None:
    fetched = a_quote()
    asked = (*fetched.outcomes, FetchOutcome(symbol="XYZ", status=FetchStatus.UNKNOWN_SYMBOL, text="no such symbol"))

    report = check(FetchedQuotes(quotes=fetched.quotes, outcomes=asked))

    assert dict(report.symbols)["XYZ"] is SymbolVerdict.QUARANTINE
    assert [(f.rule, f.symbol) for f in report.findings] == [(Rule.UNKNOWN_SYMBOL, "XYZ")]


def test_many_warnings_together_quarantine_and_name_what_each_took() -> None:
    # One side, no size on it, minutes old, delayed, and half the close: five times 0.1 leave 0.5.
    doubtful = {
        "bid": NAN,
        "last": 106.5,
        "ask": 106.51,
        "ask_size": 0.0,
        "quoted_at": NOON - timedelta(minutes=2),
        "kind": QuoteKind.DELAYED.value,
    }
    strict = QuotePolicy(delayed_allowed=True, min_score=0.6)

    report = check(a_quote(**doubtful), policy=strict)

    assert (report.scores[0].symbol, report.scores[0].score) == ("AAPL", 0.5)
    assert report.quarantined()["AAPL"].startswith("AAPL: LOW_SCORE: 0.50, below 0.60: JUMP -0.1, NOT_LIVE -0.1")
    assert "AAPL" not in check(a_quote(**doubtful), policy=QuotePolicy(delayed_allowed=True)).quarantined()


def test_real_quotes_of_an_open_market_pass() -> None:
    bars = pd.read_parquet(data_file("equity", "us_equity_minute_quote_bars.parquet"))
    at = pd.Timestamp("2013-10-07 11:00", tz="America/New_York")
    rows = bars[bars["bar_start"] == at].assign(
        bid=lambda r: r["bid_close"],
        ask=lambda r: r["ask_close"],
        quoted_at=at + pd.Timedelta(minutes=1),
        last=np.nan,
        kind="live",
    )
    frame = quotes_frame(rows)
    now = (at + pd.Timedelta(seconds=90)).to_pydatetime()
    fetched = FetchedQuotes(quotes=Quotes(frame=frame, source="test", received_at=now), outcomes=())

    report = check_quotes(fetched, calendar=XNYS, policy=QuotePolicy(), now=now)

    assert len(report.symbols) >= 4
    assert report.findings == ()
