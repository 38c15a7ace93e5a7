import asyncio
import json
from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer

from adapters.apprise_alerts import AppriseChannel
from tests.tasks.alert_receivers import mail_server, silent_server
from trading.alert_messages import AlertMessage
from trading.alert_routes import Notice, NoticeKind
from trading.alerts import Alert, Severity
from trading.errors import AlertNotDelivered


def a_notice(
    title: str = "Order refused", severity: Severity = Severity.WARNING, kind: NoticeKind = NoticeKind.RAISED
) -> Notice:
    alert = Alert(
        fingerprint=title,
        severity=severity,
        title=title,
        text="AAPL: MAX_ORDER_NOTIONAL",
        raised_at=datetime(2022, 12, 28, 14, tzinfo=UTC),
    )
    return Notice(alert_id=7, alert=alert, kind=kind)


def address(httpserver: HTTPServer, login: str = "") -> str:
    return f"json://{login}{httpserver.host}:{httpserver.port}/desk"


async def test_an_alert_reaches_a_channel_with_its_title_and_text(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("ok")

    await AppriseChannel("mine", address(httpserver)).send(AlertMessage.of([a_notice()]))

    message = httpserver.log[0][0].get_json()
    assert message["title"] == "Openbell: Order refused"
    assert message["message"] == "WARNING: Order refused (alert 7)\nAAPL: MAX_ORDER_NOTIONAL"
    assert message["type"] == "warning"


async def test_several_alerts_are_one_message_as_grave_as_the_gravest(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("ok")

    await AppriseChannel("mine", address(httpserver)).send(
        AlertMessage.of([a_notice("Break in cash", Severity.CRITICAL), a_notice()])
    )

    assert len(httpserver.log) == 1
    message = httpserver.log[0][0].get_json()
    assert message["type"] == "failure"
    assert "Order refused" in message["message"]
    assert "Break in cash" in message["message"]


async def test_an_end_is_no_failure(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("ok")

    notice = a_notice(severity=Severity.EMERGENCY, kind=NoticeKind.RESOLVED)
    await AppriseChannel("mine", address(httpserver)).send(AlertMessage.of([notice]))

    assert httpserver.log[0][0].get_json()["type"] == "success"


async def test_a_channel_that_refuses_is_named_with_its_reason_and_without_its_secret(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("no", status=503)

    with pytest.raises(AlertNotDelivered, match=r"mine refused the message: .*503") as refused:
        await AppriseChannel("mine", address(httpserver, "user:hunter2@")).send(AlertMessage.of([a_notice()]))

    assert "hunter2" not in str(refused.value)


async def test_a_broken_address_is_named_without_its_secret():
    with pytest.raises(AlertNotDelivered, match="mine is no address that Apprise can read") as refused:
        await AppriseChannel("mine", "nonsense://hunter2").send(AlertMessage.of([a_notice()]))

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["nonsense://hunter2", "tgram://hunter2", "hunter2", "mailto://user:hunter2@"])
async def test_no_log_holds_the_address_that_apprise_complains_of(url: str, caplog: pytest.LogCaptureFixture):
    with pytest.raises(AlertNotDelivered):
        await AppriseChannel("mine", url).send(AlertMessage.of([a_notice()]))

    assert "hunter2" not in caplog.text


async def test_a_title_of_several_lines_is_the_subject_of_a_mail_on_one():
    with mail_server() as (mails, port):
        channel = AppriseChannel("mail", f"mailto://127.0.0.1:{port}?from=d@example.com&to=a@example.com&format=text")

        await channel.send(AlertMessage.of([a_notice("Stopped:\nBcc: x@example.com")]))

        assert mails.get(timeout=10).startswith("WARNING: Stopped: Bcc: x@example.com (alert 7)")


async def test_what_is_too_long_for_a_channel_is_told_in_parts(httpserver: HTTPServer):
    # Mattermost takes 4000 characters in Apprise, and Telegram 4096.
    httpserver.expect_request("/hooks/" + "k" * 26, method="POST").respond_with_data("ok")
    notices = [a_notice(f"Order {n} " + "x" * 300) for n in range(20)]

    await AppriseChannel("chat", f"mmost://{httpserver.host}:{httpserver.port}/{'k' * 26}").send(
        AlertMessage.of(notices)
    )

    parts = [json.loads(request.get_data())["text"] for request, _ in httpserver.log]
    assert len(parts) > 1
    assert max(map(len, parts)) <= 4000
    assert all(f"WARNING: Order {n} xxx" in "".join(parts) for n in range(20))


async def test_a_channel_that_never_answers_is_given_only_so_many_messages_at_once():
    with silent_server() as port:
        channel, message = AppriseChannel("hangs", f"json://127.0.0.1:{port}/?rto=60"), AlertMessage.of([a_notice()])
        waiting = [asyncio.create_task(channel.send(message)) for _ in range(32)]
        await asyncio.sleep(0)  # each has begun

        with pytest.raises(AlertNotDelivered, match="hangs has still to answer 32 messages"):
            await channel.send(message)

        for task in waiting:
            task.cancel()
