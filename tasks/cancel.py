"""Cancel what is working."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from prefect.logging import get_run_logger

from blocks.desk import Clock, Desk
from trading.errors import BrokerUnavailable, LedgerError, OutcomeUnknown, TradingError
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


async def cancel_these(desk: Desk, orders: Sequence[Order], clock: Clock) -> tuple[Order, ...]:
    """Cancel these orders, wait until the broker has ended them, and return those that may still trade.

    Canceling is idempotent. One that filled before the cancel came has ended too: look at what is held afterwards.
    """
    journal, wanted = desk.ledger.journal, {o.cl_ord_id for o in orders}
    journal.intend_cancel([order.cancel_request(clock()) for order in orders])
    for left in range(TRIES, 0, -1):
        for order in orders:
            await _cancel(desk, order, clock)
        orders = [o for o in journal.orders(desk.name, open_only=True) if o.cl_ord_id in wanted]
        if not orders or left == 1:
            break
        await asyncio.sleep(WAIT_SECONDS)
    return tuple(orders)


async def _cancel(desk: Desk, order: Order, clock: Clock) -> None:
    try:
        desk.ledger.journal.record(await desk.broker(clock).cancel(order.cancel_request(clock())))
    except (BrokerUnavailable, OutcomeUnknown) as exc:
        get_run_logger().warning("Order %s is not known to be canceled: %s", order.cl_ord_id, exc)


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
