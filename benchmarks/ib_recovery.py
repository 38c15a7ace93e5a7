"""Recovery: a desk with a thousand orders at work is killed, and a new process finds its way."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measurement import Measurement, Run, at_most, percentile
from cli.children import clean_environment
from cli.prefect_server import client_environment

_ORDERS = 1000
_PATIENCE = 120  # s
_LIVES = 3  # of the process that finds its way; each is killed like the first


def recover(run: Run) -> Iterator[Measurement]:
    """Kill a desk with 1,000 orders at work, and time the next from its first message to reconciled books."""
    from benchmarks.ib_desks import running_gateway

    count = 60 if run.quick else _ORDERS
    with running_gateway() as gateway:
        home = run.folder / "recovery"
        _life(home, gateway.port, "place", count)
        lives = [_life(home, gateway.port, "recover", count) for _ in range(run.repeats(_LIVES))]
        bare = [_life(home, gateway.port, "bare", count) for _ in range(run.repeats(_LIVES))]
        working = gateway.do("count")["working"]
    assert working == count, working
    value = percentile([life["seconds"] for life in lives], 50)
    yield Measurement(
        name="ib.recover1000",
        value=value,
        unit="s",
        baseline=percentile([life["seconds"] for life in bare], 50),
        note=f"after SIGKILL with {count:,} orders at work: lease, connection, synchronisation, orders never answered "
        "asked for, orders, positions and cash reconciled without a break; baseline: connectAsync of ib_async alone "
        "and all open orders",
        aim=at_most(value, 5),
    )
    yield Measurement(
        name="ib.recover1000.process",
        value=percentile([life["since_start"] for life in lives], 50),
        unit="s",
        baseline=percentile([life["since_start"] for life in bare], 50),
        note="the same from the start of the new process, imports included",
    )


def _life(home: Path, port: int, what: str, count: int) -> dict[str, Any]:
    """Run a process until it says that it is done, and kill it."""
    home.mkdir(exist_ok=True)
    environment = clean_environment() | client_environment(home.parent, 1)  # no server is asked
    command = [sys.executable, "-m", "benchmarks.ib_recovery", what, str(home), str(port), str(count)]
    started = time.time()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that was to {what} ended with {child.wait()}")
        return json.loads(line) | {"since_start": time.time() - started}
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


# in the process that is killed


async def _place(home: Path, port: int, count: int) -> None:
    """Put orders to work, in the batches that a session sends."""
    from benchmarks.ib_desks import an_ib_order, in_one_session, intend, open_ib_desk
    from blocks.desk import wall_clock
    from tasks.send import BATCH, LEASE_TIME, send_batch
    from trading.orders.orders import OrdStatus, OrdType

    desk = open_ib_desk(home, port)
    journal, broker = desk.ledger.journal, desk.broker(wall_clock)
    await broker.statement()  # takes down the opening balance
    desk.ledger.facts.record_cash((await broker.statement()).cash_movements)
    lease = desk.ledger.leases.acquire(desk.name, "benchmark", LEASE_TIME)
    intend(desk, lease, in_one_session([an_ib_order(number, OrdType.LIMIT) for number in range(count)]))
    due = journal.orders(desk.name, open_only=True)
    for start in range(0, count, BATCH):
        lease = desk.ledger.leases.renew(lease, LEASE_TIME)
        await send_batch(desk, lease, broker, due[start : start + BATCH], wall_clock)
    assert [o.ord_status for o in journal.orders(desk.name)] == [OrdStatus.NEW] * count


async def _recover(home: Path, port: int, count: int) -> float:
    """Do what a session does before it trades; return what it took."""
    from benchmarks.ib_desks import open_ib_desk
    from blocks.desk import wall_clock
    from tasks.reconcile import find_breaks
    from tasks.recover import recover
    from tasks.send import LEASE_TIME
    from trading.orders.orders import OrdStatus

    desk = open_ib_desk(home, port)
    started = time.perf_counter()
    lease = desk.ledger.leases.acquire(desk.name, f"benchmark {datetime.now(UTC)}", LEASE_TIME)
    assert await recover.fn(desk, lease, wall_clock) == 0
    breaks, statement = await find_breaks(desk, wall_clock)
    took = time.perf_counter() - started
    orders = desk.ledger.journal.orders(desk.name)
    assert not breaks, breaks
    assert len(statement.working) == count
    assert [o.ord_status for o in orders] == [OrdStatus.NEW] * count
    return took


async def _bare(_home: Path, port: int, count: int) -> float:
    """Connect with the library alone, and have every open order told."""
    from importlib import import_module

    ib = import_module("ib_async").IB()
    started = time.perf_counter()
    await ib.connectAsync("127.0.0.1", port, clientId=10)
    assert len(await ib.reqAllOpenOrdersAsync()) == count
    return time.perf_counter() - started


async def _live(what: str, home: str, port: str, count: str) -> None:
    took = await {"place": _place, "recover": _recover, "bare": _bare}[what](Path(home), int(port), int(count))
    print(json.dumps({"seconds": took}), flush=True)
    await asyncio.sleep(_PATIENCE)


if __name__ == "__main__":
    asyncio.run(_live(*sys.argv[1:]))
