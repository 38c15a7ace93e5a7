"""The page on options has every word that it is to explain."""

import re
from pathlib import Path

from trading.options.chain_greeks import NoVolatility
from trading.options.chain_quality import ChainRule

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def test_every_word_for_what_is_wrong_is_on_the_page():
    words = set(re.findall(r"`([A-Z_]+)`", PAGE.read_text()))

    assert {word.value for word in (*ChainRule, *NoVolatility)} <= words
