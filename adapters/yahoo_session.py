"""The HTTP session given to yfinance: it may be sent to another address, and remembers what the chart endpoint said.

yfinance turns most answers into the same few exceptions; what was really answered decides between a wrong symbol, an
empty range and a provider that is down.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from curl_cffi import requests

CHART_PATH = "/v8/finance/chart/"


@dataclass(frozen=True, slots=True)
class ChartAnswer:
    """What came back: HTTP status, and Yahoo's own error code when it gave one (`Not Found`, `Bad Request`)."""

    status: int
    error_code: str | None


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
            self.chart_answer = ChartAnswer(response.status_code, _error_code(response.text))
        return response

    def _redirected(self, url: str) -> str:
        if self._base_url is None:
            return url
        parts = urlsplit(url)
        return self._base_url.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


def _error_code(body: str) -> str | None:
    try:
        code = json.loads(body)["chart"]["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None  # a chart, or no answer of Yahoo's at all
    return str(code)
