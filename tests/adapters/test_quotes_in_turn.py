"""Quotes of a provider and of those that stand in for it."""

import pytest
from werkzeug import Response

from adapters.quotes_in_turn import QuotesInTurn
from adapters.yahoo_quotes import PATH
from tests.adapters.test_failover_bars import MemoryTrail
from tests.adapters.test_yahoo_quotes import APPLE, quotes_at, serve
from tests.adapters.yahoo_server import Yahoo, _own_cache, closed_port, now, yahoo
from tests.quote_source_battery import quote_statuses
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchStatus

__all__ = ["_own_cache", "yahoo"]


def test_a_provider_that_is_down_is_stood_in_for_and_the_outcome_says_by_whom_and_why(yahoo: Yahoo):
    trail = MemoryTrail()
    down, standing_in = quotes_at(closed_port(), name="first"), serve(yahoo, APPLE)

    fetched = QuotesInTurn([down, standing_in], trail, now).fetch(["AAPL", "NOSUCH1"])

    assert (fetched.quotes.source, fetched.quotes.frame["bid"].to_list()) == ("first", [230.48])
    assert quote_statuses(fetched) == {"AAPL": FetchStatus.OK, "NOSUCH1": FetchStatus.FAILED}
    assert fetched.outcomes[0].provider == "yahoo"
    assert "first did not answer" in fetched.outcomes[0].text
    assert [answer.given for answer in trail.lately("yahoo")] == [1]


def test_where_nobody_answers_it_says_why_of_each(yahoo: Yahoo):
    yahoo.answers(PATH, lambda _: Response("", status=429))
    both = [quotes_at(closed_port(), name="first"), quotes_at(yahoo.address, name="second")]

    with pytest.raises(SourceUnavailable, match=r"first is unavailable: first: .*; second: "):
        QuotesInTurn(both, MemoryTrail(), now).fetch(["AAPL"])


def test_asking_for_nothing_gives_nothing_and_each_provider_is_named_once(yahoo: Yahoo):
    source = serve(yahoo, APPLE)

    assert QuotesInTurn([source], MemoryTrail(), now).fetch([]).quotes.frame.empty
    with pytest.raises(InvalidValue, match="each named once"):
        QuotesInTurn([source, source], MemoryTrail(), now)
