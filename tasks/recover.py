"""Recover: find out what became of every order whose outcome is not known. Nothing is ever assumed."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.approve import give_up_unapproved
from tasks.tell import tell_unknown
from trading.broker import Broker, BrokerFence
from trading.errors import BrokerUnavailable, OutcomeUnknown
from trading.ledger import Lease
from trading.orders.executions import SendMark
from trading.orders.orders import Order, OrderPurpose, OrdStatus

LOGGER = logging.getLogger(__name__)  # also used where there is no run, and so no run's logger


@task(name="recover_orders", timeout_seconds=300, cache_policy=NO_CACHE)
async def recover(desk: Desk, lease: Lease, clock: Clock) -> int:
    """Ask about every order that is UNKNOWN; see `resolve_unknown`."""
    return await resolve_unknown(desk, lease, clock)


async def resolve_unknown(desk: Desk, lease: Lease, clock: Clock) -> int:
    """Ask the broker about every order that may have been sent and was never answered; return how many stay UNKNOWN.

    Found: its reports are recorded. Proven absent, at a broker with a fence: it may be sent again with the same
    ClOrdID, or is given up when it is too late. Not provable: it keeps its risk, locks its symbol, and a person is
    told. What persons did not approve is given up.
    """
    broker = desk.broker(clock)
    open_orders = desk.ledger.journal.orders(desk.name, open_only=True)
    silent = [o for o in open_orders if o.order_id is None and not o.may_be_sent]
    unresolved = [o for o in silent if not await _resolve(desk, lease, broker, o, clock)]
    give_up_unapproved(desk, lease, clock)
    _give_up_what_is_late(desk, lease, clock)
    for order in unresolved:
        tell_unknown(desk, order, clock())
    return len(unresolved)


async def _resolve(desk: Desk, lease: Lease, broker: Broker, order: Order, clock: Clock) -> bool:
    if order.ord_status is not OrdStatus.UNKNOWN:
        desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.UNKNOWN, clock(), "never answered")
    try:
        reports = await broker.find(order.cl_ord_id)
    except (BrokerUnavailable, OutcomeUnknown) as exc:
        LOGGER.error("Order %s stays UNKNOWN: %s", order.cl_ord_id, exc)
        return False
    if reports:
        desk.ledger.journal.record(reports)
        return True
    if broker.fence is BrokerFence.NONE:
        return False
    desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.NOT_SENT, clock(), "proven absent at the broker")
    return True


def _give_up_what_is_late(desk: Desk, lease: Lease, clock: Clock) -> None:
    for order in desk.ledger.journal.orders(desk.name, open_only=True):
        if order.may_be_sent and order.new_order.expire_time < clock():
            text = f"not sent by {order.new_order.expire_time:%Y-%m-%d %H:%M} UTC, and too late now"
        elif order.may_be_sent and order.new_order.purpose is OrderPurpose.FLATTEN:
            text = "not sent, and what is held may be another quantity by now"
        else:
            continue
        desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.ABANDONED, clock(), text)
