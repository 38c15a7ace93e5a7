"""The expectations that daily bars must meet, in the words of Great Expectations, and what other suites share.

Import this module only where something is validated: Great Expectations costs 2.5 s and 250 MiB.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
from great_expectations.expectations.core.expect_column_values_to_not_be_in_set import ExpectColumnValuesToNotBeInSet
from great_expectations.expectations.core.expect_compound_columns_to_be_unique import ExpectCompoundColumnsToBeUnique
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)

from adapters.gx_runs import Label
from trading.market.bar_facts import incoherence
from trading.market.bar_rules import log_return_limits
from trading.market.quality import FindingSeverity, QualityPolicy, Rule

KEY = ("symbol", "session")
_OHLC_COLUMNS = ["open", "high", "low", "close", "regular", "recent"]


class OhlcIncoherence(MulticolumnMapMetricProvider):
    """The metric behind ExpectOhlcCoherent."""

    condition_metric_name = "multicolumn_values.ohlc_incoherence"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("worst_grade",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]  # so it comes
    def _pandas(self, column_list: pd.DataFrame, worst_grade: int, **_: Any) -> pd.Series:
        return pd.Series(incoherence(column_list) <= worst_grade, index=column_list.index)


class ExpectOhlcCoherent(MulticolumnMapExpectation):
    """Expect no price above the high or below the low of its bar.

    Attributes:
        worst_grade: the worst grade of incoherence that is let through, 0 or 1.
    """

    column_list: list[str] = _OHLC_COLUMNS
    worst_grade: int = 0
    map_metric = "multicolumn_values.ohlc_incoherence"
    success_keys = ("mostly", "worst_grade")
    args_keys = ("column_list", "worst_grade")


def bar_suite(policy: QualityPolicy, only: Collection[Label] | None = None) -> gx.ExpectationSuite:
    """Return the rules that single bars must keep, by columns of BarFacts.

    Each expectation carries its Rule in `meta`, and the severity of a finding.

    Args:
        policy: has the thresholds.
        only: those wanted; all when None.
    """
    return suite_of("daily_bars", _expectations(policy), only)


def suite_of(name: str, expectations: list[Any], only: Collection[Label] | None) -> gx.ExpectationSuite:
    """Return a suite of the expectations with one of the labels; of all when None."""
    if only is not None:
        expectations = [e for e in expectations if (e.meta["rule"], FindingSeverity(e.severity)) in only]
    return gx.ExpectationSuite(name, expectations=expectations)


def _expectations(policy: QualityPolicy) -> list[Any]:
    least, most = log_return_limits(policy)
    frozen = policy.max_frozen_sessions
    warning, critical = FindingSeverity.WARNING, FindingSeverity.CRITICAL
    return [
        between(Rule.STALE, critical, "sessions_behind", max_value=0),
        between(Rule.MISSING_SESSION, warning, "sessions_missing", max_value=0),
        between(Rule.MISSING_SESSION, critical, "sessions_missing_lately", max_value=0),
        between(Rule.NOT_A_SESSION, warning, "off_calendar", max_value=0),
        between(Rule.FUTURE_SESSION, warning, "future", max_value=0),
        between(Rule.FUTURE_SESSION, critical, "future", max_value=1),
        ExpectCompoundColumnsToBeUnique(column_list=list(KEY), **_labels(Rule.DUPLICATE, warning)),
        between(Rule.DUPLICATE, critical, "repeated", max_value=1),
        between(Rule.PRICE_MISSING, critical, "missing_prices", max_value=0),
        between(Rule.PRICE_NOT_POSITIVE, critical, "lowest_px", min_value=0, strict_min=True),
        ExpectOhlcCoherent(worst_grade=0, **_labels(Rule.OHLC_INCOHERENT, warning)),
        ExpectOhlcCoherent(worst_grade=1, **_labels(Rule.OHLC_INCOHERENT, critical)),
        between(Rule.VOLUME_NEGATIVE, critical, "regular_volume", min_value=0),
        between(Rule.UNIT_ERROR, critical, "unit_error", max_value=0),
        between(Rule.SPLIT_NOT_APPLIED, warning, "split_like", max_value=0),
        between(Rule.SPLIT_NOT_APPLIED, critical, "split_like", max_value=1),
        between(Rule.JUMP, warning, "jump_ret", min_value=least, max_value=most),
        between(Rule.JUMP, warning, "unusual_move", max_value=0),
        between(Rule.JUMP, critical, "alarming_ret", min_value=least, max_value=most),
        between(Rule.DIVIDEND_DOUBTFUL, critical, "dividend_doubt", max_value=0),
        between(Rule.FROZEN, warning, "frozen_sessions", max_value=frozen),
        between(Rule.REPEATED_BAR, warning, "copied", max_value=0),
        between(Rule.REPEATED_BAR, critical, "copied", max_value=1),
        between(Rule.VOLUME_ANOMALY, warning, "volume_doubt", max_value=0),
        between(Rule.ROUNDED, warning, "rounded", max_value=0),
    ]


def between(rule: StrEnum, severity: FindingSeverity, column: str, **limits: Any) -> ExpectColumnValuesToBeBetween:
    """Return the expectation that all values of a column lie between the limits, NaN left out."""
    return ExpectColumnValuesToBeBetween(column=column, **limits, **_labels(rule, severity))


def not_zero(rule: StrEnum, severity: FindingSeverity, column: str) -> ExpectColumnValuesToNotBeInSet:
    """Return the expectation that no value of a column is 0, NaN left out."""
    return ExpectColumnValuesToNotBeInSet(column=column, value_set=[0], **_labels(rule, severity))


def _labels(rule: StrEnum, severity: FindingSeverity) -> dict[str, Any]:
    return {"meta": {"rule": rule.value}, "severity": severity.value}
