"""Option chains: all listed options of one underlying at one moment.

A frame of a chain has one row per option, sorted by expiry, strike and right, with CHAIN_COLUMNS. Prices are float64
in currency per unit of the underlying; NaN is a side that nobody quotes, or a number the provider does not tell.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import numpy as np
import pandas as pd

from trading.errors import ChainInvalid

CHAIN_KEYS = ("expiry", "strike", "right")
CHAIN_NUMBERS = ("bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest")
CHAIN_COLUMNS = (*CHAIN_KEYS, *CHAIN_NUMBERS, "quoted_at")
EXPIRY_DTYPE, TIME_DTYPE = "datetime64[us]", "datetime64[us, UTC]"


class ExerciseStyle(StrEnum):
    """ExerciseStyle (FIX 1194)."""

    EUROPEAN = "european"
    AMERICAN = "american"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptionChain:
    """The options of one underlying.

    Attributes:
        underlying: its symbol.
        underlying_px: its price at that moment, in the currency of the chain; None where the provider tells none.
        frame: CHAIN_COLUMNS in that order; `expiry` a naive midnight label, `right` C or P, `quoted_at` UTC or NaT.
        multiplier: units of the underlying in one contract.
        source: name of the provider.
        at: the moment, UTC.
    """

    underlying: str
    underlying_px: float | None
    style: ExerciseStyle
    frame: pd.DataFrame
    source: str
    at: datetime
    multiplier: Decimal = Decimal(100)
    currency: str = "USD"

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != CHAIN_COLUMNS:
            raise ChainInvalid(self.source, f"columns are {list(self.frame.columns)}, not {list(CHAIN_COLUMNS)}")
        for name in ("strike", *CHAIN_NUMBERS):
            if self.frame[name].dtype != np.float64:
                raise ChainInvalid(self.source, f"column {name} is {self.frame[name].dtype}, not float64")
        for name, dtype in (("expiry", EXPIRY_DTYPE), ("quoted_at", TIME_DTYPE)):
            if self.frame[name].dtype != dtype:
                raise ChainInvalid(self.source, f"column {name} is {self.frame[name].dtype}, not {dtype}")
        if not self.frame["right"].isin(["C", "P"]).all():
            raise ChainInvalid(self.source, "a right is neither C nor P")
        if self.at.tzinfo is None:
            raise ChainInvalid(self.source, f"its time {self.at} has no zone")


class ChainSource(Protocol):
    """Where option chains come from."""

    @property
    def name(self) -> str:
        """Return the provider's name."""
        ...

    def fetch(self, underlying: str) -> OptionChain:
        """Return the whole chain as it is now.

        Raises:
            UnknownSymbol: the provider knows no options on it.
            SourceUnavailable: the provider did not answer properly.
        """
        ...


def chain_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of the rows with the columns, types and order of a chain; absent optional columns become NaN.

    Args:
        rows: at least CHAIN_KEYS; `expiry` anything pandas reads as a date, `quoted_at` aware where it is given.
    """
    frame = rows.reindex(columns=list(CHAIN_COLUMNS))
    frame["expiry"] = pd.to_datetime(frame["expiry"]).astype(EXPIRY_DTYPE)
    frame["right"] = frame["right"].astype("str")
    for name in ("strike", *CHAIN_NUMBERS):
        frame[name] = frame[name].astype(np.float64)
    frame["quoted_at"] = pd.to_datetime(frame["quoted_at"], utc=True).astype(TIME_DTYPE)
    return frame.sort_values(list(CHAIN_KEYS), kind="stable", ignore_index=True)
