"""How far an account has fallen, apart from what a person pays in or takes out."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from trading.broker import CashMovement, CashMovementType
from trading.money import Money
from trading.risk.equity_curve import Valuation, cash_flows, drawdown

D = Decimal


def at(day: int) -> datetime:
    return datetime(2024, 4, day, 21, tzinfo=UTC)


def past(*equity: object) -> list[Valuation]:
    return [Valuation(session=at(n).date(), at=at(n), equity=D(str(worth))) for n, worth in enumerate(equity, start=1)]


def paid(day: int, amount: int, kind: CashMovementType = CashMovementType.DEPOSIT) -> CashMovement:
    money = Money(amount=D(amount), currency="USD")
    return CashMovement(account="a", movement_id=str(day), movement_type=kind, amount=money, value_time=at(day))


def fall(before: list[Valuation], worth: object, *movements: CashMovement) -> Decimal:
    return drawdown(before, D(str(worth)), cash_flows(movements)).fall


def test_equity_that_halves_and_comes_half_back_is_a_quarter_below_its_peak():
    found = drawdown(past(100, 120, 60), D(90), [])

    assert (found.fall, found.peak.equity) == (D("0.25"), 120)
    assert fall(past(100, 120), 60) == D("0.5")
    assert fall(past(100, 120), 130) == 0


def test_drawdowns_are_those_of_skfolio():
    from skfolio.measures import get_drawdowns

    returns = np.random.default_rng(5).normal(0, 0.02, 25)
    equity = np.cumprod(np.append(1.0, 1 + returns))

    found = [float(fall(past(*equity[:n]), equity[n])) for n in range(1, len(equity))]

    assert -np.array(found) == pytest.approx(get_drawdowns(returns, compounded=True))


def test_what_is_paid_in_or_taken_out_is_no_gain_and_no_loss():
    # 100 -> 150 with 50 paid in -> 75 with 75 taken out -> 60: down by a fifth.
    moved = [paid(2, 50), paid(3, -75, CashMovementType.WITHDRAWAL)]

    assert fall(past(100, 150, 75), 60, *moved) == D("0.2")


@pytest.mark.parametrize("amount", [-40, 920])
def test_what_is_moved_after_a_loss_makes_it_neither_larger_nor_smaller(amount: int):
    assert fall(past(100, 80), 80 + amount, paid(3, amount)) == D("0.2")


def test_what_a_person_books_is_no_gain_and_a_dividend_is_one():
    assert fall(past(100), 90, paid(2, -10, CashMovementType.ADJUSTMENT)) == 0
    assert fall(past(100, 110), 99, paid(2, 10, CashMovementType.DIVIDEND)) == D("0.1")


def test_an_account_that_is_gone_stays_gone_whatever_is_paid_in_later():
    assert fall(past(100, -10), 50, paid(3, 60)) == 1


def test_an_account_begins_when_it_is_first_worth_something():
    assert fall(past(0, 100), 90) == D("0.1")
    assert drawdown(past(0), D(10), []) is None
    assert drawdown([], D(10), []) is None
