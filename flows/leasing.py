"""Leasing: the right to trade an account, held for as long as a routine runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blocks.desk import Desk
from tasks.place import LEASE_TIME
from trading.ledger import Lease


@asynccontextmanager
async def leasing(desk: Desk, holder: str) -> AsyncIterator[Lease]:
    """Hold the account's lease; a killed process leaves it to expire, or to be taken over once it is proven dead.

    Raises:
        LeaseHeld: another run trades the account.
    """
    lease = desk.ledger.leases.acquire(desk.name, holder, LEASE_TIME)
    try:
        yield lease
    finally:
        desk.ledger.leases.release(lease)
