"""The paper broker passes the battery of all brokers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.paper.broker import PaperBroker
from adapters.paper.tables import PaperOrderRow
from adapters.sql.rows import table_of
from tests.adapters.paper.paper_desk import (
    MONDAY,
    TUESDAY,
    MemoryMarket,
    a_bar,
    a_broker,
    a_clock,
    an_engine,
    an_order,
)
from tests.broker_battery import BrokerBattery
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

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse every write, as a full or read-only disk does."""
        self._pragma("query_only=on")
        yield
        self._pragma("query_only=off")

    def _pragma(self, text: str) -> None:
        with self._engine.execution_options(read_only=True).connect() as connection:
            connection.exec_driver_sql(f"pragma {text}")


class TestPaperBroker(BrokerBattery):
    @pytest.fixture
    def venue(self, tmp_path: Path) -> PaperVenue:
        return PaperVenue(tmp_path)
