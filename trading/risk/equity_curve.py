"""The equity of an account by time, without what was paid in and out."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np

from trading.broker import CashMovement, CashMovementType
from trading.errors import InvalidValue
from trading.risk.tail_measures import FloatArray

_FLOWS = (CashMovementType.DEPOSIT, CashMovementType.WITHDRAWAL)


def growth_index(points: Sequence[tuple[datetime, Decimal]], movements: Iterable[CashMovement]) -> FloatArray:
    """Return what 1 at the first point has become at each, deposits and withdrawals left out.

    What came between two points counts as if it had come just before the second: 100, then 150 with 50 paid in
    between, is 1 and 1. Once nothing is left the index is 0 and stays there.

    Args:
        points: equity by time, ascending; the first one above 0.

    Raises:
        InvalidValue: the first equity is not above 0.

    Source: CFA Institute, Global Investment Performance Standards, time-weighted return.
    """
    if points and points[0][1] <= 0:
        raise InvalidValue("equity", points[0][1], "greater than 0 at the first point")
    flows = sorted((m.value_time, m.amount.amount) for m in movements if m.movement_type in _FLOWS)
    index = [1.0] * bool(points)
    for (since, before), (until, now) in pairwise(points):
        paid = sum((amount for at, amount in flows if since < at <= until), Decimal(0))
        grown = float((now - paid) / before) if before > 0 else 0.0
        index.append(max(index[-1] * grown, 0.0))
    return np.array(index)
