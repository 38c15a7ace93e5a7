"""A day whose orders are held against the margin that Interactive Brokers tells: half of a stock's value here."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.ib.sessions import process_sessions
from blocks.broker_account import Mode
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.scenarios import Action, Fault
from tests.flows.desks import WEDNESDAY, cents, sample_closes
from tests.flows.ib_days import ACCOUNT, IbDay
from trading.risk.limits import RefusalCode, RiskDecision, RiskLimits

EQUITY = 1_000_000  # all in cash; 5 % of it is wanted in each of 20 stocks
Open = Callable[..., AbstractAsyncContextManager[IbDay]]


@pytest.fixture
def open_day(prefect_harness: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a day with a limit on margin, and a rate for where the broker does not say."""

    @asynccontextmanager
    async def opened(most_pct: int, rate_pct: int, *faults: Fault, **settings: Any) -> AsyncIterator[IbDay]:
        day = IbDay(home=tmp_path, patch=monkeypatch)
        limits = RiskLimits(max_margin_pct=Decimal(most_pct), margin_rate_pct=Decimal(rate_pct))
        async with Gateway(GatewaySettings(poll_seconds=0), now=lambda: day.now) as gateway:
            await day.open(gateway, limits=limits, **settings)
            for fault in faults:
                gateway.faults.add(fault)
            yield day
            await process_sessions().close_all()
            process_sessions.cache_clear()

    return opened


def decisions(day: IbDay) -> tuple[RiskDecision, ...]:
    decision = day.desk.ledger.journal.decision(ACCOUNT, WEDNESDAY, "main")
    assert decision is not None
    return day.desk.ledger.journal.risk_decisions(decision["decision_id"])


def what_ifs(day: IbDay) -> int:
    placed = [m for m in day.gateway.wire_log if m.way == "in" and m.name == "placeOrder"]
    return len(placed) - len(day.gateway.accepted)


async def test_orders_that_the_rate_would_let_through_are_refused_by_the_brokers_margin(open_day: Open):
    """By the rate all would bind 25 %; by the broker each binds 2.5 %, so twelve fit below 30 %."""
    async with open_day(30, 25) as day:
        await day.desk.trade(None)

        judged, prices = decisions(day), sample_closes(WEDNESDAY)
        margin = [d.asked_qty * cents(prices[d.symbol]) / 2 for d in judged]
        assert [d.code for d in judged] == [None] * 12 + [RefusalCode.MAX_MARGIN] * 8
        assert judged[12].limit == "30 % of equity"
        assert judged[12].before == f"{sum(margin[:12]) * 100 / EQUITY:.2f} % of equity"
        assert judged[12].value == f"{sum(margin[:13]) * 100 / EQUITY:.2f} % of equity"
        assert day.at_broker() == {d.symbol: d.granted_qty for d in judged[:12]}


async def test_orders_that_the_rate_would_refuse_pass_by_the_brokers_margin_in_shadow_too(open_day: Open):
    """By the rate each would bind 5 %, and twelve would fit below 60 %; by the broker all bind 50 %."""
    async with open_day(60, 100, mode=Mode.SHADOW) as day:
        await day.desk.trade(None)

        assert [d.code for d in decisions(day)] == [None] * 20
        assert what_ifs(day) == 20
        assert day.gateway.accepted == []


async def test_where_the_broker_cannot_be_asked_the_rate_counts(open_day: Open):
    """By the rate each binds 5 %, and twelve fit below 60 %."""
    broken = Fault(on="placeOrder", times=2, do=Action.KILL_BEFORE)  # on the first socket, and on the next
    async with open_day(60, 100, broken) as day:
        state = await day.desk.trade(None)

        assert [d.code for d in decisions(day)] == [None] * 12 + [RefusalCode.MAX_MARGIN] * 8
        assert state.message == "2022-12-28: 12 orders sent, 12 of 12 filled, 0 working"
        assert len(day.gateway.accepted) == 12
