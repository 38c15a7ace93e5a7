"""The HTTP session given to yfinance: it may be sent to another address, and remembers what the chart endpoint said.

yfinance turns most answers into the same few exceptions; what was really answered decides between a wrong symbol, an
empty range and a provider that is down.
"""

import json
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from curl_cffi import requests

CHART_PATH = "/v8/finance/chart/"
REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


class ChartAnswer(StrEnum):
    """What the chart endpoint said last."""

    CHART = "chart"
    EMPTY = "empty"  # a chart without a result, and no error
    NOT_FOUND = "Not Found"  # Yahoo's word for a symbol it does not know
    BAD_REQUEST = "Bad Request"  # "Data doesn't exist for startDate = ..., endDate = ..."
    REFUSED = "refused"
    BROKEN = "broken"  # no answer of Yahoo's: a page of a proxy, half an answer, another error


class YahooSession(requests.Session[requests.Response]):
    """A session as yfinance makes it itself, with our time-out on every request.

    Args:
        base_url: where all requests go instead of to Yahoo's hosts; None for Yahoo.
    """

    def __init__(self, base_url: str | None, timeout_seconds: float) -> None:
        super().__init__(impersonate="chrome")
        self.chart_answer: ChartAnswer | None = None
        self._base_url, self._timeout_seconds = base_url, timeout_seconds

    # curl_cffi names two dozen options here; only those we change matter.
    def request(self, method: Any, url: str, *args: Any, **options: Any) -> requests.Response:
        """Send one request and note the answer when it is a chart's."""
        is_chart = urlsplit(url).path.startswith(CHART_PATH)
        if is_chart:
            self.chart_answer = None
        options["timeout"] = self._timeout_seconds
        response = super().request(method, self._redirected(url), *args, **options)
        if is_chart:
            self.chart_answer = _what_was_said(response.status_code, response.text)
        return response

    def _redirected(self, url: str) -> str:
        if self._base_url is None:
            return url
        parts = urlsplit(url)
        return self._base_url.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


def _what_was_said(status: int, body: str) -> ChartAnswer:
    if status in REFUSALS:
        return ChartAnswer.REFUSED
    try:
        chart = json.loads(body)["chart"]
        error, result = chart["error"], chart["result"]
        code = error["code"] if error else None
    except (ValueError, LookupError, TypeError):
        return ChartAnswer.BROKEN
    if code in (ChartAnswer.NOT_FOUND, ChartAnswer.BAD_REQUEST):
        return ChartAnswer(code)
    if code is not None or status != HTTPStatus.OK:
        return ChartAnswer.BROKEN
    return ChartAnswer.CHART if result else ChartAnswer.EMPTY
