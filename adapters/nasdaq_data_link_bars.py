"""Daily bars from Nasdaq Data Link (formerly Quandl), from a database such as EOD: raw prices, by one GET each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from http import HTTPStatus
from urllib.parse import quote

from pydantic import SecretStr

from adapters.json_api import JsonApi
from adapters.quoted_rows import QuotedRows, actions_until, failed, fetch_each, part, quoted, same_code
from adapters.source_budget import RequestLimit, SourceBudget
from trading.errors import SourceUnavailable
from trading.market.bars import FetchedBars, FetchOutcome, FetchStatus
from trading.market.instruments import Equity, Instrument

BASE_URL = "https://data.nasdaq.com"
# Of any key; docs.data.nasdaq.com, "Rate limits".
LIMITS = (
    RequestLimit(requests=50_000, within=timedelta(days=1)),
    RequestLimit(requests=2_000, within=timedelta(minutes=10)),
    RequestLimit(requests=300, within=timedelta(seconds=10)),
)
DAY = "Date"
COLUMNS: Mapping[str, str] = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "dividend": "Dividend",
    "split": "Split",
}
UNKNOWN = "QEC"  # a code that does not exist; all of its kind end in a number
# The key (QEA), what it is permitted (QEP), too many requests (QEL), and faults and upkeep of their own (QEM, QEX).
WHOLE_PROVIDER = ("QEA", "QEP", "QEL", "QEM", "QEX")


class NasdaqDataLinkBars:
    """Raw daily bars, dividends and splits of one database of Nasdaq Data Link.

    Args:
        symbols: what is offered. A dot in a symbol is a share class (BRK.B), which Nasdaq Data Link writes BRK_B.
        api_key: never in a message.
        database: code of a database with the columns of EOD, "End of Day US Stock Prices".
        mic: ISO 10383 code of the exchange of all symbols.
        currency: ISO 4217 code; the database does not say in which it quotes.
        timeout: for each request; a symbol takes one.
        budget: of requests, such as that of LIMITS; None when Nasdaq Data Link alone counts them.
        name: recorded with every bar.

    Source: docs.data.nasdaq.com, "Time-series: in-depth usage".
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        api_key: SecretStr,
        database: str = "EOD",
        mic: str = "XNYS",
        currency: str = "USD",
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
        name: str = "nasdaq_data_link",
    ) -> None:
        self.name = name
        self._offered: Mapping[str, Instrument] = {
            symbol: Equity(symbol=symbol, mic=mic, currency=currency) for symbol in symbols
        }
        self._database, self._currency, self._key = database, currency, api_key
        self._api = JsonApi(
            name, base_url or BASE_URL, key=api_key, key_parameter="api_key", timeout=timeout, budget=budget
        )

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol."""
        return self._offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included, one request after the other.

        Raises:
            SourceUnavailable: Nasdaq Data Link does not answer properly, limits or refuses us, has changed
                its columns, the budget has no room, or GIVE_UP_AFTER symbols in a row failed.
        """
        return fetch_each(self.name, symbols, first, last, lambda symbol: self._ask(symbol, first, last))

    def _ask(self, symbol: str, first: date, last: date) -> QuotedRows | FetchOutcome:
        code = symbol.replace(".", "_")
        path = f"/api/v3/datasets/{quote(self._database, safe='')}/{quote(code, safe='')}.json"
        parameters = {
            "start_date": first.isoformat(),
            "end_date": actions_until(last).isoformat(),
            "order": "asc",
        }
        status, answer = self._api.get(path, parameters)
        if status == HTTPStatus.GONE:
            return failed(self.name, symbol, f"410, its dataset is retired: {quoted(answer, self._key)}")
        if status != HTTPStatus.OK or (isinstance(answer, dict) and "quandl_error" in answer):
            return self._refused(symbol, path, status, answer)
        return self._rows(symbol, code, answer)

    def _refused(self, symbol: str, path: str, status: int, answer: object) -> FetchOutcome:
        kind = str(part(answer, "quandl_error").get("code"))
        why = f"{status}: {quoted(answer, self._key)}"
        if kind.startswith(WHOLE_PROVIDER):
            raise SourceUnavailable(self.name, f"{path}: {why}")
        outcome = failed(self.name, symbol, why)
        return replace(outcome, status=FetchStatus.UNKNOWN_SYMBOL) if kind.startswith(UNKNOWN) else outcome

    def _rows(self, symbol: str, code: str, answer: object) -> QuotedRows | FetchOutcome:
        dataset = part(answer, "dataset")
        names, rows = dataset.get("column_names"), dataset.get("data")
        if not (isinstance(names, list) and isinstance(rows, list)):
            return failed(self.name, symbol, f"an answer without column_names and data: {quoted(answer, self._key)}")
        for field, asked in (("dataset_code", code), ("database_code", self._database)):
            if not same_code(dataset.get(field), asked):
                found = quoted(dataset.get(field), self._key)
                return failed(self.name, symbol, f"{field} of the answer is {found}, not {asked!r}")
        if missing := [name for name in (DAY, *COLUMNS.values()) if names.count(name) != 1]:
            came = quoted(names, self._key)
            raise SourceUnavailable(self.name, f"asked for {symbol}, no column or two of {missing} came, but {came}")
        for row in rows:
            if not (isinstance(row, list) and len(row) == len(names)):
                return failed(self.name, symbol, f"a row has not {len(names)} values: {quoted(row, self._key)}")
        at = {name: names.index(column) for name, column in COLUMNS.items()}
        return QuotedRows(
            source=self.name,
            symbol=symbol,
            currency=self._currency,
            key=self._key,
            rows=[(row[names.index(DAY)], {name: row[n] for name, n in at.items()}) for row in rows],
        )
