"""What every source of daily bars must do, whoever it asks: one battery, inherited by the tests of each adapter."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from trading.errors import InvalidValue
from trading.market.bars import (
    ANNOUNCED_AHEAD,
    BAR_COLUMNS,
    SESSION_DTYPE,
    BarSource,
    DailyBars,
    FetchedBars,
    FetchStatus,
)
from trading.market.calendars import TradingCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCase:
    """A source, what is known of it, and a range of sessions for which it has bars of all `symbols`.

    Attributes:
        sessions: how many bars each symbol has from `first` to `last`.
        empty_year: a year for which it knows the symbols and has no bars.
    """

    source: BarSource
    symbols: tuple[str, ...]
    first: date
    last: date
    sessions: int
    empty_year: int

    def fetch(self, *symbols: str) -> FetchedBars:
        return self.source.fetch(symbols or self.symbols, self.first, self.last)


def statuses(fetched: FetchedBars) -> dict[str, FetchStatus]:
    found = {outcome.symbol: outcome.status for outcome in fetched.outcomes}
    assert len(found) == len(fetched.outcomes), "a symbol has two outcomes"
    return found


def rows_hash(bars: DailyBars) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(bars.frame).to_numpy().tobytes()).hexdigest()


class BarSourceBattery:
    """Inherit it, and give a fixture `case`."""

    def test_every_symbol_asked_has_exactly_one_outcome(self, case: SourceCase):
        fetched = case.fetch(*case.symbols, "NOSUCH1", *case.symbols)

        assert set(statuses(fetched)) == {*case.symbols, "NOSUCH1"}

    def test_a_good_symbol_has_a_bar_for_every_session_of_the_range(self, case: SourceCase):
        fetched = case.fetch()

        assert set(statuses(fetched).values()) == {FetchStatus.OK}
        assert fetched.bars.frame.groupby("symbol").size().to_dict() == dict.fromkeys(case.symbols, case.sessions)

    def test_an_unknown_symbol_is_named_and_does_not_spoil_the_others(self, case: SourceCase):
        fetched = case.fetch(case.symbols[0], "NOSUCH1")

        assert statuses(fetched) == {case.symbols[0]: FetchStatus.OK, "NOSUCH1": FetchStatus.UNKNOWN_SYMBOL}
        assert all("NOSUCH1" in o.text for o in fetched.outcomes if o.symbol == "NOSUCH1")
        assert set(fetched.bars.frame["symbol"]) == {case.symbols[0]}

    def test_a_known_symbol_without_bars_in_the_range_says_so(self, case: SourceCase):
        fetched = case.source.fetch(case.symbols[:1], date(case.empty_year, 1, 1), date(case.empty_year, 1, 31))

        assert statuses(fetched) == {case.symbols[0]: FetchStatus.NO_BARS}
        assert case.symbols[0] in fetched.outcomes[0].text
        assert fetched.bars.frame.empty

    def test_asking_for_nothing_gives_nothing(self, case: SourceCase):
        fetched = case.source.fetch([], case.first, case.last)

        assert fetched.outcomes == ()
        assert fetched.bars.frame.empty
        assert fetched.actions == ()

    def test_a_range_that_ends_before_it_begins_is_refused(self, case: SourceCase):
        with pytest.raises(InvalidValue, match="not before first"):
            case.source.fetch(case.symbols, case.last, case.first - timedelta(days=1))

    def test_bars_are_sorted_and_have_the_columns_and_types_of_bars(self, case: SourceCase):
        frame = case.fetch().bars.frame

        assert tuple(frame.columns) == BAR_COLUMNS
        assert frame["session"].dtype == SESSION_DTYPE
        assert frame["symbol"].dtype == "str"
        assert {str(frame[name].dtype) for name in BAR_COLUMNS[2:]} == {"float64"}
        assert frame.equals(frame.sort_values(["symbol", "session"], ignore_index=True))

    def test_no_bar_lies_outside_the_range_or_outside_a_session(self, case: SourceCase):
        frame = case.fetch().bars.frame
        sessions = TradingCalendar("XNYS").session_index(case.first, case.last)

        assert frame["session"].isin(sessions).all()

    def test_both_ends_of_the_range_are_included(self, case: SourceCase):
        sessions = case.fetch().bars.frame["session"]
        one_day = case.source.fetch(case.symbols, case.last, case.last).bars.frame

        assert (sessions.min().date(), sessions.max().date()) == (case.first, case.last)
        assert len(one_day) == len(case.symbols)

    def test_closes_are_there_and_positive(self, case: SourceCase):
        closes = case.fetch().bars.frame["close"]

        assert np.isfinite(closes).all()
        assert (closes > 0).all()

    def test_fetching_again_gives_the_same_content(self, case: SourceCase):
        once, again = case.fetch(), case.fetch()
        turned = case.fetch(*reversed(case.symbols))

        assert once.bars.content_hash() == again.bars.content_hash() == turned.bars.content_hash()
        assert rows_hash(once.bars) == rows_hash(again.bars) == rows_hash(turned.bars)
        assert once.actions == again.actions == turned.actions

    def test_bars_carry_the_name_of_the_source(self, case: SourceCase):
        assert case.source.name
        assert case.fetch().bars.source == case.source.name

    def test_corporate_actions_belong_to_the_symbols_and_the_range_asked(self, case: SourceCase):
        for action in case.fetch(case.symbols[0]).actions:
            assert action.symbol == case.symbols[0]
            assert case.first <= action.ex_date <= case.last + ANNOUNCED_AHEAD

    def test_every_symbol_has_an_instrument_under_its_own_symbol(self, case: SourceCase):
        instruments = case.source.instruments()

        assert set(case.symbols) <= set(instruments)
        assert all(symbol == instrument.symbol for symbol, instrument in instruments.items())
        assert {TradingCalendar(i.mic).mic for i in instruments.values()} == {i.mic for i in instruments.values()}
