"""Cancel what is working."""

from blocks.desk import Clock, Desk
from tasks.collect import collect_facts
from trading.orders.orders import Order


async def cancel_orders(desk: Desk, clock: Clock) -> tuple[Order, ...]:
    """Ask the broker to cancel every open order of the account that it has acknowledged; return what was open.

    Canceling is idempotent, and needs no lease: it can only lower what may still trade.
    """
    await collect_facts(desk, clock)
    broker = desk.broker(clock)
    before = desk.ledger.journal.orders(desk.name, open_only=True)
    for order in before:
        if order.order_id is not None:
            desk.ledger.journal.record(await broker.cancel(order.cancel_request(clock())))
    after = {o.cl_ord_id: o for o in desk.ledger.journal.orders(desk.name)}
    return tuple(after[o.cl_ord_id] for o in before)
