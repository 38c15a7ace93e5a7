"""Massive (formerly Polygon) over its REST API: questions, their pages, and what is no answer.

Its own client (`massive`) is not used. From a page that is no JSON, or has no results, it makes an empty list, so that
half an answer passes for a whole one; it drops the status and Retry-After of a refusal; it asks again on its own after
429 and 5xx, past our budget; and the pages that follow it asks for without `adjusted=false`.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from adapters.json_api import JsonApi
from adapters.quoted_rows import quoted
from adapters.source_budget import RequestLimit, SourceBudget
from trading.errors import SourceUnavailable

BASE_URL = "https://api.massive.com"
# Of a key without a plan; massive.com/pricing, "Basic". A plan has none.
FREE_LIMITS = (RequestLimit(requests=5, within=timedelta(minutes=1)),)
AT_ONCE = 250  # tickers in one question
ANSWERED = ("OK", "DELAYED")
NEW_YORK, EPOCH, MIDNIGHT = ZoneInfo("America/New_York"), datetime(1970, 1, 1, tzinfo=UTC), time()
FIELDS: Mapping[str, str] = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}

_NAME = re.compile(r"[^,\s]+")  # no list of tickers, and not nothing, which would ask for all

Row = Mapping[str, object]


class MassiveApi:
    """Asks Massive, one request at a time.

    Args:
        name: of the source, in messages and with every bar.
        base_url: another address to ask, such as a proxy's; None for Massive's own.
        timeout: for each request.
        budget: of requests, such as that of FREE_LIMITS; None with a plan, which has no limit.

    Source: massive.com/docs/rest.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
        name: str = "massive",
    ) -> None:
        self.name, self.key = name, api_key
        self._api = JsonApi(
            name, base_url or BASE_URL, key=api_key, key_parameter="apiKey", timeout=timeout, budget=budget
        )

    def rows(
        self,
        path: str,
        parameters: Mapping[str, str],
        *,
        every_page: Collection[str] = (),
        expected: Mapping[str, object] | None = None,
    ) -> list[Row] | str:
        """Return the results of all pages, or why this question has no usable answer.

        The next page is asked for at our own address, wherever its `next_url` points: only path and query are taken.

        Args:
            every_page: names of parameters that `next_url` leaves out, and that change the answer.
            expected: what each page has to say of itself.

        Raises:
            SourceUnavailable: as JsonApi.get.
        """
        found: list[Row] = []
        pages: set[str] = set()
        asked = parameters
        while True:
            status, answer = self._api.get(path, asked)
            results = self._results(status, answer, expected or {})
            if isinstance(results, str):
                return results
            found += results
            following = answer.get("next_url")
            if not following:
                return found
            page = _page(following)
            if page is None or str(page) in pages:
                return f"its next page is {quoted(following, self.key)}, which is none, or was asked for before"
            pages.add(str(page))
            path, asked = page[0], {name: parameters[name] for name in every_page} | page[1]

    def all_rows(self, path: str, parameters: Mapping[str, str]) -> list[Row]:
        """Return the results of all pages.

        Raises:
            SourceUnavailable: there is no usable answer.
        """
        rows = self.rows(path, parameters)
        if isinstance(rows, str):
            raise SourceUnavailable(self.name, f"{path}: {rows}")
        return rows

    def by_ticker(
        self, path: str, tickers: Sequence[str], parameters: Mapping[str, str]
    ) -> Mapping[str, Sequence[Row]]:
        """Return what is told of each ticker, AT_ONCE of them by one question.

        Raises:
            SourceUnavailable: there is no usable answer, or it tells of a ticker that was not asked for.
        """
        told: dict[str, list[Row]] = {ticker: [] for ticker in tickers}
        named = [ticker for ticker in told if _NAME.fullmatch(ticker)]
        for start in range(0, len(named), AT_ONCE):
            some = {"ticker.any_of": ",".join(named[start : start + AT_ONCE])}
            for row in self.all_rows(path, {**parameters, **some}):
                of = row.get("ticker")
                if not isinstance(of, str) or of not in told:
                    raise SourceUnavailable(
                        self.name, f"{path}: nobody asked for {quoted(of, self.key)}, which it told"
                    )
                told[of].append(row)
        return told

    def daily(self, ticker: str, first: date, last: date) -> list[tuple[object, Row]] | str:
        """Return the daily bars as they were traded, in the way of QuotedRows, or why there are none that can be used.

        Source: massive.com/docs/rest/stocks/aggregates/custom-bars; `t` is the start of the day in New York.
        """
        path = f"/v2/aggs/ticker/{quote(ticker, safe=':')}/range/1/day/{first}/{last}"
        # Without `adjusted` a page that follows is adjusted for splits, and the first is not.
        parameters = {"adjusted": "false", "sort": "asc", "limit": "50000"}
        expected = {"ticker": ticker, "adjusted": False}
        rows = self.rows(path, parameters, every_page=parameters, expected=expected) if _NAME.fullmatch(ticker) else []
        if isinstance(rows, str):
            return rows
        return [(_session(row.get("t")), {name: row[f] for name, f in FIELDS.items() if f in row}) for row in rows]

    def knows(self, ticker: str) -> bool | str:
        """Tell whether the ticker is or was listed, or why that is not known.

        Source: massive.com/docs/rest/stocks/tickers/all-tickers; one question finds what is listed, or what was.
        """
        for active in ("true", "false") if _NAME.fullmatch(ticker) else ():
            rows = self.rows("/v3/reference/tickers", {"ticker": ticker, "active": active})
            if isinstance(rows, str):
                return rows
            if any(row.get("ticker") == ticker for row in rows):
                return True
        return False

    def _results(self, status: int, answer: object, expected: Mapping[str, object]) -> list[Row] | str:
        shown = quoted(answer, self.key)
        if status != HTTPStatus.OK:
            return f"{status}: {shown}"
        if not isinstance(answer, dict) or answer.get("status") not in ANSWERED:
            return f"an answer whose status is none of {', '.join(ANSWERED)}: {shown}"
        for name, value in expected.items():
            if answer.get(name) != value:
                return f"{name} of the answer is {quoted(answer.get(name), self.key)}, not {value!r}"
        results = answer.get("results", [] if answer.get("resultsCount") == 0 else None)
        if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
            return f"an answer without a list of results: {shown}"
        return results


def _page(next_url: object) -> tuple[str, dict[str, str]] | None:
    """Return path and parameters of a page, and nothing of the host that it names."""
    try:
        address = urlsplit(next_url) if isinstance(next_url, str) else None
    except ValueError:
        return None
    return (address.path, dict(parse_qsl(address.query))) if address and address.path.startswith("/") else None


def number(value: object) -> float | None:
    """Return a JSON number; None for all else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value) if math.isfinite(value) else None
    return None


def amount(value: object) -> float | None:
    """Return a size or a price; NaN where none is told, None where it is no number of zero or more."""
    told = math.nan if value is None else number(value)
    return None if told is None or told < 0 else told


def price(value: object) -> float | None:
    """Return a price as `amount` does; of zero it is none that anybody quotes, so NaN."""
    told = amount(value)
    return math.nan if told == 0 else told


def day(value: object) -> date | None:
    """Return the date that is written so; None where it is none."""
    with suppress(ValueError):
        return date.fromisoformat(value) if isinstance(value, str) else None
    return None


def nanoseconds(value: object) -> datetime | None:
    """Return the time, cut to microseconds, that is written as nanoseconds since 1970; None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):
            return EPOCH + timedelta(microseconds=value // 1000)
    return None


def _session(milliseconds: object) -> object:
    """Return the day whose midnight in New York this is; what is no such midnight comes back as it is."""
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool):
        with suppress(OverflowError):
            at = (EPOCH + timedelta(milliseconds=milliseconds)).astimezone(NEW_YORK)
            if at.time() == MIDNIGHT:
                return at.date().isoformat()
    return milliseconds
