"""What the gate is told from outside the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from trading.risk.limits import RiskLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskInputs:
    """Limits and market, as they were when orders were proposed; what is held and working the ledger knows itself.

    Attributes:
        marks: last raw price per unit of every symbol held or ordered.
        blocked: symbols whose bars did not pass, each with the reason.
        stated: what the broker states to be held, by which the orders of a stopped desk are judged; None elsewhere.
    """

    limits: RiskLimits
    marks: Mapping[str, Decimal]
    blocked: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, Decimal] | None = None
