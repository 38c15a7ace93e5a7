"""Breaks: differences between our books and the broker's, and what a person has said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class BreakType(StrEnum):
    """What differs."""

    ORDER = "order"
    EXECUTION = "execution"
    POSITION = "position"
    CASH = "cash"
    DIVIDEND = "dividend"
    MERGER = "merger"
    ACTION = "action"

    @property
    def falsifies_sizing(self) -> bool:
        """Tell whether the account's equity is in doubt, so that no order may be sized by it."""
        return self in (BreakType.CASH, BreakType.ACTION)

    @property
    def locks_symbol(self) -> bool:
        """Tell whether what is held of a symbol differs, so that it may not be ordered."""
        return self in (BreakType.EXECUTION, BreakType.POSITION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One difference between our books and the broker's.

    Attributes:
        subject: ClOrdID, ExecID, symbol or currency that differs.
        ours: our value, as text; empty when we have none.
        theirs: the broker's value, as text; empty when it has none.
        text: one sentence for a person: what differs and what to do.
        symbol: what it is about, where it is about one.
        expected: whether a corporate action explains it, which one side has not booked yet.
    """

    break_type: BreakType
    subject: str
    ours: str
    theirs: str
    text: str
    symbol: str | None = None
    expected: bool = False

    @property
    def is_strange_order(self) -> bool:
        """Tell whether it is an order that this desk never made: nobody knows what else it is to do in its symbol."""
        return self.break_type is BreakType.ORDER and not self.ours

    @property
    def locks_symbol(self) -> bool:
        """Tell whether its symbol may not be ordered until it is mended or cleared."""
        return self.symbol is not None and (self.break_type.locks_symbol or self.is_strange_order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """A person's word that one difference is understood: it is a break no more, for as long as it stays the same.

    Attributes:
        actor: who says so.
        reason: why it may stay.
    """

    account: str
    break_type: BreakType
    subject: str
    ours: str
    theirs: str
    actor: str
    reason: str
    cleared_at: datetime

    def covers(self, found: Break) -> bool:
        """Tell whether it was given for this difference.

        A position moves with later trades, so its difference is compared, not what each side has. Of an order that
        this desk never made, what becomes of it at the broker is no new difference.
        """
        if (self.break_type, self.subject) != (found.break_type, found.subject):
            return False
        if found.break_type is BreakType.POSITION:
            return Decimal(self.theirs) - Decimal(self.ours) == Decimal(found.theirs) - Decimal(found.ours)
        if found.is_strange_order:
            return not self.ours
        return (self.ours, self.theirs) == (found.ours, found.theirs)


def uncleared(breaks: Sequence[Break], clearances: Sequence[Clearance]) -> tuple[Break, ...]:
    """Return the breaks that nobody has cleared."""
    return tuple(b for b in breaks if not any(c.covers(b) for c in clearances))


def symbols_locked_by(breaks: Sequence[Break]) -> dict[str, str]:
    """Return the symbols that may not be ordered until their breaks are mended or cleared, each with the reason."""
    locked: dict[str, str] = {}
    for b in breaks:
        if b.symbol is not None and b.locks_symbol:
            locked.setdefault(b.symbol, f"locked by a break: {b.text}")
    return locked
