"""Thanksgiving week on the sample's real closes, recomputed by hand: not a cent and not a share is lost."""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest
from skfolio.datasets import load_sp500_dataset

from tests.rehearsals.conftest import Rehearse
from tests.rehearsals.own_books import (
    CENT,
    Fill,
    cash_after,
    fills,
    held_after,
    query,
    row_counts,
    to_cents,
    value_of,
    worths,
)

MONDAY, TUESDAY_AFTER = date(2022, 11, 21), date(2022, 11, 29)
WEEK = [MONDAY, date(2022, 11, 22), date(2022, 11, 23), date(2022, 11, 25), date(2022, 11, 28), TUESDAY_AFTER]
ACCOUNT = "rehearsal"
CROSSOVER = {"fast_sessions": 2, "slow_sessions": 5}  # turns over every few days, so that most sessions trade

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rehearsals")]


@pytest.fixture(scope="module")
def told(rehearse: Rehearse) -> Sequence[str]:
    return rehearse((MONDAY, TUESDAY_AFTER), account=ACCOUNT, strategy="MovingAverageCrossover", parameters=CROSSOVER)


@pytest.fixture(scope="module")
def closes() -> pd.DataFrame:
    return load_sp500_dataset()


@pytest.fixture(scope="module")
def traded(home: Path, told: Sequence[str]) -> list[Fill]:
    return fills(home, ACCOUNT)


def close_of(closes: pd.DataFrame, symbol: str, session: date) -> Decimal:
    return Decimal(repr(float(closes.at[pd.Timestamp(session), symbol])))


def test_the_week_has_six_sessions_and_none_ends_with_a_break(home: Path, told: Sequence[str]):
    outcomes = {worth.session: worth.breaks for worth in worths(home, ACCOUNT) if worth.session >= MONDAY}

    assert outcomes == {session: [] for session in WEEK}
    assert [line[:10] for line in told] == [str(session) for session in WEEK]
    assert all(", 0 working; after the close 0 breaks, equity " in line for line in told)


def test_shares_are_bought_and_sold_on_several_days(traded: list[Fill]):
    days = {fill.at.date() for fill in traded}

    assert len(days) >= 4
    assert {fill.qty > 0 for fill in traded} == {True, False}
    assert min(held_after(traded).values()) > 0


def test_on_the_half_day_orders_fill_at_its_early_close(traded: list[Fill]):
    friday = [fill.at for fill in traded if fill.at.date() == date(2022, 11, 25)]

    assert {f"{at:%H:%M}" for at in friday} == {"18:00"}  # 13:00 in New York


def test_every_fill_pays_half_the_spread_and_the_slippage_on_the_close(traded: list[Fill], closes: pd.DataFrame):
    for fill in traded:
        close = close_of(closes, fill.symbol, fill.at.date()).quantize(CENT, ROUND_HALF_EVEN)

        if fill.qty > 0:  # half of 2 basis points, and 1; then to the next cent against us
            wanted = (close * Decimal("1.0002")).quantize(CENT, ROUND_CEILING)
        else:
            wanted = (close * Decimal("0.9998")).quantize(CENT, ROUND_FLOOR)

        assert fill.px == wanted, fill


def test_every_order_pays_half_a_cent_a_share_and_at_least_a_dollar(traded: list[Fill]):
    for fill in traded:
        wanted = max(Decimal(1), abs(fill.qty) * Decimal("0.005"))

        assert fill.commission == wanted.quantize(CENT, ROUND_HALF_EVEN), fill


def test_equity_is_cash_and_shares_at_the_last_closes_to_the_cent(home: Path, traded: list[Fill], closes: pd.DataFrame):
    for worth in [worth for worth in worths(home, ACCOUNT) if worth.session >= MONDAY]:
        so_far = [fill for fill in traded if fill.at <= worth.at]

        cash, held = cash_after(so_far), held_after(so_far)
        value = value_of(held, lambda symbol: close_of(closes, symbol, worth.session))  # noqa: B023 - used at once

        assert to_cents(worth.cash) == to_cents(cash), worth.session
        assert to_cents(worth.equity) == to_cents(cash + value), worth.session


def test_rehearsing_the_week_again_changes_nothing(home: Path, told: Sequence[str], rehearse: Rehearse):
    before, worth_before = row_counts(home), {worth.session: worth.equity for worth in worths(home, ACCOUNT)}

    again = rehearse((MONDAY, TUESDAY_AFTER), account=ACCOUNT, strategy="MovingAverageCrossover", parameters=CROSSOVER)

    # The Friday before was checked with two years of history the first time, and with two weeks of it the second.
    verdicts = {"quality_report": before["quality_report"] + 1}
    assert row_counts(home) == {**before, **verdicts}
    checked = query(home, "SELECT session, count(*) FROM quality_report WHERE session >= '2022-11-21' GROUP BY session")
    assert dict(checked) == {str(session): 1 for session in WEEK}
    assert {worth.session: worth.equity for worth in worths(home, ACCOUNT)} == worth_before
    assert len(again) == len(WEEK)
