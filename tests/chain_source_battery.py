"""What every source of option chains must do, whoever it asks: one battery, inherited by the tests of each adapter."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date

import numpy as np
import pytest

from trading.errors import SourceUnavailable, UnknownSymbol
from trading.options.chains import CHAIN_COLUMNS, CHAIN_KEYS, CHAIN_NUMBERS, ChainSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCase:
    """A source of chains, and what is known of the one it has.

    Attributes:
        underlying: whose chain it has, with calls and puts of every expiry; it knows no NOSUCH1.
        expiries: all of them, ascending.
        contracts: how many options the chain has.
        shut_down: takes the provider away; from then on nobody answers for it.
    """

    source: ChainSource
    underlying: str
    expiries: tuple[date, ...]
    contracts: int
    shut_down: Callable[[], None]


class ChainSourceBattery:
    """Inherit it, and give a fixture `chain_case`."""

    def test_a_chain_has_every_contract_once_with_both_rights_of_every_expiry(self, chain_case: ChainCase):
        frame = chain_case.source.fetch(chain_case.underlying).frame

        assert len(frame) == chain_case.contracts
        assert not frame.duplicated(list(CHAIN_KEYS)).any()
        assert frame.groupby("expiry")["right"].agg(set).map(lambda rights: rights == {"C", "P"}).all()

    def test_expiries_ascend_and_within_one_the_strikes(self, chain_case: ChainCase):
        frame = chain_case.source.fetch(chain_case.underlying).frame

        assert tuple(expiry.date() for expiry in frame["expiry"].unique()) == chain_case.expiries
        assert frame.equals(frame.sort_values(list(CHAIN_KEYS), ignore_index=True))

    def test_numbers_are_finite_or_missing_and_no_price_or_size_is_negative(self, chain_case: ChainCase):
        frame = chain_case.source.fetch(chain_case.underlying).frame

        numbers = frame[list(CHAIN_NUMBERS)]
        assert tuple(frame.columns) == CHAIN_COLUMNS
        assert not np.isinf(numbers).any(axis=None)
        assert (numbers.isna() | (numbers >= 0)).all(axis=None)
        assert (np.isfinite(frame["strike"]) & (frame["strike"] > 0)).all()

    def test_somebody_quotes_or_has_traded_something(self, chain_case: ChainCase):
        frame = chain_case.source.fetch(chain_case.underlying).frame

        assert frame[["bid", "ask", "last"]].notna().any(axis=None)

    def test_a_chain_says_whose_it_is_from_whom_and_when(self, chain_case: ChainCase):
        chain = chain_case.source.fetch(chain_case.underlying)

        assert chain.underlying == chain_case.underlying
        assert chain.source == chain_case.source.name != ""
        assert chain.at.utcoffset() == UTC.utcoffset(None)
        assert chain.underlying_px is None or (np.isfinite(chain.underlying_px) and chain.underlying_px > 0)

    def test_fetching_again_gives_the_same_chain(self, chain_case: ChainCase):
        once, again = (chain_case.source.fetch(chain_case.underlying) for _ in range(2))

        assert once.frame.drop(columns="quoted_at").equals(again.frame.drop(columns="quoted_at"))

    def test_an_underlying_that_nobody_knows_is_named(self, chain_case: ChainCase):
        with pytest.raises(UnknownSymbol, match="NOSUCH1") as caught:
            chain_case.source.fetch("NOSUCH1")

        assert caught.value.symbols == ("NOSUCH1",)

    def test_a_provider_that_nobody_answers_for_is_unavailable(self, chain_case: ChainCase):
        chain_case.shut_down()

        with pytest.raises(SourceUnavailable, match=chain_case.source.name):
            chain_case.source.fetch(chain_case.underlying)
