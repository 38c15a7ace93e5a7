"""Great Expectations as the second reader of the quality gate: the same rules, kept as a contract with its records.

One batch holds the bars of all symbols: the cost grows with the rules, not with the symbols.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from adapters.gx_runs import Label, run_suite
from trading.errors import BarsNotPassed
from trading.market.bar_facts import bar_facts
from trading.market.bars import FetchedBars
from trading.market.calendars import TradingCalendar
from trading.market.quality import FindingSeverity, QualityPolicy, Rule

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite


@dataclass(frozen=True, slots=True, kw_only=True)
class GxFailure:
    """One bar that does not meet an expectation; `session` is the bar's, None where it has none."""

    rule: Rule
    severity: FindingSeverity
    symbol: str
    session: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GxVerdict:
    """What Great Expectations says of a batch.

    Attributes:
        success: whether every expectation was met, those that only warn included.
        failures: every bar that fails, by rule, symbol and session.
        docs_path: the index page of the Data Docs; None unless they were asked for.
        expectations: how many there were.
    """

    success: bool
    failures: tuple[GxFailure, ...]
    docs_path: Path | None
    expectations: int

    def critical_symbols(self) -> frozenset[str]:
        """Return the symbols that must be quarantined."""
        return frozenset(f.symbol for f in self.failures if f.severity is FindingSeverity.CRITICAL)


class GxBarSuite:
    """The rules of the quality gate as an expectation suite.

    It judges bars, so a symbol without any is for `assess_bars` alone to find.

    Args:
        docs_root: folder of the suite, the results and the Data Docs as HTML; nothing is written when None. The pages
            load styles from other hosts, and one of them is told the folder's GX id, when a browser opens them.
    """

    def __init__(self, policy: QualityPolicy, calendar: TradingCalendar, docs_root: Path | None = None) -> None:
        self._policy, self._calendar, self._docs_root = policy, calendar, docs_root

    def validate(
        self,
        fetched: FetchedBars,
        first: date,
        session: date,
        *,
        now: datetime | None = None,
        listed_since: Mapping[str, date] | None = None,
    ) -> GxVerdict:
        """Hold the bars against the suite; the arguments are those of `assess_bars`.

        Raises:
            BarsNotPassed: an expectation could not be evaluated.
        """
        facts = bar_facts(
            fetched,
            calendar=self._calendar,
            policy=self._policy,
            first=first,
            session=session,
            now=now,
            listed_since=listed_since,
        )
        run = run_suite(facts.frame, self._suite, keys=["symbol", "session"], docs_root=self._docs_root)
        for result in run.results:
            if result.raised:
                why = f"{result.rule} could not be evaluated: {result.raised}"
                raise BarsNotPassed(session, fetched.bars.source, why)
        failures = {
            GxFailure(
                rule=Rule(result.rule),
                severity=result.severity,
                symbol=key["symbol"],
                session=None if pd.isna(key["session"]) else key["session"].date(),
            )
            for result in run.results
            for key in result.failed_keys
        }
        return GxVerdict(
            success=all(result.success for result in run.results),
            failures=tuple(sorted(failures, key=lambda f: (f.rule, f.symbol, f.session or date.min, f.severity))),
            docs_path=run.docs_path,
            expectations=len(run.results),
        )

    def _suite(self, only: Collection[Label] | None) -> "ExpectationSuite":
        from adapters.gx_expectations import bar_suite

        return bar_suite(self._policy, only)
