"""A trading day at Interactive Brokers: over the wire, from the decision to the reconciliation."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from prefect.runtime import flow_run

from adapters.ib.sessions import process_sessions
from adapters.sample_bars import SampleBars
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerKind
from flows.ingest_bars import ingest_bars
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from tests.flows.desks import SYMBOLS, TUESDAY, WEDNESDAY, a_new_desk, cents, sample_closes
from trading.orders.orders import OrdStatus
from trading.reconciliation import BreakType

ACCOUNT = "DU1234567"
NINE_AM = datetime(2022, 12, 28, 14, 0, tzinfo=UTC)  # half an hour before the open in New York
EVENING = datetime(2022, 12, 28, 22, 15, tzinfo=UTC)
QUICK = {"connect_seconds": 5, "ask_seconds": 5, "answer_seconds": 5, "commission_seconds": 1}


@dataclass(kw_only=True)
class IbDay:
    """A desk with an account at a gateway, and the one clock of both."""

    home: Path
    patch: pytest.MonkeyPatch
    now: datetime = NINE_AM

    async def open(self, gateway: Gateway) -> None:
        """Make the desk, with bars up to Tuesday, and quote Wednesday's closes."""
        self.gateway = gateway
        for symbol, close in sample_closes(WEDNESDAY).items():
            gateway.set_price(symbol, cents(close))
        (self.home / "desk").mkdir()
        self.desk = await a_new_desk(
            self.home / "desk",
            account=ACCOUNT,
            source={"name": "raw", "provider": "files", "path": raw_bars_in(self.home / "raw")},
            broker_kind=BrokerKind.INTERACTIVE_BROKERS,
            ib={"port": gateway.port, **QUICK},
        )
        assert (await self.desk.ingest(TUESDAY, history_sessions=10)).is_completed()
        for module in ("flows.guard", "flows.reconcile_day"):
            self.patch.setattr(f"{module}.wall_clock", lambda: self.now)
        self.it_is(NINE_AM)

    def it_is(self, now: datetime) -> None:
        """Set the clock, and let the next run be one that was scheduled for that time."""
        self.now = now
        self.patch.setitem(vars(flow_run), "scheduled_start_time", now)

    def at_broker(self) -> dict[str, Decimal]:
        return {o.symbol: o.qty for o in self.gateway.accepted}


@pytest_asyncio.fixture
async def day(prefect_harness: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IbDay]:
    day = IbDay(home=tmp_path, patch=monkeypatch)
    async with Gateway(GatewaySettings(poll_seconds=0), now=lambda: day.now) as gateway:
        await day.open(gateway)
        yield day
        await process_sessions().close_all()
        process_sessions.cache_clear()


def raw_bars_in(folder: Path) -> Path:
    """Write the sample's closes as a folder of files that calls them raw."""
    folder.mkdir()
    frame = SampleBars().fetch(SYMBOLS, date(2022, 12, 1), WEDNESDAY).bars.frame
    for symbol, rows in frame.groupby("symbol", observed=True):
        lines = [f"{r.session:%Y-%m-%d},{f'{r.close!r},' * 4}1000000" for r in rows.itertuples()]
        (folder / f"{symbol}.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines]))
    return folder


async def test_a_day_over_the_wire_ends_without_a_break(day: IbDay):
    traded = await day.desk.trade(None)

    orders = day.desk.orders()
    assert traded.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"
    assert {o.ord_status for o in orders.values()} == {OrdStatus.FILLED}
    assert day.at_broker() == {symbol: o.cum_qty for symbol, o in orders.items()}

    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)
    reconciled = await day.desk.reconcile(None)
    assert reconciled.name == "Completed", reconciled.message
    assert reconciled.message.startswith("2022-12-28: 0 breaks, equity ")
    books = day.desk.ledger.facts.books(ACCOUNT, EVENING)
    assert books.held() == day.gateway.positions()
    assert cents(books.cash) == cents(day.gateway.cash()["USD"])


async def test_a_second_run_sends_nothing(day: IbDay):
    await day.desk.trade(None)

    again = await day.desk.trade(None)

    assert again.message.startswith("2022-12-28: 0 orders sent, 20 of 20 filled")
    assert len(day.gateway.accepted) == 20


async def test_a_run_without_a_gateway_fails_and_says_what_to_check_and_the_next_one_trades(day: IbDay):
    await day.gateway.stop()

    failed = await day.desk.trade(None)
    await day.gateway.start()
    traded = await day.desk.trade(None)

    assert failed.is_failed()
    assert f"127.0.0.1:{day.gateway.port}" in failed.message
    assert traded.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"


async def test_an_order_that_somebody_placed_by_hand_is_adopted_and_told_and_locks_nothing_else(day: IbDay):
    await day.desk.trade(None)
    day.gateway.place_manual("KO", Decimal(10))
    day.gateway.fill_all()
    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)

    reconciled = await day.desk.reconcile(None)

    (found,) = day.desk.ledger.clearances.open_breaks(ACCOUNT)
    assert reconciled.name == "Breaks"
    assert found.break_type is BreakType.ORDER
    assert "was never made by this desk" in found.text
    assert day.desk.ledger.facts.books(ACCOUNT, EVENING).held() == day.gateway.positions()
    day.desk.ledger.clearances.clear(ACCOUNT, found.subject, actor="Ada", reason="my own", now=EVENING)
    assert (await day.desk.reconcile(None)).message.startswith("2022-12-28: 0 breaks")


async def test_a_liquidation_by_the_broker_is_booked_and_told(day: IbDay):
    await day.desk.trade(None)
    day.gateway.liquidate("KO")
    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)

    await day.desk.reconcile(None)

    (found,) = day.desk.ledger.clearances.open_breaks(ACCOUNT)
    assert found.break_type is BreakType.ORDER
    assert "KO" not in day.desk.ledger.facts.books(ACCOUNT, EVENING).held()
    assert day.desk.ledger.facts.books(ACCOUNT, EVENING).held() == day.gateway.positions()


async def test_bars_come_from_the_gateway_too(day: IbDay):
    name = f"{day.desk.source}-ib"
    symbols = ["AAPL", "KO"]
    await BarSource(name="ib", provider="interactive_brokers", symbols=symbols, ib={"port": day.gateway.port}).asave(
        name
    )

    state = await ingest_bars(TUESDAY, source=name, storage=day.desk.storage, history_sessions=5, return_state=True)

    assert state.message == "ib 2022-12-27: trade, 0 quarantined, 10 bars added, 0 changed"
