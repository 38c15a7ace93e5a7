"""Place orders: marked as sending, sent once, and whatever the broker said recorded."""

from collections.abc import Sequence
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.tell import tell_unknown
from trading.broker import Broker
from trading.errors import BrokerUnavailable, DeskHalted, OutcomeUnknown
from trading.ledger import Lease
from trading.market.timetable import SessionTimes
from trading.orders.executions import ExecutionReport, SendMark
from trading.orders.orders import Order

BATCH = 50  # marked in one commit: a crash leaves at most these to be asked for
LEASE_TIME = timedelta(minutes=3)


@task(name="place_orders", timeout_seconds=900, cache_policy=NO_CACHE)
async def place(desk: Desk, lease: Lease, times: SessionTimes, clock: Clock) -> int:
    """Send every recorded order of the session that is proven not to be at the broker, and return how many were sent.

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
    due = [o for o in orders if o.may_be_sent]
    if due:
        await desk.require_protected()
    for start in range(0, len(due), BATCH):
        batch = [o for o in due[start : start + BATCH] if o.new_order.expire_time >= clock()]
        desk.require_armed(clock())
        desk.ledger.leases.renew(lease, LEASE_TIME)
        sent += await place_batch(desk, lease, broker, batch, clock)
    return sent


async def place_batch(desk: Desk, lease: Lease, broker: Broker, orders: Sequence[Order], clock: Clock) -> int:
    """Send a batch: one durable mark for all, one sending each, one durable record of all answers.

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
        for done, order in enumerate(orders):
            try:
                if order.new_order.expire_time < clock():
                    _take_back(desk, lease, orders[done:], clock, "it became too late to send")
                    break
                journal.require_may_send(lease, clock(), order.cl_ord_id)
                reports += await broker.submit(order.new_order)
                sent += 1
            except OutcomeUnknown as exc:
                journal.mark(lease, order.cl_ord_id, SendMark.UNKNOWN, clock(), str(exc))
                tell_unknown(desk, order, clock())
            except (BrokerUnavailable, DeskHalted) as exc:
                _take_back(desk, lease, orders[done:], clock, str(exc))
                raise
    finally:
        journal.record(reports)
    return sent


def _take_back(desk: Desk, lease: Lease, orders: Sequence[Order], clock: Clock, why: str) -> None:
    for order in orders:
        desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.NOT_SENT, clock(), why)
