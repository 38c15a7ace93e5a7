"""Minute bars of IQFeed, of regular hours, adjusted for splits."""

from collections.abc import Callable, Sequence
from datetime import date, datetime

import pandas as pd

from adapters.iqfeed.history import IqfeedBars
from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.table_bars import asked_symbols
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.calendars import TradingCalendar
from trading.market.minute_bars import FetchedMinuteBars, MinuteBars, minute_frame


class IqfeedMinuteBars:
    """Minutes between open and close of each session.

    Args:
        mic: ISO 10383 code of the exchange of all symbols.
        name: recorded with every bar.
    """

    def __init__(
        self, *, settings: IqfeedSettings, now: Callable[[], datetime], mic: str = "XNYS", name: str = NAME
    ) -> None:
        self.name = name
        self._bars = IqfeedBars((), settings=settings, mic=mic, name=name)
        self._calendar, self._now = TradingCalendar(mic), now

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedMinuteBars:
        """Return the minutes of all sessions from `first` to `last`, both included; the one that runs is left out.

        Raises:
            InvalidValue: the range ends before it begins.
            SourceUnavailable: IQConnect does not answer properly, or several symbols in a row failed.
        """
        asked, hours = asked_symbols(symbols, first, last), self._hours(first, last)
        if not hours:
            return FetchedMinuteBars(bars=self._none(), outcomes=tuple(map(self._without, asked)))
        fetched = self._bars.minute_bars(asked, hours[0][0], hours[-1][1])
        start = fetched.bars.frame["bar_start"]
        inside = pd.Series(False, index=start.index)
        for opens, closes in hours:
            inside |= (start >= opens) & (start < closes)
        frame = fetched.bars.frame[inside].reset_index(drop=True)
        outside = {o.symbol for o in fetched.outcomes if o.status is FetchStatus.OK} - set(frame["symbol"])
        return FetchedMinuteBars(
            bars=MinuteBars(frame=frame, source=self.name),
            outcomes=tuple(self._without(o.symbol) if o.symbol in outside else o for o in fetched.outcomes),
        )

    def _hours(self, first: date, last: date) -> list[tuple[datetime, datetime]]:
        """Return open and close of each session that has begun; the minute that runs closes the last."""
        running = self._now().replace(second=0, microsecond=0)
        days = self._calendar.sessions(first, last)
        hours = [(self._calendar.open_at(day), min(self._calendar.close_at(day), running)) for day in days]
        return [(opens, closes) for opens, closes in hours if opens < closes]

    def _none(self) -> MinuteBars:
        rows = pd.DataFrame({"symbol": [], "bar_start": [], "close": []})
        return MinuteBars(frame=minute_frame(rows), source=self.name)

    def _without(self, symbol: str) -> FetchOutcome:
        text = f"{self.name} has no bars of {symbol} in regular hours of that time"
        return FetchOutcome(symbol=symbol, status=FetchStatus.NO_BARS, text=text)
