"""Leasing: the right to trade an account, held for as long as a routine runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blocks.desk import Desk, wall_clock
from tasks.beat import beating
from tasks.send import LEASE_TIME
from trading.ledger import Lease


@asynccontextmanager
async def leasing(desk: Desk, holder: str) -> AsyncIterator[tuple[Desk, Lease]]:
    """Hold the account's lease and its place at the broker; yields the desk that may trade, and the lease.

    A killed process leaves both: the lease to expire, or to be taken over once it is proven dead.

    Raises:
        LeaseHeld: another run trades the account.
    """
    lease, trader = desk.ledger.leases.acquire(desk.name, holder, LEASE_TIME), desk.as_trader()
    try:
        async with beating(desk, holder):
            yield trader, lease
    finally:
        await trader.broker(wall_clock).close()
        desk.ledger.leases.release(lease)
