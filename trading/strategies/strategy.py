"""The strategy interface: bars as they were known, in; target weights, out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pandas as pd


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
