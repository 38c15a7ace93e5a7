"""Real money over the wire: each lock keeps every order back by itself, and what a live user must not forget."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from prefect.settings import get_current_settings
from prefect.settings.models.api import APISettings
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from adapters.ib.sessions import process_sessions
from blocks.broker_account import Mode
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from tests.flows.ib_days import NINE_AM, IbDay

LIVE = "U7654321"


@pytest_asyncio.fixture
async def day(prefect_harness: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IbDay]:
    """A day of an account with real money; the Prefect server of the tests has no login."""
    day = IbDay(home=tmp_path, patch=monkeypatch)
    settings = GatewaySettings(poll_seconds=0, accounts=(GatewayAccount(name=LIVE),))
    async with Gateway(settings, now=lambda: day.now) as gateway:
        await day.open(gateway, LIVE, mode=Mode.LIVE)
        yield day
        await process_sessions().close_all()
        process_sessions.cache_clear()


def arm(day: IbDay) -> None:
    until = NINE_AM + timedelta(hours=8)
    day.desk.ledger.arming.arm(LIVE, until, actor="Ada", reason="first live day", now=NINE_AM)


def protect(day: IbDay, server: HTTPServer) -> None:
    """Let what runs the flow be set to a server that refuses strangers."""
    server.expect_request("/api/admin/version").respond_with_data("Unauthorized", status=401)
    api = APISettings(url=server.url_for("/api"), auth_string=SecretStr("openbell:secret"))
    settings = get_current_settings().model_copy(update={"api": api})
    day.patch.setattr("blocks.desk.get_current_settings", lambda: settings)


async def test_real_money_is_not_sent_by_way_of_an_open_prefect_server(day: IbDay):
    arm(day)

    ended = await day.desk.trade(None)

    assert ended.is_failed()
    assert "real money needs a protected Prefect server" in str(ended.message)
    assert day.gateway.accepted == []


async def test_real_money_is_not_sent_before_a_person_has_armed_it(day: IbDay, httpserver: HTTPServer):
    protect(day, httpserver)

    ended = await day.desk.trade(None)

    assert ended.is_failed()
    assert "is live and not armed" in str(ended.message)
    assert day.gateway.accepted == []


async def test_real_money_is_sent_once_every_lock_is_open(day: IbDay, httpserver: HTTPServer):
    protect(day, httpserver)
    arm(day)

    ended = await day.desk.trade(None)

    assert ended.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"
    assert len(day.gateway.accepted) == 20


@pytest.mark.parametrize(
    ("session", "days_late", "told"),
    [
        pytest.param(date(2022, 12, 28), 0, [], id="a Wednesday"),
        pytest.param(date(2022, 12, 30), 0, ["second factor U7654321 2023-01-01"], id="the last session of a week"),
        pytest.param(date(2022, 12, 30), 3, [], id="told when it is over"),
    ],
)
async def test_a_second_factor_is_asked_for_before_the_sunday_on_which_logins_end(
    day: IbDay, session: date, days_late: int, told: list[str]
):
    """https://github.com/manhinhang/ib-gateway-docker/pull/157"""
    evening = datetime(session.year, session.month, session.day, 22, 15, tzinfo=UTC)
    day.it_is(evening + timedelta(days=days_late))

    assert (await day.desk.reconcile(session)).is_completed()

    assert [a.fingerprint for a in day.desk.alerts() if a.fingerprint.startswith("second factor")] == told
