from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer

from adapters.apprise_alerts import AppriseAlerts
from trading.alerts import Alert, Severity
from trading.errors import AlertNotDelivered


def an_alert(title: str = "Order refused", severity: Severity = Severity.WARNING) -> Alert:
    return Alert(
        fingerprint=title,
        severity=severity,
        title=title,
        text="AAPL: MAX_ORDER_NOTIONAL",
        raised_at=datetime(2022, 12, 28, 14, tzinfo=UTC),
    )


async def test_an_alert_reaches_a_channel_with_its_title_and_text(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("ok")

    await AppriseAlerts((f"json://{httpserver.host}:{httpserver.port}/desk",)).send([an_alert()])

    message = httpserver.log[0][0].get_json()
    assert message["title"] == "Openbell: Order refused"
    assert "AAPL: MAX_ORDER_NOTIONAL" in message["message"]
    assert message["type"] == "warning"


async def test_several_alerts_are_one_message_as_grave_as_the_gravest(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("ok")

    await AppriseAlerts((f"json://{httpserver.host}:{httpserver.port}/desk",)).send(
        [an_alert(), an_alert("Break in cash", Severity.CRITICAL)]
    )

    assert len(httpserver.log) == 1
    message = httpserver.log[0][0].get_json()
    assert message["type"] == "failure"
    assert "Order refused" in message["message"]
    assert "Break in cash" in message["message"]


async def test_a_channel_that_refuses_is_named_without_its_secret(httpserver: HTTPServer):
    httpserver.expect_request("/desk", method="POST").respond_with_data("no", status=500)

    with pytest.raises(AlertNotDelivered, match=r"channel 1 \(json\) refused") as refused:
        await AppriseAlerts((f"json://user:hunter2@{httpserver.host}:{httpserver.port}/desk",)).send([an_alert()])

    assert "hunter2" not in str(refused.value)


async def test_a_broken_address_is_named_without_its_secret():
    with pytest.raises(AlertNotDelivered, match="no address that Apprise can read") as refused:
        await AppriseAlerts(("nonsense://hunter2",)).send([an_alert()])

    assert "hunter2" not in str(refused.value)
