"""Minute bars from Yahoo Finance, through yfinance: the last 30 days. Unofficial and for personal use."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import pandas as pd

from adapters.table_bars import asked_symbols
from adapters.us_symbols import dashed
from adapters.yahoo_access import YahooAccess
from adapters.yahoo_bars import GIVE_UP_AFTER, ask_chart, give_up_when_down, no_bars_of
from adapters.yahoo_charts import chart_minutes
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.minute_bars import MINUTE_COLUMNS, FetchedMinuteBars, MinuteBars, minute_frame

REACHES_BACK = timedelta(days=29)  # of whole days; Yahoo counts 30 times 24 hours back from now
AT_ONCE = timedelta(days=7)  # Yahoo gives up to eight days of minutes by one request


class YahooMinuteBars:
    """Raw minute bars of regular hours.

    Yahoo serves them adjusted for splits up to now; they are brought back to what was traded.

    Args:
        access: a symbol takes a request for each AT_ONCE from `first` to now, and a few more.
        mic: ISO 10383 code of the exchange of all symbols; in the USA a dot is a share class.
        currency: ISO 4217 code; a symbol that Yahoo quotes in another (GBp is pence) fails.
    """

    def __init__(
        self,
        access: YahooAccess,
        *,
        now: Callable[[], datetime],
        mic: str = "XNYS",
        currency: str = "USD",
    ) -> None:
        self.name = access.name
        self._access, self._now, self._mic, self._currency = access, now, mic, currency

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedMinuteBars:
        """Return the minutes of all sessions from `first` to `last`, both included, one symbol after the other.

        Raises:
            InvalidValue: `first` lies before the time of which Yahoo keeps minutes, or after `last`.
            SourceUnavailable: Yahoo limits or refuses us, or GIVE_UP_AFTER symbols in a row failed.
        """
        oldest = self._now().date() - REACHES_BACK
        if first < oldest:
            raise InvalidValue("first", f"{first}", f"{oldest} or later: Yahoo keeps minutes of the last 30 days only")
        outcomes: list[FetchOutcome] = []
        frames: list[pd.DataFrame] = []
        with self._access.opened():
            for symbol in asked_symbols(symbols, first, last):
                outcome, frame = self._fetch(symbol, first, last)
                outcomes.append(outcome)
                frames += [frame] if frame is not None else []
                give_up_when_down(self.name, outcomes[-GIVE_UP_AFTER:])
        if outcomes and all(o.status is FetchStatus.FAILED for o in outcomes):
            raise SourceUnavailable(self.name, f"every symbol failed, last: {outcomes[-1].text}")
        rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(MINUTE_COLUMNS))
        return FetchedMinuteBars(bars=MinuteBars(frame=minute_frame(rows), source=self.name), outcomes=tuple(outcomes))

    def _fetch(self, symbol: str, first: date, last: date) -> tuple[FetchOutcome, pd.DataFrame | None]:
        now, code = self._now(), dashed(symbol, self._mic)
        charts: list[pd.DataFrame] = []
        start = first
        while start <= now.date():  # to now, for the splits that are still to be undone
            end = start + AT_ONCE
            outcome, chart = ask_chart(self._access, symbol, code, self._currency, start=start, end=end, interval="1m")
            if outcome.status in (FetchStatus.FAILED, FetchStatus.UNKNOWN_SYMBOL):
                return outcome, None
            charts += [chart] if chart is not None and len(chart) else []
            start = end
        bars = chart_minutes(pd.concat(charts), symbol, first, last, now) if charts else None
        if bars is None or bars.empty:
            return no_bars_of(symbol, first, last), None
        return FetchOutcome(symbol=symbol, status=FetchStatus.OK), bars
