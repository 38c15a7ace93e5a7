"""Moves of prices: which are explained by corporate actions, and which are defects."""

from datetime import date
from decimal import Decimal

import pytest

from tests.bar_builders import (
    LAST,
    calm_bars,
    check,
    fetched,
    scaled,
    the_only,
    with_bar,
    without_bars,
)
from trading.market.bars import PriceBasis
from trading.market.corporate_actions import CashDividend, Split
from trading.market.quality import (
    AcceptedMove,
    FindingSeverity,
    QualityPolicy,
    Rule,
)

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
OLD = date(2024, 5, 14)  # deep in the range


@pytest.mark.parametrize("factor", [100, 0.01])
@pytest.mark.parametrize("last", [OLD, date(2024, 5, 20), LAST])
def test_prices_in_another_unit_are_critical_for_one_bar_or_many(factor: float, last: date) -> None:
    report = check(scaled(calm_bars(), factor, OLD, last))

    assert the_only(report) == (Rule.UNIT_ERROR, CRITICAL, "AAPL", OLD)


def test_one_price_of_a_bar_in_another_unit_is_critical() -> None:
    report = check(with_bar(calm_bars(), OLD, low=1.035))

    assert the_only(report) == (Rule.UNIT_ERROR, CRITICAL, "AAPL", OLD)


@pytest.mark.parametrize("ratio", [3, 4, 7, 20, 0.1])
def test_a_move_of_the_size_of_a_split_needs_a_split(ratio: float) -> None:
    frame = scaled(calm_bars(), 1 / ratio, OLD)
    split = Split(symbol="AAPL", ex_date=OLD, new_per_old=Decimal(str(ratio)))

    assert the_only(check(frame)) == (Rule.SPLIT_NOT_APPLIED, CRITICAL, "AAPL", OLD)
    assert check(fetched(frame, actions=[split])).findings == ()


@pytest.mark.parametrize(
    ("ratio", "day", "severity"),
    [(2, OLD, WARNING), (2, LAST, CRITICAL), (1.5, OLD, WARNING), (1.5, LAST, WARNING)],
)
def test_a_move_of_a_small_split_may_be_the_markets_unless_it_is_large_and_recent(
    ratio: float, day: date, severity: FindingSeverity
) -> None:
    report = check(scaled(calm_bars(), 1 / ratio, day))

    assert the_only(report) == (Rule.SPLIT_NOT_APPLIED, severity, "AAPL", day)


@pytest.mark.parametrize("price_basis", [PriceBasis.RAW, PriceBasis.SPLIT_ADJUSTED, PriceBasis.ADJUSTED])
@pytest.mark.parametrize("shows", [True, False])
def test_a_split_must_show_in_raw_prices_and_in_no_others(price_basis: PriceBasis, shows: bool) -> None:
    frame = scaled(calm_bars(), 1 / 2, OLD) if shows else calm_bars()
    split = Split(symbol="AAPL", ex_date=OLD, new_per_old=Decimal(2))

    report = check(fetched(frame, actions=[split], price_basis=price_basis))

    right = shows is (price_basis is PriceBasis.RAW)
    assert right == (not report.findings)
    assert right or the_only(report) == (Rule.SPLIT_NOT_APPLIED, CRITICAL, "AAPL", OLD)


def test_a_split_on_a_day_without_a_bar_shows_on_the_next() -> None:
    frame = scaled(without_bars(calm_bars(), OLD), 1 / 7, OLD)
    split = Split(symbol="AAPL", ex_date=OLD, new_per_old=Decimal(7))

    report = check(fetched(frame, actions=[split]))

    assert the_only(report) == (Rule.MISSING_SESSION, WARNING, "AAPL", OLD)


def test_a_fall_by_a_dividend_is_explained_by_it() -> None:
    # The close before OLD is 104.00; 60 % of it, 62.40, is paid out.
    frame = scaled(calm_bars(), 0.4, OLD)
    dividend = CashDividend(symbol="AAPL", ex_date=OLD, amount_per_share=Decimal("62.40"))

    assert the_only(check(frame))[:2] == (Rule.JUMP, WARNING)
    assert check(fetched(frame, actions=[dividend])).findings == ()


def test_a_dividend_of_old_shares_explains_a_fall_of_prices_adjusted_for_a_later_split() -> None:
    # 124.80 for each old share is 62.40 for each of the two new ones that the prices count in.
    frame = scaled(calm_bars(), 0.4, OLD)
    actions = [
        CashDividend(symbol="AAPL", ex_date=OLD, amount_per_share=Decimal("124.80")),
        Split(symbol="AAPL", ex_date=date(2024, 6, 3), new_per_old=Decimal(2)),
    ]

    report = check(fetched(frame, actions=actions, price_basis=PriceBasis.SPLIT_ADJUSTED))

    assert report.findings == ()


@pytest.mark.parametrize(
    ("day", "factor", "severity"),
    [
        (LAST, 0.4, CRITICAL),
        (date(2024, 6, 6), 1.75, CRITICAL),
        (OLD, 0.4, WARNING),
        (OLD, 13.5, CRITICAL),  # over night, markets do not do that: another company, or another unit
    ],
)
def test_an_unexplained_jump_is_critical_when_it_is_recent_or_absurd(
    day: date, factor: float, severity: FindingSeverity
) -> None:
    report = check(scaled(calm_bars(), factor, day))

    assert the_only(report) == (Rule.JUMP, severity, "AAPL", day)


def test_a_move_within_the_limit_needs_no_explanation() -> None:
    frame = scaled(calm_bars(), 0.6, LAST)

    assert check(frame, policy=QualityPolicy(unusual_return=0.5)).findings == ()
    assert the_only(check(frame, policy=QualityPolicy(max_abs_return=0.3)))[0] is Rule.JUMP


def test_a_move_that_a_person_accepted_is_not_looked_at_again() -> None:
    frame = scaled(scaled(calm_bars(), 0.4, OLD), 3, LAST)
    accepted = AcceptedMove(symbol="AAPL", session=LAST)

    report = check(frame, policy=QualityPolicy(accepted_moves=(accepted,)))

    assert the_only(report) == (Rule.JUMP, WARNING, "AAPL", OLD)
