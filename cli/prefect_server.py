"""Start Prefect's own processes: a server closed by default, and the children that talk to it.

Nothing here imports Prefect: its settings are read once, at import, so the environment has to be right before.
All that Prefect keeps lies in `home/prefect`, readable by its owner only.
"""

import base64
import fcntl
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import psutil

from cli.children import KeptChild, clean_environment, start_child
from cli.prepare import PREFECT_PORT
from cli.private_files import kept_secret, write_private
from trading.errors import TradingError

_HOST = "127.0.0.1"
_CLOCK_STEP_SECONDS = 5.0  # Linux reckons start times from the boot's, which follows the clock
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0


class ServerUnavailable(TradingError):
    """The desk's Prefect server cannot be started, or does not answer."""

    def __init__(self, port: int, why: str) -> None:
        self.port, self.why = port, why
        super().__init__(f"the Prefect server cannot be had on port {port}: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefectServer:
    """A healthy Prefect server of this home.

    Attributes:
        pid: its process; a child of this process, or of the other command that started it.
        child: what keeps it, where this process has started it.
    """

    home: Path
    port: int
    pid: int
    child: KeptChild | None = field(default=None, repr=False, compare=False)

    @property
    def ui_url(self) -> str:
        """Return the address to open in a browser; not `localhost`, which the server would refuse as foreign."""
        return f"http://{_HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """Return the address for Prefect's clients."""
        return f"{self.ui_url}/api"


def client_environment(home: Path, port: int) -> dict[str, str]:
    """Return the settings with which a process of the desk talks to its server; makes the login when there is none."""
    return {
        "PREFECT_HOME": str(prefect_home(home)),
        "PREFECT_API_URL": f"http://{_HOST}:{port}/api",
        "PREFECT_API_AUTH_STRING": login(home),
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",  # a wrong address must fail, not start a private, open server
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # the default, pickle, executes code when a result is read
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_RUNNER_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_WORKER_QUERY_SECONDS": "5",  # a worker ends, its runs with it, once 12 questions met no server
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",  # quiet in the shell; the UI keeps all of it
        "no_proxy": ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), _HOST))),
    }


def server_environment(home: Path, port: int) -> dict[str, str]:
    """Return the settings of the server: closed by default, tuned for SQLite, with a UI that asks nobody outside."""
    recorder, persister = "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER", "PREFECT_SERVER_SERVICES_EVENT_PERSISTER"
    database = f"sqlite+aiosqlite:///{prefect_home(home) / 'prefect.db'}"
    return client_environment(home, port) | {
        "PREFECT_SERVER_API_HOST": _HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_AUTH_STRING": login(home),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{_HOST}:{port}",
        "PREFECT_SERVER_ENCRYPTION_KEY": kept_secret(prefect_home(home) / "encryption_key", _fernet_key),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", database),
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # V2 fetches a setting from amplitude.com at each load, V1 nothing
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # One write transaction for many events: by default concurrent writers of SQLite meet HTTP 503 and back off 2 s.
        f"{recorder}_BATCH_SIZE": "100",
        f"{recorder}_FLUSH_INTERVAL": "1",
        f"{persister}_BATCH_SIZE": "500",
    }


def adopt(environment: dict[str, str]) -> None:
    """Make `environment` this process's own, with no other Prefect setting left; call it before Prefect is imported."""
    clean = clean_environment() | environment
    os.environ.clear()
    os.environ.update(clean)


@contextmanager
def running_server(home: Path, port: int = PREFECT_PORT, *, alone: bool = False) -> Iterator[PrefectServer]:
    """Yield a healthy server of this home; the one that runs, whatever its port, or else a new one, stopped at the end.

    One lock tells who may do what: exclusive to start or stop the server, shared to use it. So two commands never start
    two servers on one database, and the command that started it waits for its guests before it stops it. Call it from
    the main thread: on Linux the server is stopped by the kernel when the thread that started it is gone.

    Args:
        alone: refuse to be a guest of another command's server.

    Raises:
        ServerUnavailable: the port is taken, another command has the server and `alone`, or it does not get healthy.
    """
    with (prefect_home(home) / "server.lock").open("w") as lock:
        found = _join(home, lock)
        if found:
            if alone:
                raise ServerUnavailable(
                    found.port, f"another `openbell` command runs it (process {found.pid}); end that one first"
                )
            yield found
            return
        child = KeptChild(lambda: _start_server(home, port))
        try:
            server = _started(home, port, child)
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield replace(server, child=child)
            fcntl.flock(lock, fcntl.LOCK_EX)
        finally:
            _record_path(home).unlink(missing_ok=True)
            child.stop()


def start_again(server: PrefectServer) -> None:
    """Start a server of ours that has ended by itself once more, on its port and its database, and wait until it works.

    Call it from the main thread, as `running_server`. What the one before said is kept beside the new log.

    Raises:
        ServerUnavailable: it does not get healthy, or the port is taken by now.
    """
    if server.child is None:
        raise ServerUnavailable(server.port, "it was started by another command, which alone may start it again")
    log = server_log_path(server.home)
    log.replace(log.with_name("server.before.log"))
    _started(server.home, server.port, server.child)


def _started(home: Path, port: int, child: KeptChild) -> PrefectServer:
    server = _wait_until_healthy(home, port, child.look())
    _write_record(server)
    return server


def server_in_use(home: Path) -> PrefectServer | None:
    """Return the server that the commands of this home would join; None while none runs."""
    return _recorded(home)


def prefect_home(home: Path) -> Path:
    """Return the folder of all that Prefect keeps; made when missing, for its owner only."""
    folder = home.expanduser().absolute() / "prefect"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def login(home: Path) -> str:
    """Return the server's login, `user:password`; made once, and kept in a file of the owner's. Never print it."""
    return kept_secret(login_path(home), lambda: f"openbell:{secrets.token_urlsafe(24)}")


def login_path(home: Path) -> Path:
    """Return the file that holds the login."""
    return prefect_home(home) / "auth"


def is_healthy(home: Path, port: int) -> bool:
    """Tell whether a server that takes our login and works answers on the port."""
    import httpx  # `openbell stop` must not wait for it

    user, password = login(home).split(":", 1)
    try:
        with httpx.Client(base_url=f"http://{_HOST}:{port}/api", trust_env=False, timeout=5) as client:
            ready = client.get("/ready")
            return ready.is_success and client.get("/admin/version", auth=(user, password)).is_success
    except httpx.TransportError:
        return False


def has_ended(server: PrefectServer) -> bool:
    """Tell whether a server that this command has started is gone, so that its port is free for another."""
    return server.child is not None and server.child.has_ended


def _join(home: Path, lock: TextIO) -> PrefectServer | None:
    """Return the server of another command, with the lock shared; or None, with the lock ours to start one."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits while another command starts or stops its server
            if server := _recorded(home):
                return server
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(0.1)
        else:
            _end_orphan(home)
            return None


def _end_orphan(home: Path) -> None:
    """End a server whose command was killed: nobody holds the lock any more, so nobody uses it."""
    if server := _recorded(home):
        orphan = psutil.Process(server.pid)
        orphan.terminate()
        try:
            orphan.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            orphan.kill()
            orphan.wait()
    _record_path(home).unlink(missing_ok=True)


def _record_path(home: Path) -> Path:
    return prefect_home(home) / "server.json"


def _write_record(server: PrefectServer) -> None:
    # The start time tells our server from a later process that was given the same number.
    record = {"pid": server.pid, "port": server.port, "started": psutil.Process(server.pid).create_time()}
    write_private(_record_path(server.home), json.dumps(record))


def _recorded(home: Path) -> PrefectServer | None:
    try:
        record = json.loads(_record_path(home).read_text())
        process = psutil.Process(record["pid"])
        if (
            abs(process.create_time() - record["started"]) > _CLOCK_STEP_SECONDS
            or process.status() == psutil.STATUS_ZOMBIE
        ):
            return None
    except (FileNotFoundError, json.JSONDecodeError, psutil.NoSuchProcess):
        return None
    return PrefectServer(home=home, port=record["port"], pid=record["pid"])


def _start_server(home: Path, port: int) -> subprocess.Popen[bytes]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: TIME_WAIT is not in use
        try:
            probe.bind((_HOST, port))
        except OSError as exc:
            raise ServerUnavailable(port, f"{exc.strerror}, by another program; name a free one with --port") from exc
    _write_profile(home, port)
    return start_child(["prefect", "server", "start"], server_environment(home, port), server_log_path(home))


def _write_profile(home: Path, port: int) -> None:
    """Let the `prefect` command find the server too, when PREFECT_HOME names our folder."""
    settings = {name: client_environment(home, port)[name] for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING")}
    lines = [
        'active = "openbell"',
        "",
        "[profiles.openbell]",
        *(f'{name} = "{value}"' for name, value in settings.items()),
    ]
    write_private(prefect_home(home) / "profiles.toml", "\n".join([*lines, ""]))


def server_log_path(home: Path) -> Path:
    """Return the file to which the server writes what it has to say."""
    return prefect_home(home) / "server.log"


def _wait_until_healthy(home: Path, port: int, child: subprocess.Popen[bytes]) -> PrefectServer:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise ServerUnavailable(port, f"it ended at once ({child.returncode}); {server_log_path(home)} tells why")
        if is_healthy(home, port):
            return PrefectServer(home=home, port=port, pid=child.pid)
        time.sleep(0.1)
    raise ServerUnavailable(
        port, f"it was not healthy within {_START_SECONDS:.0f} s; {server_log_path(home)} may tell why"
    )


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
