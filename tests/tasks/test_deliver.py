"""Alerts arrive, on real sockets, whatever fails: a channel, a process, or two who deliver at once."""

import asyncio
import os
import signal
import threading
from collections import Counter
from datetime import timedelta
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import pytest
from prefect.types import SecretDict
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.outside_monitor import OutsideMonitor
from adapters.sql.schema import migrate
from blocks.alert_channels import AlertChannels, ChannelRules
from blocks.desk import Ledger, wall_clock
from blocks.desk_storage import DeskStorage
from tasks.deliver import PATIENCE, deliver_due, deliver_for_ever, send_now
from tests.fork_server import fork_server
from tests.tasks.alert_receivers import mail_server, silent_server, told
from trading.alerts import Alert, Severity
from trading.errors import AlertNotDelivered

ANSWER_WITHIN = 60.0


def a_desk(home: Path, urls: dict[str, str], **rules: object) -> tuple[DeskStorage, Ledger]:
    """Return a desk with an empty ledger that tells these channels, all by the same rules."""
    named = [ChannelRules(name=name, **({"per_minute": 100_000} | rules)) for name in urls]
    storage = DeskStorage(home=home, alerts=AlertChannels(named_urls=SecretDict(urls), rules=named))
    migrate(storage.engine())
    return storage, Ledger.of(storage)


def some_alerts(number: int, severity: Severity = Severity.WARNING) -> list[Alert]:
    now = wall_clock()
    return [
        Alert(fingerprint=f"{severity} {n}", severity=severity, title=f"No. {n}", text="text", raised_at=now)
        for n in range(number)
    ]


def texts(httpserver: HTTPServer, path: str) -> list[str]:
    return [request.get_json()["message"] for request, _ in httpserver.log if request.path == path]


def address(httpserver: HTTPServer, path: str) -> str:
    return f"json://{httpserver.host}:{httpserver.port}/{path}"


async def test_a_storm_reaches_every_good_channel_once_emergencies_first_though_one_fails_and_one_hangs(
    tmp_path: Path, httpserver: HTTPServer
):
    by_web = SimpleQueue[str]()

    def answer(request: Request) -> Response:
        by_web.put(request.get_json()["message"])
        return Response("ok")

    httpserver.expect_request("/good").respond_with_handler(answer)
    httpserver.expect_request("/bad").respond_with_data("no", status=500)
    with mail_server() as (by_mail, port), silent_server() as silent:
        urls = {
            "web": address(httpserver, "good"),
            "mail": f"mailto://127.0.0.1:{port}?from=desk@example.com&to=ada@example.com&format=text",
            "failing": address(httpserver, "bad"),
            "hanging": f"json://127.0.0.1:{silent}/?rto=60",
        }
        storage, ledger = a_desk(tmp_path, urls, alerts_per_message=100, timeout_seconds=60)
        ledger.outbox.raise_alerts([*some_alerts(1990), *some_alerts(10, Severity.EMERGENCY)])

        delivering = asyncio.create_task(deliver_for_ever(storage, ledger, every_seconds=0.05))
        web = [n for _ in range(20) for n in told(await asyncio.to_thread(by_web.get, timeout=ANSWER_WITHIN))]
        mails = [n for _ in range(20) for n in told(await asyncio.to_thread(by_mail.get, timeout=ANSWER_WITHIN))]
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)

    assert sorted(web) == sorted(mails) == list(range(1, 2001))
    assert set(web[:10]) == set(mails[:10]) == set(range(1991, 2001))
    assert by_web.empty()
    assert by_mail.empty()
    waiting = Counter(name for state in ledger.outbox.open() for name in state.waiting)
    assert waiting["failing"] == waiting["hanging"] == 10  # emergencies stay open until acknowledged
    with ledger.engine.connect() as connection:
        queued = connection.exec_driver_sql("SELECT channel, count(*) FROM alert_queue GROUP BY channel").all()
    left = dict(map(tuple, queued))
    assert (left["failing"], left["hanging"]) == (2000, 2000)


async def test_a_process_that_is_killed_while_it_sends_loses_nothing_and_what_is_sent_again_says_so(
    tmp_path: Path, httpserver: HTTPServer
):
    storage, ledger = a_desk(tmp_path, {"web": address(httpserver, "good")}, alerts_per_message=10)
    ledger.outbox.raise_alerts(some_alerts(50))
    process = fork_server().Process(target=deliver_in_child, args=(tmp_path, address(httpserver, "good")))
    is_killed = threading.Event()

    def answer(_: Request) -> Response:
        if len(httpserver.log) == 2:  # of the third message, before it is answered
            os.kill(process.pid, signal.SIGKILL)
            process.join(ANSWER_WITHIN)
            is_killed.set()
        return Response("ok")

    httpserver.expect_request("/good").respond_with_handler(answer)
    process.start()
    assert await asyncio.to_thread(is_killed.wait, ANSWER_WITHIN)
    before = len(texts(httpserver, "/good"))
    for minutes in (1, 2):  # the message without a receipt is given up, then it is sent again
        await deliver_due(storage, ledger, clock=lambda m=minutes: wall_clock() + timedelta(minutes=m))

    sent = texts(httpserver, "/good")
    assert (process.exitcode, before) == (-signal.SIGKILL, 3)
    assert Counter(n for text in sent for n in told(text)) == {n: 2 if 20 < n <= 30 else 1 for n in range(1, 51)}
    repeated = [text for text in sent if "this may be a repeat" in text]
    assert [told(text) for text in repeated] == [list(range(21, 31))]


async def test_two_processes_that_deliver_at_once_send_each_alert_once(tmp_path: Path, httpserver: HTTPServer):
    httpserver.expect_request("/good").respond_with_data("ok")
    _, ledger = a_desk(tmp_path, {"web": address(httpserver, "good")}, alerts_per_message=10)
    ledger.outbox.raise_alerts(some_alerts(200))
    work = (tmp_path, address(httpserver, "good"))
    processes = [fork_server().Process(target=deliver_in_child, args=work) for _ in range(2)]

    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, ANSWER_WITHIN)

    assert [process.exitcode for process in processes] == [0, 0]
    assert Counter(n for text in texts(httpserver, "/good") for n in told(text)) == dict.fromkeys(range(1, 201), 1)
    assert ledger.outbox.due() == ()


async def test_a_routine_waits_for_a_slow_channel_no_longer_than_its_patience_and_leaves_the_rest(
    tmp_path: Path, httpserver: HTTPServer
):
    httpserver.expect_request("/slow").respond_with_data("ok")
    storage, ledger = a_desk(tmp_path, {"slow": address(httpserver, "slow")}, alerts_per_message=1)
    ledger.outbox.raise_alerts(some_alerts(20))
    seconds = count(step=3)
    began = wall_clock()

    taken = await deliver_due(storage, ledger, PATIENCE, clock=lambda: began + timedelta(seconds=next(seconds)))

    assert 1 <= taken <= 10  # each look at the clock is 3 s later, and a message takes several
    assert len(ledger.outbox.due()) == 20 - taken


async def test_a_test_alert_brings_the_answer_of_each_channel_without_secrets(httpserver: HTTPServer):
    httpserver.expect_request("/good").respond_with_data("ok")
    with silent_server() as silent:
        named = {"web": address(httpserver, "good"), "hanging": f"json://user:hunter2@127.0.0.1:{silent}/?rto=60"}
        rules = [ChannelRules(name="hanging", timeout_seconds=0.2)]
        channels = AlertChannels(urls=[SecretStr("tgram://hunter2")], named_urls=SecretDict(named), rules=rules)

        answers = await send_now(channels, some_alerts(1)[0])

    assert answers["web"] == "taken"
    assert answers["hanging"] == "hanging did not answer in 0.2 s; it may have taken it"
    assert answers["channel 1 (tgram)"] == "channel 1 (tgram) is no address that Apprise can read"


async def test_the_outside_monitor_is_told_that_all_is_well_or_not(httpserver: HTTPServer):
    httpserver.expect_request("/ping/s3cret").respond_with_data("OK")
    httpserver.expect_request("/ping/s3cret/fail").respond_with_data("OK")
    monitor = OutsideMonitor(SecretStr(httpserver.url_for("/ping/s3cret")))

    await monitor.ping(ok=True)
    await monitor.ping(ok=False)

    assert [(r.method, r.path) for r, _ in httpserver.log] == [("GET", "/ping/s3cret"), ("GET", "/ping/s3cret/fail")]


async def test_an_outside_monitor_that_knows_no_such_check_is_an_error_though_it_answers_ok(httpserver: HTTPServer):
    httpserver.expect_request("/mistyped").respond_with_data("OK (not found)")

    with pytest.raises(AlertNotDelivered, match="no check of that address"):
        await OutsideMonitor(SecretStr(httpserver.url_for("/mistyped"))).ping(ok=True)


@pytest.mark.parametrize("place", ["gone", "refused"])
async def test_an_outside_monitor_that_does_not_answer_is_an_error_without_its_address(
    place: str, httpserver: HTTPServer
):
    httpserver.expect_request("/s3cret").respond_with_data("no", status=404)
    url = httpserver.url_for("/s3cret") if place == "refused" else "http://127.0.0.1:1/s3cret"

    with pytest.raises(AlertNotDelivered, match=r"HTTP 404|cannot be reached") as caught:
        await OutsideMonitor(SecretStr(url)).ping(ok=True)

    assert "s3cret" not in str(caught.value)


def deliver_in_child(home: Path, url: str) -> None:
    """Deliver until every alert was taken."""
    storage, ledger = a_desk(home, {"web": url}, alerts_per_message=10)
    while ledger.outbox.due():
        asyncio.run(deliver_due(storage, ledger))
