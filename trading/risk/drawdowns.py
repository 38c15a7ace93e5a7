"""How far equity has fallen from its peak."""

import numpy as np

from trading.errors import InvalidValue
from trading.risk.tail_measures import FloatArray


def drawdowns(equity: FloatArray) -> FloatArray:
    """Return the fall from the running peak at each moment, as a fraction of that peak.

    Args:
        equity: account value at each session close, deposits and withdrawals taken out; shape (n,), finite. A value at
            or below 0 is a fall of 1 or more.

    Returns:
        Fractions >= 0, shape (n,); [100, 120, 60, 90] gives [0, 0, 0.5, 0.25].

    Raises:
        InvalidValue: there is no value, one is not finite, or the first is not above 0.
    """
    if not len(equity) or not np.isfinite(equity).all() or not equity[0] > 0:
        raise InvalidValue("equity curve", equity, "one finite value or more, the first above 0")
    peaks = np.maximum.accumulate(equity)
    return np.asarray((peaks - equity) / peaks)


def max_drawdown(equity: FloatArray) -> float:
    """Return the largest fall; [100, 120, 60, 90] gives 0.5."""
    return float(drawdowns(equity).max())


def current_drawdown(equity: FloatArray) -> float:
    """Return the fall at the end; [100, 120, 60, 90] gives 0.25."""
    return float(drawdowns(equity)[-1])
