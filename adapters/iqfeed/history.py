"""Bars of IQFeed, by day and by minute.

IQFeed's history is adjusted for splits and not for dividends. It comes without corporate actions: neither are there
any to ask for by date, nor may a dividend be told from its prices.

Source: requests `HDT` and `HIT` and the order of values (high, low, open, close) as in
github.com/mathpaquette/IQFeed.CSharpApiClient, Lookup/Historical; `LH` before the values, of protocol 6.2, as in
github.com/mpdroog/docker-iqfeed.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import pandas as pd

from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.iqfeed.lines import SHOWN, wire_symbol
from adapters.iqfeed.lookup import Lookup, LookupAnswer, open_lookup
from adapters.table_bars import asked_symbols, no_rows
from adapters.yahoo_bars import GIVE_UP_AFTER
from trading.errors import BarsInvalid, InvalidValue, SourceUnavailable
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.instruments import Equity, Instrument
from trading.market.minute_bars import FetchedMinuteBars, MinuteBars, minute_frame

OLDEST_FIRST, LABEL_BEGIN, MINUTE = "1", "1", "60"
NEW_YORK: Final = ZoneInfo("America/New_York")
_NUMBER = re.compile(r"-?\d+(\.\d*)?", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)( 00:00:00)?", re.ASCII)  # the time came with older clients

Numbers = Mapping[str, float]
Row = Mapping[str, object]
Moment = TypeVar("Moment", date, datetime)


class IqfeedBars:
    """Daily bars, adjusted for splits.

    The bar of a running session is served too: only ask for sessions that have closed.

    Args:
        symbols: what is offered, spelled as IQFeed does (BRK.B).
        mic: ISO 10383 code of the exchange of all symbols.
        currency: ISO 4217 code.
        name: recorded with every bar.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        settings: IqfeedSettings,
        mic: str = "XNYS",
        currency: str = "USD",
        name: str = NAME,
    ) -> None:
        self.name = name
        self._settings = settings
        self._offered: Mapping[str, Instrument] = {
            symbol: Equity(symbol=symbol, mic=mic, currency=currency) for symbol in symbols
        }

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol."""
        return self._offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included, one request after the other.

        Raises:
            InvalidValue: the range ends before it begins.
            SourceUnavailable: IQConnect does not answer properly, or GIVE_UP_AFTER symbols in a row failed.
        """

        def ask(lookup: Lookup, symbol: str) -> list[Row]:
            answer = lookup.ask(["HDT", symbol, f"{first:%Y%m%d}", f"{last:%Y%m%d}", "", OLDEST_FIRST])
            days = _rows(self.name, symbol, answer, _day_row)
            return [{"session": day, **numbers} for day, numbers in days.items() if first <= day <= last]

        frames, outcomes = _each(self.name, self._settings, asked_symbols(symbols, first, last), ask)
        frame = bars_frame(pd.concat(frames, ignore_index=True)) if frames else no_rows()
        bars = DailyBars(frame=frame, source=self.name, price_basis=PriceBasis.SPLIT_ADJUSTED)
        return FetchedBars(bars=bars, outcomes=outcomes)

    def minute_bars(self, symbols: Sequence[str], begin: datetime, end: datetime) -> FetchedMinuteBars:
        """Return the minutes that start from `begin` on and before `end`, both aware.

        Raises:
            InvalidValue: a time is not aware, or the range ends before it begins.
            SourceUnavailable: as `fetch`.
        """
        begins, ends = _local("begin", begin), _local("end", end) - timedelta(seconds=1)
        if ends < begins:
            raise InvalidValue("end", end, f"after begin, {begin}")

        def ask(lookup: Lookup, symbol: str) -> list[Row]:
            span = [f"{begins:%Y%m%d %H%M%S}", f"{ends:%Y%m%d %H%M%S}"]
            answer = lookup.ask(["HIT", symbol, MINUTE, *span, "", "", "", OLDEST_FIRST], "", "s", LABEL_BEGIN)
            minutes = _rows(self.name, symbol, answer, _minute_row)
            return [{"bar_start": at, **numbers} for at, numbers in minutes.items() if begins <= at <= ends]

        frames, outcomes = _each(self.name, self._settings, tuple(dict.fromkeys(symbols)), ask)
        empty = pd.DataFrame({"symbol": [], "bar_start": [], "close": []})
        frame = minute_frame(pd.concat(frames, ignore_index=True) if frames else empty)
        return FetchedMinuteBars(bars=MinuteBars(frame=frame, source=self.name), outcomes=outcomes)


def _each(
    source: str, settings: IqfeedSettings, symbols: Sequence[str], ask: Callable[[Lookup, str], list[Row]]
) -> tuple[list[pd.DataFrame], tuple[FetchOutcome, ...]]:
    """Ask for one symbol after the other, and return the frames that were given and every outcome."""
    frames: list[pd.DataFrame] = []
    outcomes: list[FetchOutcome] = []
    if not symbols:
        return frames, ()
    with open_lookup(settings) as lookup:
        for symbol in symbols:
            try:
                rows = ask(lookup, wire_symbol(symbol))
                status = FetchStatus.OK if rows else FetchStatus.NO_BARS
                text = "" if rows else f"{source} has no bars of {symbol} in that time"
            except InvalidValue as exc:
                rows, status, text = [], FetchStatus.UNKNOWN_SYMBOL, str(exc)
            except _Answered as exc:
                rows, status, text = [], exc.status, str(exc)
            except BarsInvalid as exc:
                rows, status, text = [], FetchStatus.FAILED, str(exc)
            frames += [pd.DataFrame(rows).assign(symbol=symbol)] if rows else []
            outcomes.append(FetchOutcome(symbol=symbol, status=status, text=text))
            _give_up_when_down(source, outcomes[-GIVE_UP_AFTER:])
    return frames, tuple(outcomes)


class _Answered(Exception):
    """A symbol was answered by no rows."""

    def __init__(self, status: FetchStatus, text: str) -> None:
        self.status = status
        super().__init__(text)


def _rows(
    source: str, symbol: str, answer: LookupAnswer, read: Callable[[list[str]], tuple[Moment, Numbers]]
) -> dict[Moment, Numbers]:
    """Return the rows of an answer by their moment.

    Raises:
        _Answered: there is an error in their place.
        BarsInvalid: one of them is not in order, or two are of one moment.
    """
    if answer.is_of_unknown_symbol:
        raise _Answered(FetchStatus.UNKNOWN_SYMBOL, f"{source} does not know {symbol}")
    if answer.error and not answer.has_no_data:
        raise _Answered(FetchStatus.FAILED, f"{source} on {symbol}: IQConnect says {answer.error[:SHOWN]!r}")
    rows: dict[Moment, Numbers] = {}
    for text in answer.rows:
        try:
            moment, numbers = read(text.split(","))
        except (ValueError, IndexError) as exc:
            raise BarsInvalid(f"{source} on {symbol}", f"a row is {text[:SHOWN]!r}: {exc}") from exc
        if moment in rows:
            raise BarsInvalid(f"{source} on {symbol}", f"{moment} has two rows")
        rows[moment] = numbers
    return rows


def _day_row(fields: list[str]) -> tuple[date, Numbers]:
    """Read `LH,day,high,low,open,close,volume,open interest,`."""
    found = _DAY.fullmatch(fields[1])
    if fields[0] != "LH" or found is None:
        raise ValueError("it does not begin with LH and a day")
    return date.fromisoformat(found[1]), {**_prices(fields), "volume": _number(fields[6])}


def _minute_row(fields: list[str]) -> tuple[datetime, Numbers]:
    """Read `LH,time,high,low,open,close,total volume,volume,trades,`; the time is New York's."""
    if fields[0] != "LH":
        raise ValueError("it does not begin with LH")
    at = datetime.strptime(fields[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=NEW_YORK)
    return at, {**_prices(fields), "volume": _number(fields[7])}


def _prices(fields: list[str]) -> Numbers:
    return {name: _number(fields[place]) for place, name in enumerate(("high", "low", "open", "close"), start=2)}


def _number(text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def _local(name: str, at: datetime) -> datetime:
    if at.tzinfo is None:
        raise InvalidValue(name, at, "a time with its zone")
    return at.astimezone(NEW_YORK)


def _give_up_when_down(source: str, lately: Sequence[FetchOutcome]) -> None:
    if len(lately) == GIVE_UP_AFTER and all(outcome.status is FetchStatus.FAILED for outcome in lately):
        raise SourceUnavailable(source, f"{GIVE_UP_AFTER} symbols in a row failed, last: {lately[-1].text}")
