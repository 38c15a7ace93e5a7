"""What the gate decided about one order."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trading.risk.refusals import RefusalCode


class RiskOutcome(StrEnum):
    """What became of an order at the gate."""

    ACCEPTED = "accepted"
    REDUCED = "reduced"  # accepted with a smaller quantity
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDecision:
    """What the gate decided about one order; recorded whether accepted or refused.

    Attributes:
        accepted: with `granted_qty`, which may be less than asked.
        code: None when accepted as it was asked.
        limit: the limit that refused or reduced it, in its own unit, as text; empty when nothing did.
        before: how much of the limit was used without the order; empty where that is no amount.
        value: what the order as asked would have made of it.
        text: one sentence for a person.
        asked_qty: OrderQty as asked; None in decisions recorded before this was.
        granted_qty: OrderQty that may be sent, 0 when refused.
    """

    cl_ord_id: str
    symbol: str
    accepted: bool
    code: RefusalCode | None = None
    limit: str = ""
    before: str = ""
    value: str = ""
    text: str = ""
    asked_qty: Decimal | None = None
    granted_qty: Decimal | None = None

    @property
    def outcome(self) -> RiskOutcome:
        """Return what became of the order."""
        if not self.accepted:
            return RiskOutcome.REFUSED
        return RiskOutcome.ACCEPTED if self.granted_qty == self.asked_qty else RiskOutcome.REDUCED

    def told(self) -> str:
        """Return the outcome in few words: `reduced from 100 to 50: MAX_POSITION_PCT`."""
        if self.outcome is RiskOutcome.REDUCED:
            return f"reduced from {self.asked_qty} to {self.granted_qty}: {self.code}"
        return str(self.outcome) if self.accepted else f"refused: {self.code}"
