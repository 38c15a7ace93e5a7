"""Cancel what is working."""

import asyncio
from dataclasses import dataclass

from blocks.desk import Clock, Desk
from trading.errors import LedgerError, TradingError
from trading.orders.orders import Order

TRIES, WAIT_SECONDS = 10, 1.0  # a batch that was under way when the halt came is over by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """What canceling came to: orders that are done, orders that may still trade, and what went wrong."""

    done: int
    still_open: int
    errors: tuple[str, ...]


async def cancel_orders(desk: Desk, clock: Clock) -> Canceled:
    """Have the broker cancel everything that works for the account, again until none is on its way any more.

    Canceling is idempotent, and needs no lease: it can only lower what may still trade. An order that was never sent
    is left to the halt.
    """
    error = ""
    before = {o.cl_ord_id for o in _at_broker(desk)}
    for left in range(TRIES, 0, -1):
        error = await _cancel_all(desk, clock)
        still_open = _at_broker(desk)
        before |= {o.cl_ord_id for o in still_open}
        if not still_open or left == 1:
            break
        await asyncio.sleep(WAIT_SECONDS)
    return Canceled(done=len(before) - len(still_open), still_open=len(still_open), errors=(error,) if error else ())


async def _cancel_all(desk: Desk, clock: Clock) -> str:
    """Record that all are to be canceled, ask for it, record what the broker says; return what went wrong, if anything.

    One request for all: it works where the orders belong to another process, and takes what a person placed too.
    """
    broker, journal, orders = desk.broker(clock), desk.ledger.journal, _at_broker(desk)
    error = ""
    try:
        journal.intend_cancel([order.cancel_request(clock()) for order in orders])
    except LedgerError as exc:
        error = str(exc)  # a cancel that cannot be written down is asked for all the same
    try:
        await broker.cancel_all()
        if orders:
            journal.record(await broker.reports_since(min(o.new_order.transact_time for o in orders)))
    except TradingError as exc:
        error = str(exc)
    return error


def _at_broker(desk: Desk) -> tuple[Order, ...]:
    """Return the open orders that may be at the broker."""
    return tuple(o for o in desk.ledger.journal.orders(desk.name, open_only=True) if not o.may_be_sent)
