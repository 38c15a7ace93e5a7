"""Quotes from Yahoo Finance: many symbols by one request. Unofficial and for personal use."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import pandas as pd

from adapters.quoted_values import Unusable, quoted_epoch, quoted_number, quoted_price
from adapters.us_symbols import dashed
from adapters.yahoo_access import YahooAccess
from trading.errors import SourceUnavailable
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quotes import FetchedQuotes, QuoteKind, Quotes, quotes_frame

PATH = "/v7/finance/quote"
AT_ONCE = 100  # symbols in a request
OPEN = "REGULAR"  # of its market states PREPRE, PRE, REGULAR, POST, POSTPOST and CLOSED


class YahooQuotes:
    """Best bid and ask, and the last price of regular hours.

    Sizes are left out: Yahoo does not say whether it counts shares or round lots. `quoted_at` is the time of the last
    price; of bid and ask it tells none.

    Args:
        currency: ISO 4217 code; a symbol that Yahoo quotes in another (GBp is pence) fails.
        mic: ISO 10383 code of the exchange of all symbols; in the USA a dot is a share class.
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

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the latest quote of each symbol; one that the answer does not hold is unknown.

        Raises:
            SourceUnavailable: Yahoo limits or refuses us, or did not answer properly.
        """
        asked = tuple(dict.fromkeys(symbols))
        found: dict[str, Mapping[str, Any]] = {}
        if asked:
            with self._access.opened():
                for at in range(0, len(asked), AT_ONCE):
                    found |= self._ask([dashed(symbol, self._mic) for symbol in asked[at : at + AT_ONCE]])
        judged = [self._judged(symbol, found.get(dashed(symbol, self._mic))) for symbol in asked]
        rows = [row for _, row in judged if row is not None]
        frame = quotes_frame(pd.DataFrame(rows, columns=["symbol", "bid", "ask", "last", "quoted_at", "kind"]))
        return FetchedQuotes(
            quotes=Quotes(frame=frame, source=self.name, received_at=self._now()),
            outcomes=tuple(outcome for outcome, _ in judged),
        )

    def _ask(self, codes: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        status, answer = self._access.json(PATH, {"symbols": ",".join(codes), "formatted": "false"})
        response = answer.get("quoteResponse") if isinstance(answer, dict) else None
        rows = response.get("result") if isinstance(response, dict) and not response.get("error") else None
        if status != HTTPStatus.OK or not isinstance(rows, list):
            raise SourceUnavailable(self.name, f"{PATH}: {status} and {repr(answer)[:200]}")
        return {str(row.get("symbol")): row for row in rows if isinstance(row, dict)}

    def _judged(self, symbol: str, row: Mapping[str, Any] | None) -> tuple[FetchOutcome, dict[str, object] | None]:
        if row is None:
            text = f"{self.name} does not know {symbol}"
            return FetchOutcome(symbol=symbol, status=FetchStatus.UNKNOWN_SYMBOL, text=text), None
        try:
            quoted_in = row.get("currency")
            if quoted_in != self._currency:
                raise Unusable(f"it is quoted in {quoted_in}, not in {self._currency}")
            return FetchOutcome(symbol=symbol, status=FetchStatus.OK), _quote(symbol, row)
        except Unusable as exc:
            text = f"{self.name} on {symbol}: {exc}"[:200]
            return FetchOutcome(symbol=symbol, status=FetchStatus.FAILED, text=text), None


def _quote(symbol: str, row: Mapping[str, Any]) -> dict[str, object]:
    prices = {name: quoted_price(name, row.get(name)) for name in ("bid", "ask")}
    last = quoted_price("regularMarketPrice", row.get("regularMarketPrice"))
    if all(pd.isna(price) for price in (*prices.values(), last)):
        raise Unusable("no bid, ask or price")
    quoted_at = quoted_epoch("regularMarketTime", row.get("regularMarketTime"))
    return {"symbol": symbol, **prices, "last": last, "quoted_at": quoted_at, "kind": _kind(row).value}


def _kind(row: Mapping[str, Any]) -> QuoteKind:
    is_late = quoted_number("exchangeDataDelayedBy", row.get("exchangeDataDelayedBy")) > 0
    if row.get("marketState") == OPEN:
        return QuoteKind.DELAYED if is_late else QuoteKind.LIVE
    return QuoteKind.DELAYED_FROZEN if is_late else QuoteKind.FROZEN
