"""The quality gate of quotes: what stands in a frame of quotes is held against every rule in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from trading.market.bars import FetchStatus
from trading.market.calendars import TradingCalendar
from trading.market.quality import Finding, FindingSeverity, SymbolVerdict
from trading.market.quote_facts import quote_facts
from trading.market.quote_rules import QUOTE_RULES, QuotePolicy
from trading.market.quotes import FetchedQuotes
from trading.market.row_rules import outcome_finding, row_findings, verdicts, worst_first
from trading.market.scores import SymbolScore, low_scores, symbol_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteReport:
    """The verdict on quotes.

    Attributes:
        symbols: every symbol asked for, with its verdict.
        scores: of the same symbols, in the same order.
    """

    source: str
    checked_at: datetime
    symbols: tuple[tuple[str, SymbolVerdict], ...]
    findings: tuple[Finding, ...]
    scores: tuple[SymbolScore, ...]

    def quarantined(self) -> dict[str, str]:
        """Return the symbols that must not be traded on these quotes, each with its first critical finding."""
        bad = [f for f in self.findings if f.severity is FindingSeverity.CRITICAL]
        return {f.symbol: f.text for f in reversed(bad)}


def check_quotes(
    fetched: FetchedQuotes,
    *,
    calendar: TradingCalendar,
    policy: QuotePolicy,
    now: datetime,
    closes: Mapping[str, float] | None = None,
) -> QuoteReport:
    """Hold quotes against every rule and return the verdict on them.

    Args:
        now: aware; whether the exchange trades, and how old a quote is, follows from it.
        closes: last raw close of the symbols, on the basis of the quotes; without one a symbol's level is not judged.
    """
    facts = quote_facts(fetched.quotes, calendar=calendar, now=now, closes=closes or {})
    answered = set(facts["symbol"])
    findings = [
        outcome_finding(outcome, FetchStatus.FAILED if outcome.status is FetchStatus.OK else outcome.status, source)
        for source in [fetched.quotes.source]
        for outcome in fetched.outcomes
        if outcome.status is not FetchStatus.OK or outcome.symbol not in answered
    ]
    codes = np.arange(len(facts))
    for rule in QUOTE_RULES:
        findings += row_findings(rule, rule.grade(facts, policy), facts, codes, policy, _concerns)
    findings = worst_first([*findings, *low_scores(findings, policy)])
    told = verdicts({outcome.symbol for outcome in fetched.outcomes} | answered, findings)
    return QuoteReport(
        source=fetched.quotes.source,
        checked_at=now,
        symbols=tuple(told.items()),
        findings=tuple(findings),
        scores=tuple(symbol_scores(told, findings, policy).values()),
    )


def _concerns(row: Any) -> tuple[date | None, str]:
    return None, "now" if pd.isna(row.quoted_at) else f"at {row.quoted_at:%Y-%m-%d %H:%M:%S} UTC"
