"""Universes: which symbols belonged to a set, such as an index, on which day."""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from trading.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Membership:
    """One stay of a symbol.

    Attributes:
        first: first day on which it belongs.
        last: last day on which it belongs; None as long as it has not left.
    """

    symbol: str
    first: date
    last: date | None = None

    def __post_init__(self) -> None:
        if not self.symbol:
            raise InvalidValue("symbol of a membership", self.symbol, "given")
        if self.last is not None and self.last < self.first:
            raise InvalidValue("last", str(self.last), f"not before first, {self.first}, of {self.symbol}")

    def touches(self, first: date, last: date) -> bool:
        """Tell whether it belonged on some day between two days, both included."""
        return self.first <= last and (self.last is None or self.last >= first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """All stays of all symbols. What is asked about a day never depends on what happened after it.

    Attributes:
        memberships: no two of a symbol overlap.
    """

    memberships: tuple[Membership, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.memberships, key=lambda m: (m.symbol, m.first))
        for one, other in pairwise(ordered):
            if one.symbol == other.symbol and (one.last is None or other.first <= one.last):
                rule = f"after the end of its stay since {one.first}, which is {one.last or 'open'}"
                raise InvalidValue(f"first of {other.symbol}", str(other.first), rule)

    def members_on(self, day: date) -> tuple[str, ...]:
        """Return the symbols that belong on that day, sorted."""
        return self.members_between(day, day)

    def members_between(self, first: date, last: date) -> tuple[str, ...]:
        """Return the symbols that belong on some day between two days, both included, sorted."""
        return tuple(sorted({m.symbol for m in self.memberships if m.touches(first, last)}))

    def symbols(self) -> tuple[str, ...]:
        """Return every symbol that ever belongs, sorted: for what is on offer, never for a decision."""
        return tuple(sorted({m.symbol for m in self.memberships}))

    def last_days(self) -> dict[str, date]:
        """Return the day on which each symbol left for good; those that have not left are not among them."""
        stays = {m.symbol: m for m in sorted(self.memberships, key=lambda m: m.first)}
        return {symbol: m.last for symbol, m in stays.items() if m.last is not None}
