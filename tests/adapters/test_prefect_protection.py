"""Real money takes only a Prefect server that asks who is there."""

import pytest
from pytest_httpserver import HTTPServer

from adapters.prefect_server import require_protected
from trading.errors import NotProtected

LOGIN = "openbell:secret"


async def test_a_server_that_refuses_a_stranger_is_protected(httpserver: HTTPServer):
    httpserver.expect_request("/api/admin/version").respond_with_data("Unauthorized", status=401)

    await require_protected(httpserver.url_for("/api"), LOGIN)

    assert "Authorization" not in httpserver.log[0][0].headers  # it asked as a stranger does


async def test_a_server_that_answers_anyone_is_refused_whatever_login_we_have(httpserver: HTTPServer):
    httpserver.expect_request("/api/admin/version").respond_with_json("3.8.0")

    with pytest.raises(NotProtected, match=r"answers anyone, without a login.*PREFECT_SERVER_API_AUTH_STRING"):
        await require_protected(httpserver.url_for("/api"), LOGIN)


@pytest.mark.parametrize("login", [None, "", " \n", ":"])
async def test_without_a_login_it_is_refused_unasked(login: str | None, httpserver: HTTPServer):
    with pytest.raises(NotProtected, match="PREFECT_API_AUTH_STRING is not set"):
        await require_protected(httpserver.url_for("/api"), login)

    assert httpserver.log == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "none", "http://[/api"])
async def test_a_server_that_cannot_be_asked_proves_nothing(url: str):
    with pytest.raises(NotProtected, match="cannot be asked"):
        await require_protected(url, LOGIN)
