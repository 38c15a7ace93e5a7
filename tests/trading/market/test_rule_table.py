"""What is written about the rules is what they are."""

from pathlib import Path

from benchmarks.corruption_kinds import KINDS
from trading.market.quality import Rule
from trading.market.rule_table import rule_tables

DOCUMENT = Path(__file__).parents[3] / "docs" / "quality.md"


def test_the_tables_of_rules_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text()

    written = text.split("<!-- rules -->\n")[1].split("\n<!-- end of rules -->")[0]
    assert written == rule_tables().rstrip("\n")


def test_every_rule_and_every_kind_of_corruption_is_told() -> None:
    text = DOCUMENT.read_text()

    assert [rule for rule in Rule if f"`{rule}`" not in text] == []
    assert [kind.name for kind in KINDS if f"| {kind.name} |" not in text] == []
