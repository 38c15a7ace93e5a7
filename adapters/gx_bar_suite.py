"""Great Expectations as the second reader of the quality gate: the same rules, kept as a contract with its records.

One batch holds the bars of all symbols: the cost grows with the rules, not with the symbols.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlparse

import pandas as pd

from trading.errors import BarsNotPassed
from trading.market.bar_facts import bar_facts
from trading.market.bars import FetchedBars
from trading.market.calendars import TradingCalendar
from trading.market.quality import FindingSeverity, QualityPolicy, Rule

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

_NAME = "daily_bars"
_KEYS = {"unexpected_index_column_names": ["symbol", "session"], "return_unexpected_index_query": False}


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

    It judges bars, so a symbol without any is for `check_bars` alone to find.

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
        """Hold the bars against the suite; the arguments are those of `check_bars`.

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
        with warnings.catch_warnings():
            # Great Expectations imports sre_constants, which Python 3.11 has deprecated; nothing of ours is in here.
            warnings.simplefilter("ignore", DeprecationWarning)
            # It compares a column of int8 value by value, 20 times slower than one of int64.
            small = facts.frame.select_dtypes("int8").columns
            results, docs_path = _run(facts.frame.astype(dict.fromkeys(small, "int64")), self._policy, self._docs_root)
        for result in results:
            if why := _exception(result):
                raise BarsNotPassed(session, fetched.bars.source, f"{_labels(result)[0]} could not be evaluated: {why}")
        failures = {failure for result in results if not result.success for failure in _failures(result)}
        return GxVerdict(
            success=all(result.success for result in results),
            failures=tuple(sorted(failures, key=lambda f: (f.rule, f.symbol, f.session or date.min, f.severity))),
            docs_path=docs_path,
            expectations=len(results),
        )


def _run(
    frame: pd.DataFrame, policy: QualityPolicy, docs_root: Path | None
) -> tuple[list["ExpectationValidationResult"], Path | None]:
    """Return the result of each expectation, the failed ones with the keys of all their rows; and the docs' index."""
    import great_expectations as gx

    from adapters.gx_expectations import bar_suite

    context, bars = _context(docs_root)
    suite = context.suites.add_or_update(bar_suite(policy))
    definition = gx.ValidationDefinition(name=suite.name, data=bars, suite=suite)
    batch_parameters = {"dataframe": frame}
    # The keys of all failing rows are dear, so they are asked for afterwards, of the expectations that failed.
    first_look = {"result_format": "SUMMARY", **_KEYS} if docs_root else {"result_format": "BOOLEAN_ONLY"}
    results = (
        context.validation_definitions.add_or_update(definition)
        .run(batch_parameters=batch_parameters, result_format=first_look)
        .results
    )
    docs_path = _build_docs(context) if docs_root else None
    failed = {_labels(result) for result in results if _failed(result)}
    if failed:
        again = bars.get_batch(batch_parameters).validate(
            bar_suite(policy, only=failed), result_format={"result_format": "COMPLETE", **_KEYS}
        )
        results = [result for result in results if not _failed(result)] + again.results
    return results, docs_path


def _build_docs(context: "AbstractDataContext") -> Path:
    (index,) = context.build_data_docs().values()  # a fresh context has one site
    return Path(unquote(urlparse(index).path))


def _context(docs_root: Path | None) -> tuple["AbstractDataContext", "BatchDefinition[Any]"]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    if docs_root is None:
        context: AbstractDataContext = gx.get_context(mode="ephemeral")
    else:
        docs_root.mkdir(parents=True, exist_ok=True)
        context = gx.get_context(mode="file", project_root_dir=docs_root)
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    assets = context.data_sources.add_or_update_pandas(_NAME)
    return context, assets.add_dataframe_asset(_NAME).add_batch_definition_whole_dataframe(_NAME)


def _failed(result: "ExpectationValidationResult") -> bool:
    return not result.success and _exception(result) is None


def _exception(result: "ExpectationValidationResult") -> str | None:
    """Return why an expectation could not be evaluated; GX tells it once, or once for each metric."""
    told = result.exception_info
    for one in [told] if "raised_exception" in told else told.values():
        if one["raised_exception"]:
            return str(one["exception_message"])
    return None


def _failures(result: "ExpectationValidationResult") -> Iterator[GxFailure]:
    rule, severity = _labels(result)
    for key in result.result["unexpected_index_list"]:
        yield GxFailure(
            rule=rule,
            severity=severity,
            symbol=key["symbol"],
            session=None if pd.isna(key["session"]) else key["session"].date(),
        )


def _labels(result: "ExpectationValidationResult") -> tuple[Rule, FindingSeverity]:
    config = cast("ExpectationConfiguration", result.expectation_config)  # absent only in results read from old files
    labels = cast("Mapping[str, str]", config.meta)  # bar_suite labels every expectation
    return Rule(labels["rule"]), FindingSeverity(config.severity)
