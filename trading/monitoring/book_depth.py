"""How much stands in the order books of one second, and what it would cost to take it."""

import numpy as np

from trading.market.depth import BEST
from trading.monitoring.arrivals import BookRows, grouped, picked
from trading.monitoring.oddities import Oddity, OddityCounts
from trading.monitoring.tick_batch import BoolArray, FloatArray

IMPACT_VALUE = 10_000.0  # price x size, in the currency of the instrument, bought or sold at once
_MEASURED = 4


class BookDepth:
    """What the books of one second say; NaN of a symbol whose book was not told in it.

    Nothing stays from the second before: of a book that is not told any more, for whatever reason, nothing is known.

    Attributes:
        values: rows `bid`, `ask`, `imbalance`, `impact_pct` of `book_depth`, a column for each symbol.
    """

    def __init__(self, symbols: int) -> None:
        self.values = np.full((_MEASURED, symbols), np.nan)

    def take(self, rows: BookRows, began_us: int, odd: OddityCounts) -> None:
        """Take the last book of each symbol that was told since the step began; at least one row."""
        odd.add(Oddity.CROSSED_BOOK, rows.symbol[_crossed(rows.levels)])
        rows = picked(rows, rows.received_at >= began_us)
        if len(rows.symbol):
            rows, groups = grouped(rows, self.values.shape[1])
            self.values[:, groups.who] = book_depth(rows.levels[groups.lasts])


def book_depth(levels: FloatArray) -> FloatArray:
    """Return four rows of numbers on order books; all are NaN where a book is crossed.

    * units bid for, and units offered, at the best prices; a side where nobody stands has 0
    * (bid - ask) / (bid + ask) of these; NaN where both are 0
    * how far the average price of IMPACT_VALUE, bought or sold at once by the book, is from the mid in % of it, the
      worse of the two; NaN where the levels of a side do not hold that much

    Args:
        levels: a row for each book in the columns LEVEL_COLUMNS, as `OrderBook.best_levels` gives them.

    Source: imbalance as in Cartea, Jaimungal and Penalva, Algorithmic and High-Frequency Trading, 2015, section 12.3,
    here over several levels; impact as half of the cost of a round trip of Irvine, Benston and Kandel, Liquidity beyond
    the inside spread, 2000, of the worse side.
    """
    bid_px, bid_size, ask_px, ask_size = levels.reshape(-1, 4, BEST).transpose(1, 0, 2)
    bid, ask = np.nansum(bid_size, axis=1), np.nansum(ask_size, axis=1)
    mid = (bid_px[:, 0] + ask_px[:, 0]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        imbalance = (bid - ask) / (bid + ask)
        bought, sold = _average_px(ask_px, ask_size) / mid - 1, 1 - _average_px(bid_px, bid_size) / mid
    measured = np.stack([bid, ask, imbalance, 100 * np.maximum(bought, sold)])
    return np.where(_crossed(levels), np.nan, measured)


def _crossed(levels: FloatArray) -> BoolArray:
    crossed: BoolArray = levels[:, 0] > levels[:, 2 * BEST]
    return crossed


def _average_px(px: FloatArray, size: FloatArray) -> FloatArray:
    """Return the average price of IMPACT_VALUE taken from the best level on; NaN where there is not so much."""
    price = np.where(px > 0, px, np.nan)
    value = np.nan_to_num(price * size)
    before = np.cumsum(value, axis=1) - value
    units = np.nansum(np.clip(IMPACT_VALUE - before, 0, value) / price, axis=1)
    average: FloatArray = np.where(value.sum(axis=1) >= IMPACT_VALUE, IMPACT_VALUE / units, np.nan)
    return average
