"""The REST clients of alpaca-py, made to ask once, not for ever and not too often; imports the library."""

from collections.abc import Callable
from typing import Any, Self

from alpaca.common.rest import RESTClient
from alpaca.data.historical import (
    NewsClient,
    OptionHistoricalDataClient,
    StockHistoricalDataClient,
)
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.trading.client import TradingClient

_SHOWN = 200  # characters of a wrong answer


class OneTry(RESTClient):
    """Asks once, within a time, after taking its place in the budget, and only takes a JSON object for an answer.

    alpaca-py 0.44 waits for ever for an answer, and sleeps 3 s three times over a 429 or 504; neither can be set, and
    all its requests go through this method.

    Source: github.com/alpacahq/alpaca-py, alpaca/common/rest.py, RESTClient._one_request.
    """

    def within(self, seconds: float, take: Callable[[], None]) -> Self:
        """Set the time-out, and what is called before each request."""
        self._seconds, self._take = seconds, take
        return self

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> dict[str, Any]:  # noqa: ARG002
        self._take()
        answer: object = super()._one_request(method, url, {**opts, "timeout": self._seconds}, retry=0)
        if not isinstance(answer, dict):
            raise ValueError(f"an answer that is no JSON object: {str(answer)[:_SHOWN]!r}")
        if isinstance(answer.get("message"), str):
            raise ValueError(f"200 and the message {answer['message'][:_SHOWN]!r}")
        token = (opts.get("params") or {}).get("page_token")
        if token is not None and answer.get("next_page_token") == token:
            raise ValueError("a page that names itself as the next")
        return answer


class StockClient(OneTry, StockHistoricalDataClient):
    """Bars, quotes and trades of shares."""


class ActionsClient(OneTry, CorporateActionsClient):
    """Splits and dividends."""


class OptionClient(OneTry, OptionHistoricalDataClient):
    """Quotes of options."""


class ContractClient(OneTry, TradingClient):
    """The list of options."""


class HeadlineClient(OneTry, NewsClient):
    """News."""
