"""The rules and thresholds of the quality gates as Markdown, made from the rules and thresholds themselves."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from trading.market.agreement import AgreementPolicy
from trading.market.bar_rules import BAR_RULES
from trading.market.minute_checks import MINUTE_RULES, MinutePolicy
from trading.market.quality import FindingSeverity, QualityPolicy
from trading.market.quote_rules import QUOTE_RULES, QuotePolicy
from trading.market.row_rules import RowRule


def rule_tables() -> str:
    """Return a section for each gate: its rules with what must be there, and its thresholds with their defaults."""
    sections = (
        ("Daily bars", BAR_RULES, QualityPolicy()),
        ("Quotes", QUOTE_RULES, QuotePolicy()),
        ("Bars within the day", MINUTE_RULES, MinutePolicy()),
        ("Two providers", (), AgreementPolicy()),
    )
    return "\n".join(line for title, rules, policy in sections for line in _section(title, rules, policy))


def _section(title: str, rules: Sequence[RowRule[Any]], policy: Any) -> Iterator[str]:
    yield f"### {title}\n"
    if rules:
        yield "| rule | severity | cost | what must be there | what to do |"
        yield "| --- | --- | --- | --- | --- |"
        yield from (_row(rule, policy) for rule in rules)
        yield ""
    yield f"| threshold of {type(policy).__name__} | default | meaning |"
    yield "| --- | --- | --- |"
    schema = TypeAdapter(type(policy)).json_schema()["properties"]
    for name, field in schema.items():
        default = field.get("default")
        yield f"| `{name}` | {'none' if default in ([], None) else default} | {field['description']} |"
    yield ""


def _row(rule: RowRule[Any], policy: Any) -> str:
    cost = {FindingSeverity.WARNING: policy.warning_cost, FindingSeverity.CRITICAL: policy.critical_cost}
    costs = " or ".join(f"{cost[severity]:g}" for severity in rule.severities)
    return f"| `{rule.rule}` | {' or '.join(rule.severities)} | {costs} | {rule.limit(policy)} | {rule.remedy} |"
