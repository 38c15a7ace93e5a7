"""Runs of Great Expectations over one frame, as its suites for bars and for option chains share them."""

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlparse

import pandas as pd

from trading.market.quality import FindingSeverity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

Label = tuple[str, FindingSeverity]
SuiteOf = Callable[[Collection[Label] | None], "ExpectationSuite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GxResult:
    """What became of one expectation.

    Attributes:
        rule: its word, from the `meta` of the expectation.
        failed_keys: of every row that fails, by column.
        raised: why it could not be evaluated; None where it could.
    """

    rule: str
    severity: FindingSeverity
    success: bool
    failed_keys: tuple["Mapping[str, Any]", ...]
    raised: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GxRun:
    """The results of a suite, and the index page of the Data Docs if they were asked for."""

    results: tuple[GxResult, ...]
    docs_path: Path | None


def run_suite(frame: pd.DataFrame, suite_of: SuiteOf, *, keys: Sequence[str], docs_root: Path | None) -> GxRun:
    """Hold a frame against a suite, as one batch.

    Args:
        suite_of: makes the suite; of the labels given only, or whole for None. It is called after Great Expectations
            has been imported quietly.
        keys: the columns that name a row.
        docs_root: folder of the suite, the results and the Data Docs; nothing is written when None.
    """
    with warnings.catch_warnings():
        # Great Expectations imports sre_constants, which Python 3.11 has deprecated; nothing of ours is in here.
        warnings.simplefilter("ignore", DeprecationWarning)
        # It compares a column of int8 value by value, 20 times slower than one of int64.
        small = frame.select_dtypes("int8").columns
        results, docs_path = _run(frame.astype(dict.fromkeys(small, "int64")), suite_of, keys, docs_root)
    return GxRun(results=tuple(_result(result) for result in results), docs_path=docs_path)


def _run(
    frame: pd.DataFrame, suite_of: SuiteOf, keys: Sequence[str], docs_root: Path | None
) -> tuple[list["ExpectationValidationResult"], Path | None]:
    """Return the result of each expectation, the failed ones with the keys of all their rows; and the docs' index."""
    import great_expectations as gx

    whole = suite_of(None)
    context, batches = _context(whole.name, docs_root)
    suite = context.suites.add_or_update(whole)
    definition = gx.ValidationDefinition(name=suite.name, data=batches, suite=suite)
    batch_parameters = {"dataframe": frame}
    named = {"unexpected_index_column_names": list(keys), "return_unexpected_index_query": False}
    # The keys of all failing rows are dear, so they are asked for afterwards, of the expectations that failed.
    first_look = {"result_format": "SUMMARY", **named} if docs_root else {"result_format": "BOOLEAN_ONLY"}
    results = (
        context.validation_definitions.add_or_update(definition)
        .run(batch_parameters=batch_parameters, result_format=first_look)
        .results
    )
    docs_path = _build_docs(context) if docs_root else None
    failed = {_label(result) for result in results if _failed(result)}
    if failed:
        again = batches.get_batch(batch_parameters).validate(
            suite_of(failed), result_format={"result_format": "COMPLETE", **named}
        )
        results = [result for result in results if not _failed(result)] + again.results
    return results, docs_path


def _build_docs(context: "AbstractDataContext") -> Path:
    (index,) = context.build_data_docs().values()  # a fresh context has one site
    return Path(unquote(urlparse(index).path))


def _context(name: str, docs_root: Path | None) -> tuple["AbstractDataContext", "BatchDefinition[Any]"]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    if docs_root is None:
        context: AbstractDataContext = gx.get_context(mode="ephemeral")
    else:
        docs_root.mkdir(parents=True, exist_ok=True)
        context = gx.get_context(mode="file", project_root_dir=docs_root)
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    assets = context.data_sources.add_or_update_pandas(name)
    return context, assets.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)


def _result(result: "ExpectationValidationResult") -> GxResult:
    rule, severity = _label(result)
    keys = result.result["unexpected_index_list"] if _failed(result) else ()
    return GxResult(
        rule=rule,
        severity=severity,
        success=bool(result.success),
        failed_keys=tuple(keys),
        raised=_exception(result),
    )


def _failed(result: "ExpectationValidationResult") -> bool:
    return not result.success and _exception(result) is None


def _exception(result: "ExpectationValidationResult") -> str | None:
    """Return why an expectation could not be evaluated; GX tells it once, or once for each metric."""
    told = result.exception_info
    for one in [told] if "raised_exception" in told else told.values():
        if one["raised_exception"]:
            return str(one["exception_message"])
    return None


def _label(result: "ExpectationValidationResult") -> Label:
    config = cast("ExpectationConfiguration", result.expectation_config)  # absent only in results read from old files
    labels = cast("Mapping[str, str]", config.meta)  # each suite of ours labels every expectation
    return labels["rule"], FindingSeverity(config.severity)
