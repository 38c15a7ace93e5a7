"""Last prices from Alpha Vantage, GLOBAL_QUOTE: one GET for each symbol, and neither bid nor ask."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pandas as pd

from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.json_api import without_key
from adapters.quoted_rows import SHOWN, failed, part, quoted, same_code
from adapters.quoted_values import Unusable, quoted_price
from adapters.us_symbols import dashed
from adapters.yahoo_bars import GIVE_UP_AFTER, give_up_when_down
from trading.errors import InvalidValue, UnknownSymbol
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quotes import FetchedQuotes, QuoteKind, Quotes, quotes_frame

QUOTE, LATE = "Global Quote", "DELAYED BY 15 MINUTES"
# What is asked for as the entitlement of the key; without one the price is that of the last session's end.
ENTITLEMENTS: Mapping[QuoteKind, Mapping[str, str]] = {
    QuoteKind.LIVE: {"entitlement": "realtime"},
    QuoteKind.DELAYED: {"entitlement": "delayed"},
    QuoteKind.DELAYED_FROZEN: {},
}


class AlphaVantageQuotes:
    """The last price of each symbol, without a time of day: Alpha Vantage tells the day only.

    Args:
        api: how it is asked.
        entitled: what the key is paid for: LIVE or DELAYED; DELAYED_FROZEN, the last session's end, is free.
        mic: ISO 10383 code of the exchange of all symbols; in the USA a dot is a share class.

    Source: alphavantage.co/documentation, "Quote Endpoint".
    """

    def __init__(
        self,
        api: AlphaVantageApi,
        *,
        now: Callable[[], datetime],
        entitled: QuoteKind = QuoteKind.DELAYED_FROZEN,
        mic: str = "XNYS",
    ) -> None:
        if entitled not in ENTITLEMENTS:
            raise InvalidValue("entitled", entitled.value, f"one of {', '.join(ENTITLEMENTS)}")
        self._api, self._now, self._entitled, self._mic = api, now, entitled, mic

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self._api.name

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the last price of each symbol, one request after the other.

        Raises:
            SourceUnavailable: Alpha Vantage does not answer properly, limits or refuses us, or GIVE_UP_AFTER symbols
                in a row failed.
        """
        outcomes: list[FetchOutcome] = []
        rows: list[dict[str, object]] = []
        for symbol in dict.fromkeys(symbols):
            try:
                rows.append(self._ask(symbol))
                outcomes.append(FetchOutcome(symbol=symbol, status=FetchStatus.OK))
            except UnknownSymbol as exc:
                outcomes.append(FetchOutcome(symbol=symbol, status=FetchStatus.UNKNOWN_SYMBOL, text=str(exc)))
            except Unusable as exc:
                outcomes.append(failed(self.name, symbol, without_key(str(exc), self._api.key)[:SHOWN]))
            give_up_when_down(self.name, outcomes[-GIVE_UP_AFTER:])
        frame = quotes_frame(pd.DataFrame(rows, columns=["symbol", "last", "kind"]))
        return FetchedQuotes(
            quotes=Quotes(frame=frame, source=self.name, received_at=self._now()), outcomes=tuple(outcomes)
        )

    def _ask(self, symbol: str) -> dict[str, object]:
        code = dashed(symbol, self._mic)
        answer = self._api.ask("GLOBAL_QUOTE", {"symbol": code, **ENTITLEMENTS[self._entitled]}, symbol=symbol)
        key = next((key for key in answer if key.startswith(QUOTE)), None)  # a delayed one says so in its name
        quote = part(answer, key) if key is not None else {}
        if key is not None and answer[key] == {}:
            raise UnknownSymbol([symbol], self.name)
        if not same_code(quote.get("01. symbol"), code):
            raise Unusable(f"the answer is about {quoted(answer, self._api.key)}, not {code!r}")
        last = quoted_price("05. price", quote.get("05. price"))
        if pd.isna(last):
            raise Unusable("no price")
        kind = QuoteKind.DELAYED if LATE in str(key) else self._entitled
        return {"symbol": symbol, "last": last, "kind": kind.value}
