"""Corporate actions, and prices adjusted for them as of a date."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from trading.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split or consolidation.

    Attributes:
        ex_date: first session traded in new shares.
        new_per_old: new shares for one old share, > 0; 7 is seven-for-one, 0.05 is one-for-twenty.
    """

    symbol: str
    ex_date: date
    new_per_old: Decimal

    def __post_init__(self) -> None:
        if not self.new_per_old > 0:
            raise InvalidValue(f"new_per_old of {self.symbol}", self.new_per_old, "greater than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CashDividend:
    """A dividend in cash.

    Attributes:
        ex_date: first session traded without the right to it.
        amount_per_share: in `currency`, per share as of the session before the ex-date, > 0.
    """

    symbol: str
    ex_date: date
    amount_per_share: Decimal
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not self.amount_per_share > 0:
            raise InvalidValue(f"amount_per_share of {self.symbol}", self.amount_per_share, "greater than 0")


CorporateAction = Split | CashDividend


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveAction:
    """A corporate action with the time it takes effect: the open of its ex-date, UTC."""

    action: CorporateAction
    effective_at: datetime
