"""Alpha Vantage on loopback: it answers 200 to everything, by function and symbol."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.source_budget import SourceBudget

KEY = "QK7XSECRET0V"
NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)  # a Friday, 16:30 in New York
INVALID_KEY = f"the parameter apikey is invalid or missing ({KEY}). Please claim your free API key."
DAILY_LIMIT = f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day."
INVALID_CALL = "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/)."
# What is no answer of any function: body and status.
BAD_ANSWERS = [
    (json.dumps({"Information": DAILY_LIMIT}), 200),
    (json.dumps({"Note": "Thank you for using Alpha Vantage!"}), 200),
    (json.dumps({"Error Message": INVALID_KEY}), 200),
    ("<html>We are sorry</html>", 200),
    ('{"data": [{', 200),
    ("[]", 200),
    ("", 200),
    ("broken", 500),
    (f"no such key: {KEY}", 403),
    ("later", 429),
]


def now() -> datetime:
    return NOW


class AlphaVantage:
    """The server; a function and symbol that it was not told of is an invalid call."""

    def __init__(self, server: HTTPServer) -> None:
        self.server, self.asked = server, list[dict[str, str]]()
        self._answers: dict[tuple[str, str], tuple[str, int]] = {}
        server.expect_request("/query").respond_with_handler(self._answer)

    def api(
        self, *, base_url: str | None = None, key: str = KEY, budget: SourceBudget | None = None
    ) -> AlphaVantageApi:
        return AlphaVantageApi(api_key=SecretStr(key), base_url=base_url or self.server.url_for(""), budget=budget)

    def answers(self, function: str, body: Any, status: int = 200, symbol: str = "") -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self._answers[function, symbol] = (text, status)

    def shut_down(self) -> None:
        self.server.stop()

    def _answer(self, request: Request) -> Response:
        arguments = dict(request.args)
        if arguments.pop("apikey") != KEY:
            return Response(json.dumps({"Error Message": f"apikey {request.args['apikey']} is invalid"}))
        self.asked.append(arguments)
        which = (arguments["function"], arguments.get("symbol", arguments.get("tickers", "")))
        body, status = self._answers.get(which, (json.dumps({"Error Message": INVALID_CALL}), 200))
        return Response(body, status)


@pytest.fixture
def vendor(httpserver: HTTPServer) -> Iterator[AlphaVantage]:
    yield AlphaVantage(httpserver)
    if not httpserver.is_running():
        httpserver.start()  # the next test has the same one
