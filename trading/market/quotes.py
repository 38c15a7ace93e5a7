"""Quotes: the best bid and ask of a moment, where they come from and how many of them are held together.

A frame of quotes has one row per symbol, with QUOTE_COLUMNS. Prices are float64 in the currency of the instrument,
sizes float64 in units; NaN is a side that nobody quotes, or a number the provider does not tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import numpy as np
import pandas as pd

from trading.errors import QuotesInvalid
from trading.market.bars import FetchOutcome

QUOTE_NUMBERS = ("bid", "ask", "bid_size", "ask_size", "last", "last_size")
QUOTE_COLUMNS = ("symbol", *QUOTE_NUMBERS, "quoted_at", "kind")
TIME_DTYPE = "datetime64[us, UTC]"


class QuoteKind(StrEnum):
    """How old a quote is by its kind: live, the last of a closed market, or minutes late by contract."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    DELAYED_FROZEN = "delayed_frozen"

    @property
    def is_delayed(self) -> bool:
        """Tell whether it is minutes late by contract."""
        return self in (QuoteKind.DELAYED, QuoteKind.DELAYED_FROZEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The last that was heard of a symbol.

    Attributes:
        at: when the newest part of it was heard; None while nothing was.
        error: why the provider sends nothing; empty when it does.
    """

    symbol: str
    bid: float | None
    ask: float | None
    last: float | None
    bid_size: float | None
    ask_size: float | None
    last_size: float | None
    kind: QuoteKind
    at: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quotes:
    """Quotes of many symbols from one provider.

    Attributes:
        frame: QUOTE_COLUMNS in that order; `quoted_at` is the provider's own time, UTC, NaT where it tells none.
        source: name of the provider.
        received_at: when we had them, UTC.
    """

    frame: pd.DataFrame
    source: str
    received_at: datetime

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != QUOTE_COLUMNS:
            raise QuotesInvalid(self.source, f"columns are {list(self.frame.columns)}, not {list(QUOTE_COLUMNS)}")
        for name in QUOTE_NUMBERS:
            if self.frame[name].dtype != np.float64:
                raise QuotesInvalid(self.source, f"column {name} is {self.frame[name].dtype}, not float64")
        if self.frame["quoted_at"].dtype != TIME_DTYPE:
            raise QuotesInvalid(self.source, f"column quoted_at is {self.frame['quoted_at'].dtype}, not {TIME_DTYPE}")
        if self.frame["symbol"].duplicated().any():
            raise QuotesInvalid(self.source, "a symbol has two quotes")

    def marks(self) -> dict[str, Decimal]:
        """Return what each symbol is worth: the middle of bid and ask, or the last price where one of them lacks."""
        middle = (self.frame["bid"] + self.frame["ask"]) / 2
        worth = middle.where(middle > 0, self.frame["last"])
        told = zip(self.frame["symbol"], worth, strict=True)
        return {str(symbol): Decimal(repr(float(px))) for symbol, px in told if px > 0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FetchedQuotes:
    """Quotes as a source gave them, and the outcome of every symbol asked."""

    quotes: Quotes
    outcomes: tuple[FetchOutcome, ...]


class QuoteSource(Protocol):
    """Where quotes are asked for, when they are wanted."""

    @property
    def name(self) -> str:
        """Return the provider's name."""
        ...

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the latest quote of each symbol; every symbol asked has exactly one outcome.

        Raises:
            SourceUnavailable: the provider as a whole did not answer properly.
        """
        ...


class QuoteStream(Protocol):
    """Where quotes arrive by themselves."""

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have quotes of these symbols too.

        Raises:
            UnknownSymbol: the provider does not know one.
            SourceUnavailable: it cannot be asked.
        """
        ...

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        ...

    def quotes(self) -> Mapping[str, Quote]:
        """Return what was last heard of every symbol subscribed."""
        ...

    def stale(self, after: timedelta) -> tuple[str, ...]:
        """Return the symbols of which nothing was heard for that long, or ever."""
        ...


def quotes_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of the rows with the columns, types and order of quotes; absent optional columns become NaN.

    Args:
        rows: at least `symbol`; `quoted_at` aware where it is given, `kind` LIVE unless given.
    """
    frame = rows.reindex(columns=list(QUOTE_COLUMNS))
    frame["symbol"] = frame["symbol"].astype("str")
    for name in QUOTE_NUMBERS:
        frame[name] = frame[name].astype(np.float64)
    frame["quoted_at"] = pd.to_datetime(frame["quoted_at"], utc=True).astype(TIME_DTYPE)
    frame["kind"] = frame["kind"].astype("object").fillna(QuoteKind.LIVE.value).astype("str")
    return frame.sort_values("symbol", kind="stable", ignore_index=True)
