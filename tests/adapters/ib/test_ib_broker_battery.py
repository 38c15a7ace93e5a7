"""Interactive Brokers passes the battery of all brokers, over the client library and a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.ib.broker import IbBroker
from tests.adapters.ib.ib_desk import Desk, a_market_order, an_order, until
from tests.broker_battery import BrokerBattery
from trading.orders.orders import NewOrderSingle, Side


class IbVenue:
    """The simulated gateway, which fills only when told to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def connect(self) -> IbBroker:
        return self._desk.broker()

    def resting_order(self, cl_ord_id: str, side: Side = Side.BUY, qty: int = 100) -> NewOrderSingle:
        return a_market_order(cl_ord_id, side, qty)

    def bad_order(self, cl_ord_id: str) -> NewOrderSingle:
        return an_order(cl_ord_id, symbol="NONE")

    async def let_trade(self) -> None:
        self._desk.gateway.fill_all()

    async def order_count(self) -> int:
        return self._desk.placed()

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Close all sockets and take no new ones; afterwards wait until the session is back."""
        gateway = self._desk.gateway
        await gateway.go_away()
        yield
        ready = self._desk.states().count("READY")
        await gateway.come_back()
        await until(lambda: self._desk.states().count("READY") > ready)


class TestIbBroker(BrokerBattery):
    @pytest.fixture
    async def venue(self, tmp_path: Path) -> AsyncIterator[IbVenue]:
        async with Desk(tmp_path) as desk:
            yield IbVenue(desk)
