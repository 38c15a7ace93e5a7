"""Reconciliation: our books against the broker's; every difference is a break."""

from dataclasses import dataclass
from enum import StrEnum


class BreakType(StrEnum):
    """What differs."""

    ORDER = "order"
    EXECUTION = "execution"
    POSITION = "position"
    CASH = "cash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One difference between our books and the broker's.

    Attributes:
        subject: ClOrdID, ExecID, symbol or currency that differs.
        ours: our value, as text; empty when we have none.
        theirs: the broker's value, as text; empty when it has none.
        text: one sentence for a person.
    """

    break_type: BreakType
    subject: str
    ours: str
    theirs: str
    text: str
