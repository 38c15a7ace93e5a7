"""Growth of an account, apart from what a person pays in or takes out."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trading.broker import CashMovement, CashMovementType
from trading.errors import InvalidValue
from trading.money import Money
from trading.risk.equity_curve import growth_index


def at(day: int) -> datetime:
    return datetime(2024, 4, day, 21, tzinfo=UTC)


def points(*equity: int) -> list[tuple[datetime, Decimal]]:
    return [(at(day), Decimal(worth)) for day, worth in enumerate(equity, start=1)]


def paid(day: int, amount: int, kind: CashMovementType = CashMovementType.DEPOSIT) -> CashMovement:
    money = Money(amount=Decimal(amount), currency="USD")
    return CashMovement(account="a", movement_id=str(day), movement_type=kind, amount=money, value_time=at(day))


def test_what_is_paid_in_or_taken_out_is_no_gain_and_no_loss():
    withdrawn = paid(3, -75, CashMovementType.WITHDRAWAL)

    assert list(growth_index(points(100, 150, 75, 90), [paid(2, 50), withdrawn])) == [1, 1, 1, 1.2]


def test_a_dividend_is_a_gain():
    assert list(growth_index(points(100, 110), [paid(2, 10, CashMovementType.DIVIDEND)])) == [1, 1.1]


def test_an_account_that_is_gone_stays_gone_whatever_is_paid_in_later():
    assert list(growth_index(points(100, -10, 50), [paid(3, 60)])) == [1, 0, 0]


def test_growth_begins_with_an_equity_above_0():
    with pytest.raises(InvalidValue, match=r"equity is .* greater than 0 at the first point"):
        growth_index(points(0, 10), [])
