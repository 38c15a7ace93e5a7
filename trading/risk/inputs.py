"""What the gate is told from outside the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from trading.risk.approvals import ApprovalTerms
from trading.risk.limits import RiskLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskInputs:
    """Limits and market, as they were when orders were proposed; what is held and working the ledger knows itself.

    Attributes:
        marks: last raw price per unit of every symbol held or ordered.
        blocked: symbols whose bars did not pass, each with the reason.
        approval: when a person must approve the orders; None: no person is asked.
    """

    limits: RiskLimits
    marks: Mapping[str, Decimal]
    blocked: Mapping[str, str] = field(default_factory=dict)
    approval: ApprovalTerms | None = None
