"""The desk's own Prefect server: closed by default, one per home, and gone when we are."""

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from cli.prefect_server import (
    PrefectServer,
    ServerUnavailable,
    adopt,
    client_environment,
    login,
    login_path,
    prefect_home,
    running_server,
    server_environment,
)
from tests.cli.shell import a_free_port


def readers(path: Path) -> str:
    return stat.filemode(path.stat().st_mode)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with running_server(tmp_path_factory.mktemp("home"), a_free_port()) as server:
        yield server


def test_the_login_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    first = login(tmp_path)

    assert login(tmp_path) == first
    assert first.startswith("openbell:")
    assert len(first) > 40
    assert readers(login_path(tmp_path)) == "-rw-------"
    assert readers(prefect_home(tmp_path)) == "drwx------"


def test_two_commands_that_start_at_once_get_the_same_login(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        logins = set(pool.map(lambda _: login(tmp_path), range(8)))

    assert len(logins) == 1


def test_two_homes_do_not_share_a_login(tmp_path):
    assert login(tmp_path / "paper") != login(tmp_path / "live")


def test_the_server_is_closed_by_default(tmp_path):
    settings = server_environment(tmp_path, 4200)

    assert settings["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert settings["PREFECT_SERVER_API_AUTH_STRING"] == login(tmp_path)
    assert settings["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200"
    assert settings["PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED"] == "true"
    assert settings["PREFECT_RESULTS_DEFAULT_SERIALIZER"] == "json"
    assert settings["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_the_server_keeps_to_postgresql_when_it_is_named(tmp_path, monkeypatch):
    url = "postgresql+asyncpg://desk@127.0.0.1/prefect"
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", url)

    assert server_environment(tmp_path, 4200)["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == url


def test_the_shell_cannot_send_the_desk_to_another_prefect(tmp_path, monkeypatch):
    monkeypatch.setattr("os.environ", os.environ.copy())
    os.environ.update(PREFECT_API_URL="https://elsewhere.example/api", PREFECT_API_KEY="k", PREFECT_PROFILE="other")

    adopt(client_environment(tmp_path, 4200))

    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert "PREFECT_API_KEY" not in os.environ
    assert "PREFECT_PROFILE" not in os.environ


def test_a_port_taken_by_another_program_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with (
            pytest.raises(ServerUnavailable, match=rf"port {port}: .*another program.*--port"),
            running_server(tmp_path, port),
        ):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_child_does_not_outlive_a_command_that_is_killed(tmp_path):
    script = (
        "import os, sys, time; from pathlib import Path; from cli.children import start_child\n"
        f"print(start_child(['http.server', '0', '--bind', '127.0.0.1'], {{}}, Path({str(tmp_path / 'log')!r})).pid)\n"
        "sys.stdout.flush(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        child = psutil.Process(int(command.stdout.readline()))

        command.send_signal(signal.SIGKILL)

        child.wait(10)


@pytest.mark.slow
def test_nobody_gets_in_without_the_login(server):
    user, password = login(server.home).split(":")

    refused = httpx.get(f"{server.api_url}/admin/version")
    admitted = httpx.get(f"{server.api_url}/admin/version", auth=(user, password))

    assert refused.status_code == 401
    assert admitted.status_code == 200


@pytest.mark.slow
def test_a_page_of_another_origin_cannot_start_a_run(server):
    user, password = login(server.home).split(":")
    foreign = {"Origin": "http://evil.example"}

    answer = httpx.post(f"{server.api_url}/flows/", json={"name": "f"}, headers=foreign, auth=(user, password))

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.slow
def test_what_the_server_keeps_can_be_read_by_its_owner_only(server):
    kept = [path for path in prefect_home(server.home).iterdir() if path.name != "server.lock"]

    assert {path.name for path in kept} >= {"auth", "encryption_key", "prefect.db", "profiles.toml", "server.log"}
    assert {readers(path) for path in kept} == {"-rw-------"}


@pytest.mark.slow
def test_the_key_to_secrets_is_not_kept_beside_them(server):
    with sqlite3.connect(prefect_home(server.home) / "prefect.db") as database:
        keys = database.execute("select key from configuration where key = 'ENCRYPTION_KEY'").fetchall()
    database.close()

    assert keys == []
    assert len((prefect_home(server.home) / "encryption_key").read_text()) == 44  # 32 bytes in base64


@pytest.mark.slow
def test_the_page_asks_nobody_outside(server):
    page = httpx.get(server.ui_url).text

    assert "<html" in page
    assert "https://" not in page


@pytest.mark.slow
def test_a_second_command_uses_the_same_server(server):
    with running_server(server.home, a_free_port()) as joined:
        assert joined == server

    assert httpx.get(f"{server.api_url}/health").is_success


@pytest.mark.slow
def test_a_desk_does_not_take_over_the_server_of_another_command(server):
    with (
        pytest.raises(ServerUnavailable, match="another `openbell` command"),
        running_server(server.home, a_free_port(), alone=True),
    ):
        pass
