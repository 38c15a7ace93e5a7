"""Follow orders until the broker calls them done."""

import asyncio
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from blocks.desk import Clock, Desk
from tasks.beat import beating
from tasks.collect import collect_facts
from tasks.publish import publish_table
from tasks.tell import tell_unfilled
from trading.errors import BrokerUnavailable
from trading.market.timetable import SessionTimes
from trading.orders.orders import Order, OrderPurpose

POLL_SECONDS = 5.0


@task(name="follow_orders", cache_policy=NO_CACHE)
async def follow(desk: Desk, times: SessionTimes, until: datetime, clock: Clock) -> tuple[Order, ...]:
    """Collect reports until every order of the session is final or the time is up, and publish orders and fills.

    Protective orders are not followed: they rest until the position is closed.
    It needs no lease: what happened may be recorded by anyone. An order still working then goes on at the broker; the
    reconciliation after the close collects the rest.
    """
    async with beating(desk, f"follows {desk.name}"):
        while True:
            try:
                await collect_facts(desk, clock)
            except BrokerUnavailable as exc:
                get_run_logger().warning("%s", exc)  # asking is repeated anyway
            made = desk.ledger.journal.orders(desk.name, session=times.session)
            orders = tuple(o for o in made if o.new_order.purpose is not OrderPurpose.PROTECT)
            if clock() >= until or not any(o.ord_status.is_open for o in orders):
                break
            await asyncio.sleep(POLL_SECONDS)
    tell_unfilled(desk, times.session, orders, clock())
    await publish_table("orders", [_row(o) for o in orders], f"Orders and fills of {desk.name} for {times.session}")
    return orders


def _row(order: Order) -> dict[str, str]:
    new = order.new_order
    return {
        "symbol": new.symbol,
        "side": new.side.value,
        "quantity": str(new.order_qty),
        "status": order.ord_status.value,
        "filled": str(order.cum_qty),
        "average price": str(order.avg_px or ""),
        "commission": str(order.commission),
        "text": order.text,
        "cl_ord_id": new.cl_ord_id,
    }
