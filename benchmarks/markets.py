"""Markets made up from a real one: as many symbols as are wanted, the same ones for the same seed.

Closes are a block bootstrap of the daily returns of skfolio's sample: runs of 20 sessions of a random stock, so that
volatility comes in clusters as it does. Returns are cut at 15 % and have no drift, so that no bar looks like an error
and prices stay in the range of prices. Open, high, low and volume are drawn around them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bars import BAR_COLUMNS, BarStore, DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis
from trading.market.calendars import TradingCalendar

SOURCE = "bench"
CALENDAR = TradingCalendar("XNYS")
LAST = date(2022, 12, 28)
YEAR = 252
_BLOCK = 20
_LARGEST = 0.15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """Daily bars of all symbols, by session and symbol.

    Attributes:
        columns: open, high, low, close and volume, each of shape (sessions, symbols).
    """

    sessions: npt.NDArray[np.datetime64]
    symbols: tuple[str, ...]
    columns: tuple[npt.NDArray[np.float64], ...]

    def bars(self, rows: slice = slice(None)) -> DailyBars:
        """Return the bars of some sessions."""
        sessions = self.sessions[rows]
        values = [np.repeat(np.array(self.symbols, dtype=object), len(sessions)), np.tile(sessions, len(self.symbols))]
        values += [column[rows].T.ravel() for column in self.columns]
        frame = pd.DataFrame(dict(zip(BAR_COLUMNS, values, strict=True)))
        return DailyBars(frame=frame.astype({"symbol": "str"}), source=SOURCE, price_basis=PriceBasis.RAW)

    def fetched(self, rows: slice = slice(None)) -> FetchedBars:
        """Return the bars of some sessions as a source would give them."""
        outcomes = tuple(FetchOutcome(symbol=s, status=FetchStatus.OK) for s in self.symbols)
        return FetchedBars(bars=self.bars(rows), outcomes=outcomes)

    def day(self, row: int) -> date:
        """Return the date of a session."""
        return date.fromisoformat(str(self.sessions[row])[:10])

    def months(self, stop: int | None = None) -> Iterator[DailyBars]:
        """Yield the bars of each month, of the sessions before `stop`."""
        months = self.sessions[:stop].astype("datetime64[M]")
        edges = [0, *(1 + np.flatnonzero(months[1:] != months[:-1])), len(months)]
        for first, end in pairwise(edges):
            yield self.bars(slice(int(first), int(end)))


def make_market(symbols: int, sessions: int, seed: int) -> Market:
    """Make the bars of so many symbols over the sessions that end with LAST."""
    days = CALENDAR.session_index(CALENDAR.sessions_before(LAST, sessions - 1), LAST).to_numpy()
    random = np.random.default_rng(seed)
    returns = _resampled(_sample_returns(), symbols, sessions, random)
    close = np.round(np.maximum(random.uniform(20, 200, symbols) * np.exp(returns.cumsum(axis=0)), 1.0), 2)
    before = np.vstack([close[:1], close[:-1]])
    opened = np.round(before * np.exp(random.normal(0, 0.003, close.shape)), 2)
    high = np.maximum(opened, close) + np.round(close * np.abs(random.normal(0, 0.004, close.shape)), 2)
    low = np.minimum(opened, close) - np.round(np.minimum(opened, close) * random.uniform(0, 0.01, close.shape), 2)
    volume = np.round(np.exp(random.normal(14.5, 0.5, close.shape)))
    names = tuple(f"S{number:04d}" for number in range(symbols))
    return Market(sessions=days, symbols=names, columns=(opened, high, low, close, volume))


def fill_store(store: BarStore, market: Market, stop: int | None = None) -> None:
    """Store the bars of the sessions before `stop`, month by month."""
    for bars in market.months(stop):
        store.upsert(bars, known_at(bars.frame["session"].max().date()))


def known_at(session: date) -> datetime:
    """Return when the bars of a session were known: late in its evening, UTC."""
    return datetime.combine(session, time(22), UTC)


def write_file(path: Path, bars: DailyBars) -> None:
    """Write bars as one long Parquet file, as a provider `files` reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bars.frame.to_parquet(path, index=False)


def _sample_returns() -> npt.NDArray[np.float64]:
    from skfolio.datasets import load_sp500_dataset

    returns = np.diff(np.log(load_sp500_dataset().to_numpy()), axis=0)
    returns = np.clip(returns, np.log(1 - _LARGEST), np.log(1 + _LARGEST))
    centred: npt.NDArray[np.float64] = returns - returns.mean(axis=0)
    return centred


def _resampled(
    returns: npt.NDArray[np.float64], symbols: int, sessions: int, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    shape: Sequence[int] = (symbols, -(-sessions // _BLOCK))
    starts = random.integers(0, len(returns) - _BLOCK, shape)
    stocks = random.integers(0, returns.shape[1], shape)
    drawn = returns[starts[..., None] + np.arange(_BLOCK), stocks[..., None]]
    resampled: npt.NDArray[np.float64] = drawn.reshape(symbols, -1)[:, :sessions].T
    return resampled
