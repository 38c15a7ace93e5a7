"""Restrictions: what a tripped circuit breaker forbids until it is reset."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class RiskScope(StrEnum):
    """What a breaker or a restriction is about."""

    DESK = "desk"
    ACCOUNT = "account"
    STRATEGY = "strategy"  # a strategy book
    INSTRUMENT = "instrument"


class RestrictionKind(StrEnum):
    """What is forbidden, from the mildest."""

    REDUCE_SIZE = "reduce_size"  # orders that add exposure are cut to a share of their quantity
    CLOSE_ONLY = "close_only"  # nothing may be added
    BLOCK = "block"  # neither bought nor sold
    HALT = "halt"  # as BLOCK, for everything of the scope; what is not sent yet stays unsent


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """One thing that is forbidden now.

    Attributes:
        subject: the account, book or symbol that it is about; the word `desk` for all of them.
        size_factor: of REDUCE_SIZE, in (0, 1): 0.5 halves.
        cause: the breaker and why it tripped, one sentence for a person.
    """

    scope: RiskScope
    subject: str
    kind: RestrictionKind
    cause: str
    size_factor: Decimal | None = None
