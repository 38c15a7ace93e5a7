"""Place orders: marked as sending, sent once, and whatever the broker said recorded."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.tell import tell_unknown
from tasks.trip import watch_orders
from tasks.unprotect import unprotect
from trading.broker import Broker
from trading.errors import BrokerUnavailable, DeskHalted, OutcomeUnknown
from trading.ledger import Lease
from trading.market.timetable import SessionTimes
from trading.orders.executions import ExecutionReport, SendMark
from trading.orders.orders import Order, OrderPurpose

BATCH = 50  # marked in one commit: a crash leaves at most these to be asked for
LEASE_TIME = timedelta(minutes=3)


@task(name="place_orders", timeout_seconds=900, cache_policy=NO_CACHE)
async def place(desk: Desk, lease: Lease, times: SessionTimes, clock: Clock) -> int:
    """Send every recorded order of the session that is proven not to be at the broker, and return how many were sent.

    What waits for a person's approval is left to wait. The protective orders of a symbol are canceled before; those
    themselves are `tasks.protect`'s to send.
    Sizes come from the recorded intents, never from a new decision. No retry here: what was not answered is UNKNOWN,
    and the broker is asked before it is sent again.

    Raises:
        LeaseLost: another run trades the account; nothing more was sent.
        DeskHalted: the desk was stopped; nothing more was sent.
        NotArmed: the account is live and not armed; nothing more was sent.
        NotProtected: the account is live, and anyone may use the Prefect server; likewise.
        BrokerUnavailable: the broker cannot be reached; the rest may be sent by the next run.
    """
    broker, sent = desk.broker(clock), 0
    orders = desk.ledger.journal.orders(desk.name, session=times.session, open_only=True)
    withheld = desk.ledger.approvals.withheld(desk.name)
    due = [o for o in orders if o.may_be_sent and o.cl_ord_id not in withheld]
    due = [o for o in due if o.new_order.purpose is not OrderPurpose.PROTECT and o.new_order.expire_time >= clock()]
    if due:
        await desk.require_protected()
        desk.require_armed(clock())
        due = await unprotect(desk, lease, times, due, clock)
    for start in range(0, len(due), BATCH):
        if start:
            await watch_orders(desk, times.session, clock)
        batch = [o for o in due[start : start + BATCH] if o.new_order.expire_time >= clock()]
        desk.require_armed(clock())
        desk.ledger.leases.renew(lease, LEASE_TIME)
        sent += await place_batch(desk, lease, broker, batch, clock)
    return sent


async def place_batch(desk: Desk, lease: Lease, broker: Broker, orders: Sequence[Order], clock: Clock) -> int:
    """Send a batch: one durable mark for all, one sending each, one durable record of all answers.

    Orders of one list that follow each other are sent as the list they are.

    Returns:
        How many went out and were not refused on the way.
    """
    if not orders:
        return 0
    journal = desk.ledger.journal
    journal.mark_sending(lease, [o.cl_ord_id for o in orders], clock())
    reports: list[ExecutionReport] = []
    sent = 0
    try:
        for linked in _lists(orders):
            rest = orders[orders.index(linked[0]) :]
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
