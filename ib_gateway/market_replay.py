"""Prices from recorded bars: what a user's own history said, played again."""

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from ib_gateway.market_hours import Period, wall_time
from ib_gateway.market_prices import PriceSource, RawBar

_REGULAR_OPEN, _REGULAR_CLOSE = 570, 960


class BadReplayRow(ValueError):
    """A row of recorded bars cannot be read."""

    def __init__(self, number: int, row: Mapping[str, str], why: str) -> None:
        self.number, self.row = number, dict(row)
        super().__init__(
            f"row {number} {dict(row)} is no bar: {why}; "
            "columns are symbol, time (or date), open, high, low, close, volume"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayBar:
    """One recorded bar, for the time from `opens_at` until `closes_at`; a daily one is 09:30 to 16:00 New York."""

    symbol: str
    opens_at: datetime
    closes_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0

    def price(self, at: datetime) -> float:
        """Return the price within the bar: open, extreme far from the close, the other extreme, close."""
        first, second = (self.low, self.high) if self.close >= self.open else (self.high, self.low)
        corners = (self.open, first, second, self.close)
        place = min(max((at - self.opens_at) / (self.closes_at - self.opens_at), 0.0), 1.0) * 3
        left = min(int(place), 2)
        return corners[left] + (corners[left + 1] - corners[left]) * (place - left)

    def turns_between(self, first: datetime, last: datetime) -> list[float]:
        """Return the prices at both times and at the bar's turning points between them."""
        third = (self.closes_at - self.opens_at) / 3
        turns = [self.opens_at + third, self.opens_at + third * 2]
        return [self.price(at) for at in (first, *(turn for turn in turns if first < turn < last), last)]


def read_bars(lines: Iterable[str]) -> list[ReplayBar]:
    """Read CSV rows with a header: symbol, time or date, open, high, low, close and, if known, volume.

    A time without a zone is UTC. Bars within a day last until the symbol's next bar, at most its shortest gap.

    Raises:
        BadReplayRow: a row lacks a column, or is no bar.
    """
    bars: dict[str, list[ReplayBar]] = {}
    for number, row in enumerate(csv.DictReader(lines), start=2):
        row = {key.strip().lower(): value for key, value in row.items() if key and value is not None}
        try:
            bar = _parsed(row)
        except (KeyError, ValueError) as exc:
            raise BadReplayRow(number, row, str(exc)) from exc
        bars.setdefault(bar.symbol, []).append(bar)
    return [bar for series in bars.values() for bar in _with_ends(series)]


def _parsed(row: Mapping[str, str]) -> ReplayBar:
    opens_at, closes_at = _times(row.get("time") or row.get("timestamp") or row["date"])
    low, high = float(row["low"]), float(row["high"])
    opening, closing = float(row["open"]), float(row["close"])
    if not 0 < low <= min(opening, closing) <= max(opening, closing) <= high:
        raise ValueError("prices must be above 0, and low and high the least and the greatest")
    return ReplayBar(
        symbol=row["symbol"].strip().upper(),
        opens_at=opens_at,
        closes_at=closes_at,
        open=opening,
        high=high,
        low=low,
        close=closing,
        volume=float(row.get("volume") or 0),
    )


def _times(text: str) -> tuple[datetime, datetime]:
    text = text.strip()
    if len(text) <= 10:
        day = date.fromisoformat(text)
        return wall_time(day, _REGULAR_OPEN), wall_time(day, _REGULAR_CLOSE)
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at, at


def _with_ends(series: list[ReplayBar]) -> list[ReplayBar]:
    """Give bars within a day their length, which is the shortest gap of their series."""
    series = sorted(series, key=lambda bar: bar.opens_at)
    gaps = [after.opens_at - before.opens_at for before, after in pairwise(series)]
    length = min((gap for gap in gaps if gap > timedelta(0)), default=timedelta(minutes=1))
    return [bar if bar.closes_at > bar.opens_at else _lasting(bar, length) for bar in series]


def _lasting(bar: ReplayBar, length: timedelta) -> ReplayBar:
    return ReplayBar(
        symbol=bar.symbol,
        opens_at=bar.opens_at,
        closes_at=bar.opens_at + length,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
    )


class ReplayPrices:
    """The prices of one symbol, from its recorded bars; before the first its open, between bars the last close."""

    def __init__(self, bars: Iterable[ReplayBar]) -> None:
        self._bars = sorted(bars, key=lambda bar: bar.opens_at)
        self._opens = [bar.opens_at for bar in self._bars]

    @property
    def begins(self) -> datetime:
        """When the first bar opens."""
        return self._opens[0]

    def price(self, at: datetime) -> float:
        """Return the price at an instant, inside a bar as `ReplayBar.price` says."""
        place = bisect_right(self._opens, at) - 1
        return self._bars[place].price(at) if place >= 0 else self._bars[0].open

    def bar(self, period: Period, first: datetime, last: datetime) -> RawBar | None:  # noqa: ARG002 - as all sources
        """Return the recorded bars from first to last as one, cut where they reach beyond; None if there are none."""
        start = max(bisect_right(self._opens, first) - 1, 0)
        bars = [bar for bar in self._bars[start : bisect_left(self._opens, last)] if bar.closes_at > first]
        pieces = [_cut(bar, max(first, bar.opens_at), min(last, bar.closes_at)) for bar in bars]
        return merged(first, pieces)


def _cut(bar: ReplayBar, first: datetime, last: datetime) -> RawBar:
    prices = bar.turns_between(first, last)
    return RawBar(
        opens_at=first,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=bar.volume * ((last - first) / (bar.closes_at - bar.opens_at)),
    )


def merged(opens_at: datetime, pieces: Iterable[RawBar | None]) -> RawBar | None:
    """Return bars that follow each other as one; None if there are none."""
    bars = [piece for piece in pieces if piece is not None]
    if not bars:
        return None
    return RawBar(
        opens_at=opens_at,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
    )


def replay_sources(bars: Iterable[ReplayBar]) -> dict[str, PriceSource]:
    """Return the prices of each symbol that was recorded."""
    series: dict[str, list[ReplayBar]] = {}
    for bar in bars:
        series.setdefault(bar.symbol, []).append(bar)
    return {symbol: ReplayPrices(of_symbol) for symbol, of_symbol in series.items()}
