"""How easily a symbol can be traded now, as one number."""

import numpy as np

from trading.monitoring.tick_batch import FloatArray

HALF_SPREAD_PCT = 0.1  # of the mid; a spread that halves its part
HALF_TOUCH_VALUE = 10_000.0  # in the currency of the instrument; what at the touch halves its part


def liquidity_score(
    bid: FloatArray, ask: FloatArray, bid_size: FloatArray, ask_size: FloatArray, volume_ratio: FloatArray
) -> FloatArray:
    """Return the geometric mean of up to three parts in [0, 1]: spread, value at the touch, volume.

    A bid of 99.95 and an ask of 100.05 score 0.5 by the spread alone; 100 units at 100 on the thinner side score 0.5
    by the touch. A part that is not known does not count.

    Args:
        bid, ask: NaN where nobody quotes.
        bid_size, ask_size: units, NaN where not known.
        volume_ratio: volume by usual volume, NaN where not known.

    Returns:
        0 where only one side is quoted; NaN where none is, and where bid > ask.
    """
    with np.errstate(invalid="ignore"):
        spread_pct = np.where(ask >= bid, 200 * (ask - bid) / (ask + bid), np.nan)
        touch = np.minimum(bid * bid_size, ask * ask_size)
    parts = np.stack(
        [1 / (1 + spread_pct / HALF_SPREAD_PCT), touch / (touch + HALF_TOUCH_VALUE), np.minimum(volume_ratio, 1.0)]
    )
    known = ~np.isnan(parts)
    score: FloatArray = np.where(known, parts, 1.0).prod(axis=0) ** (1 / np.maximum(known.sum(axis=0), 1))
    score[~known[0]] = np.nan
    score[np.isnan(bid) != np.isnan(ask)] = 0.0
    return score
