"""How long it takes to sell."""

import numpy as np

from trading.errors import InvalidValue
from trading.risk.tail_measures import FloatArray

_TIE = 1e-12


def days_to_liquidate(values: FloatArray, daily_values: FloatArray, participation_pct: float) -> FloatArray:
    """Return for each position the sessions it takes to sell it as a share of the usual volume.

    Args:
        values: signed value of each position, shape (n,).
        daily_values: usual value traded in a day, shape (n,); NaN when not known.
        participation_pct: share of it that may be ours, in (0, 100].

    Returns:
        Sessions, shape (n,); 1,000,000 held where 2,000,000 trade a day, at 10 %, give 5. Infinite for what is held and
        has no usual volume.
    """
    if not 0 < participation_pct <= 100:
        raise InvalidValue("participation_pct", participation_pct, "in per cent, above 0 and not above 100")
    sold = np.where(daily_values > 0, daily_values, 0.0) * participation_pct / 100
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(values == 0, 0.0, np.abs(values) / sold)


def days_to_liquidate_share(values: FloatArray, days: FloatArray, share: float) -> float:
    """Return the sessions until that share of the portfolio's absolute value is sold, all positions at once.

    Each position is sold evenly over its own days. 100 in 1 day and 100 in 4 days are three quarters sold after 2.

    Args:
        days: of each position, from `days_to_liquidate`.
        share: in (0, 1].

    Returns:
        Sessions; infinite when positions that cannot be sold are in the way.
    """
    if not 0 < share <= 1:
        raise InvalidValue("share", share, "a fraction above 0 and not above 1, such as 0.95")
    order = np.argsort(days)
    size, end = np.abs(values)[order], days[order]
    wanted = share * float(size.sum())
    sellable = (end > 0) & np.isfinite(end)
    size, end = size[sellable], end[sellable]
    speed = np.cumsum((size / end)[::-1])[::-1]  # of all that is still being sold
    done = np.cumsum(size) - size  # by those that ended before
    at = int(np.searchsorted(done + end * speed, wanted * (1 - _TIE)))
    if at == len(end):
        return 0.0 if wanted == 0 else float(np.inf)
    return float((wanted - done[at]) / speed[at])
