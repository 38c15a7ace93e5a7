"""The page on risk measures has every word that it is to explain."""

import re
from pathlib import Path

from trading.risk.refusals import RefusalCode, explain

PAGE = Path(__file__).parents[2] / "docs" / "risk-measures.md"


def test_every_code_of_a_measure_is_on_the_page():
    words = set(re.findall(r"`([A-Z_]+)`", PAGE.read_text()))

    assert {code.value for code in RefusalCode if explain(code).limit.startswith("measures")} <= words
