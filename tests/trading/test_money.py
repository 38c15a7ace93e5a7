"""Money: exact, and never without its currency."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.errors import InvalidValue
from trading.money import Money, to_cents

AMOUNTS = st.decimals(Decimal(-10) ** 9, Decimal(10) ** 9, places=4)


def usd(amount: str | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def test_money_adds_subtracts_and_turns_its_sign():
    assert usd("0.10") + usd("0.20") == usd("0.30")
    assert usd("1.00") - usd("1.01") == usd("-0.01")
    assert -usd("5") == usd("-5")


def test_a_price_times_a_quantity_is_exact():
    assert usd("33.3333") * Decimal("3") == usd("99.9999")
    assert usd("0.01") * 1_000_000_007 == usd("10000000.07")


def test_amounts_of_one_currency_are_compared():
    assert usd("1.99") < usd("2")
    assert not usd("2") < usd("2.00")


@given(a=AMOUNTS, b=AMOUNTS)
def test_what_is_added_can_be_taken_away(a: Decimal, b: Decimal):
    assert usd(a) + usd(b) - usd(b) == usd(a)


@pytest.mark.parametrize("mix", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b])
def test_dollars_and_euros_are_never_mixed(mix):
    euro = Money(amount=Decimal(1), currency="EUR")

    with pytest.raises(InvalidValue, match="currency is 'EUR', but must be USD"):
        mix(usd("1"), euro)


def test_equal_amounts_of_two_currencies_are_not_equal():
    assert usd("1") != Money(amount=Decimal(1), currency="EUR")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_an_amount_is_a_finite_number(amount: str):
    with pytest.raises(InvalidValue, match="finite"):
        usd(amount)


@pytest.mark.parametrize("currency", ["", "usd", "US", "US1", "EURO"])
def test_a_currency_is_an_iso_code(currency: str):
    with pytest.raises(InvalidValue, match="ISO 4217"):
        Money(amount=Decimal(1), currency=currency)


def test_money_is_written_with_its_currency():
    assert str(usd("1234567.891")) == "1,234,567.89 USD"


@pytest.mark.parametrize(
    ("amount", "cents"), [("0.125", "0.12"), ("0.135", "0.14"), ("-0.125", "-0.12"), ("2", "2.00"), ("0.1251", "0.13")]
)
def test_cash_is_booked_in_cents_half_to_even(amount: str, cents: str):
    assert to_cents(Decimal(amount)) == Decimal(cents)
    assert str(to_cents(Decimal(amount))) == cents
