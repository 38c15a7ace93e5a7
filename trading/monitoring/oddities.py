"""What was odd about ticks. It is counted, and never used for a price."""

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from trading.monitoring.tick_batch import SymbolArray


class Oddity(StrEnum):
    """What can be odd about a tick; one tick may count under several."""

    BAD_PRICE = "bad_price"
    BAD_SIZE = "bad_size"
    CROSSED = "crossed"
    LOCKED = "locked"
    ONE_SIDED = "one_sided"
    OUT_OF_SEQUENCE = "out_of_sequence"
    REPEATED = "repeated"
    LATE_CLOCK = "late_clock"
    CROSSED_BOOK = "crossed_book"

    @property
    def meaning(self) -> str:
        """Return what is counted, and what becomes of the tick."""
        return _MEANINGS[self]


_MEANINGS = {
    Oddity.BAD_PRICE: "a price that is infinite, below zero or, unless rows are one-sided, zero, or a trade without "
    "one; such a side counts as not quoted, such a trade not at all",
    Oddity.BAD_SIZE: "a size below zero or infinite; such a size of a quote is not known, such a trade does not count",
    Oddity.CROSSED: "after this quote the bid was above the ask; both are kept, and there is no mid",
    Oddity.LOCKED: "after this quote the bid was equal to the ask; it is used",
    Oddity.ONE_SIDED: "after this quote one side only was quoted",
    Oddity.OUT_OF_SEQUENCE: "older by the provider's time than one of its kind and symbol that came before; such a "
    "quote is not taken, such a trade counts in volume, VWAP, high and low, and not as last",
    Oddity.REPEATED: "a trade with time, price and size of the trade of its symbol before it; it counts in full, for "
    "real tapes are full of equal prints",
    Oddity.LATE_CLOCK: "received, by our clock, before one of its kind that came before, or before the second under "
    "way; it counts in the second under way",
    Oddity.CROSSED_BOOK: "an order book whose best bid was above its best ask; it is not used",
}


class OddityCounts:
    """How often each oddity was met, by symbol.

    Args:
        symbols: how many are watched.
    """

    def __init__(self, symbols: int) -> None:
        self.values: npt.NDArray[np.int64] = np.zeros((len(Oddity), symbols), dtype=np.int64)

    def add(self, oddity: Oddity, symbols: SymbolArray) -> None:
        """Count one more for each place, as often as it is named."""
        if len(symbols):
            self.values[_ROW[oddity]] += np.bincount(symbols, minlength=self.values.shape[1])

    def of(self, oddity: Oddity) -> npt.NDArray[np.int64]:
        """Return the counts of one oddity, by symbol."""
        counts: npt.NDArray[np.int64] = self.values[_ROW[oddity]].copy()
        return counts


_ROW = {oddity: row for row, oddity in enumerate(Oddity)}
