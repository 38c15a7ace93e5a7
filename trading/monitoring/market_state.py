"""The market as the ticks have told it: apply what arrives, and measure every second."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from trading.errors import InvalidValue
from trading.monitoring.arrivals import Arrays, Arrivals, BookRows, QuoteRows, TradeRows
from trading.monitoring.best_quotes import BestQuotes
from trading.monitoring.book_depth import BookDepth
from trading.monitoring.day_trades import DayTrades
from trading.monitoring.liquidity_score import liquidity_score
from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.oddities import Oddity, OddityCounts
from trading.monitoring.tick_batch import FloatArray, TickBatch, check_symbols
from trading.monitoring.watched_session import SECOND_US, WatchedSession
from trading.monitoring.windows import WINDOWS, Windows

_RETURNS = (Metric.RETURN_1M_PCT, Metric.RETURN_5M_PCT, Metric.RETURN_15M_PCT)
_VOLATILITIES = (Metric.VOLATILITY_1M_PCT, Metric.VOLATILITY_5M_PCT, Metric.VOLATILITY_15M_PCT)
_DEPTHS = (Metric.DEPTH_BID, Metric.DEPTH_ASK, Metric.BOOK_IMBALANCE, Metric.IMPACT_PCT)
_VERSION = 2


class MarketState:
    """Metrics of every symbol of a session, at each step of a second or a part of one.

    Ticks wait until their step is over. Then its quotes are taken, in order of arrival, then its trades. At the end of
    each second the price of each symbol is sampled: the mid where both sides are quoted and not crossed; else `last` if
    a trade came in this second, or if there is no sample yet; else the sample before. So neither an old trade nor a
    side that is gone for a moment makes a move that was none. What is measured is a function of the session, the steps
    and the ticks alone, bit for bit, however the ticks were cut into batches: every row acts on what the rows before it
    have left.

    Attributes:
        oddities: what was odd about the ticks taken so far, by symbol.
        is_still: whether the last step ended within a second and no tick came in it; then nothing was measured anew.
    """

    def __init__(self, session: WatchedSession) -> None:
        count = len(session.symbols)
        self._session = session
        self._at_us: int | None = None
        self._trades_waiting, self._quotes_waiting = Arrivals(TradeRows), Arrivals(QuoteRows)
        self._books_waiting = Arrivals(BookRows)
        self._quotes, self._trades, self._windows = BestQuotes(count), DayTrades(count), Windows(count)
        self._sample = np.full(count, np.nan)
        self._watched_from = np.full(count, -1, dtype=np.int64)
        self._depth = BookDepth(count)
        self._metrics: Metrics | None = None
        self._of_windows: dict[Metric, FloatArray] | None = None  # until the next sample
        self.oddities = OddityCounts(count)
        self.is_still = False

    @property
    def at_us(self) -> int | None:
        """Return the time of the last step; None before the first."""
        return self._at_us

    def apply(self, batch: TickBatch) -> None:
        """Let ticks wait for the step that ends after them; all that were received before a step belong here before it.

        Raises:
            InvalidValue: a symbol is not in the watch list; nothing was taken.
        """
        if not len(batch) + len(batch.book_symbol):
            return
        for name in ("trade_symbol", "quote_symbol", "book_symbol"):
            check_symbols(name, getattr(batch, name), len(self._session.symbols))
        self._quotes_waiting.add(batch)
        self._trades_waiting.add(batch)
        self._books_waiting.add(batch)

    def step(self, at_us: int) -> Metrics:
        """Take what was received before that time, and measure.

        Args:
            at_us: microseconds since the epoch, UTC; after the last step, and not beyond the second that follows it.
                The first may be any whole second.

        Raises:
            InvalidValue: a second is left out, or a time comes again.
        """
        is_first = self._at_us is None
        began = at_us - SECOND_US if self._at_us is None else self._at_us
        ends_at = (began // SECOND_US + 1) * SECOND_US
        if is_first and at_us % SECOND_US:
            raise InvalidValue("at_us", at_us, "a whole second, in microseconds since the epoch")
        if not began < at_us <= ends_at:
            raise InvalidValue("at_us", at_us, f"after {began} and not after {ends_at}; leave no second out")
        from_us = 0 if is_first else began  # what came before the first second came in time
        self._at_us, self.is_still = at_us, at_us % SECOND_US != 0
        for quotes in self._quotes_waiting.take(from_us, at_us):
            self.is_still = False
            self.oddities.add(Oddity.LATE_CLOCK, quotes.symbol[quotes.is_late])
            self._quotes.take(quotes, self.oddities)
        for trades in self._trades_waiting.take(from_us, at_us):
            self.is_still = False
            self.oddities.add(Oddity.LATE_CLOCK, trades.symbol[trades.is_late])
            self._trades.take(trades, self.oddities, open_us=self._session.open_us)
        if at_us % SECOND_US == 0:
            self._depth = BookDepth(len(self._session.symbols))
        for books in self._books_waiting.take(from_us, at_us):
            self.is_still = False
            self.oddities.add(Oddity.LATE_CLOCK, books.symbol[books.is_late])
            self._depth.take(books, began, self.oddities)
        if at_us % SECOND_US == 0 and at_us > self._session.open_us:
            self._take_sample(at_us - SECOND_US)
        self._watched_from[self._watched_from < 0] = began
        if self._metrics is None or not self.is_still:
            self._metrics = Metrics(at_us=at_us, values=self._measured(at_us))
        return self._metrics

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all there is to know, as copies, for `numpy.savez`; no element is an object."""
        arrays = {f"{part}.{name}": getattr(of, name) for part, of in self._parts() for name in of.COLUMNS}
        for part in ("trades_waiting", "quotes_waiting", "books_waiting"):
            waiting: Arrivals[Any] = getattr(self, f"_{part}")
            arrays |= {f"{part}.{name}": array for name, array in waiting.to_arrays().items()}
        at_us = -1 if self._at_us is None else self._at_us
        arrays["clock"] = np.array([_VERSION, self._session.open_us, at_us, self._windows.sampled])
        arrays["symbols"] = np.array(self._session.symbols)
        arrays |= {"sample": self._sample, "watched_from": self._watched_from}
        arrays |= {"depth": self._depth.values, "oddities": self.oddities.values}
        return {name: array.copy() for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, session: WatchedSession, arrays: Arrays) -> Self:
        """Return the state that `to_arrays` has told; it goes on as if it had never stopped.

        Args:
            session: the one it was made with.

        Raises:
            InvalidValue: the arrays are of another session, watch list or version; start anew from the record.
        """
        state = cls(session)
        blank = state.to_arrays()
        _check_same(blank, arrays)
        for part, of in state._parts():
            for name in of.COLUMNS:
                setattr(of, name, arrays[f"{part}.{name}"].copy())
        state._trades_waiting = Arrivals.from_arrays(TradeRows, _of_part("trades_waiting", arrays))
        state._quotes_waiting = Arrivals.from_arrays(QuoteRows, _of_part("quotes_waiting", arrays))
        state._books_waiting = Arrivals.from_arrays(BookRows, _of_part("books_waiting", arrays))
        state._sample, state.oddities.values = arrays["sample"].copy(), arrays["oddities"].copy()
        state._watched_from, state._depth.values = arrays["watched_from"].copy(), arrays["depth"].copy()
        at_us, state._windows.sampled = (int(number) for number in arrays["clock"][2:])
        state._at_us = None if at_us < 0 else at_us
        return state

    def with_symbols(self, session: WatchedSession) -> Self:
        """Return the state for a longer watch list; of the symbols added nothing is known yet.

        Args:
            session: the same, with symbols added at the end.

        Raises:
            InvalidValue: another symbol stands in the place of one that is watched.
        """
        before = len(self._session.symbols)
        if session.symbols[:before] != self._session.symbols:
            raise InvalidValue("symbols", session.symbols[:before], f"{self._session.symbols}, and what is added")
        arrays = type(self)(session).to_arrays()
        for name, array in self.to_arrays().items():
            if name == "clock" or "waiting." in name:
                arrays[name] = array
            elif name != "symbols":
                arrays[name][..., :before] = array
        return self.from_arrays(session, arrays)

    def _parts(self) -> tuple[tuple[str, BestQuotes | DayTrades | Windows], ...]:
        return ("quotes", self._quotes), ("trades", self._trades), ("windows", self._windows)

    def _mid(self) -> FloatArray:
        bid, ask = self._quotes.bid, self._quotes.ask
        return np.where(bid <= ask, (bid + ask) / 2, np.nan)

    def _take_sample(self, began: int) -> None:
        mid, trades = self._mid(), self._trades
        held = np.where((trades.received_at >= began) | np.isnan(self._sample), trades.last, self._sample)
        self._sample = np.where(np.isnan(mid), held, mid)
        self._windows.sample(self._sample)
        self._of_windows = None

    def _measured_windows(self) -> dict[Metric, FloatArray]:
        if self._of_windows is None:
            windows = self._windows
            self._of_windows = {
                **{m: windows.return_pct(seconds) for m, seconds in zip(_RETURNS, WINDOWS, strict=True)},
                **{m: windows.volatility_pct(seconds) for m, seconds in zip(_VOLATILITIES, WINDOWS, strict=True)},
                Metric.TREND: windows.trend(),
            }
        return self._of_windows

    def _measured(self, at_us: int) -> FloatArray:
        quotes, trades, session = self._quotes, self._trades, self._session
        mid = self._mid()
        spread = np.where(np.isnan(mid), np.nan, quotes.ask - quotes.bid)
        ratio = _ratio(trades.volume, session.usual_volume(at_us, self._watched_from))
        measured = {
            Metric.BID: quotes.bid,
            Metric.ASK: quotes.ask,
            Metric.LAST: trades.last,
            Metric.MID: mid,
            Metric.VOLUME: trades.volume,
            Metric.VWAP: _ratio(trades.value, trades.volume),
            Metric.SPREAD: spread,
            Metric.SPREAD_PCT: 100 * spread / mid,
            **self._measured_windows(),
            Metric.VOLUME_RATIO: ratio,
            Metric.LIQUIDITY: liquidity_score(quotes.bid, quotes.ask, quotes.bid_size, quotes.ask_size, ratio),
            Metric.DAY_HIGH: trades.high,
            Metric.DAY_LOW: trades.low,
            Metric.DAY_RANGE_PCT: 100 * (trades.high / trades.low - 1),
            Metric.QUOTE_AGE_SECONDS: _age_seconds(at_us, quotes.received_at),
            Metric.TRADE_AGE_SECONDS: _age_seconds(at_us, trades.received_at),
            Metric.CHANGE_PCT: 100 * (trades.last / session.previous_closes - 1),
            **dict(zip(_DEPTHS, self._depth.values, strict=True)),
        }
        return np.stack([measured[metric] for metric in Metric])


def _ratio(amount: FloatArray, by: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(by > 0, amount / by, np.nan)


def _age_seconds(at_us: int, received_at: npt.NDArray[np.int64]) -> FloatArray:
    return np.where(received_at > 0, (at_us - received_at) / SECOND_US, np.nan)


def _of_part(part: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")}


def _check_same(blank: Arrays, arrays: Arrays) -> None:
    """Raise unless the arrays have the names, types and shapes of a state of this session."""
    way_out = "start anew from the record of ticks"
    if set(blank) != set(arrays):
        raise InvalidValue("checkpoint", sorted(set(blank) ^ set(arrays)), f"of this version; {way_out}")
    if not np.array_equal(blank["symbols"], arrays["symbols"]):
        raise InvalidValue("checkpoint", "another watch list", f"of the symbols watched; {way_out}")
    if not np.array_equal(blank["clock"][:2], arrays["clock"][:2]):
        raise InvalidValue("checkpoint", arrays["clock"][:2].tolist(), f"of this version and session; {way_out}")
    for name, wanted in blank.items():
        part, _, column = name.partition(".")
        waits = part.endswith("_waiting") and column != "newest"
        shape = (len(arrays[f"{part}.symbol"]), *wanted.shape[1:]) if waits else wanted.shape
        if arrays[name].dtype != wanted.dtype or arrays[name].shape != shape:
            raise InvalidValue(f"checkpoint, {name}", arrays[name].shape, f"{wanted.dtype} of {shape}; {way_out}")
