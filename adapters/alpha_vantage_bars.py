"""Daily bars from Alpha Vantage, TIME_SERIES_DAILY_ADJUSTED: raw prices with dividends and splits, by one GET each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from http import HTTPStatus

from pydantic import SecretStr

from adapters.json_api import JsonApi
from adapters.quoted_rows import QuotedRows, failed, fetch_each, part, quoted, same_code
from adapters.source_budget import RequestLimit, SourceBudget
from adapters.us_symbols import dashed
from trading.errors import SourceUnavailable
from trading.market.bars import FetchedBars, FetchOutcome, FetchStatus
from trading.market.instruments import Equity, Instrument

BASE_URL, PATH = "https://www.alphavantage.co", "/query"
META, SERIES, ERROR = "Meta Data", "Time Series (Daily)", "Error Message"
# It answers 200 to everything. These two say that we ask too often, have not paid, or have no valid key.
WHOLE_PROVIDER = ("Note", "Information")
UNKNOWN = re.compile(r"invalid api call", re.IGNORECASE)
BAD_KEY = re.compile(r"api ?key|api function", re.IGNORECASE)
FIELDS: Mapping[str, str] = {
    "open": "1. open",
    "high": "2. high",
    "low": "3. low",
    "close": "4. close",
    "volume": "6. volume",
    "dividend": "7. dividend amount",
    "split": "8. split coefficient",
}
# Of a key without a plan; alphavantage.co/support, "What are the usage limits", and its own "5 calls per minute".
FREE_LIMITS = (
    RequestLimit(requests=25, within=timedelta(days=1)),
    RequestLimit(requests=5, within=timedelta(minutes=1)),
)
COMPACT, FULL = "compact", "full"
COMPACT_ROWS = 100
COMPACT_SPAN = timedelta(days=150)  # which so many sessions never take


class AlphaVantageBars:
    """Raw daily bars, dividends and splits of Alpha Vantage.

    Only ask for sessions that have closed: of a running one Alpha Vantage serves the bar so far.

    Args:
        symbols: what is offered. A dot in a US symbol is a share class (BRK.B), which Alpha Vantage writes BRK-B.
        api_key: never in a message, although Alpha Vantage repeats it in its own.
        mic: ISO 10383 code of the exchange of all symbols.
        currency: ISO 4217 code; Alpha Vantage does not say in which it quotes.
        base_url: another address to ask, such as a proxy's; None for Alpha Vantage's own.
        timeout: for each request; a symbol takes one, the first of a fetch may take two.
        budget: of requests, such as that of FREE_LIMITS; None when Alpha Vantage alone counts them.
        name: recorded with every bar.

    Source: alphavantage.co/documentation, "Daily Adjusted".
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        api_key: SecretStr,
        mic: str = "XNYS",
        currency: str = "USD",
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
        name: str = "alpha_vantage",
    ) -> None:
        self.name = name
        self._offered: Mapping[str, Instrument] = {
            symbol: Equity(symbol=symbol, mic=mic, currency=currency) for symbol in symbols
        }
        self._mic, self._currency, self._key = mic, currency, api_key
        self._api = JsonApi(
            name, base_url or BASE_URL, key=api_key, key_parameter="apikey", timeout=timeout, budget=budget
        )

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol."""
        return self._offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included, one request after the other.

        The short answer is asked for first, and taken if it reaches back to `first`. Once it does not, this symbol and
        all after it are asked for in full.

        Raises:
            SourceUnavailable: Alpha Vantage does not answer properly, limits or refuses us, the budget has no room, or
                GIVE_UP_AFTER symbols in a row failed.
        """
        size = FULL if last - first > COMPACT_SPAN else COMPACT

        def ask(symbol: str) -> QuotedRows | FetchOutcome:
            nonlocal size
            answer = self._ask(symbol, size)
            if size == COMPACT and isinstance(answer, QuotedRows) and not answer.reach_back_to(first):
                size = FULL
                answer = self._ask(symbol, size)
            return answer

        return fetch_each(self.name, symbols, first, last, ask)

    def _ask(self, symbol: str, size: str) -> QuotedRows | FetchOutcome:
        spelled = dashed(symbol, self._mic)
        parameters = {
            "function": "TIME_SERIES_DAILY_ADJUSTED",
            "symbol": spelled,
            "outputsize": size,
        }
        status, answer = self._api.get(PATH, parameters)
        if status != HTTPStatus.OK:
            raise SourceUnavailable(self.name, f"{PATH} on {symbol}: {status} and {quoted(answer, self._key)}")
        if isinstance(answer, dict) and SERIES not in answer:
            self._raise_if_refused(symbol, answer)
            if ERROR in answer:
                return self._not_found(symbol, answer[ERROR])
        return self._rows(symbol, spelled, size, answer)

    def _raise_if_refused(self, symbol: str, answer: Mapping[str, object]) -> None:
        bad_key = ERROR in answer and BAD_KEY.search(str(answer[ERROR]))
        for name in (*WHOLE_PROVIDER, *([ERROR] if bad_key else [])):
            if name in answer:
                why = quoted(answer[name], self._key)
                raise SourceUnavailable(self.name, f"asked for {symbol}, it says {name}: {why}")

    def _not_found(self, symbol: str, said: object) -> FetchOutcome:
        outcome = failed(self.name, symbol, quoted(said, self._key))
        return replace(outcome, status=FetchStatus.UNKNOWN_SYMBOL) if UNKNOWN.search(str(said)) else outcome

    def _rows(self, symbol: str, spelled: str, size: str, answer: object) -> QuotedRows | FetchOutcome:
        series, meta = part(answer, SERIES), part(answer, META)
        answered, given = meta.get("2. Symbol"), str(meta.get("4. Output Size")).casefold()
        if not (isinstance(answer, dict) and isinstance(answer.get(SERIES), dict)):
            return failed(self.name, symbol, f"an answer without {SERIES!r}: {quoted(answer, self._key)}")
        if not same_code(answered, spelled):
            return failed(self.name, symbol, f"the answer is about {quoted(answered, self._key)}, not {spelled!r}")
        if size == FULL and given == COMPACT and len(series) >= COMPACT_ROWS:
            return failed(self.name, symbol, f"asked for all sessions, it gave the last {len(series)}")
        return QuotedRows(
            source=self.name,
            symbol=symbol,
            currency=self._currency,
            key=self._key,
            rows=[(day, _named(values)) for day, values in series.items()],
        )


def _named(values: object) -> Mapping[str, object]:
    if not isinstance(values, dict):
        return {}
    return {name: values[field] for name, field in FIELDS.items() if field in values}
