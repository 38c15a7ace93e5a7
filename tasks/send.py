"""Send a batch of orders that are recorded: once, and whatever the broker says of it is recorded too."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from blocks.desk import Clock, Desk
from tasks.tell import tell_unknown
from trading.broker import Broker
from trading.errors import BrokerUnavailable, DeskHalted, OutcomeUnknown
from trading.ledger import Lease
from trading.orders.executions import ExecutionReport, SendMark
from trading.orders.orders import Order

BATCH = 50  # marked in one commit: a crash leaves at most these to be asked for
LEASE_TIME = timedelta(minutes=3)


async def send_batch(desk: Desk, lease: Lease, broker: Broker, orders: Sequence[Order], clock: Clock) -> int:
    """Send a batch: one durable mark for all, one sending each, one durable record of all answers.

    Orders of one list that follow each other are sent as the list they are. What a breaker, a lock or a quarantine has
    come to forbid since it was recorded is given up instead.

    Returns:
        How many went out and were not refused on the way.
    """
    if not orders:
        return 0
    journal = desk.ledger.journal
    refused = {r.cl_ord_id for r in journal.mark_sending(lease, [o.cl_ord_id for o in orders], clock())}
    orders = [o for o in orders if o.cl_ord_id not in refused]
    reports: list[ExecutionReport] = []
    sent = done = 0
    try:
        for linked in _lists(orders):
            rest = orders[done:]
            done += len(linked)
            try:
                if any(o.new_order.expire_time < clock() for o in linked):
                    _take_back(desk, lease, rest, clock, "it became too late to send")
                    break
                journal.require_may_send(lease, clock(), linked[0].cl_ord_id)
                reports += await _send(broker, linked)
                sent += len(linked)
            except OutcomeUnknown as exc:
                for order in linked:
                    journal.mark(lease, order.cl_ord_id, SendMark.UNKNOWN, clock(), str(exc))
                    tell_unknown(desk, order, clock())
            except (BrokerUnavailable, DeskHalted) as exc:
                _take_back(desk, lease, rest, clock, str(exc))
                raise
    finally:
        journal.record(reports)
    return sent


def _lists(orders: Sequence[Order]) -> Iterator[list[Order]]:
    for _, linked in groupby(orders, key=lambda o: o.new_order.list_id or o.cl_ord_id):
        yield list(linked)


async def _send(broker: Broker, linked: Sequence[Order]) -> tuple[ExecutionReport, ...]:
    if len(linked) == 1:
        return await broker.submit(linked[0].new_order)
    return await broker.submit_list([o.new_order for o in linked])


def _take_back(desk: Desk, lease: Lease, orders: Sequence[Order], clock: Clock, why: str) -> None:
    for order in orders:
        desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.NOT_SENT, clock(), why)
