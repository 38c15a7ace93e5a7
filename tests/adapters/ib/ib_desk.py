"""Builders for tests of the adapter to Interactive Brokers: a gateway on loopback, a ledger, brokers, orders."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlmodel import SQLModel

import adapters.ib.tables  # noqa: F401 - fills the metadata
from adapters.ib.broker import IbBroker
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.session_states import SessionTransition
from adapters.ib.sessions import Sessions
from adapters.request_budget import RequestBudget
from adapters.sql.engine import make_engine
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.scenarios import Action, Fault, Scenario
from trading.errors import BrokerUnavailable
from trading.orders.executions import ExecType, ExecutionReport, fold_order
from trading.orders.order_types import ContingencyType
from trading.orders.orders import (
    NewOrderSingle,
    Order,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrdType,
    Side,
    TimeInForce,
)

ACCOUNT = "DU1234567"
TODAY = date(2026, 11, 16)
LIBRARY: Literal["ib_async", "ib_insync"] = (
    "ib_insync" if os.environ.get("OPENBELL_IB_LIBRARY") == "ib_insync" else "ib_async"
)
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
QUICK: dict[str, Any] = {
    "library": LIBRARY,
    "connect_seconds": 15,
    "ask_seconds": 15,
    "answer_seconds": 15,
    "commission_seconds": 0.5,
    "backoff_first_seconds": 0.01,
    "backoff_most_seconds": 0.05,
}
UP = ["CONNECTING", "AUTHENTICATING", "SYNCHRONIZING", "READY"]


@dataclass
class Clock:
    """A clock that shows what it was set to: 10:00 in New York on a Monday."""

    at: datetime = datetime(2026, 11, 16, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


class Desk:
    """A gateway, a ledger, and brokers on them; `patience` are settings of the session."""

    def __init__(self, folder: Path, scenario: Scenario | None = None, **settings: Any) -> None:
        self.folder = folder
        chosen: dict[str, Any] = {"fills": "manual", "poll_seconds": 0, **settings}
        self.clock = Clock()
        self.gateway = Gateway(GatewaySettings(**chosen), scenario, now=self.clock)
        self.gateway.market.set_price("AAPL", Decimal(200))
        self.gateway.market.set_price("MSFT", Decimal(400))
        self.engine = make_engine(f"sqlite:///{folder / 'ledger.sqlite'}")
        SQLModel.metadata.create_all(self.engine)
        self.sessions = [Sessions()]
        self.transitions: list[SessionTransition] = []

    async def __aenter__(self) -> "Desk":
        await self.gateway.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for sessions in self.sessions:
            await sessions.close_all()
        await self.gateway.stop()
        self.engine.dispose()

    def settings(self, **patience: Any) -> IbSettings:
        return IbSettings(**{**QUICK, "port": self.gateway.port, **patience})

    def broker(self, role: Role = Role.TRADER, budget: RequestBudget | None = None, **patience: Any) -> IbBroker:
        return IbBroker(
            self.engine,
            account=ACCOUNT,
            settings=self.settings(**patience),
            now=self.clock,
            role=role,
            budget=budget,
            on_transition=self.transitions.append,
            sessions=self.sessions[-1],
        )

    async def as_after_a_restart(self) -> None:
        """Forget every connection and all that was remembered with it."""
        await self.sessions[-1].close_all()
        self.sessions[-1] = Sessions()

    def states(self) -> list[str]:
        return [t.after.name for t in self.transitions]

    def placed(self) -> int:
        """Return how many orders the gateway has ever accepted."""
        return len(self.gateway.accepted)

    def heard(self, name: str) -> int:
        """Return how many such messages clients have sent."""
        return sum(m.way == "in" and m.name == name for m in self.gateway.wire_log)


def an_order(cl_ord_id: str = "o-1", side: Side = Side.BUY, qty: str | int = 100, **changes: Any) -> NewOrderSingle:
    """Return a LIMIT DAY order to buy 100 AAPL at 150, with the changes."""
    limit = changes.get("ord_type", OrdType.LIMIT) in (OrdType.LIMIT, OrdType.STOP_LIMIT)
    fields: dict[str, Any] = {
        "cl_ord_id": cl_ord_id,
        "account": ACCOUNT,
        "session": TODAY,
        "book": "main",
        "symbol": "AAPL",
        "side": side,
        "order_qty": Decimal(qty),
        "ord_type": OrdType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "expire_time": datetime(2030, 1, 1, tzinfo=UTC),
        "transact_time": datetime(2026, 11, 16, 12, tzinfo=UTC),
        "price": Decimal(150) if limit else None,
    }
    return NewOrderSingle(**{**fields, **changes})


def a_market_order(cl_ord_id: str = "o-1", side: Side = Side.BUY, qty: int = 100, **changes: Any) -> NewOrderSingle:
    return an_order(cl_ord_id, side, qty, ord_type=OrdType.MARKET, **changes)


def a_cancel(cl_ord_id: str = "o-1") -> OrderCancelRequest:
    return OrderCancelRequest(
        cl_ord_id=f"{cl_ord_id}-x",
        orig_cl_ord_id=cl_ord_id,
        account=ACCOUNT,
        transact_time=datetime(2026, 11, 16, 12, tzinfo=UTC),
    )


def a_replace(cl_ord_id: str = "o-1", qty: int = 100, number: int = 1, **values: Any) -> OrderCancelReplaceRequest:
    return OrderCancelReplaceRequest(
        cl_ord_id=f"{cl_ord_id}-r{number}",
        orig_cl_ord_id=cl_ord_id,
        account=ACCOUNT,
        transact_time=datetime(2026, 11, 16, 12, tzinfo=UTC),
        order_qty=Decimal(qty),
        **values,
    )


def linked(parent: str | None) -> dict[str, Any]:
    contingency = ContingencyType.OCO if parent else ContingencyType.OTO
    return {"list_id": "l", "contingency_type": contingency, "parent_cl_ord_id": parent}


def a_bracket() -> list[NewOrderSingle]:
    return [
        an_order("p", **linked(None)),
        an_order("t", Side.SELL, price=Decimal(220), **linked("p")),
        an_order("s", Side.SELL, ord_type=OrdType.STOP, stop_px=Decimal(140), **linked("p")),
    ]


def a_fault(on: str, do: Action, **values: Any) -> Scenario:
    return Scenario(faults=(Fault(on=on, do=do, **values),))


def folded(order: NewOrderSingle, reports: tuple[ExecutionReport, ...]) -> Order:
    return fold_order(order, (), [r for r in reports if r.cl_ord_id == order.cl_ord_id])


def kinds(reports: tuple[ExecutionReport, ...]) -> list[ExecType]:
    return [r.exec_type for r in reports]


async def refused(broker: IbBroker) -> str:
    """Return why it could not be connected."""
    with pytest.raises(BrokerUnavailable) as caught:
        await broker.connect()
    return str(caught.value)


async def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Let the loop run until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what the other side knows has no one event to wait for
            await asyncio.sleep(0.002)
