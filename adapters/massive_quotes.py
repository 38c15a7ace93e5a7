"""The latest quotes from Massive (formerly Polygon): bid, ask and last of up to 250 symbols by one GET."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from adapters.massive_api import AT_ONCE, MassiveApi, Row, amount, nanoseconds, price
from adapters.quoted_rows import failed, part, quoted
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quotes import QUOTE_COLUMNS, FetchedQuotes, QuoteKind, Quotes, quotes_frame

PATH = "/v3/snapshot"
UNKNOWN, CLOSED, REAL_TIME = "NOT_FOUND", "closed", "REAL-TIME"
KINDS: Mapping[tuple[bool, bool], QuoteKind] = {  # is it timely, is the market closed
    (True, False): QuoteKind.LIVE,
    (True, True): QuoteKind.FROZEN,
    (False, False): QuoteKind.DELAYED,
    (False, True): QuoteKind.DELAYED_FROZEN,
}


class MassiveQuotes:
    """Latest quotes of US stocks; a plan with snapshots is needed, and one with quotes for bid and ask.

    Sizes of bid and ask are not told: Massive gives them in round lots, and a round lot is 100, 40, 10 or 1 shares by
    the price of the stock (17 CFR 242.600(b)(93), since 2025-11-03).

    Args:
        now: the time, UTC.

    Source: massive.com/docs/rest/stocks/snapshots/unified-snapshot.
    """

    def __init__(self, api: MassiveApi, *, now: Callable[[], datetime]) -> None:
        self._api, self._now = api, now

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return self._api.name

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the latest quote of each symbol; every symbol asked has exactly one outcome.

        Raises:
            SourceUnavailable: Massive does not answer properly, limits or refuses us, or the budget has no room.
        """
        told = self._api.by_ticker(PATH, symbols, {"limit": str(AT_ONCE)})
        received_at = self._now()
        judged = {symbol: self._judged(symbol, rows) for symbol, rows in told.items()}
        good = [quote for quote in judged.values() if not isinstance(quote, FetchOutcome)]
        return FetchedQuotes(
            quotes=Quotes(
                frame=quotes_frame(pd.DataFrame(good, columns=list(QUOTE_COLUMNS))),
                source=self.name,
                received_at=received_at,
            ),
            outcomes=tuple(
                quote if isinstance(quote, FetchOutcome) else FetchOutcome(symbol=symbol, status=FetchStatus.OK)
                for symbol, quote in judged.items()
            ),
        )

    def _judged(self, symbol: str, rows: Sequence[Row]) -> Mapping[str, object] | FetchOutcome:
        if len(rows) != 1:
            return failed(self.name, symbol, f"the answer has {len(rows)} rows of it, not one")
        (row,) = rows
        if "error" in row:
            outcome = failed(self.name, symbol, quoted(row.get("message", row["error"]), self._api.key))
            return replace(outcome, status=FetchStatus.UNKNOWN_SYMBOL) if row["error"] == UNKNOWN else outcome
        quote, trade = part(row, "last_quote"), part(row, "last_trade")
        numbers = {
            "bid": price(quote.get("bid")),
            "ask": price(quote.get("ask")),
            "last": price(trade.get("price")),
            "last_size": amount(trade.get("size")),
        }
        if None in numbers.values():
            return failed(self.name, symbol, f"a price is none: {quoted({**quote, **trade}, self._api.key)}")
        if all(math.isnan(numbers[name] or 0) for name in ("bid", "ask", "last")):
            return failed(self.name, symbol, "neither bid, ask nor last is told; see whether your plan has quotes")
        return numbers | {"symbol": symbol, "quoted_at": _at(quote or trade), "kind": _kind(row, quote, trade).value}


def _at(latest: Row) -> datetime | None:
    return nanoseconds(latest.get("last_updated", latest.get("sip_timestamp")))


def _kind(row: Row, quote: Row, trade: Row) -> QuoteKind:
    timely = all(of.get("timeframe") == REAL_TIME for of in (quote, trade) if of)
    return KINDS[timely, row.get("market_status") == CLOSED]
