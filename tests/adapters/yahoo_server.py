"""Yahoo on loopback: what its tests let it answer, path by path."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York
Answer = Callable[[Request], Response]


def now() -> datetime:
    return NOW


class Yahoo:
    """A server at whose address a YahooSession can be pointed; a path it was not told of is not found."""

    def __init__(self, server: HTTPServer) -> None:
        self.server, self.asked = server, list[str]()
        self._answers: dict[str, Answer] = {}
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    @property
    def address(self) -> str:
        return self.server.url_for("")

    def answers(self, path: str, answer: Answer | str | Any, status: int = 200) -> None:
        """Answer so: by a function, with a text, or with JSON."""
        text = answer if isinstance(answer, str) else "" if callable(answer) else json.dumps(answer)
        self._answers[path] = answer if callable(answer) else lambda _: Response(text, status=status)

    def shut_down(self) -> None:
        self.server.stop()

    def _answer(self, request: Request) -> Response:
        if request.path == "/v1/test/getcrumb":
            return Response("crumb")
        if request.path in self._answers:
            self.asked.append(request.full_path)
            return self._answers[request.path](request)
        return Response("", status=404)


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    import yfinance

    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


@pytest.fixture
def yahoo(httpserver: HTTPServer) -> Iterator[Yahoo]:
    yield Yahoo(httpserver)
    if not httpserver.is_running():
        httpserver.start()  # the next test has the same one
    httpserver.check_assertions()


def closed_port() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
