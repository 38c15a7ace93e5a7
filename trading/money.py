"""Money: an amount and its currency, never one without the other."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from trading.errors import InvalidValue

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An exact amount in one currency.

    Attributes:
        amount: finite; positive or negative.
        currency: ISO 4217 code.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise InvalidValue("amount", self.amount, "finite")
        if not (len(self.currency) == 3 and self.currency.isalpha() and self.currency.isupper()):
            raise InvalidValue("currency", self.currency, "an ISO 4217 code such as USD")

    def __add__(self, other: "Money") -> "Money":
        return Money(amount=self.amount + self._same(other).amount, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(amount=self.amount - self._same(other).amount, currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(amount=-self.amount, currency=self.currency)

    def __mul__(self, factor: Decimal | int) -> "Money":
        return Money(amount=self.amount * factor, currency=self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other).amount

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise InvalidValue("currency", other.currency, f"{self.currency}, as in the other amount")
        return other


def to_cents(amount: Decimal) -> Decimal:
    """Return the amount rounded half to even to two decimals, as brokers book cash; 0.125 gives 0.12."""
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


def plain(number: Decimal) -> str:
    """Return a number without exponent or needless zeros; 700.00 gives 700."""
    return f"{number.normalize():f}" if number else "0"
