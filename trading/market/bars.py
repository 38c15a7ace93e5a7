"""Daily bars: their shape, where they come from and how a set of them is named for ever.

A frame of bars is *long*: one row per symbol and session, sorted by both, with BAR_COLUMNS. Prices are float64 in
`currency` of the instrument, volume float64 in units. A source of closes only leaves open, high, low and volume NaN.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import numpy as np
import pandas as pd

from trading.errors import BarsInvalid
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
from trading.market.instruments import Instrument

PRICE_COLUMNS = ("open", "high", "low", "close")
BAR_COLUMNS = ("symbol", "session", *PRICE_COLUMNS, "volume")
SESSION_DTYPE = "datetime64[us]"
ANNOUNCED_AHEAD = timedelta(days=7)


class PriceBasis(StrEnum):
    """What has been done to the prices since they were traded."""

    RAW = "raw"
    SPLIT_ADJUSTED = "split_adjusted"
    ADJUSTED = "adjusted"  # for splits and dividends

    def leaves_out(self, action: CorporateAction) -> bool:
        """Tell whether the action has not been worked into the prices, so that it still changes positions and cash."""
        match action:
            case Split():
                return self is PriceBasis.RAW
            case CashDividend():
                return self is not PriceBasis.ADJUSTED
            case _:
                return True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DailyBars:
    """Daily bars of many symbols from one source.

    Attributes:
        frame: long frame, BAR_COLUMNS in that order; `session` is a naive midnight label, datetime64[us].
        source: name of the provider.
        price_basis: what has been done to the prices.
    """

    frame: pd.DataFrame
    source: str
    price_basis: PriceBasis

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != BAR_COLUMNS:
            raise BarsInvalid(self.source, f"columns are {list(self.frame.columns)}, not {list(BAR_COLUMNS)}")
        for name in (*PRICE_COLUMNS, "volume"):
            if self.frame[name].dtype != np.float64:
                raise BarsInvalid(self.source, f"column {name} is {self.frame[name].dtype}, not float64")
        if self.frame["session"].dtype != SESSION_DTYPE:
            raise BarsInvalid(self.source, f"column session is {self.frame['session'].dtype}, not {SESSION_DTYPE}")

    def content_hash(self) -> str:
        """Return the SHA-256 of every value in (symbol, session) order; equal bars give equal hashes anywhere."""
        ordered = self.frame if _in_order(self.frame) else self.frame.sort_values(["symbol", "session"], kind="stable")
        digest = hashlib.sha256(f"{self.source}\x00{self.price_basis}\x00{len(ordered)}\x00".encode())
        codes, names = pd.factorize(ordered["symbol"])
        repeated = [f"{name}\x00" * count for name, count in zip(names, np.bincount(codes), strict=True)]
        digest.update("".join(repeated)[:-1].encode())
        digest.update(ordered["session"].to_numpy().astype("<M8[us]").tobytes())
        for name in (*PRICE_COLUMNS, "volume"):
            values = ordered[name].to_numpy(dtype="<f8", copy=True)
            values[np.isnan(values)] = np.nan  # one NaN of the many there are
            digest.update(values.tobytes())
        return digest.hexdigest()

    def on(self, session: date) -> pd.DataFrame:
        """Return the rows of one session, indexed by symbol."""
        rows = self.frame[self.frame["session"] == pd.Timestamp(session)]
        return rows.set_index("symbol")


class FetchStatus(StrEnum):
    """What became of one symbol of a request."""

    OK = "ok"
    NO_BARS = "no_bars"
    UNKNOWN_SYMBOL = "unknown_symbol"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOutcome:
    """What a source answered for one symbol.

    Attributes:
        text: explains all but OK, and why another provider had to stand in.
        provider: who gave the bars, when it is not the source that was asked.
    """

    symbol: str
    status: FetchStatus
    text: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FetchedBars:
    """Bars as a source gave them, the outcome of every symbol asked, and the corporate actions.

    Actions are those of the range, and those announced for the ANNOUNCED_AHEAD after it: an order for the next session
    is sized in the shares of the next session.
    """

    bars: DailyBars
    outcomes: tuple[FetchOutcome, ...]
    actions: tuple[CorporateAction, ...] = ()


class BarSource(Protocol):
    """Where daily bars come from."""

    @property
    def name(self) -> str:
        """Return the provider's name, as recorded with every bar."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments on offer by symbol."""
        ...

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included.

        Every symbol asked has exactly one outcome. With them come the corporate actions of FetchedBars.

        Raises:
            SourceUnavailable: the provider as a whole did not answer properly.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertCount:
    """How many rows an upsert added, changed and found equal."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BarVersion:
    """What was believed of one bar for a while; NaN where the source gave no number.

    Attributes:
        known_at: since when; None is since ever, of bars stored before this was written down.
        superseded_at: until when; None while it is believed.
    """

    symbol: str
    session: date
    open: float
    high: float
    low: float
    close: float
    volume: float
    known_at: datetime | None
    superseded_at: datetime | None


class BarStore(Protocol):
    """Where checked bars are kept. A store holds one price basis for each source.

    Nothing is overwritten: of every row the store keeps when it became known, and when something else took its place.
    Times must rise; should a clock have been set back, a row is known since the one it takes the place of.
    """

    def upsert(self, bars: DailyBars, known_at: datetime) -> UpsertCount:
        """Write the bars durably; they take the place of rows of the same source, symbol and session.

        Repeating it changes nothing.
        """
        ...

    def read(
        self, source: str, symbols: Sequence[str] | None, first: date, last: date, as_of: datetime | None = None
    ) -> DailyBars:
        """Return the stored bars of the source between two sessions, both included; all symbols when None.

        Args:
            as_of: return what was believed at that moment; what is believed now when None.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        ...

    def versions(self, source: str, symbol: str, session: date) -> tuple[BarVersion, ...]:
        """Return all that was ever believed of one bar, the oldest first."""
        ...

    def withdraw(self, source: str, actions: Sequence[CorporateAction], known_at: datetime) -> int:
        """Believe these corporate actions no longer, whatever their terms; what is not stored changes nothing.

        Returns:
            How many were believed until then.
        """
        ...

    def upsert_actions(self, source: str, actions: Sequence[CorporateAction], known_at: datetime) -> None:
        """Keep corporate actions durably, one per symbol, ex-date and kind."""
        ...

    def actions(
        self, source: str, first: date, last: date, as_of: datetime | None = None
    ) -> tuple[CorporateAction, ...]:
        """Return the corporate actions with ex-dates between two days, both included, by ex-date and symbol."""
        ...


def bars_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of the rows with the columns, types and order of bars; absent optional columns become NaN.

    Args:
        rows: at least `symbol`, `session` (anything pandas reads as a date) and `close`.
    """
    frame = rows.reindex(columns=list(BAR_COLUMNS))
    frame["symbol"] = frame["symbol"].astype("str")
    frame["session"] = pd.to_datetime(frame["session"]).astype(SESSION_DTYPE)
    for name in (*PRICE_COLUMNS, "volume"):
        frame[name] = frame[name].astype(np.float64)
    return frame.sort_values(["symbol", "session"], kind="stable", ignore_index=True)


def _in_order(frame: pd.DataFrame) -> bool:
    """Tell whether the rows stand in (symbol, session) order, with no key absent; it is cheaper than to sort them."""
    codes, _ = pd.factorize(frame["symbol"], sort=True)
    if (codes < 0).any() or frame["session"].isna().any():
        return False
    days = frame["session"].to_numpy()
    later = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (days[1:] >= days[:-1]))
    return bool(later.all())
