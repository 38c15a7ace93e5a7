"""Orders: through the gate, onto the disk, to the paper broker and back."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from benchmarks.desks import ACCOUNT, BARS_FILE, LIMITS, a_decision, an_order, open_desk
from benchmarks.markets import LAST, make_market, write_file
from benchmarks.measurement import Measurement, Run, at_least, at_most, percentile, seconds
from blocks.desk import Clock, Desk
from tasks.place import place
from tasks.send import LEASE_TIME, send_batch
from trading.ledger import Lease
from trading.market.timetable import session_times
from trading.orders.orders import NewOrderSingle, OrdStatus
from trading.risk.gate import RiskState, check_orders
from trading.risk.inputs import RiskInputs

_SYMBOLS = 500
_FEW = 20  # each order has a broker of its own, which must not spend its time on listing symbols
_MARK = Decimal(100)
_DURABLE = "SQLite; commits: intent with its risk decision, send mark, broker's answer, its record"


def gate_order(run: Run) -> Iterator[Measurement]:
    """Check one order against an account of 500 positions, all that the gate must sum up included."""
    desk = desk_of(run, "gate")
    symbols = desk.market.symbols()
    orders = [an_order(desk, LAST, symbol) for symbol in symbols]
    state = RiskState(
        equity=Decimal(10**9),
        cash=Decimal(10**9),
        held=dict.fromkeys(symbols, Decimal(100)),
        marks=dict.fromkeys(symbols, _MARK),
    )
    check_orders(orders, state, LIMITS)
    single = [1000 * seconds(partial(check_orders, [order], state, LIMITS)) for order in orders * 4]
    batch = [1000 * seconds(lambda: check_orders(orders, state, LIMITS)) / len(orders) for _ in range(20)]
    note = f"risk check of one order, alone, in an account of {len(symbols)} positions; baseline: per order of a batch"
    for percent in (50, 99):
        value = percentile(single, percent)
        aim = at_most(value, 1) if percent == 99 else None
        baseline = percentile(batch, percent)
        yield Measurement(name=f"gate.order.p{percent}", value=value, unit="ms", baseline=baseline, note=note, aim=aim)


def order_durable(run: Run) -> Iterator[Measurement]:
    """Take single orders from intent to acknowledgement, everything on disk."""
    desk, count = desk_of(run, "durable", _FEW), 20 if run.quick else 500
    fsyncs = _fsync_ms(run.folder / "fsync", count)
    took = asyncio.run(_single_orders(desk, count))
    note = f"one order from intent to recorded acknowledgement; {_DURABLE}; baseline: append and fsync 1 KiB, once"
    for percent in (50, 99):
        value, baseline = percentile(took, percent), percentile(fsyncs, percent)
        aim = at_most(value, 20) if percent == 99 else None
        yield Measurement(
            name=f"order.durable.p{percent}", value=value, unit="ms", baseline=baseline, note=note, aim=aim
        )


def orders_batch(run: Run) -> Iterator[Measurement]:
    """Take 500 orders from intent to acknowledgement, as a session does."""
    asyncio.run(_batch(desk_of(run, "warm")))  # compiles the statements
    rates = [asyncio.run(_batch(desk_of(run, f"batch{n}"))) for n in range(run.repeats(5))]
    value = percentile(rates, 50)
    fsyncs = _fsync_ms(run.folder / "fsync", 20 if run.quick else 500)
    yield Measurement(
        name="orders.batch500",
        value=value,
        unit="orders/s",
        baseline=1000 / percentile(fsyncs, 50),
        note="500 orders of one decision from intent to recorded acknowledgements, by the stage that places them; "
        "the paper broker commits each order; baseline: append and fsync 1 KiB, times a second",
        aim=at_least(value, 1000),
    )


async def _single_orders(desk: Desk, count: int) -> list[float]:
    took = []
    for number in range(count + 5):
        own = replace(desk, account=desk.account.model_copy(update={"account": f"{ACCOUNT}-{number}"}))
        clock, lease = _clock(own), own.ledger.leases.acquire(own.name, "benchmark", LEASE_TIME)
        broker = own.broker(clock)
        await broker.statement()
        order = an_order(own, LAST, own.market.symbols()[number % _FEW])
        started = time.perf_counter()
        _intend(own, lease, [order])
        recorded = own.ledger.journal.orders(own.name, open_only=True)
        await send_batch(own, lease, broker, recorded, clock)
        took.append(1000 * (time.perf_counter() - started))
        _require_acknowledged(own, 1)
    return took[5:]  # the first ones compile their statements


async def _batch(desk: Desk) -> float:
    clock, lease = _clock(desk), desk.ledger.leases.acquire(desk.name, "benchmark", LEASE_TIME)
    await desk.broker(clock).statement()
    orders = [an_order(desk, LAST, symbol) for symbol in desk.market.symbols()]
    started = time.perf_counter()
    _intend(desk, lease, orders)
    await place.fn(desk, lease, session_times(desk.market.calendar, LAST), clock)
    took = time.perf_counter() - started
    _require_acknowledged(desk, len(orders))
    return len(orders) / took


def _intend(desk: Desk, lease: Lease, orders: Sequence[NewOrderSingle]) -> None:
    marks = dict.fromkeys((order.symbol for order in orders), _MARK)
    desk.ledger.journal.intend(lease, a_decision(orders), orders, RiskInputs(limits=LIMITS, marks=marks))


def _require_acknowledged(desk: Desk, count: int) -> None:
    orders = desk.ledger.journal.orders(desk.name)
    assert [o.ord_status for o in orders] == [OrdStatus.NEW] * count


def _clock(desk: Desk) -> Clock:
    at = session_times(desk.market.calendar, LAST).decide_at
    return lambda: at


def desk_of(run: Run, name: str, symbols: int = _SYMBOLS) -> Desk:
    """Return a desk with so many symbols, of a folder of its own; a quick run has 50 at most."""
    home, symbols = run.folder / name, min(symbols, 50) if run.quick else symbols
    write_file(home / BARS_FILE, make_market(symbols, 2, run.seed).bars())
    desk = open_desk(home, symbols)
    desk.market.instruments()
    return desk


def _fsync_ms(path: Path, count: int) -> list[float]:
    took = []
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            started = time.perf_counter()
            file.write(bytes(1024))
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - started))
    return took
