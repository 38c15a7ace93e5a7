"""Books: positions and cash, as the fold of everything that happened to an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class CostBasis(StrEnum):
    """Which lots a sale closes."""

    FIFO = "fifo"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A quantity opened at one price; `qty` is negative when short."""

    qty: Decimal
    px: Decimal
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of one symbol, and what it has earned.

    Attributes:
        lots: open lots, oldest first; one lot under average cost.
        realized_pnl: of closed quantity, before commission and dividends, in the instrument's currency.
        commission: paid so far.
        dividends: received so far, and cash in lieu of fractions.
    """

    symbol: str
    lots: tuple[Lot, ...] = ()
    realized_pnl: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    dividends: Decimal = Decimal(0)

    @property
    def qty(self) -> Decimal:
        """Return the signed quantity held."""
        return sum((lot.qty for lot in self.lots), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Positions (flat ones too, for what they earned) and cash of an account, in one currency."""

    cash: Decimal = Decimal(0)
    positions: Mapping[str, Position] = field(default_factory=dict)

    def held(self) -> dict[str, Decimal]:
        """Return the signed quantity of every symbol that is not flat."""
        return {symbol: p.qty for symbol, p in self.positions.items() if p.qty}
