"""The strategy interface: bars as they were known, in; target weights, out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pandas as pd

from trading.errors import InvalidValue

MAX_GAP_SESSIONS = 5  # a week; what is missing for longer was not merely halted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointInTimeBars:
    """What was known before the session opened; nothing in it is younger than `last_session`.

    Attributes:
        closes: wide frame, one row per session (naive labels, ascending, the last is `last_session`), one column per
            symbol; float64, adjusted for splits and dividends as of `last_session`; NaN where there was no bar.
        session: the session to be traded.
        last_session: the last session whose bars are known.
    """

    closes: pd.DataFrame
    session: date
    last_session: date

    def __post_init__(self) -> None:
        if self.last_session >= self.session:
            raise InvalidValue("last_session", self.last_session, f"before the session to be traded ({self.session})")
        index = self.closes.index
        if not index.is_monotonic_increasing:
            raise InvalidValue("closes", f"{len(index)} rows", "in ascending order of session")
        if len(index) and index[-1] > pd.Timestamp(self.last_session):
            raise InvalidValue("youngest close", index[-1].date(), f"of {self.last_session} or before")

    def complete_closes(self, sessions: int) -> pd.DataFrame:
        """Return the last `sessions` rows of the symbols that have enough history, without NaN, columns sorted.

        A symbol has enough when it has a close > 0 in the last session and no gap longer than MAX_GAP_SESSIONS. A
        shorter gap takes the close before it, or at the start of the window the one after it: one missing bar a
        year ago must not close a position today.
        """
        window = self.closes.sort_index(axis="columns").tail(sessions)
        if len(window) < sessions:
            return window.iloc[:, :0]
        known = window.where(window > 0)
        traded = known.iloc[-1].notna()
        begun = known.ffill().notna()
        filled = known.ffill(limit=MAX_GAP_SESSIONS).where(begun, known.bfill(limit=MAX_GAP_SESSIONS))
        return filled.loc[:, traded & filled.notna().all()]


class Strategy(Protocol):
    """A rule that turns bars into target weights. A frozen dataclass whose fields are its parameters."""

    @property
    def lookback_sessions(self) -> int:
        """Return how many sessions of bars it needs, > 0."""
        ...

    def target_weights(self, bars: PointInTimeBars) -> Mapping[str, float]:
        """Return the wanted share of the book's equity per symbol; a symbol left out is wanted at 0.

        Negative weights are short positions. A NaN weight, or an unknown symbol, is refused.
        """
        ...
