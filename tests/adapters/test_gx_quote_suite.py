"""Great Expectations reads the same quotes by the same rules, and must come to the same findings as ours."""

import pandas as pd

from adapters.gx_quote_suite import validate_quotes
from tests.bar_builders import XNYS
from tests.trading.market.test_quote_checks import BAD, CLOSES, CRITICAL, NOON, a_quote
from trading.market.quote_checks import check_quotes
from trading.market.quote_rules import QuotePolicy
from trading.market.quotes import FetchedQuotes, Quotes, quotes_frame


def test_both_readers_find_the_same() -> None:
    rows = [a_quote(**change).quotes.frame.iloc[[0]].assign(symbol=f"S{n:02}") for n, (change, _, _) in enumerate(BAD)]
    frame = quotes_frame(pd.concat([*rows, a_quote().quotes.frame]))
    together = Quotes(frame=frame, source="test", received_at=NOON)
    closes = dict.fromkeys(frame["symbol"], 207.15) | CLOSES
    policy = QuotePolicy()

    ours = check_quotes(
        FetchedQuotes(quotes=together, outcomes=()), calendar=XNYS, policy=policy, now=NOON, closes=closes
    )
    theirs = validate_quotes(together, calendar=XNYS, policy=policy, now=NOON, closes=closes)

    bad = {(f.rule, f.severity, f.symbol) for f in ours.findings}
    assert len({symbol for _, _, symbol in bad}) == len(BAD)
    assert {each for each in theirs if each[1] is CRITICAL} == {each for each in bad if each[1] is CRITICAL}
    assert {(rule, symbol) for rule, _, symbol in theirs} == {(rule, symbol) for rule, _, symbol in bad}
