"""The page on breakers keeps its word: its table says what the defaults are."""

import re
from pathlib import Path

from trading.risk.breakers import UNITS, BreakerKind, BreakerRule, BreakerRules, ResetRule, SampleRule
from trading.risk.restrictions import RestrictionKind, RiskScope

PAGE = Path(__file__).parents[2] / "docs" / "breakers.md"


def told(kind: BreakerKind, rule: BreakerRule) -> list[str]:
    """Return what the table is to say of a breaker: threshold, action and reset."""
    sample = f" ({rule.sample})" if isinstance(rule, SampleRule) else ""
    action = rule.action.value
    action += f" to {rule.size_factor}" if rule.action is RestrictionKind.REDUCE_SIZE else ""
    action += ", in that symbol" if rule.scope is RiskScope.INSTRUMENT else ""
    ends = {
        ResetRule.PERSON: "a person",
        ResetRule.NEXT_SESSION: "the next session",
        ResetRule.AFTER_TIME: f"{rule.reset_minutes} minutes",
        ResetRule.BY_ITSELF: f"below {rule.ends_below}",
    }
    return [f"{rule.threshold} {UNITS[kind]}{sample}", action, ends[rule.reset]]


def test_the_table_says_what_every_breaker_does_unless_it_is_set_otherwise():
    rows = [re.split(r" *\| *", line.strip("| \n")) for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert {row[0].strip("`"): row[2:] for row in rows} == {
        kind.value: told(kind, rule) for kind, rule in BreakerRules().items()
    }
