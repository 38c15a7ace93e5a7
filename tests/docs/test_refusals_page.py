"""The page on refusals is the one that the codes make."""

from pathlib import Path

import pytest

from trading.risk.refusals import RefusalCode, explain, refusals_page

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"


def test_the_page_is_made_from_the_codes():
    assert PAGE.read_text() == refusals_page(), "write it anew: python -m trading.risk.refusals > docs/refusals.md"


@pytest.mark.parametrize("code", RefusalCode)
def test_every_code_says_what_it_means_and_what_to_do(code):
    explanation = explain(code)

    assert explanation.meaning.endswith(".")
    assert explanation.remedy.endswith((".", "`."))
