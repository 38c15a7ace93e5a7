"""Cancel what is working."""

import asyncio
from dataclasses import dataclass

from blocks.desk import Clock, Desk
from trading.errors import BrokerError, LedgerError

LEDGER = "(the ledger)"
TRIES, WAIT_SECONDS = 10, 1.0  # a batch that was under way when the halt came is over by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """What canceling came to: orders that are done, orders that may still trade, and what went wrong."""

    done: int
    still_open: int
    errors: tuple[str, ...]


async def cancel_orders(desk: Desk, clock: Clock) -> Canceled:
    """Ask the broker to cancel every open order of the account, again until none is on its way any more.

    Canceling is idempotent, and needs no lease: it can only lower what may still trade. An order that was never sent
    is left to the halt; one that fails to cancel does not keep the others from it.
    """
    journal, errors = desk.ledger.journal, dict[str, str]()
    before = {o.cl_ord_id for o in journal.orders(desk.name, open_only=True) if not o.may_be_sent}
    for left in range(TRIES, 0, -1):
        await _cancel_each(desk, clock, errors)
        open_orders = [o for o in journal.orders(desk.name, open_only=True) if not o.may_be_sent]
        before |= {o.cl_ord_id for o in open_orders}
        if not open_orders or left == 1:
            break
        await asyncio.sleep(WAIT_SECONDS)
    return Canceled(done=len(before) - len(open_orders), still_open=len(open_orders), errors=tuple(errors.values()))


async def _cancel_each(desk: Desk, clock: Clock, errors: dict[str, str]) -> None:
    broker, journal = desk.broker(clock), desk.ledger.journal
    sent = [o for o in journal.orders(desk.name, open_only=True) if not o.may_be_sent]
    requests = [order.cancel_request(clock()) for order in sent]
    try:
        journal.intend_cancel(requests)
        errors.pop(LEDGER, None)
    except LedgerError as exc:  # a cancel can only lower what may trade, so it is sent all the same
        errors[LEDGER] = str(exc)
    for request in requests:
        try:
            journal.record(await broker.cancel(request))
            errors.pop(request.orig_cl_ord_id, None)
        except BrokerError as exc:
            errors[request.orig_cl_ord_id] = str(exc)
