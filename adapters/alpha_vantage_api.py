"""Alpha Vantage's one address: what its answers mean before anybody looks at what is in them."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

from pydantic import SecretStr

from adapters.alpha_vantage_bars import BAD_KEY, BASE_URL, ERROR, PATH, UNKNOWN, WHOLE_PROVIDER
from adapters.json_api import JsonApi, without_key
from adapters.quoted_rows import SHOWN, quoted
from adapters.source_budget import SourceBudget
from trading.errors import SourceUnavailable, UnknownSymbol

NO_ARTICLES = "No articles found"  # under Information, which else says that we are limited


class AlphaVantageApi:
    """Asks Alpha Vantage, one request at a time.

    Args:
        api_key: never in a message, although Alpha Vantage repeats it in its own.
        base_url: another address to ask, such as a proxy's; None for Alpha Vantage's own.
        timeout: for each request.
        budget: of requests with this key, whatever they ask for; None where they are not limited.
        name: of the source, in messages.

    Source: alphavantage.co/documentation.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=30),
        budget: SourceBudget | None = None,
        name: str = "alpha_vantage",
    ) -> None:
        self.name, self.key = name, api_key
        self._json = JsonApi(name, base_url or BASE_URL, key=api_key, timeout=timeout, budget=budget)

    def ask(self, function: str, parameters: Mapping[str, str], *, symbol: str = "") -> Mapping[str, object]:
        """Return the JSON object of an answer; an empty one when it is that there are no articles.

        Args:
            symbol: that it is about, as we write it; empty for none.

        Raises:
            UnknownSymbol: it does not know the symbol.
            SourceUnavailable: it limits or refuses us, or does not answer properly.
        """
        status, answer = self._json.get(PATH, {"function": function, **parameters})
        if status != HTTPStatus.OK or not isinstance(answer, dict):
            raise SourceUnavailable(self.name, f"{function}: {status} and {quoted(answer, self.key)}")
        said = {name: str(answer[name]) for name in (ERROR, *WHOLE_PROVIDER) if name in answer}
        if any(NO_ARTICLES in text for text in said.values()):
            return {}
        if symbol and UNKNOWN.search(said.get(ERROR, "")) and not BAD_KEY.search(said[ERROR]):
            raise UnknownSymbol([symbol], self.name)
        if said:
            name, text = next(iter(said.items()))
            raise SourceUnavailable(self.name, f"{function}: it says {name}: {quoted(text, self.key)}")
        return answer

    def table(self, function: str, parameters: Mapping[str, str], columns: Sequence[str]) -> list[dict[str, str]]:
        """Return the rows of an answer that is CSV, with at least these columns.

        What is wrong it says in JSON, or in a table whose rows are the letters of that JSON.

        Raises:
            SourceUnavailable: it limits or refuses us, or does not answer properly.
        """
        try:
            status, text = self._json.get_text(PATH, {"function": function, **parameters})
        except SourceUnavailable as exc:
            raise SourceUnavailable(self.name, f"{function}: {exc.why.removeprefix(f'{PATH}: ')}") from None
        rows = _rows(text, columns) if status == HTTPStatus.OK else None
        if rows is None:
            raise self.unavailable(function, f"{status} and no such table: {' '.join(text.split())}")
        return rows

    def unavailable(self, what: str, why: object) -> SourceUnavailable:
        """Return the error, without the key and not too long; raise it `from None`, as its cause may hold the key."""
        return SourceUnavailable(self.name, f"{what}: {without_key(str(why), self.key)[:SHOWN]}")


def _rows(text: str, columns: Sequence[str]) -> list[dict[str, str]] | None:
    """Return the rows of a CSV; None if it has not all of the columns, or is cut or torn."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        rows = list(reader)
    except csv.Error:
        return None
    is_whole = all(None not in row and None not in row.values() for row in rows)
    return rows if is_whole and set(columns) <= set(reader.fieldnames or ()) else None
