"""What an account was worth by time, and how far that has fallen, without what was paid in and out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import dropwhile, pairwise
from typing import NamedTuple

from trading.broker import CashMovement, CashMovementType

OUTSIDE = (CashMovementType.DEPOSIT, CashMovementType.WITHDRAWAL, CashMovementType.ADJUSTMENT)
_ZERO, _ONE = Decimal(0), Decimal(1)
_DIGITS = Decimal("1e-12")  # a fall of exactly 20 % is to be 20, after however many divisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What an account was worth at one reconciliation."""

    session: date
    at: datetime
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """Cash that came in (> 0) or went out and was neither earned nor lost."""

    at: datetime
    amount: Decimal


class Drawdown(NamedTuple):
    """A fall from the peak, as a fraction of it in [0, 1], and the valuation that was the peak of those before."""

    fall: Decimal
    peak: Valuation


def cash_flows(movements: Iterable[CashMovement]) -> list[CashFlow]:
    """Return the deposits, withdrawals and bookings by a person among the movements."""
    return [CashFlow(at=m.value_time, amount=m.amount.amount) for m in movements if m.movement_type in OUTSIDE]


def restated(base: Valuation, flows: Iterable[CashFlow]) -> Decimal:
    """Return what the account would be worth now if nothing had been earned or lost since."""
    return base.equity + _paid(flows, base.at)


def drawdown(past: Sequence[Valuation], worth: Decimal, flows: Sequence[CashFlow]) -> Drawdown | None:
    """Return how far the account has fallen from its peak; None when it was never worth anything before.

    Growth is chained from one valuation to the next, so that cash in or out is neither a gain nor a loss, nor makes an
    earlier loss larger or smaller. What came between two valuations counts as if it had come right after the first:
    100, then 150 with 50 paid in, then 60 with 75 taken out, is 1, 1 and 0.8. Once nothing is left all is lost,
    whatever is paid in later.

    Args:
        past: ascending by time, finite; before the first one above 0 there was no account.
        worth: now, finite.

    Source: CFA Institute, Global Investment Performance Standards, time-weighted return.
    """
    known = list(dropwhile(lambda v: v.equity <= 0, past))
    if not known:
        return None
    peak, index, highest = known[0], _ONE, _ONE
    for before, then in pairwise(known):
        index *= _growth(before.equity + _paid(flows, before.at, then.at), then.equity)
        if index >= highest:
            peak, highest = then, index
    index *= _growth(restated(known[-1], flows), worth)
    return Drawdown(max(1 - index / highest, _ZERO).quantize(_DIGITS), peak)


def _growth(before: Decimal, now: Decimal) -> Decimal:
    return max(now / before, _ZERO) if before > 0 else _ZERO


def _paid(flows: Iterable[CashFlow], since: datetime, until: datetime | None = None) -> Decimal:
    return sum((f.amount for f in flows if f.at > since and (until is None or f.at <= until)), _ZERO)
