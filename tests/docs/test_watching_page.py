"""The page on watching the market keeps its word: its tables are the code's, its example is run."""

import doctest
import re
from pathlib import Path

from pydantic import TypeAdapter

from trading.monitoring.conditions import ConditionPolicy, MarketCondition
from trading.monitoring.metrics import watching_tables

PAGE = Path(__file__).parents[2] / "docs" / "watching.md"


def test_the_tables_of_metrics_and_oddities_are_those_of_the_code():
    assert watching_tables() in PAGE.read_text()


def test_every_condition_and_every_threshold_with_its_default_is_on_the_page():
    text = PAGE.read_text()

    thresholds = TypeAdapter(ConditionPolicy).json_schema()["properties"]

    for name, told in thresholds.items():
        assert f"| `{name}` | {told['default']:g} | {told['description']} |" in text
    assert set(re.findall(r"`([A-Z_]+)`", text)) == {condition.name for condition in MarketCondition}


def test_the_example_says_what_the_page_says():
    examples = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    whole = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    told: list[str] = []

    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(whole, out=told.append)

    assert (result.failed, result.attempted > 10) == (0, True), "".join(told)
