"""The page on risk measures keeps its word: every example is run, and says what the page says."""

import doctest
import re
from pathlib import Path

from trading.risk.measure_limits import MeasureCode

PAGE = Path(__file__).parents[2] / "docs" / "risk-measures.md"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_every_example_of_the_page_says_what_the_page_says():
    text = PAGE.read_text()
    examples = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    whole = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    told: list[str] = []

    result = doctest.DocTestRunner(optionflags=FLAGS).run(whole, out=told.append)

    assert result.failed == 0, "".join(told)
    assert result.attempted > 20


def test_every_code_of_a_measure_is_on_the_page():
    words = set(re.findall(r"`([A-Z_]+)`", PAGE.read_text()))

    assert {code.value for code in MeasureCode} <= words
