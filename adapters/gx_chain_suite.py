"""Great Expectations as the second reader of the quality gate for option chains.

One batch holds the whole chain. It looks at the same facts as `check_chain`, with limits of its own wording.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from adapters.gx_runs import Label, run_suite
from trading.errors import ChainInvalid
from trading.market.quality import FindingSeverity
from trading.options.chain_facts import chain_facts
from trading.options.chain_quality import ChainPolicy, ChainRule
from trading.options.chains import CHAIN_KEYS, OptionChain
from trading.options.terms import PricingTerms

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite


@dataclass(frozen=True, slots=True, kw_only=True)
class GxOptionFailure:
    """One option that does not meet an expectation; NaN and None are what it has not."""

    rule: ChainRule
    severity: FindingSeverity
    expiry: date | None
    strike: float
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GxChainVerdict:
    """What Great Expectations says of a chain.

    Attributes:
        success: whether every expectation was met, those that only warn included.
        failures: every option that fails, by expiry, strike, right and rule.
        docs_path: the index page of the Data Docs; None unless they were asked for.
        expectations: how many there were.
    """

    success: bool
    failures: tuple[GxOptionFailure, ...]
    docs_path: Path | None
    expectations: int


class GxChainSuite:
    """The rules for single options of a chain as an expectation suite.

    A fault of the chain as a whole, such as an underlying without a price, is for `check_chain` alone to find.

    Args:
        docs_root: folder of the suite, the results and the Data Docs as HTML; nothing is written when None. The pages
            load styles from other hosts, and one of them is told the folder's GX id, when a browser opens them.
    """

    def __init__(self, policy: ChainPolicy, docs_root: Path | None = None) -> None:
        self._policy, self._docs_root = policy, docs_root

    def validate(self, chain: OptionChain, terms: PricingTerms, at: datetime | None = None) -> GxChainVerdict:
        """Hold the chain against the suite; the arguments are those of `check_chain`.

        Raises:
            ChainInvalid: an expectation could not be evaluated.
        """
        facts = chain_facts(chain, terms, self._policy, at or chain.at)
        run = run_suite(
            facts.astype({"quoted": "int64"}), self._suite, keys=list(CHAIN_KEYS), docs_root=self._docs_root
        )
        for result in run.results:
            if result.raised:
                raise ChainInvalid(chain.source, f"{result.rule} could not be evaluated: {result.raised}")
        failures = [
            GxOptionFailure(
                rule=ChainRule(result.rule),
                severity=result.severity,
                expiry=None if pd.isna(key["expiry"]) else key["expiry"].date(),
                strike=key["strike"],
                right=key["right"],
            )
            for result in run.results
            for key in result.failed_keys
        ]
        return GxChainVerdict(
            success=all(result.success for result in run.results),
            failures=tuple(sorted(failures, key=lambda f: (f.expiry or date.min, f.strike, f.right, f.rule))),
            docs_path=run.docs_path,
            expectations=len(run.results),
        )

    def _suite(self, only: Collection[Label] | None) -> "ExpectationSuite":
        from adapters.gx_expectations import suite_of

        return suite_of("option_chain", _expectations(self._policy), only)


def _expectations(policy: ChainPolicy) -> list[Any]:
    from adapters.gx_expectations import between, not_zero

    warning, critical = FindingSeverity.WARNING, FindingSeverity.CRITICAL
    gaps = {
        "least_gap": ChainRule.BELOW_LEAST,
        "most_gap": ChainRule.ABOVE_MOST,
        "parity_gap": ChainRule.PARITY,
        "order_gap": ChainRule.STRIKE_ORDER,
        "convexity_gap": ChainRule.CONVEXITY,
        "calendar_gap": ChainRule.CALENDAR,
    }
    largest = max(policy.max_gap_pct, policy.critical_gap_pct)
    return [
        between(ChainRule.NUMBER_INVALID, critical, "invalid_numbers", max_value=0),
        between(ChainRule.DUPLICATE, warning, "repeated", max_value=0),
        between(ChainRule.DUPLICATE, critical, "repeated", max_value=1),
        between(ChainRule.EXPIRED, critical, "years_left", min_value=0),
        between(ChainRule.STRIKE_SCALE, critical, "strike_factor", max_value=policy.max_strike_factor),
        between(ChainRule.ASK_MISSING, critical, "ask_missing", max_value=0),
        between(ChainRule.NO_QUOTE, warning, "quoted", min_value=1),
        not_zero(ChainRule.LOCKED, warning, "spread"),
        between(ChainRule.CROSSED, critical, "spread", min_value=0),
        between(ChainRule.FUTURE_QUOTE, critical, "age_minutes", min_value=-policy.max_quote_lead_minutes),
        between(ChainRule.STALE, warning, "age_minutes", max_value=policy.max_quote_age_minutes),
        *(between(rule, warning, gap, max_value=policy.max_gap_pct) for gap, rule in gaps.items()),
        *(between(rule, critical, gap, max_value=largest) for gap, rule in list(gaps.items())[:3]),
        between(ChainRule.WIDE_SPREAD, warning, "wide_spread", max_value=0),
        not_zero(ChainRule.NO_OPEN_INTEREST, warning, "open_interest"),
    ]
