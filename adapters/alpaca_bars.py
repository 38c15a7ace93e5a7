"""Daily bars from Alpaca, through alpaca-py: raw prices, with splits and dividends from its corporate actions."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.alpaca_access import AlpacaAccess
from adapters.alpaca_actions import TYPES, JudgedActions, judged_actions
from adapters.alpaca_api import AlpacaApi
from adapters.quoted_rows import QuotedRows, actions_until, failed, fetch_each
from adapters.table_bars import asked_symbols
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchedBars, FetchOutcome, FetchStatus
from trading.market.instruments import Equity, Instrument

NEW_YORK = ZoneInfo("America/New_York")
CURRENCY = "USD"
FIELDS: Mapping[str, str] = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
NO_ACTION: Mapping[str, object] = {"dividend": 0, "split": 1}  # they come with days of their own
# Alpaca selects actions by the day it processes them: a dividend's is the day it is paid, weeks after its ex-date.
PAID_WITHIN = timedelta(days=120)


class AlpacaBars:
    """Raw daily bars, splits and cash dividends of US shares.

    Only ask for sessions that have closed: of a running one Alpaca serves the bar so far. The feed SIP has the bars of
    the tape, and is free for what is older than 15 minutes. Spin-offs, mergers and changes of name are not told.

    Args:
        symbols: what is offered, spelled as BRK.B.
        mic: ISO 10383 code of the exchange of all symbols.
        name: recorded with every bar.

    Raises:
        InvalidValue: alpaca-py is not installed.

    Source: docs.alpaca.markets/reference/stockbars; a daily bar's `t` is midnight in New York.
    """

    def __init__(
        self, symbols: Sequence[str], *, access: AlpacaAccess, mic: str = "XNYS", name: str = "alpaca"
    ) -> None:
        self.name = name
        self._offered: Mapping[str, Instrument] = {
            symbol: Equity(symbol=symbol, mic=mic, currency=CURRENCY) for symbol in symbols
        }
        self._access, self._api = access, AlpacaApi(name, access)

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol."""
        return self._offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included.

        A symbol without bars in the range is unknown if Alpaca has no latest bar of it either, from IEX.

        Raises:
            SourceUnavailable: Alpaca does not answer properly, limits or refuses us, or GIVE_UP_AFTER symbols in a row
                failed.
        """
        asked = asked_symbols(symbols, first, last)
        rows = self._bars(asked, first, last)
        known = {*rows, *self._latest([symbol for symbol in asked if symbol not in rows])}
        judged = self._actions([symbol for symbol in asked if symbol in rows], first, actions_until(last))

        def answer(symbol: str) -> QuotedRows | FetchOutcome:
            if symbol not in known:
                text = f"{self.name} does not know {symbol}"
                return FetchOutcome(symbol=symbol, status=FetchStatus.UNKNOWN_SYMBOL, text=text)
            if symbol in judged.broken:
                return failed(self.name, symbol, judged.broken[symbol])
            return self._quoted(symbol, rows.get(symbol, []))

        fetched = fetch_each(self.name, asked, first, last, answer)
        given = {outcome.symbol for outcome in fetched.outcomes if outcome.status is FetchStatus.OK}
        actions = [action for symbol in given for action in judged.actions.get(symbol, ())]
        return replace(
            fetched,
            outcomes=tuple(replace(outcome, text=self._access.shown(outcome.text)) for outcome in fetched.outcomes),
            actions=tuple(sorted(actions, key=lambda a: (a.ex_date, a.symbol, type(a).__name__))),
        )

    def _bars(self, symbols: Sequence[str], first: date, last: date) -> dict[str, Any]:
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.requests import StockBarsRequest
        from alpaca.data.timeframe import TimeFrame

        # The end is the time of the last bar itself: one in the future is refused to those who have not paid for it.
        return self._api.by_symbol(
            symbols,
            self._api.stocks.get_stock_bars,
            lambda batch: StockBarsRequest(
                symbol_or_symbols=batch,
                timeframe=TimeFrame.Day,
                start=datetime.combine(first, time(), NEW_YORK),
                end=datetime.combine(last, time(), NEW_YORK),
                adjustment=Adjustment.RAW,
                feed=DataFeed(self._access.feed.of_history.value),
            ),
        )

    def _latest(self, symbols: Sequence[str]) -> dict[str, Any]:
        from alpaca.data.enums import DataFeed
        from alpaca.data.requests import StockLatestBarRequest

        return self._api.by_symbol(
            symbols,
            self._api.stocks.get_stock_latest_bar,
            lambda batch: StockLatestBarRequest(symbol_or_symbols=batch, feed=DataFeed.IEX),  # the latest all may ask
        )

    def _actions(self, symbols: Sequence[str], first: date, until: date) -> JudgedActions:
        from alpaca.data.enums import CorporateActionsType
        from alpaca.data.requests import CorporateActionsRequest

        answers = self._api.in_batches(
            symbols,
            self._api.actions.get_corporate_actions,
            lambda batch: CorporateActionsRequest(
                symbols=batch,
                types=[CorporateActionsType(kind) for kind in TYPES],
                start=first,
                end=min(until, date.max - PAID_WITHIN) + PAID_WITHIN,
                limit=None,  # all pages: a number would be the most that are given in all
            ),
        )
        try:
            return judged_actions(answers, first, until)
        except InvalidValue as exc:
            raise SourceUnavailable(self.name, self._access.shown(f"corporate actions: {exc}")) from None

    def _quoted(self, symbol: str, bars: object) -> QuotedRows | FetchOutcome:
        if not isinstance(bars, list) or not all(isinstance(bar, dict) for bar in bars):
            return failed(self.name, symbol, f"its bars are {bars!r}")
        return QuotedRows(
            source=self.name,
            symbol=symbol,
            currency=CURRENCY,
            key=self._access.api_key,
            rows=[
                (
                    _session(bar.get("t")),
                    {**{name: bar[code] for name, code in FIELDS.items() if code in bar}, **NO_ACTION},
                )
                for bar in bars
            ],
        )


def _session(at: object) -> object:
    """Return the day in New York of a time in UTC; as it is what is no time."""
    if isinstance(at, str) and "T" in at:
        with suppress(ValueError, OverflowError):
            return f"{datetime.fromisoformat(at).astimezone(NEW_YORK):%Y-%m-%d}"
    return at
