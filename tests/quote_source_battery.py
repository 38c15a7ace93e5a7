"""What every source of quotes must do, whoever it asks: one battery, inherited by the tests of each adapter."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from trading.errors import SourceUnavailable
from trading.market.bars import FetchStatus
from trading.market.quotes import QUOTE_COLUMNS, QUOTE_NUMBERS, TIME_DTYPE, FetchedQuotes, QuoteKind, QuoteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteCase:
    """A source, and what is known of it.

    Attributes:
        symbols: two or more that it has a quote of; it has none of NOSUCH1.
        down: the same kind of source, whose provider does not answer.
        refused: the same kind of source, whose provider refuses the key and repeats it in its answer.
        secrets: what no message may hold, in any case.
    """

    source: QuoteSource
    symbols: tuple[str, ...]
    down: QuoteSource
    refused: QuoteSource
    secrets: tuple[str, ...]

    def fetch(self, *symbols: str) -> FetchedQuotes:
        return self.source.fetch(symbols or self.symbols)


def quote_statuses(fetched: FetchedQuotes) -> dict[str, FetchStatus]:
    found = {outcome.symbol: outcome.status for outcome in fetched.outcomes}
    assert len(found) == len(fetched.outcomes), "a symbol has two outcomes"
    return found


class QuoteSourceBattery:
    """Inherit it, and give a fixture `case`."""

    def test_every_symbol_asked_has_exactly_one_outcome(self, case: QuoteCase):
        fetched = case.fetch(*case.symbols, "NOSUCH1", *case.symbols)

        assert list(quote_statuses(fetched)) == [*case.symbols, "NOSUCH1"]

    def test_a_good_symbol_has_one_quote(self, case: QuoteCase):
        fetched = case.fetch()

        assert quote_statuses(fetched) == dict.fromkeys(case.symbols, FetchStatus.OK)
        assert sorted(fetched.quotes.frame["symbol"]) == sorted(case.symbols)

    def test_an_unknown_symbol_is_named_and_does_not_spoil_the_others(self, case: QuoteCase):
        fetched = case.fetch(case.symbols[0], "NOSUCH1")

        assert quote_statuses(fetched) == {case.symbols[0]: FetchStatus.OK, "NOSUCH1": FetchStatus.UNKNOWN_SYMBOL}
        assert "NOSUCH1" in fetched.outcomes[1].text
        assert fetched.quotes.frame["symbol"].to_list() == [case.symbols[0]]

    def test_a_symbol_that_was_not_asked_has_no_quote(self, case: QuoteCase):
        assert case.fetch(case.symbols[1]).quotes.frame["symbol"].to_list() == [case.symbols[1]]

    def test_asking_for_nothing_gives_nothing_and_asks_nobody(self, case: QuoteCase):
        for source in (case.source, case.down, case.refused):
            fetched = source.fetch([])

            assert fetched.outcomes == ()
            assert fetched.quotes.frame.empty

    def test_quotes_are_sorted_and_have_the_columns_and_types_of_quotes(self, case: QuoteCase):
        frame = case.fetch(*reversed(case.symbols)).quotes.frame

        assert tuple(frame.columns) == QUOTE_COLUMNS
        assert frame["symbol"].is_monotonic_increasing
        assert frame["symbol"].dtype == "str"
        assert frame["quoted_at"].dtype == TIME_DTYPE
        assert {str(frame[name].dtype) for name in QUOTE_NUMBERS} == {"float64"}
        assert set(frame["kind"]) <= {kind.value for kind in QuoteKind}

    def test_what_is_quoted_is_a_number_above_zero_and_what_is_not_is_nan(self, case: QuoteCase):
        frame = case.fetch().quotes.frame
        prices = frame[["bid", "ask", "last"]].to_numpy()

        assert not np.isinf(prices).any()
        assert (prices[~np.isnan(prices)] > 0).all()
        assert frame[["bid", "ask", "last"]].notna().any(axis=1).all()

    def test_no_quote_is_of_a_time_after_it_was_received(self, case: QuoteCase):
        quotes = case.fetch().quotes

        assert quotes.received_at.tzinfo is not None
        assert (quotes.frame["quoted_at"].dropna() <= pd.Timestamp(quotes.received_at)).all()

    def test_quotes_carry_the_name_of_the_source(self, case: QuoteCase):
        assert case.source.name
        assert case.fetch().quotes.source == case.source.name

    def test_a_provider_that_is_down_or_refuses_the_key_is_unavailable_and_the_key_is_in_no_message(
        self, case: QuoteCase
    ):
        for source in (case.down, case.refused):
            with pytest.raises(SourceUnavailable) as caught:
                source.fetch(case.symbols)

            assert caught.value.source == case.source.name
            told = f"{caught.value} {caught.value.__cause__!r} {source!r}".lower()
            assert not [secret for secret in case.secrets if secret.lower() in told]
