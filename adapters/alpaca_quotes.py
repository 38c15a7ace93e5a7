"""Quotes from Alpaca when they are asked for, through alpaca-py's snapshots: the last quote and the last trade."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from adapters.alpaca_access import AlpacaAccess
from adapters.alpaca_api import AlpacaApi
from adapters.alpaca_values import price, time_of
from adapters.quoted_rows import failed
from trading.errors import InvalidValue
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quotes import FetchedQuotes, Quotes, quotes_frame


class AlpacaQuotes:
    """The latest quote and trade of US shares.

    The sizes of bid and ask are not told: Alpaca documents them in round lots, and the tape has counted shares since
    2025-11-03. With the feed IEX both sides are those of one exchange.

    Args:
        now: aware clock.
        name: of the provider, in outcomes.

    Raises:
        InvalidValue: alpaca-py is not installed.

    Source: docs.alpaca.markets/reference/stocksnapshots; dxfeed.com/support-for-round-lot-changes.
    """

    def __init__(
        self, *, access: AlpacaAccess, now: Callable[[], datetime] = lambda: datetime.now(UTC), name: str = "alpaca"
    ) -> None:
        self.name = name
        self._access, self._now, self._api = access, now, AlpacaApi(name, access)

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the latest quote of each symbol; every symbol asked has exactly one outcome.

        Raises:
            SourceUnavailable: Alpaca does not answer properly, limits or refuses us.
        """
        asked = tuple(dict.fromkeys(symbols))
        answers = self._answers(asked)
        rows: list[dict[str, object]] = []
        outcomes = [self._judged(symbol, answers.get(symbol), rows) for symbol in asked]
        frame = quotes_frame(pd.DataFrame(rows, columns=["symbol"] if not rows else None))
        return FetchedQuotes(
            quotes=Quotes(frame=frame, source=self.name, received_at=self._now()), outcomes=tuple(outcomes)
        )

    def _answers(self, symbols: Sequence[str]) -> Mapping[str, Any]:
        from alpaca.data.enums import DataFeed
        from alpaca.data.requests import StockSnapshotRequest

        feed = DataFeed(self._access.feed.value)
        return self._api.by_symbol(
            symbols,
            self._api.stocks.get_stock_snapshot,
            lambda batch: StockSnapshotRequest(symbol_or_symbols=batch, feed=feed),
        )

    def _judged(self, symbol: str, answer: object, rows: list[dict[str, object]]) -> FetchOutcome:
        if answer is None:
            text = f"{self.name} does not know {symbol}"
            return FetchOutcome(symbol=symbol, status=FetchStatus.UNKNOWN_SYMBOL, text=text)
        try:
            row = self._row(symbol, answer)
        except InvalidValue as exc:
            return failed(self.name, symbol, self._access.shown(str(exc)))
        if row["bid"] is None and row["ask"] is None and row["last"] is None:
            text = f"{self.name} has no quote and no trade of {symbol}"
            return FetchOutcome(symbol=symbol, status=FetchStatus.NO_BARS, text=text)
        rows.append(row)
        return FetchOutcome(symbol=symbol, status=FetchStatus.OK)

    def _row(self, symbol: str, answer: object) -> dict[str, object]:
        if not isinstance(answer, dict):
            raise InvalidValue("snapshot", answer, "a JSON object")
        quote, trade = (answer.get(name) or {} for name in ("latestQuote", "latestTrade"))
        if not (isinstance(quote, dict) and isinstance(trade, dict)):
            raise InvalidValue("latestQuote and latestTrade", [quote, trade], "JSON objects")
        return {
            "symbol": symbol,
            "bid": price(quote, "bp"),
            "ask": price(quote, "ap"),
            "last": price(trade, "p"),
            "last_size": price(trade, "s"),
            "quoted_at": time_of((quote or trade).get("t")),
            "kind": self._access.feed.kind.value,
        }
