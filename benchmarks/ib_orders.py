"""Orders at Interactive Brokers: by the desk, and by the bare client library, in turns on gateways of the same kind."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from adapters.ib.sessions import process_sessions
from benchmarks.ib_desks import (
    ACCOUNT,
    BARE_CLIENT_ID,
    FAR_PX,
    LIBRARY,
    SYMBOLS,
    an_ib_order,
    bare_library,
    intend,
    open_ib_desk,
    running_gateway,
)
from benchmarks.measurement import Measurement, Run, at_most, percentile
from blocks.desk import Desk, wall_clock
from tasks.send import LEASE_TIME, send_batch
from trading.broker import Broker
from trading.ledger import Lease
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle, OrdStatus, OrdType

# Far enough apart that no limit of messages a second, ours or the library's, holds one up.
_BETWEEN = {OrdType.LIMIT: 0.06, OrdType.MARKET: 0.12}
_BETWEEN_CONNECTS = 0.4
_BARE = f"{LIBRARY} alone"
_DURABLE = "intent with its risk decision, send mark, broker's words as heard, and the ledger's record, each committed"


def connect(run: Run) -> Iterator[Measurement]:
    """Connect and synchronise: orders, executions, positions, account values."""
    with running_gateway() as gateway:
        desk = open_ib_desk(run.folder / "connect", gateway.port)
        took, bare = asyncio.run(_connects(desk, gateway.port, 3 if run.quick else 15))
    note = f"connect to a gateway without orders until READY, opening balance kept; baseline: connectAsync of {_BARE}"
    for percent in (50, 99):
        value, baseline = percentile(took, percent), percentile(bare, percent)
        yield Measurement(name=f"ib.connect.p{percent}", value=value, unit="ms", baseline=baseline, note=note)


def orders(run: Run) -> Iterator[Measurement]:
    """Take single orders to their acknowledgement, and to their fill."""
    count, warm_up = (5, 1) if run.quick else (150, len(SYMBOLS))  # each contract is looked up once
    with ExitStack() as stack:
        port, bare_port = (stack.enter_context(running_gateway()).port for _ in range(2))
        desk = open_ib_desk(run.folder / "orders", port)
        submits: list[float] = []
        found = asyncio.run(_in_turns(desk, bare_port, count, warm_up, submits))
    bare = found[OrdType.LIMIT][1]
    note = f"the adapter alone: from taking a limit order until IB's answer is heard and on disk; baseline: {_BARE}"
    for percent in (50, 99):
        value, baseline = percentile(submits[warm_up : warm_up + count], percent), percentile(bare, percent)
        aim = at_most(value, 2 * baseline, "<= 2 x the library") if percent == 50 else None
        name = f"ib.order.submit.p{percent}"
        yield Measurement(name=name, value=value, unit="ms", baseline=baseline, note=note, aim=aim)
    what = {
        OrdType.LIMIT: ("acknowledged", "recorded acknowledgement", "openOrder or orderStatus is heard"),
        OrdType.MARKET: ("filled", "recorded fill with commission", "the commission is heard"),
    }
    for ord_type, (name, end, bare_end) in what.items():
        took, bare = found[ord_type]
        note = (
            f"one order, the first of its session, from intent to {end}: {_DURABLE}; "
            f"baseline: {_BARE}, from placeOrder until {bare_end}"
        )
        for percent in (50, 99):
            value, baseline = percentile(took, percent), percentile(bare, percent)
            aim = at_most(value, 2 * baseline, "<= 2 x the library") if percent == 50 else None
            yield Measurement(
                name=f"ib.order.{name}.p{percent}", value=value, unit="ms", baseline=baseline, note=note, aim=aim
            )


async def _connects(desk: Desk, port: int, count: int) -> tuple[list[float], list[float]]:
    library, took, bare = bare_library(), [], []
    for _ in range(count + 1):
        broker = desk.broker(wall_clock)
        started = time.perf_counter()
        await broker.statement() if not took else await _ready(broker)
        took.append(1000 * (time.perf_counter() - started))
        await broker.close()
        await asyncio.sleep(_BETWEEN_CONNECTS)
        ib = library.IB()
        started = time.perf_counter()
        await ib.connectAsync("127.0.0.1", port, clientId=BARE_CLIENT_ID)
        bare.append(1000 * (time.perf_counter() - started))
        ib.disconnect()
        await asyncio.sleep(_BETWEEN_CONNECTS)
    await process_sessions().close_all()
    process_sessions.cache_clear()
    return took[1:], bare[1:]


async def _ready(broker: Broker) -> None:
    await broker.connect()  # type: ignore[attr-defined]  # of the adapter, not of every broker


class _Stopwatch:
    """A broker that keeps how long each of its submits took, in milliseconds."""

    def __init__(self, broker: Broker, took: list[float]) -> None:
        self._broker, self._took = broker, took

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
        started = time.perf_counter()
        reports = await self._broker.submit(order)
        self._took.append(1000 * (time.perf_counter() - started))
        return reports


async def _in_turns(
    desk: Desk, bare_port: int, count: int, warm_up: int, submits: list[float]
) -> dict[OrdType, tuple[list[float], list[float]]]:
    lease = desk.ledger.leases.acquire(desk.name, "benchmark", LEASE_TIME)
    broker: Any = _Stopwatch(desk.broker(wall_clock), submits)
    bare = await _bare_session(bare_port)
    found: dict[OrdType, tuple[list[float], list[float]]] = {}
    number = 0
    for ord_type, pause in _BETWEEN.items():
        took, bare_took = [], []
        for _ in range(warm_up + count):
            lease = desk.ledger.leases.renew(lease, LEASE_TIME)
            took.append(1000 * await _our_order(desk, lease, broker, number, ord_type))
            await asyncio.sleep(pause / 2)
            bare_took.append(1000 * await _bare_order(bare, number, ord_type))
            await asyncio.sleep(pause / 2)
            number += 1
        found[ord_type] = took[warm_up:], bare_took[warm_up:]
    bare.disconnect()
    await process_sessions().close_all()
    process_sessions.cache_clear()
    return found


async def _our_order(desk: Desk, lease: Lease, broker: Broker, number: int, ord_type: OrdType) -> float:
    order, journal = an_ib_order(number, ord_type), desk.ledger.journal
    started = time.perf_counter()
    intend(desk, lease, [order])
    [recorded] = [o for o in journal.orders(desk.name, open_only=True) if o.cl_ord_id == order.cl_ord_id]
    await send_batch(desk, lease, broker, [recorded], wall_clock)
    if ord_type is OrdType.MARKET:
        reports = await broker.reports_since(order.transact_time)
        journal.record(reports)
    took = time.perf_counter() - started
    wanted = OrdStatus.NEW if ord_type is OrdType.LIMIT else OrdStatus.FILLED
    found = next(o for o in journal.orders(desk.name) if o.cl_ord_id == order.cl_ord_id)
    assert found.ord_status is wanted, found.text
    assert (found.commission > 0) is (wanted is OrdStatus.FILLED)
    if ord_type is OrdType.LIMIT:  # or each order would find more of them at work than the one before
        journal.record(await broker.cancel(found.cancel_request(wall_clock())))
    return took


async def _bare_session(port: int) -> Any:
    library = bare_library()
    ib = library.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=BARE_CLIENT_ID)
    ib.contracts = await ib.qualifyContractsAsync(*(library.Stock(symbol, "SMART", "USD") for symbol in SYMBOLS))
    return ib


async def _bare_order(ib: Any, number: int, ord_type: OrdType) -> float:
    library, done = bare_library(), asyncio.Event()
    kind = {"action": "BUY", "totalQuantity": 10, "account": ACCOUNT, "tif": "DAY"}
    limited = ord_type is OrdType.LIMIT
    order = library.LimitOrder(lmtPrice=float(FAR_PX), **kind) if limited else library.MarketOrder(**kind)
    started = time.perf_counter()
    trade = ib.placeOrder(ib.contracts[number % len(ib.contracts)], order)
    (trade.statusEvent if limited else trade.commissionReportEvent).connect(lambda *_: done.set())
    await asyncio.wait_for(done.wait(), 10)
    return time.perf_counter() - started
