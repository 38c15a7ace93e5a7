"""Approve: show persons what waits for their word, and give up what did not get it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk, wall_clock
from tasks.model import page_model
from tasks.publish import publish_table
from tasks.value import prices_at_open
from trading.alerts import Alert, Severity
from trading.ledger import Lease
from trading.orders.executions import SendMark
from trading.orders.orders import NewOrderSingle
from trading.risk.approvals import Approval
from trading.risk.report import stresses_of
from trading.risk.risk_model import exposure_value
from trading.risk.tail_measures import tail_risk

ZERO = Decimal(0)
MOST_LINES = 50  # in a form; the artifact has them all
RiskLine = tuple[str, str, str]  # what, before and after the orders


@task(name="propose_orders", timeout_seconds=120, cache_policy=NO_CACHE)
async def propose(desk: Desk, approval: Approval, open_at: datetime) -> str:
    """Publish the orders that wait for approval, and return what the form says of them, as markdown."""
    journal, decision_id = desk.ledger.journal, approval.request.decision_id
    orders = [o.new_order for i in approval.orders if (o := journal.order(i)) is not None]
    decision = journal.decision(desk.name, orders[0].session, orders[0].book) or {}
    before = journal.decision_before(desk.name, orders[0].session, orders[0].book)
    held = desk.ledger.facts.books(desk.name, open_at).held()
    parts = [part for order in orders for part in order.parts()]
    prices = prices_at_open(desk, orders[0].session, {*held, *(p.symbol for p in parts)})
    lines = sorted((_order_row(o, prices) for o in orders), key=lambda row: -row["value"])
    await publish_table("approval", [_shown(r) for r in lines], f"Orders of {decision_id} that need approval")
    head = (
        f"**{len(orders)} orders of {decision['strategy']} for {orders[0].session}, account {desk.name}: "
        f"{approval.request.reason}.**"
    )
    return "\n\n".join(
        [
            head,
            _cost(desk, orders, prices),
            _table(
                ("risk, of equity", "before", "after"),
                risk_lines(held, parts, prices, decision["equity"])
                + measure_lines(desk, held, parts, prices, decision["equity"], decision["bars_session"]),
            ),
            _table(("symbol", "side", "quantity", "value"), [tuple(_shown(r).values())[:4] for r in lines]),
            _changes(decision, before),
        ]
    )


def give_up_unapproved(desk: Desk, lease: Lease, clock: Clock) -> None:
    """Abandon the orders that persons, or nobody in time, said no to; what still waits is left to wait."""
    desk.ledger.approvals.close_late(desk.name, wall_clock())
    refused = {i: a for i, a in desk.ledger.approvals.withheld(desk.name).items() if not a.waits}
    for approval in {a.request.decision_id: a for a in refused.values() if a.timed_out}.values():
        _tell_timed_out(desk, approval)
    for cl_ord_id, approval in refused.items():
        desk.ledger.journal.mark(lease, cl_ord_id, SendMark.ABANDONED, clock(), f"not approved: {approval.text}")


def tell_waiting(desk: Desk, approval: Approval, link: str) -> None:
    """Tell where orders wait for a person's word; another run that asks again tells its own place."""
    request = approval.request
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"approval {request.decision_id} {link}",
            severity=Severity.WARNING,
            title=f"{len(approval.orders)} orders of {desk.name} wait for approval until "
            f"{request.deadline:%Y-%m-%d %H:%M} UTC",
            text=f"{request.decision_id}: {request.reason}. Without an answer nothing is sent.\n"
            f"Log in, and answer at {link} with Resume; or with `openbell approve {request.decision_id}`.",
            raised_at=wall_clock(),
        )
    )


def _tell_timed_out(desk: Desk, approval: Approval) -> None:
    request = approval.request
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"approval time-out {request.decision_id}",
            severity=Severity.CRITICAL,
            title=f"Nobody approved {len(approval.orders)} orders of {desk.name} in time, so none was sent",
            text=f"{request.decision_id} waited until {request.deadline:%Y-%m-%d %H:%M} UTC: {request.reason}. "
            "Its orders are given up; the positions stay as they are until the next session.",
            raised_at=wall_clock(),
        )
    )


def _order_row(order: NewOrderSingle, prices: Mapping[str, Decimal]) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": order.order_qty,
        "value": _value(order.parts(), prices),
        "type": order.ord_type.value,
        "limit": order.price or "",
        "cl_ord_id": order.cl_ord_id,
    }


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{value:,.2f}" if name == "value" else str(value) for name, value in row.items()}


def _value(parts: Iterable[NewOrderSingle], prices: Mapping[str, Decimal]) -> Decimal:
    return sum((p.order_qty * prices.get(p.symbol, ZERO) for p in parts), ZERO)


def _cost(desk: Desk, orders: Sequence[NewOrderSingle], prices: Mapping[str, Decimal]) -> str:
    terms = desk.account.paper
    values = [_value(order.parts(), prices) for order in orders]
    commission = sum((terms.commission(o.order_qty, v) for o, v in zip(orders, values, strict=True)), ZERO)
    spread = sum(values, Decimal(0)) * (terms.spread_bp / 2 + terms.slippage_bp) / 10_000
    return (
        f"Estimated cost: {commission + spread:,.2f} {desk.account.currency}, of which commission {commission:,.2f} "
        f"and spread {spread:,.2f} (by the account's paper settings, at the last closes)."
    )


def risk_lines(
    held: Mapping[str, Decimal], orders: Iterable[NewOrderSingle], prices: Mapping[str, Decimal], equity: Decimal
) -> list[RiskLine]:
    """Return what the form says of the account's risk, before the orders and once all of them are filled."""
    after = _filled(held, orders)
    now, then = ({s: q * prices[s] for s, q in qtys.items() if q and s in prices} for qtys in (held, after))
    lines = [
        ("gross exposure", _share(_gross(now), equity), _share(_gross(then), equity)),
        ("net exposure", _share(sum(now.values(), ZERO), equity), _share(sum(then.values(), ZERO), equity)),
        ("largest position", _largest(now, equity), _largest(then, equity)),
    ]
    unpriced = sorted(s for s, qty in after.items() if qty and s not in prices)
    return lines + ([("not counted, for want of a price", "", ", ".join(unpriced))] if unpriced else [])


def measure_lines(
    desk: Desk,
    held: Mapping[str, Decimal],
    orders: Iterable[NewOrderSingle],
    prices: Mapping[str, Decimal],
    equity: Decimal,
    known: date,
) -> list[RiskLine]:
    """Return what a session may lose, and what the worst scenario would; nothing where no history is in store."""
    model, _, limits = page_model(desk, {*prices}, known)
    if not model.index:
        return []
    now, then = (
        {s: exposure_value(s, qty, prices[s]) for s, qty in qtys.items() if s in prices}
        for qtys in (held, _filled(held, orders))
    )
    before, after = (tail_risk(model.values(worth) @ model.returns, limits.level) for worth in (now, then))
    worst_before, worst_after = stresses_of(model, now)[0], stresses_of(model, then)[0]

    def line(name: str, amount: float, amount_after: float) -> RiskLine:
        return name, _share(Decimal(repr(amount)), equity), _share(Decimal(repr(amount_after)), equity)

    return [
        line(f"value at risk, {limits.level:.0%}", before.value_at_risk, after.value_at_risk),
        line(f"expected shortfall, {limits.level:.0%}", before.expected_shortfall, after.expected_shortfall),
        line(f"worst stress ({worst_after.scenario})", worst_before.loss, worst_after.loss),
    ]


def _filled(held: Mapping[str, Decimal], orders: Iterable[NewOrderSingle]) -> dict[str, Decimal]:
    after = dict(held)
    for order in orders:
        after[order.symbol] = after.get(order.symbol, ZERO) + order.signed_qty
    return after


def _gross(worth: Mapping[str, Decimal]) -> Decimal:
    return sum(map(abs, worth.values()), ZERO)


def _share(amount: Decimal, equity: Decimal) -> str:
    return f"{amount:,.0f}" + (f" ({amount / equity:.1%})" if equity > 0 else "")


def _largest(worth: Mapping[str, Decimal], equity: Decimal) -> str:
    if not worth:
        return "none"
    symbol = max(worth, key=lambda s: (abs(worth[s]), s))
    return f"{symbol} {_share(worth[symbol], equity)}"


def _changes(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """Return the lines of the targets that are not as they were in the book's session before."""
    if before is None:
        return "There is no session before to compare with."
    new, old = ({t["symbol"]: t["target_qty"] for t in decision["targets"]} for decision in (now, before))
    changed = [s for s in sorted({*new, *old}) if Decimal(new.get(s, 0)) != Decimal(old.get(s, 0))]
    rows = [(s, str(old.get(s, 0)), str(new.get(s, 0))) for s in changed]
    return f"Targets that differ from those of {before['session']}:\n\n" + _table(("symbol", "before", "now"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "None."
    lines = [head, ["---"] * len(head), *rows[:MOST_LINES]]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    left = len(rows) - MOST_LINES
    return f"{text}\n\nand {left} more; the run's artifact `approval` has every order." if left > 0 else text
