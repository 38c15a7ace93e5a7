"""Bars from Yahoo Finance, through yfinance. Unofficial and for personal use; every symbol's outcome is known."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from adapters.table_bars import asked_symbols, no_rows
from adapters.us_symbols import dashed
from adapters.yahoo_access import BROKEN, YahooAccess
from adapters.yahoo_charts import chart_actions, chart_bars
from trading.errors import SourceUnavailable
from trading.market.bars import ANNOUNCED_AHEAD, DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis
from trading.market.corporate_actions import CorporateAction
from trading.market.instruments import Equity, Instrument

if TYPE_CHECKING:
    from adapters.yahoo_session import ChartAnswer

GIVE_UP_AFTER = 3
WHOLE_PROVIDER = "whole provider"
# What yfinance raises, by name, so that importing this module does not import yfinance.
MEANING: Mapping[str, FetchStatus | str] = {
    "YFRateLimitError": WHOLE_PROVIDER,
    "YFDataException": WHOLE_PROVIDER,  # "Yahoo! Finance is currently down"
    "YFPricesMissingError": FetchStatus.NO_BARS,
    "YFTzMissingError": FetchStatus.FAILED,  # all it says is that the first request failed
    "YFTickerMissingError": FetchStatus.FAILED,
    "YFEarningsDateMissing": FetchStatus.FAILED,
    "YFInvalidPeriodError": FetchStatus.FAILED,
    "YFNotImplementedError": FetchStatus.FAILED,
    "YFException": FetchStatus.FAILED,
}


class YahooBars:
    """Raw daily bars, dividends and splits of Yahoo Finance.

    Yahoo serves prices, volumes and dividends adjusted for all splits up to now. They are brought back to what was
    traded and paid, with the splits from `first` up to now, so that stored bars do not change with a later split. Only
    ask for sessions that have closed: of a running one Yahoo serves the bar so far.

    Args:
        access: a symbol takes one request to about ten.
        symbols: what is offered. A dot in a US symbol is a share class (BRK.B), which Yahoo writes BRK-B.
        currency: ISO 4217 code; a symbol that Yahoo quotes in another (GBp is pence) fails.
    """

    def __init__(
        self,
        access: YahooAccess,
        symbols: Sequence[str],
        *,
        mic: str = "XNYS",
        currency: str = "USD",
        listed: Mapping[str, Instrument] | None = None,
    ) -> None:
        self.name = access.name
        self._offered: Mapping[str, Instrument] = {
            **{symbol: Equity(symbol=symbol, mic=mic, currency=currency) for symbol in symbols},
            **(listed or {}),
        }
        self._access, self._mic, self._currency = access, mic, currency

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol; Yahoo has no list of its own."""
        return self._offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included, one request after the other.

        Raises:
            SourceUnavailable: Yahoo limits or refuses us, or GIVE_UP_AFTER symbols in a row failed.
        """
        outcomes: list[FetchOutcome] = []
        frames: list[pd.DataFrame] = []
        actions: list[CorporateAction] = []
        with self._access.opened():
            for symbol in asked_symbols(symbols, first, last):
                # To the end of Yahoo's time, for the splits that are still to be undone.
                code, currency = self._spelled(symbol), self._currency_of(symbol)
                outcome, chart = ask_chart(self._access, symbol, code, currency, start=first)
                if chart is not None:
                    bars = chart_bars(chart, symbol, first, last)
                    actions += chart_actions(chart, symbol, currency, first, last + ANNOUNCED_AHEAD)
                    frames += [bars] if len(bars) else []
                    outcome = outcome if len(bars) else no_bars_of(symbol, first, last)
                outcomes.append(outcome)
                give_up_when_down(self.name, outcomes[-GIVE_UP_AFTER:])
        if outcomes and all(o.status is FetchStatus.FAILED for o in outcomes):
            raise SourceUnavailable(self.name, f"every symbol failed, last: {outcomes[-1].text}")
        frame = pd.concat(sorted(frames, key=lambda f: f["symbol"].iloc[0]), ignore_index=True) if frames else no_rows()
        return FetchedBars(
            bars=DailyBars(frame=frame, source=self.name, price_basis=PriceBasis.RAW),
            outcomes=tuple(outcomes),
            actions=tuple(sorted(actions, key=lambda a: (a.ex_date, a.symbol))),
        )

    def _spelled(self, symbol: str) -> str:
        listed = self._offered.get(symbol)
        return dashed(symbol, listed.mic if listed else self._mic)

    def _currency_of(self, symbol: str) -> str:
        listed = self._offered.get(symbol)
        return listed.currency if listed else self._currency


def ask_chart(
    access: YahooAccess,
    symbol: str,
    code: str,
    currency: str,
    *,
    start: date,
    end: date | None = None,
    interval: str = "1d",
) -> tuple[FetchOutcome, pd.DataFrame | None]:
    """Return what yfinance makes of a symbol's chart, and what became of asking for it.

    Args:
        code: as Yahoo writes the symbol.
        currency: the chart fails if Yahoo quotes in another.
        end: excluded; None for now.

    Raises:
        SourceUnavailable: Yahoo refuses us.
    """
    import yfinance
    from curl_cffi.requests import RequestsError
    from yfinance.exceptions import YFException, YFNotImplementedError

    access.session.chart_answer = None
    try:
        ticker = yfinance.Ticker(code, session=access.session)
        chart = ticker.history(
            start=start.isoformat(),
            end=end.isoformat() if end is not None else None,
            interval=interval,
            auto_adjust=False,
            actions=True,
            keepna=True,
        )
        quoted_in = ticker.history_metadata.get("currency")
    except (YFException, YFNotImplementedError, RequestsError, OSError, *BROKEN) as exc:
        return _failed(access, symbol, exc), None
    if quoted_in != currency:
        text = f"{access.name} quotes {symbol} in {quoted_in}, not in {currency}"
        return FetchOutcome(symbol=symbol, status=FetchStatus.FAILED, text=text), None
    return FetchOutcome(symbol=symbol, status=FetchStatus.OK), chart


def _failed(access: YahooAccess, symbol: str, exc: Exception) -> FetchOutcome:
    meaning = meaning_of(exc, access.session.chart_answer)
    why = f"{type(exc).__name__}: {' '.join(str(exc).split())[:300]}"
    if not isinstance(meaning, FetchStatus):
        raise SourceUnavailable(access.name, f"asked for {symbol}, {why}") from exc
    return FetchOutcome(symbol=symbol, status=meaning, text=f"{access.name} on {symbol}: {why}")


def give_up_when_down(source: str, lately: Sequence[FetchOutcome]) -> None:
    """Raise SourceUnavailable when the last GIVE_UP_AFTER symbols have all failed."""
    if len(lately) == GIVE_UP_AFTER and all(o.status is FetchStatus.FAILED for o in lately):
        raise SourceUnavailable(source, f"{GIVE_UP_AFTER} symbols in a row failed, last: {lately[-1].text}")


def meaning_of(exc: Exception, answer: "ChartAnswer | None") -> FetchStatus | str:
    """Return what became of a symbol, or WHOLE_PROVIDER; what Yahoo answered counts for more than the exception."""
    from adapters.yahoo_session import ChartAnswer

    names = [kind.__name__ for kind in type(exc).__mro__ if kind.__name__ in MEANING]
    meaning = MEANING[names[0]] if names else FetchStatus.FAILED
    if meaning == WHOLE_PROVIDER:
        return WHOLE_PROVIDER
    match answer:
        case ChartAnswer.REFUSED:
            return WHOLE_PROVIDER
        case ChartAnswer.NOT_FOUND:
            return FetchStatus.UNKNOWN_SYMBOL
        case ChartAnswer.BAD_REQUEST | ChartAnswer.EMPTY:
            return FetchStatus.NO_BARS
        case ChartAnswer.CHART:
            return meaning
        case ChartAnswer.BROKEN | None:
            return FetchStatus.FAILED


def no_bars_of(symbol: str, first: date, last: date) -> FetchOutcome:
    """Return the outcome of a known symbol without a price in the range."""
    text = f"Yahoo has no prices of {symbol} from {first} to {last}"
    return FetchOutcome(symbol=symbol, status=FetchStatus.NO_BARS, text=text)
