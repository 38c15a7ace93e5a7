"""Great Expectations as the second reader of the gate of quotes: the same rules as a contract, in one batch."""

import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trading.errors import QuotesInvalid
from trading.market.calendars import TradingCalendar
from trading.market.quality import FindingSeverity, Rule
from trading.market.quote_facts import quote_facts
from trading.market.quote_rules import QuotePolicy
from trading.market.quotes import QuoteKind, Quotes

if TYPE_CHECKING:
    import great_expectations as gx

_NAME = "quotes"
_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["symbol"],
    "return_unexpected_index_query": False,
}


def validate_quotes(
    quotes: Quotes,
    *,
    calendar: TradingCalendar,
    policy: QuotePolicy,
    now: datetime,
    closes: Mapping[str, float] | None = None,
) -> frozenset[tuple[Rule, FindingSeverity, str]]:
    """Return what Great Expectations finds: rule, severity and symbol; the arguments are those of `check_quotes`.

    It judges quotes, so a symbol without one is for `check_quotes` alone to find.

    Raises:
        QuotesInvalid: an expectation could not be evaluated.
    """
    facts = quote_facts(quotes, calendar=calendar, now=now, closes=closes or {})
    with warnings.catch_warnings():
        # Great Expectations imports sre_constants, which Python 3.11 has deprecated; nothing of ours is in here.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.enable_analytics(enable=False)
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas(_NAME).add_dataframe_asset(_NAME)
        batch = asset.add_batch_definition_whole_dataframe(_NAME).get_batch({"dataframe": facts})
        results = batch.validate(_suite(policy, is_open=bool(facts["open"].any())), result_format=_FORMAT).results
    found = set()
    for result in results:
        config: Any = result.expectation_config
        rule, severity = Rule(config.meta["rule"]), FindingSeverity(config.severity)
        if not result.success and "unexpected_index_list" not in result.result:
            raise QuotesInvalid(quotes.source, f"{rule} could not be evaluated: {result.exception_info}")
        found |= {(rule, severity, key["symbol"]) for key in result.result.get("unexpected_index_list") or ()}
    return frozenset(found)


def _suite(policy: QuotePolicy, *, is_open: bool) -> "gx.ExpectationSuite":
    import great_expectations as gx
    from great_expectations.expectations.core.expect_column_pair_values_a_to_be_greater_than_b import (
        ExpectColumnPairValuesAToBeGreaterThanB,
    )
    from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
    from great_expectations.expectations.core.expect_column_values_to_not_be_in_set import (
        ExpectColumnValuesToNotBeInSet,
    )

    warning, bad = FindingSeverity.WARNING, FindingSeverity.CRITICAL

    def between(rule: Rule, severity: FindingSeverity, column: str, **limits: Any) -> Any:
        return ExpectColumnValuesToBeBetween(column=column, **limits, **_labels(rule, severity))

    def not_of_kind(severity: FindingSeverity, *kinds: QuoteKind) -> Any:
        return ExpectColumnValuesToNotBeInSet(
            column="kind", value_set=[kind.value for kind in kinds], **_labels(Rule.NOT_LIVE, severity)
        )

    refused: tuple[QuoteKind, ...] = () if policy.delayed_allowed else (QuoteKind.DELAYED, QuoteKind.DELAYED_FROZEN)
    refused += (QuoteKind.FROZEN,) if is_open else ()
    least, most = -100 * policy.max_move, 100 * policy.max_move
    return gx.ExpectationSuite(
        _NAME,
        expectations=[
            between(Rule.PRICE_MISSING, bad, "infinite", max_value=0),
            between(Rule.PRICE_NOT_POSITIVE, bad, "lowest_px", min_value=0, strict_min=True),
            between(Rule.SIDE_MISSING, warning, "sides_missing", max_value=0),
            between(Rule.SIDE_MISSING, bad, "sides_missing", max_value=1),
            ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="ask",
                column_B="bid",
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                **_labels(Rule.CROSSED, bad),
            ),
            between(Rule.LOCKED, warning, "locked", max_value=0),
            between(Rule.SPREAD_WIDE, warning, "spread_pct", max_value=policy.max_spread_pct),
            between(Rule.SPREAD_WIDE, bad, "spread_pct", max_value=policy.critical_spread_pct),
            between(Rule.SIZE_NOT_POSITIVE, warning, "lowest_size", min_value=0, strict_min=True),
            between(Rule.SIZE_NOT_POSITIVE, bad, "lowest_size", min_value=0),
            between(Rule.QUOTE_STALE, warning, "late_s", max_value=policy.stale_after_seconds),
            between(Rule.QUOTE_STALE, bad, "late_s", max_value=policy.critical_after_seconds),
            between(Rule.OUT_OF_SESSION, bad, "other_session", max_value=0),
            between(Rule.FUTURE_TIME, bad, "ahead_s", max_value=policy.clock_tolerance_seconds),
            not_of_kind(warning, QuoteKind.DELAYED, QuoteKind.DELAYED_FROZEN),
            *([not_of_kind(bad, *refused)] if refused else []),
            between(Rule.UNIT_ERROR, bad, "unit_error", max_value=0),
            between(Rule.JUMP, warning, "move_pct", min_value=least, max_value=most),
            between(Rule.JUMP, bad, "alarming_move", max_value=0),
        ],
    )


def _labels(rule: Rule, severity: FindingSeverity) -> dict[str, Any]:
    return {"meta": {"rule": rule.value}, "severity": severity.value}
