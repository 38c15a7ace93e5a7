"""Bars held in memory, from which every source that reads a whole file answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import InvalidValue
from trading.market.bars import (
    ANNOUNCED_AHEAD,
    DailyBars,
    FetchedBars,
    FetchOutcome,
    FetchStatus,
    PriceBasis,
    bars_frame,
)
from trading.market.corporate_actions import CorporateAction


class TableBars:
    """Bars of one source in memory, cut by symbol and session without reading them all again.

    Args:
        frame: long frame as DailyBars holds it, sorted by symbol and session.
        offered: symbols that the source has heard of, with bars or without.
    """

    def __init__(
        self, frame: pd.DataFrame, *, source: str, price_basis: PriceBasis, offered: Iterable[str] = ()
    ) -> None:
        self._frame, self._source, self._price_basis = frame, source, price_basis
        codes, symbols = pd.factorize(frame["symbol"])
        stops = np.bincount(codes, minlength=len(symbols)).cumsum()
        starts = stops - np.bincount(codes, minlength=len(symbols))
        self._rows: Mapping[str, tuple[int, int]] = dict(zip(symbols, zip(starts, stops, strict=True), strict=True))
        self._sessions = frame["session"].to_numpy()
        self._offered = frozenset(offered) | frozenset(self._rows)

    @property
    def symbols(self) -> Sequence[str]:
        """Return the symbols that have bars, sorted."""
        return tuple(self._rows)

    def fetch(
        self, symbols: Sequence[str], first: date, last: date, actions: Iterable[CorporateAction] = ()
    ) -> FetchedBars:
        """Answer as BarSource.fetch does; of the actions, those that FetchedBars holds are returned."""
        asked = asked_symbols(symbols, first, last)
        found = {symbol: self._positions(symbol, first, last) for symbol in sorted(asked)}
        rows = np.concatenate([np.empty(0, np.intp), *found.values()])
        frame = self._frame.take(rows).reset_index(drop=True)
        ahead = last + ANNOUNCED_AHEAD if last < date.max - ANNOUNCED_AHEAD else date.max
        return FetchedBars(
            bars=DailyBars(frame=frame, source=self._source, price_basis=self._price_basis),
            outcomes=tuple(self._outcome(symbol, len(found[symbol]), first, last) for symbol in asked),
            actions=tuple(a for a in actions if a.symbol in found and first <= a.ex_date <= ahead),
        )

    def _positions(self, symbol: str, first: date, last: date) -> npt.NDArray[np.intp]:
        start, stop = self._rows.get(symbol, (0, 0))
        sessions, bounds = self._sessions[start:stop], np.array([first, last], dtype=self._sessions.dtype)
        return np.arange(
            start + sessions.searchsorted(bounds[0], side="left"),
            start + sessions.searchsorted(bounds[1], side="right"),
        )

    def _outcome(self, symbol: str, rows: int, first: date, last: date) -> FetchOutcome:
        if rows:
            return FetchOutcome(symbol=symbol, status=FetchStatus.OK)
        if symbol not in self._offered:
            text = f"{self._source} does not offer {symbol}"
            return FetchOutcome(symbol=symbol, status=FetchStatus.UNKNOWN_SYMBOL, text=text)
        text = f"{self._source} has no bars of {symbol} from {first} to {last}"
        return FetchOutcome(symbol=symbol, status=FetchStatus.NO_BARS, text=text)


def asked_symbols(symbols: Sequence[str], first: date, last: date) -> tuple[str, ...]:
    """Return the symbols without repetition, in the order asked; a range that ends before it begins is refused."""
    if last < first:
        raise InvalidValue("last", last, f"not before first, {first}")
    return tuple(dict.fromkeys(symbols))


def no_rows() -> pd.DataFrame:
    """Return a frame of bars without any."""
    return bars_frame(pd.DataFrame({"symbol": [], "session": [], "close": []}))
