"""One way to ask for JSON: each way to fail is one error, and the key is in none of them, and in no log."""

import logging
import socket
from datetime import timedelta

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Response

from adapters.json_api import JsonApi
from trading.errors import InvalidValue, SourceUnavailable

KEY = "s3cret-key"


def an_api(base_url: str, seconds: float = 5) -> JsonApi:
    return JsonApi("acme", base_url, key=SecretStr(KEY), timeout=timedelta(seconds=seconds))


def test_the_key_goes_along_and_the_answer_comes_back(httpserver: HTTPServer):
    httpserver.expect_request("/q", query_string={"s": "AAPL", "apikey": KEY}).respond_with_json({"a": 1})

    assert an_api(httpserver.url_for("")).get("/q", {"s": "AAPL"}) == (200, {"a": 1})


def test_a_refused_question_comes_back_for_its_asker_to_judge(httpserver: HTTPServer):
    httpserver.expect_request("/q").respond_with_json({"error": "no such symbol"}, status=404)

    assert an_api(httpserver.url_for("")).get("/q", {}) == (404, {"error": "no such symbol"})


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Response("{}", 429), "429, too many requests"),
        (Response("{}", 429, {"Retry-After": "17"}), "it asks to wait 17 s"),
        (Response("{}", 401), "401: the key is not accepted"),
        (Response("{}", 403), "403: the key is not accepted"),
        (Response("{}", 503), "503: the provider has a fault of its own"),
        (Response("", 302, {"Location": "/elsewhere"}), "302: it sends us elsewhere"),
        (Response(f"<html>down for {KEY}</html>", 200), r"200 and no JSON: '<html>down for \*\*\*</html>'"),
        (Response('{"half": [1, 2', 200), "200 and no JSON"),
        (Response("", 200), "200 and no JSON"),
        (Response("[" * 100_000, 200), "200 and no JSON"),
        (Response('{"a": 1, "a": 2}', 200), "200 and no JSON"),
        (Response(f"<p>{KEY.upper()}</p>", 200), r"'<p>\*\*\*</p>'"),
        (Response("x" * 195 + KEY, 200), r"x\*\*\*'$|x\*\*\*'; "),
        (Response(b"\xff\xfe\x00", 200), "200 and no JSON"),
    ],
)
def test_an_answer_that_is_none_says_which(httpserver: HTTPServer, answer: Response, told: str):
    httpserver.expect_request("/q").respond_with_response(answer)

    with pytest.raises(SourceUnavailable, match=told) as caught:
        an_api(httpserver.url_for("")).get("/q", {})

    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["", "s3cret\n", " s3cret"])
def test_a_key_that_was_pasted_badly_is_told_and_not_shown(key: str):
    with pytest.raises(InvalidValue, match=r"key of acme is '\*\*\*', but must be not empty") as caught:
        JsonApi("acme", "http://127.0.0.1:1", key=SecretStr(key))

    assert "s3cret" not in str(caught.value)


def test_no_error_carries_the_address_with_the_key_behind_it():
    with pytest.raises(SourceUnavailable) as caught:
        an_api("http://127.0.0.1:1").get("/q", {})

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_a_path_that_is_none_is_told():
    with pytest.raises(SourceUnavailable, match="InvalidURL"):
        an_api("http://127.0.0.1:1").get("/q\x00", {})


def test_an_address_that_is_none_is_told():
    with pytest.raises(InvalidValue, match="base_url of acme is 'http://\\[::1', but must be an address"):
        an_api("http://[::1")


def test_nobody_there_a_silent_server_and_a_broken_handshake_are_told(httpserver: HTTPServer):
    with socket.socket() as silent, socket.socket() as closed:
        for each in (silent, closed):
            each.bind(("127.0.0.1", 0))
        silent.listen()
        addresses = {
            f"http://127.0.0.1:{closed.getsockname()[1]}": "ConnectError",
            f"http://127.0.0.1:{silent.getsockname()[1]}": "ReadTimeout",
            httpserver.url_for("").replace("http:", "https:"): "ConnectError .*SSL",
        }
        for address, told in addresses.items():
            with pytest.raises(SourceUnavailable, match=f"/q: {told}"):
                an_api(address, seconds=0.2).get("/q", {})


def test_the_key_is_in_no_log(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture):
    httpserver.expect_request("/q").respond_with_json({})
    with caplog.at_level(logging.DEBUG):
        an_api(httpserver.url_for("")).get("/q", {})

    ours = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]  # which is the server's
    assert any("/q" in line for line in ours)
    assert [line for line in ours if KEY in line] == []
