"""Pages keep their word: every example is run, and says what the page says."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", ["options.md", "risk-measures.md"])
def test_every_example_of_a_page_says_what_the_page_says(name):
    page = DOCS / name
    examples = "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
    whole = doctest.DocTestParser().get_doctest(examples, {}, name, str(page), 0)
    told: list[str] = []

    result = doctest.DocTestRunner(optionflags=FLAGS).run(whole, out=told.append)

    assert result.failed == 0, "".join(told)
    assert result.attempted > 20
