"""When the watch dies, or the deliverer, or the whole desk, a person hears of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.sql.ledger import Ledger, LedgerPlace
from adapters.sql.outbox import SqlOutbox
from adapters.sql.schema import migrate
from adapters.watch_files import WatchFiles
from blocks.alert_channels import AlertChannels
from blocks.kept_channels import channels_path, keep_channels, kept_channels
from cli.children import lives, stop_child
from cli.dead_watches import WatchesSeen, dead_watches
from cli.deliverer import trouble
from cli.watchdog import start_watchdog
from tests.cli.watch_status import WATCHING, a_status
from trading.alerts import Alert, AlertState, Severity
from trading.errors import InvalidValue, LedgerUnavailable

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
UNTIL = "2026-11-20T21:00:00+00:00"
A_DEAD_PROCESS = {"pid": os.getpid(), "created": 1.0}  # its number is this process's now


@pytest.fixture
def home(tmp_path: Path) -> Path:
    migrate(LedgerPlace(home=tmp_path).engine())
    return tmp_path


def a_watch(home: Path, seconds_ago: float, **changes: object) -> WatchFiles:
    files = WatchFiles(home, "paper")
    files.write_status(a_status(**{"until": UNTIL, **A_DEAD_PROCESS, **changes}))
    then = (NOW - timedelta(seconds=seconds_ago)).timestamp()
    os.utime(files.status_path, (then, then))
    return files


def seen(home: Path) -> WatchesSeen:
    return WatchesSeen(home=home, outbox=lambda: Ledger.of(LedgerPlace(home=home)).outbox)


def open_alerts(home: Path) -> tuple[AlertState, ...]:
    return Ledger.of(LedgerPlace(home=home)).outbox.open()


def test_a_watch_that_dies_is_an_emergency_once_until_a_watch_of_the_account_is_heard_again(home: Path):
    watches = seen(home)
    a_watch(home, 1)
    watches.look(NOW)
    well = open_alerts(home)

    a_watch(home, 16)
    watches.look(NOW)
    watches.look(NOW)
    seen(home).look(NOW)  # the watchdog was started again
    dead = open_alerts(home)
    a_watch(home, 1, pid=1)
    seen(home).look(NOW)
    again = open_alerts(home)
    a_watch(home, 20, pid=1)
    watches.look(NOW)

    assert (well, again) == ((), ())
    assert [(a.alert.severity, a.alert.title) for a in dead] == [
        (Severity.EMERGENCY, "Nobody watches the market for paper")
    ]
    assert "not heard since 2026-11-20 14:59:44 UTC" in dead[0].alert.text
    assert f"process {os.getpid()} is gone" in dead[0].alert.text
    assert [a.alert.fingerprint for a in open_alerts(home)] != [dead[0].alert.fingerprint]


@pytest.mark.parametrize(
    ("seconds_ago", "changes", "is_dead"),
    [
        (16, {}, True),
        (14, {}, False),
        (3600, {"state": "ended"}, False),
        (16, {"until": "2026-11-20T15:00:00+00:00"}, False),
        (1, {"state": "catching up", "at": "2026-11-20T14:00:00+00:00"}, False),
    ],
)
def test_only_a_watch_that_should_watch_now_is_missed(
    home: Path, seconds_ago: float, changes: dict[str, object], is_dead: bool
):
    a_watch(home, seconds_ago, **changes)

    assert bool(list(dead_watches(home, NOW))) is is_dead


def test_a_watch_that_hangs_is_told_apart_from_one_that_is_gone(home: Path):
    a_watch(home, 16, pid=os.getpid(), created=psutil.Process().create_time())

    (hanging,) = dead_watches(home, NOW)

    assert f"process {os.getpid()} is there and stands still" in hanging.text


def test_a_watch_that_stays_dead_is_the_same_trouble_so_the_outside_monitor_is_not_asked_at_each_look(home: Path):
    a_watch(home, 16)

    looks = [next(dead_watches(home, NOW + timedelta(seconds=later))) for later in (0, 5, 500)]

    assert looks[0] == looks[1] == looks[2]


def test_the_end_of_the_session_says_nothing_of_a_watch_that_died_in_it(home: Path):
    watches = seen(home)
    a_watch(home, 16)
    watches.look(NOW)

    watches.look(NOW + timedelta(hours=7))

    assert len(open_alerts(home)) == 1


def test_a_ledger_that_cannot_be_written_is_asked_again_some_seconds_later(home: Path):
    asked = []

    def outbox() -> SqlOutbox:
        asked.append("once")
        if len(asked) == 1:
            raise LedgerUnavailable("database is locked")
        return Ledger.of(LedgerPlace(home=home)).outbox

    watches = WatchesSeen(home=home, outbox=outbox)
    a_watch(home, 16)

    with pytest.raises(LedgerUnavailable):
        watches.look(NOW)
    watches.look(NOW + timedelta(seconds=9))
    too_early = len(asked)
    watches.look(NOW + timedelta(seconds=10))

    assert too_early == 1
    assert len(open_alerts(home)) == 1


@pytest.mark.parametrize(
    ("severity", "minutes_ago", "is_trouble"),
    [(Severity.CRITICAL, 6, True), (Severity.CRITICAL, 4, False), (Severity.WARNING, 6, False)],
)
def test_a_grave_alert_that_no_channel_takes_is_trouble_for_the_outside_monitor_until_it_is_acknowledged(
    home: Path, severity: Severity, minutes_ago: int, is_trouble: bool
):
    me = {"pid": os.getpid(), "created": psutil.Process().create_time(), "done": ""}
    (home / "watchdog.json").write_text(json.dumps(me))
    outbox, now = SqlOutbox.of(LedgerPlace(home=home)), datetime.now(UTC)
    raised_at = now - timedelta(minutes=minutes_ago)
    outbox.raise_alert(Alert(fingerprint="a", severity=severity, title="t", text="", raised_at=raised_at))

    before = trouble(home, outbox, now)
    outbox.acknowledge(1, actor="Ada", note="", now=now)
    after = trouble(home, outbox, now)

    assert before.startswith("Alert 1 is grave, and for 5 minutes no channel took it") is is_trouble
    assert after == "Prefect's server does not answer."


def test_kept_channels_are_those_saved_with_secrets_for_their_owner_only(tmp_path: Path):
    channels = AlertChannels(
        named_urls={"phone": "json://user:password@127.0.0.1:1/x"}, ping_url=SecretStr("http://127.0.0.1:1/check")
    )

    keep_channels(tmp_path, channels)
    kept = kept_channels(tmp_path)

    assert channels_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert kept is not None
    assert kept.named_urls == channels.named_urls
    assert (kept.ping_url, kept.policy()) == (channels.ping_url, channels.policy())
    channels_path(tmp_path).write_text('{"urls": ["json://user:password@127.0.0.1"')
    with pytest.raises(InvalidValue, match="must be as it was written") as refused:
        kept_channels(tmp_path)
    assert "password" not in str(refused.value)
    keep_channels(tmp_path, None)
    assert kept_channels(tmp_path) is None


@dataclass(slots=True)
class OutsideService:
    """What stands outside: a phone, and a service that calls when it is not asked for a while."""

    calls_after_seconds: float
    heard: list[str] = field(default_factory=list)
    heard_at: float = -float("inf")
    phone: list[str] = field(default_factory=list)

    def ping(self, request: Request) -> Response:
        self.heard.append(request.path)
        self.heard_at = time.monotonic()
        return Response("OK")

    def message(self, request: Request) -> Response:
        self.phone.append(request.get_json()["message"])
        return Response("OK")

    def calls(self) -> bool:
        """Tell whether the service raises the alarm now."""
        return time.monotonic() - self.heard_at > self.calls_after_seconds


@pytest.fixture
def outside(httpserver: HTTPServer) -> OutsideService:
    service = OutsideService(calls_after_seconds=2)
    for path in ("/check", "/check/fail"):
        httpserver.expect_request(path).respond_with_handler(service.ping)
    httpserver.expect_request("/phone").respond_with_handler(service.message)
    return service


@contextmanager
def prefects_server(home: Path, httpserver: HTTPServer) -> Iterator[None]:
    """What the desk sees of its Prefect server: a process, and answers."""
    for path in ("/api/ready", "/api/admin/version"):
        httpserver.expect_request(path).respond_with_data("ok")
    record = {"pid": os.getpid(), "port": httpserver.port, "started": psutil.Process().create_time()}
    path = home / "prefect" / "server.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record))
    yield
    path.unlink()


def start_watch(home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", WATCHING, str(home)])


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_dead_watch_is_told_without_prefect_and_a_killed_desk_by_the_service_outside(
    home: Path, httpserver: HTTPServer, outside: OutsideService
):
    address = f"{httpserver.host}:{httpserver.port}"
    keep_channels(
        home, AlertChannels(urls=[SecretStr(f"json://{address}/phone")], ping_url=SecretStr(f"http://{address}/check"))
    )
    watch = start_watch(home)
    until(WatchFiles(home, "paper").status_path.exists)
    watchdog = start_watchdog(home, home / "watchdog.log", 60, ping_seconds=0.2)
    try:
        with prefects_server(home, httpserver):
            until(lambda: outside.heard[-3:] == ["/check"] * 3)
            was_quiet = not outside.calls() and not outside.phone
        until(lambda: outside.heard[-1] == "/check/fail")  # Prefect is gone, and stays so: what follows needs it not

        watch.kill()
        watch.wait()
        status = WatchFiles(home, "paper").status_path
        os.utime(status, (time.time() - 16, time.time() - 16))
        until(lambda: len(outside.phone) == 1)
        watch = start_watch(home)
        until(lambda: len(outside.phone) == 2)
        deliverer = psutil.Process(watchdog.pid).children()[0]

        watch.kill()
        watchdog.kill()  # the deliverer ends with it, as the watchdog does with `openbell up`
        until(lambda: not lives(deliverer.pid, deliverer.create_time()))
        died_at = time.monotonic()
        until(outside.calls)
    finally:
        watch.kill()
        watch.wait()
        stop_child(watchdog)

    assert was_quiet
    assert outside.phone[0].startswith("EMERGENCY: Nobody watches the market for paper")
    assert "The watch of paper is heard again." in outside.phone[1]
    assert outside.heard_at < died_at
