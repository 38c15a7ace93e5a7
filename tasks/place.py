"""Place orders: marked as sending, sent once, and whatever the broker said recorded."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.protect import bare_positions
from tasks.send import BATCH, LEASE_TIME, send_batch
from tasks.tell import tell_without_stop
from tasks.trip import watch_orders
from tasks.unprotect import unprotect
from trading.errors import DeskHalted
from trading.ledger import Lease
from trading.market.timetable import SessionTimes
from trading.orders.orders import Order, OrderPurpose


@task(name="place_orders", timeout_seconds=900, cache_policy=NO_CACHE)
async def place(desk: Desk, lease: Lease, times: SessionTimes, clock: Clock) -> int:
    """Send every rebalancing order of the session that is proven not to be at the broker; return how many were sent.

    What waits for a person's approval is left to wait, and what a breaker, a lock or a quarantine has come to forbid is
    given up. The protective orders of a symbol are canceled before; those
    themselves are `tasks.protect`'s to send, and orders that flatten are sized anew by `tasks.flatten`.
    Sizes come from the recorded intents, never from a new decision. No retry here: what was not answered is UNKNOWN,
    and the broker is asked before it is sent again.

    Raises:
        LeaseLost: another run trades the account; nothing more was sent.
        DeskHalted: the desk was stopped; nothing more was sent, and a person is told whose stops were canceled for it.
        NotArmed: the account is live and not armed; nothing more was sent.
        NotProtected: the account is live, and anyone may use the Prefect server; likewise.
        BrokerUnavailable: the broker cannot be reached; the rest may be sent by the next run.
    """
    orders = desk.ledger.journal.orders(desk.name, session=times.session, open_only=True)
    withheld = desk.ledger.approvals.withheld(desk.name)
    due = [o for o in orders if o.may_be_sent and o.cl_ord_id not in withheld]
    due = [o for o in due if o.new_order.purpose is OrderPurpose.REBALANCE and o.new_order.expire_time >= clock()]
    if due:
        await desk.require_protected()
        desk.require_armed(clock())
        # Looked at again when they are sent; here lest stops be canceled for orders that may not go.
        refused = desk.ledger.journal.abandon_forbidden(lease, [o.cl_ord_id for o in due], clock())
        given_up = {r.cl_ord_id for r in refused}
        due = [o for o in due if o.cl_ord_id not in given_up]
    before = {book: bare_positions(desk, book, clock()) for book in {o.new_order.book for o in due}}
    try:
        return await _send_in_batches(desk, lease, times, due, clock)
    except DeskHalted as exc:
        now = {book: bare_positions(desk, book, clock()) for book in before}
        bare = {s: qty for book, held in now.items() for s, qty in held.items() if before[book].get(s) != qty}
        tell_without_stop(desk, times.session, bare, exc, clock())
        raise


async def _send_in_batches(desk: Desk, lease: Lease, times: SessionTimes, due: Sequence[Order], clock: Clock) -> int:
    broker, sent = desk.broker(clock), 0
    if due:
        due = await unprotect(desk, lease, times, due, clock)
    for start in range(0, len(due), BATCH):
        if start:
            await watch_orders(desk, times.session, clock, lease)
        batch = [o for o in due[start : start + BATCH] if o.new_order.expire_time >= clock()]
        desk.require_armed(clock())
        desk.ledger.leases.renew(lease, LEASE_TIME)
        sent += await send_batch(desk, lease, broker, batch, clock)
    return sent
