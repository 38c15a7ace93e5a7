"""Approve: show persons what waits for their word, and give up what did not get it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk, wall_clock
from tasks.model import page_model
from tasks.publish import publish_table
from tasks.tell import tell_timed_out
from tasks.value import prices_at_open
from trading.ledger import Lease
from trading.orders.executions import SendMark
from trading.orders.orders import NewOrderSingle
from trading.risk.approvals import Approval
from trading.risk.proposals import Proposed, changed_targets, measure_lines, order_rows, risk_lines, table

ZERO = Decimal(0)


@task(name="propose_orders", timeout_seconds=120, cache_policy=NO_CACHE)
async def propose(desk: Desk, approval: Approval, open_at: datetime) -> str:
    """Publish the orders that wait for approval, and return what the form says of them, as markdown."""
    journal, decision_id = desk.ledger.journal, approval.request.decision_id
    orders = [o.new_order for i in approval.orders if (o := journal.order(i)) is not None]
    session, book = orders[0].session, orders[0].book
    decision = journal.decision(desk.name, session, book) or {}
    before = journal.decision_before(desk.name, session, book)
    proposed = _proposed(desk, orders, open_at, decision["equity"])
    model, _, limits = page_model(desk, {*proposed.prices}, decision["bars_session"])
    rows = order_rows(proposed)
    await publish_table("approval", rows, f"Orders of {decision_id} that need approval")
    head = f"**{len(orders)} orders of {decision['strategy']} for {session}, account {desk.name}: "
    return "\n\n".join(
        [
            f"{head}{approval.request.reason}.**",
            _cost(desk, proposed),
            table(
                ("risk, of equity", "before", "after"),
                risk_lines(proposed) + measure_lines(proposed, model, limits.level),
            ),
            table(("symbol", "side", "quantity", "value"), [tuple(row.values())[:4] for row in rows]),
            changed_targets(decision, before),
        ]
    )


def _proposed(desk: Desk, orders: Sequence[NewOrderSingle], open_at: datetime, equity: Decimal) -> Proposed:
    held = desk.ledger.facts.books(desk.name, open_at).held()
    instruments = desk.market.instruments()
    return Proposed(
        orders=orders,
        held=held,
        prices=prices_at_open(desk, orders[0].session, {*held, *(s for o in orders for s in o.symbols)}),
        multipliers={s: i.multiplier for s, i in instruments.items() if i.multiplier != 1},
        equity=equity,
    )


def _cost(desk: Desk, proposed: Proposed) -> str:
    terms = desk.account.paper
    values = [proposed.value(order) for order in proposed.orders]
    commission = sum((terms.commission(o.order_qty, v) for o, v in zip(proposed.orders, values, strict=True)), ZERO)
    spread = sum(values, ZERO) * (terms.spread_bp / 2 + terms.slippage_bp) / 10_000
    return (
        f"Estimated cost: {commission + spread:,.2f} {desk.account.currency}, of which commission {commission:,.2f} "
        f"and spread {spread:,.2f} (by the account's paper settings, at the last closes)."
    )


def give_up_unapproved(desk: Desk, lease: Lease, clock: Clock) -> None:
    """Abandon the orders that persons, or nobody in time, said no to; what still waits is left to wait."""
    desk.ledger.approvals.close_late(desk.name, wall_clock())
    refused = {i: a for i, a in desk.ledger.approvals.withheld(desk.name).items() if not a.waits}
    for approval in {a.request.decision_id: a for a in refused.values() if a.timed_out}.values():
        tell_timed_out(desk, approval, wall_clock())
    for cl_ord_id, approval in refused.items():
        desk.ledger.journal.mark(lease, cl_ord_id, SendMark.ABANDONED, clock(), f"not approved: {approval.text}")
