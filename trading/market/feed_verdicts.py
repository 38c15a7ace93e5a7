"""Verdicts on what is no daily bar, kept so that a later step can ask for the last one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quality import Finding, FindingSeverity, SymbolVerdict
from trading.market.row_rules import outcome_finding


class FeedKind(StrEnum):
    """What was judged."""

    QUOTES = "quotes"
    CHAINS = "chains"
    MINUTES = "minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedVerdict:
    """What the gate said of one answer of a market feed.

    Attributes:
        source: name of the feed.
        session: that the bars are of; None for quotes and chains, which are of the moment.
        verdicts: of every symbol asked for, with its score in [0, 1].
    """

    kind: FeedKind
    source: str
    session: date | None
    verdicts: Mapping[str, tuple[SymbolVerdict, float]]
    findings: tuple[Finding, ...]
    checked_at: datetime

    def quarantined(self) -> frozenset[str]:
        """Return the symbols that must not be used."""
        return frozenset(s for s, (verdict, _) in self.verdicts.items() if verdict is SymbolVerdict.QUARANTINE)

    def why(self, symbol: str) -> str:
        """Return its first critical finding in words; empty where it has none."""
        bad = (f.text for f in self.findings if f.symbol == symbol and f.severity is FindingSeverity.CRITICAL)
        return next(bad, "")

    def with_unanswered(self, outcomes: Iterable[FetchOutcome]) -> "FeedVerdict":
        """Return it with a quarantine for each symbol that the feed did not give."""
        unanswered = [outcome for outcome in outcomes if outcome.status is not FetchStatus.OK]
        found = tuple(outcome_finding(outcome, outcome.status, self.source) for outcome in unanswered)
        none = {outcome.symbol: (SymbolVerdict.QUARANTINE, 0.0) for outcome in unanswered}
        return replace(self, verdicts={**self.verdicts, **none}, findings=self.findings + found)
