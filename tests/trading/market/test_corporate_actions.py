"""Corporate actions are written down and read back the same; and say what is traded no more."""

from datetime import date
from decimal import Decimal

import pytest

from trading.errors import InvalidValue
from trading.market.bars import PriceBasis
from trading.market.corporate_actions import (
    ActionKind,
    ActionTerms,
    CashDividend,
    CashMerger,
    CorporateAction,
    Delisting,
    Relisting,
    Rename,
    Split,
    no_longer_traded,
    with_new_names,
)

DAY, LATER = date(2009, 8, 5), date(2010, 3, 1)
ONE_OF_EACH: dict[ActionKind, CorporateAction] = {
    ActionKind.SPLIT: Split(symbol="A", ex_date=DAY, new_per_old=Decimal(1) / 3),
    ActionKind.DIVIDEND: CashDividend(symbol="A", ex_date=DAY, amount_per_share=Decimal("0.10"), currency="GBP"),
    ActionKind.RENAME: Rename(symbol="A", ex_date=DAY, new_symbol="1.2"),
    ActionKind.CASH_MERGER: CashMerger(symbol="A", ex_date=DAY, amount_per_share=Decimal(0), currency="EUR"),
    ActionKind.DELISTING: Delisting(symbol="A", ex_date=DAY),
    ActionKind.RELISTING: Relisting(symbol="A", ex_date=DAY),
}


@pytest.mark.parametrize("kind", ActionKind)
def test_every_kind_is_read_back_as_it_was_written(kind: ActionKind):
    terms = ActionTerms.of(ONE_OF_EACH[kind])

    assert terms.kind is kind
    assert terms.action() == ONE_OF_EACH[kind]


def test_prices_can_have_splits_and_dividends_in_them_and_nothing_else():
    left_out = {
        basis: {kind.value for kind, action in ONE_OF_EACH.items() if basis.leaves_out(action)} for basis in PriceBasis
    }

    others = {"rename", "cash_merger", "delisting", "relisting"}
    assert left_out == {
        PriceBasis.RAW: others | {"split", "dividend"},
        PriceBasis.SPLIT_ADJUSTED: others | {"dividend"},
        PriceBasis.ADJUSTED: others,
    }


def test_what_ended_is_traded_no_more_unless_its_symbol_was_given_to_another():
    ended = no_longer_traded(
        [
            Delisting(symbol="WM", ex_date=date(2008, 9, 29)),
            Relisting(symbol="WM", ex_date=DAY),
            Rename(symbol="WMI", ex_date=DAY, new_symbol="WM"),
            CashMerger(symbol="TWTR", ex_date=LATER, amount_per_share=Decimal("54.20")),
        ]
    )

    assert ended == {"WMI": "it is WM since 2009-08-05", "TWTR": "it became cash on 2010-03-01"}


def test_a_company_is_followed_through_all_its_names():
    actions = [Rename(symbol="B", ex_date=LATER, new_symbol="C"), Rename(symbol="A", ex_date=DAY, new_symbol="B")]

    assert with_new_names({"A", "X"}, actions) == {"A", "B", "C", "X"}


def test_terms_that_cannot_be_are_refused():
    with pytest.raises(InvalidValue, match="new_symbol of A is 'A', but must be another symbol"):
        Rename(symbol="A", ex_date=DAY, new_symbol="A")
    with pytest.raises(InvalidValue, match=r"amount_per_share of A is .*0 or more"):
        CashMerger(symbol="A", ex_date=DAY, amount_per_share=Decimal(-1))
