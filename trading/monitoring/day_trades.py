"""Trades of every symbol: the last, and sums and extremes of the session."""

import numpy as np

from trading.monitoring.arrivals import Groups, TradeRows, grouped, picked
from trading.monitoring.oddities import Oddity, OddityCounts
from trading.monitoring.tick_batch import BoolArray


class DayTrades:
    """What the trades of a session come to, one of each for each symbol.

    Attributes:
        last: price of the last trade in sequence, also of one before the open; NaN before the first.
        volume, value: units, and price times units, since the open.
        high, low: of the trades since the open; NaN before the first.
        traded_at: newest time of the provider; us since the epoch, 0 before the first trade.
        received_at: when `last` reached us, likewise.
        newest_at, newest_px, newest_size: of the trade that came last, in sequence or not.
    """

    COLUMNS = (
        "last",
        "volume",
        "value",
        "high",
        "low",
        "traded_at",
        "received_at",
        "newest_at",
        "newest_px",
        "newest_size",
    )

    def __init__(self, symbols: int) -> None:
        self.last, self.high, self.low = (np.full(symbols, np.nan) for _ in range(3))
        self.volume, self.value = np.zeros(symbols), np.zeros(symbols)
        self.traded_at, self.received_at, self.newest_at = (np.zeros(symbols, dtype=np.int64) for _ in range(3))
        self.newest_px, self.newest_size = np.full(symbols, np.nan), np.full(symbols, np.nan)

    def take(self, rows: TradeRows, odd: OddityCounts, *, open_us: int) -> None:
        """Take trades of one second, in order of arrival.

        Args:
            open_us: those received before it do not count in the sums and extremes of the session.
        """
        rows = _real(rows, odd)
        if not len(rows.symbol):
            return
        rows, groups = grouped(rows, len(self.last))
        odd.add(Oddity.REPEATED, rows.symbol[self._repeated(rows, groups)])
        self._take_last(rows, groups, odd)
        counts = rows.received_at >= open_us
        if counts.all():
            self._sum(rows, groups)
        elif counts.any():
            self._sum(*grouped(picked(rows, counts), len(self.last)))

    def _take_last(self, rows: TradeRows, groups: Groups, odd: OddityCounts) -> None:
        good = groups.in_sequence(rows.source_at, self.traded_at)
        odd.add(Oddity.OUT_OF_SEQUENCE, rows.symbol[~good])
        newest = groups.newest_true(good)[groups.lasts]
        some = newest >= 0
        who, newest = groups.who[some], newest[some]
        self.last[who] = rows.px[newest]
        self.traded_at[who], self.received_at[who] = rows.source_at[newest], rows.received_at[newest]

    def _sum(self, rows: TradeRows, groups: Groups) -> None:
        """Sum up; a trade out of sequence counts too.

        Source: sale condition Z, "sold (out of sequence)": it updates volume, high and low, and not last (polygon.io,
        "Conditions & Indicators", after the specifications of the CTA and UTP plans).
        """
        sizes = np.where(np.isnan(rows.size), 0.0, rows.size)
        np.add.at(self.volume, rows.symbol, sizes)  # one by one onto the sum, so that no cut of the rows shows
        np.add.at(self.value, rows.symbol, rows.px * sizes)
        who = groups.who
        self.high[who] = np.fmax(self.high[who], np.maximum.reduceat(rows.px, groups.firsts))
        self.low[who] = np.fmin(self.low[who], np.minimum.reduceat(rows.px, groups.firsts))

    def _repeated(self, rows: TradeRows, groups: Groups) -> BoolArray:
        """Say which trades are equal to the one of their symbol before, and keep the last ones for the next second."""
        repeated = np.ones(len(rows.symbol), dtype=np.bool_)
        columns = (
            (rows.source_at, self.newest_at),
            (rows.px, self.newest_px),
            (rows.size, self.newest_size),
        )
        for values, kept in columns:
            before = np.empty_like(values)
            before[1:] = values[:-1]
            before[groups.firsts] = kept[groups.who]
            repeated &= (values == before) | (np.isnan(values) & np.isnan(before))
            kept[groups.who] = values[groups.lasts]
        return repeated


def _real(rows: TradeRows, odd: OddityCounts) -> TradeRows:
    priced = (rows.px > 0) & (rows.px < np.inf)
    sized = ~((rows.size < 0) | (rows.size == np.inf))
    if priced.all() and sized.all():
        return rows
    odd.add(Oddity.BAD_PRICE, rows.symbol[~priced])
    odd.add(Oddity.BAD_SIZE, rows.symbol[~sized])
    return picked(rows, priced & sized)
