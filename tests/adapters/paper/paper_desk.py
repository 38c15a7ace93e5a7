"""Builders for tests of the paper broker: a market of a few bars, a clock that is set, orders."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from adapters.paper.broker import PaperBroker
from adapters.paper.paper_settings import PaperSettings
from adapters.sql.engine import make_engine
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.corporate_actions import CorporateAction
from trading.market.instruments import Equity, Instrument
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle, OrdType, Side, TimeInForce

NAN = float("nan")
MONDAY, TUESDAY, WEDNESDAY = date(2020, 8, 24), date(2020, 8, 25), date(2020, 8, 26)  # New York is at UTC-4
FREE = PaperSettings(spread_bp=0, slippage_bp=0, commission_per_share=0, commission_minimum=0)


@dataclass
class MemoryMarket:
    """A source of the bars, actions and failures it was given; counts how often it was asked."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    actions: list[CorporateAction] = field(default_factory=list)
    symbols: Sequence[str] = ("AAPL", "MSFT")
    failing: Sequence[str] = ()
    price_basis: PriceBasis = PriceBasis.RAW
    asked: int = 0
    name: str = "memory"

    def instruments(self) -> Mapping[str, Instrument]:
        listed: dict[str, Instrument] = {s: Equity(symbol=s, mic="XNYS") for s in self.symbols}
        listed["SAP"] = Equity(symbol="SAP", mic="XETR", currency="EUR")
        return listed

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        self.asked += 1
        columns = ["symbol", "session", "open", "high", "low", "close", "volume"]
        frame = pd.DataFrame(self.rows, columns=columns)
        wanted = frame["symbol"].isin([s for s in symbols if s not in self.failing])
        frame = frame[wanted & frame["session"].map(lambda session: first <= session <= last)]
        outcomes = [
            FetchOutcome(symbol=s, status=FetchStatus.FAILED if s in self.failing else FetchStatus.OK) for s in symbols
        ]
        return FetchedBars(
            bars=DailyBars(frame=bars_frame(frame), source=self.name, price_basis=self.price_basis),
            outcomes=tuple(outcomes),
            actions=tuple(a for a in self.actions if a.symbol in symbols and first <= a.ex_date <= last),
        )


@dataclass
class Clock:
    """A clock that shows what it was set to."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def set(self, day: date, hour: int, minute: int = 0) -> None:
        """Set the clock to that time in New York on a summer day."""
        self.at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) + timedelta(hours=4)


def a_clock(day: date = MONDAY, hour: int = 8, minute: int = 0) -> Clock:
    """Return a clock set to that time in New York."""
    clock = Clock(datetime(2020, 1, 1, tzinfo=UTC))
    clock.set(day, hour, minute)
    return clock


def a_bar(session: date = MONDAY, symbol: str = "AAPL", **prices: float) -> dict[str, Any]:
    """Return the bar 100, 110, 90, 105 of a million shares, with the prices given instead."""
    usual = {"open": 100.0, "high": 110.0, "low": 90.0, "close": 105.0, "volume": 1_000_000.0}
    return {"symbol": symbol, "session": session, **usual, **prices}


def a_close(session: date, close: float, symbol: str = "AAPL") -> dict[str, Any]:
    """Return the bar of a source that has closes only."""
    return a_bar(session, symbol, open=NAN, high=NAN, low=NAN, close=close, volume=NAN)


def an_engine(folder: Path) -> sa.Engine:
    """Return an engine on a new ledger in that folder, or on the one that is there."""
    engine = make_engine(f"sqlite:///{folder / 'paper.sqlite'}")
    SQLModel.metadata.create_all(engine)
    return engine


def a_broker(
    engine: sa.Engine, market: MemoryMarket, clock: Clock, settings: PaperSettings = FREE, account: str = "DU1"
) -> PaperBroker:
    return PaperBroker(engine, account=account, market=market, settings=settings, now=clock)


def an_order(cl_ord_id: str = "o-1", side: Side = Side.BUY, qty: str | int = 100, **changes: Any) -> NewOrderSingle:
    """Return a MARKET DAY order to buy 100 AAPL on Monday, with the changes."""
    session = changes.get("session", MONDAY)
    fields: dict[str, Any] = {
        "cl_ord_id": cl_ord_id,
        "account": "DU1",
        "session": session,
        "book": "main",
        "symbol": "AAPL",
        "side": side,
        "order_qty": Decimal(qty),
        "ord_type": OrdType.MARKET,
        "time_in_force": TimeInForce.DAY,
        "expire_time": datetime(session.year, session.month, session.day, 20, tzinfo=UTC),
        "transact_time": datetime(session.year, session.month, session.day, 12, tzinfo=UTC),
    }
    return NewOrderSingle(**{**fields, **changes})


def a_limit(px: str, cl_ord_id: str = "o-1", **changes: Any) -> NewOrderSingle:
    return an_order(cl_ord_id, ord_type=OrdType.LIMIT, price=Decimal(px), **changes)


def a_stop(px: str, cl_ord_id: str = "o-1", **changes: Any) -> NewOrderSingle:
    return an_order(cl_ord_id, ord_type=OrdType.STOP, stop_px=Decimal(px), **changes)


def real_data() -> Path:
    """Return the folder of real bars, or skip the test where there is none."""
    beside = Path(__file__).parents[3] / ".." / "shared" / "data"
    folder = Path(os.environ.get("OPENBELL_TEST_DATA", beside))
    if not (folder / "equity").is_dir():
        pytest.skip("no real bars beside the repository; name their folder in OPENBELL_TEST_DATA")
    return folder


async def outcome(
    order: NewOrderSingle,
    *rows: dict[str, Any],
    engine: sa.Engine,
    at: tuple[int, int] = (8, 0),
    settings: PaperSettings = FREE,
    actions: Sequence[CorporateAction] = (),
) -> list[tuple[str, str, str]]:
    """Send the order on Monday at that time in New York and return what became of it in the fortnight after.

    Each report after the first as words: `("100 at 105", "Mon 16:00:00", "")` or `("expired", "Mon 16:00:00", text)`.
    """
    clock = a_clock(MONDAY, *at)
    broker = a_broker(engine, MemoryMarket(list(rows), list(actions)), clock, settings)
    first = await broker.submit(order)
    clock.set(MONDAY + timedelta(days=14), 20)
    return [in_words(report) for report in (await broker.find(order.cl_ord_id))[len(first) :]]


def in_words(report: ExecutionReport) -> tuple[str, str, str]:
    """Return what a report says: fill or end, New York time, text."""
    what = f"{report.last_qty} at {report.last_px}" if report.last_px is not None else report.exec_type.value
    return what, f"{report.transact_time - timedelta(hours=4):%a %H:%M:%S}", report.text
