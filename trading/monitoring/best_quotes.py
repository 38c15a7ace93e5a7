"""Best bid and ask of every symbol."""

import numpy as np

from trading.monitoring.arrivals import Groups, IntArray, QuoteRows, grouped
from trading.monitoring.oddities import Oddity, OddityCounts
from trading.monitoring.tick_batch import BoolArray, FloatArray


class BestQuotes:
    """The newest bid and ask, one of each for each symbol.

    Attributes:
        bid, ask: NaN while a side was never quoted, and when nobody quotes it.
        bid_size, ask_size: NaN where not known.
        quoted_at: newest time of the provider; us since the epoch, 0 before the first quote.
        received_at: when the newest quote that was taken reached us, likewise.
    """

    COLUMNS = ("bid", "ask", "bid_size", "ask_size", "quoted_at", "received_at")

    def __init__(self, symbols: int) -> None:
        self.bid, self.ask = np.full(symbols, np.nan), np.full(symbols, np.nan)
        self.bid_size, self.ask_size = np.full(symbols, np.nan), np.full(symbols, np.nan)
        self.quoted_at, self.received_at = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.int64)

    def take(self, rows: QuoteRows, odd: OddityCounts) -> None:
        """Take quotes, at least one, in order of arrival."""
        rows, groups = grouped(rows, len(self.bid))
        taken = groups.in_sequence(rows.source_at, self.quoted_at)
        odd.add(Oddity.OUT_OF_SEQUENCE, rows.symbol[~taken])
        bids, asks = groups.newest_true(rows.tells_bid & taken), groups.newest_true(rows.tells_ask & taken)
        bid = _filled(_prices(rows.bid, rows.tells_bid, groups, odd), bids, groups, self.bid)
        ask = _filled(_prices(rows.ask, rows.tells_ask, groups, odd), asks, groups, self.ask)
        odd.add(Oddity.CROSSED, rows.symbol[taken & (bid > ask)])
        odd.add(Oddity.LOCKED, rows.symbol[taken & (bid == ask)])
        odd.add(Oddity.ONE_SIDED, rows.symbol[taken & (np.isnan(bid) != np.isnan(ask))])
        bid_size = _filled(_sizes(rows.bid_size, rows.tells_bid, groups, odd), bids, groups, self.bid_size)
        ask_size = _filled(_sizes(rows.ask_size, rows.tells_ask, groups, odd), asks, groups, self.ask_size)
        who, lasts = groups.who, groups.lasts
        self.bid[who], self.ask[who] = bid[lasts], ask[lasts]
        self.bid_size[who], self.ask_size[who] = bid_size[lasts], ask_size[lasts]
        newest = groups.newest_true(taken)[lasts]
        some = newest >= 0
        self.quoted_at[who[some]] = rows.source_at[newest[some]]
        self.received_at[who[some]] = rows.received_at[newest[some]]


def _prices(prices: FloatArray, told: BoolArray, groups: Groups, odd: OddityCounts) -> FloatArray:
    real = (prices > 0) & (prices < np.inf)
    if real.all():
        return prices
    odd.add(Oddity.BAD_PRICE, groups.symbol[told & ~real & ~np.isnan(prices)])
    return np.where(real, prices, np.nan)


def _sizes(sizes: FloatArray, told: BoolArray, groups: Groups, odd: OddityCounts) -> FloatArray:
    wrong = (sizes < 0) | (sizes == np.inf)
    if not wrong.any():
        return sizes
    odd.add(Oddity.BAD_SIZE, groups.symbol[told & wrong])
    return np.where(wrong, np.nan, sizes)


def _filled(values: FloatArray, newest: IntArray, groups: Groups, before: FloatArray) -> FloatArray:
    """Return for each row the value of the newest row that told one, else what it was before these rows."""
    filled, untold = values[newest], newest < 0
    filled[untold] = before[groups.symbol[untold]]
    return filled
