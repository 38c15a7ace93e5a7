"""The paper broker passes the battery of all brokers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.paper.broker import PaperBroker
from adapters.paper.tables import PaperOrderRow
from adapters.sql.rows import table_of
from tests.adapters.paper.paper_desk import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    MemoryMarket,
    a_bar,
    a_broker,
    a_clock,
    an_engine,
    an_order,
)
from tests.broker_battery import BrokerBattery
from tests.order_types_battery import OrderTypesBattery
from trading.orders.orders import NewOrderSingle, Side


class PaperVenue:
    """The paper broker on a new SQLite ledger, early on a Monday."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine = an_engine(folder)
        self._clock = a_clock()
        self._market = MemoryMarket([a_bar(MONDAY), a_bar(TUESDAY)])

    async def connect(self) -> PaperBroker:
        return a_broker(self._engine, self._market, self._clock)

    def resting_order(self, cl_ord_id: str, side: Side = Side.BUY, qty: int = 100) -> NewOrderSingle:
        return an_order(cl_ord_id, side, qty)

    def bad_order(self, cl_ord_id: str) -> NewOrderSingle:
        return an_order(cl_ord_id, symbol="NONE")

    async def let_trade(self) -> None:
        self._clock.set(MONDAY, 10)

    async def order_count(self) -> int:
        orders = table_of(PaperOrderRow)
        accepted = sa.select(sa.func.count()).where(orders.c.ord_status != "rejected")
        with self._engine.begin() as connection:
            return connection.execute(accepted).scalar_one()

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Refuse every write, as a full or read-only disk does."""
        self._pragma("query_only=on")
        yield
        self._pragma("query_only=off")

    def _pragma(self, text: str) -> None:
        with self._engine.execution_options(read_only=True).connect() as connection:
            connection.exec_driver_sql(f"pragma {text}")


class PaperSessions:
    """The paper broker early on a Monday, with a bar for each session that has passed."""

    symbols = ("AAPL", "MSFT")
    px = Decimal(100)
    good_till = datetime(2020, 8, 25, 16, tzinfo=UTC)  # Tuesday at noon in New York

    def __init__(self, folder: Path) -> None:
        self._engine, self._clock, self._market = an_engine(folder), a_clock(), MemoryMarket()
        self._sessions = iter([MONDAY, TUESDAY, WEDNESDAY])

    async def connect(self) -> PaperBroker:
        return a_broker(self._engine, self._market, self._clock)

    def order(self, cl_ord_id: str, **fields: Any) -> NewOrderSingle:
        return an_order(cl_ord_id, **fields)

    async def pass_session(self, *pxs: Decimal) -> None:
        session, told = next(self._sessions), [float(px) for px in pxs]
        for symbol, traded in zip(self.symbols, (told, [40.0]), strict=True):
            prices = {"open": traded[0], "high": max(traded), "low": min(traded), "close": traded[-1]}
            self._market.rows.append(a_bar(session, symbol, **prices))
        self._clock.set(session, 17)


class TestPaperOrderTypes(OrderTypesBattery):
    @pytest.fixture
    def venue(self, tmp_path: Path) -> PaperSessions:
        return PaperSessions(tmp_path)


class TestPaperBroker(BrokerBattery):
    @pytest.fixture
    def venue(self, tmp_path: Path) -> PaperVenue:
        return PaperVenue(tmp_path)
