"""Rules of sending: what may have come between an order's intention and its sending.

A person's approval, a crash, or the orders before it take time. What would make the gate refuse an order for what a
breaker forbids, or for a symbol that was locked or quarantined since, keeps it from being sent. Limits are not looked
at again: the order has been reserved against them since it was recorded. Nor is it cut: what a person approved, or a
broker may know, keeps its quantity.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import groupby

from trading.alerts import Alert, Severity
from trading.orders.orders import NewOrderSingle, OrderPurpose
from trading.risk import exposure_rules, permission_rules
from trading.risk.limits import RiskDecision, RiskLimits
from trading.risk.risk_state import RiskState
from trading.risk.tally import Proposal, Refusal, Tally


def refused_at_sending(orders: Sequence[NewOrderSingle], state: RiskState) -> tuple[RiskDecision, ...]:
    """Return the refusals of those orders that may not be sent any more.

    Each that may counts as working for the next ones. One refused takes all that follow it in its list with it.
    Orders to flatten always may, and protective ones under what lets positions only be closed.

    Args:
        state: with what works at the broker, without the orders themselves.
    """
    tally, refused = Tally(state, RiskLimits()), []
    for _, linked in groupby(orders, key=lambda o: o.list_id or o.cl_ord_id):
        together, ahead = tuple(linked), tally.copy()
        refusal = next(_refusals(ahead, together), None)
        if refusal is None:
            tally = ahead
        else:
            refused += [_decision(order, refusal) for order in together]
    return tuple(refused)


def _refusals(tally: Tally, orders: Sequence[NewOrderSingle]) -> Iterator[Refusal]:
    for order in orders:
        for part in order.parts():
            asked = tally.propose(part, part.order_qty)
            if (refusal := _refusal(tally, asked)) is not None:
                yield refusal
            tally.count(asked)


def _refusal(tally: Tally, asked: Proposal) -> Refusal | None:
    if asked.order.purpose is OrderPurpose.FLATTEN:
        return None
    forbidden = permission_rules.no_breaker(tally, asked) or permission_rules.symbol_known(tally, asked)
    if asked.order.purpose is OrderPurpose.PROTECT:
        return forbidden
    return forbidden or exposure_rules.breaker_lets_add(tally, asked)


def _decision(order: NewOrderSingle, refusal: Refusal) -> RiskDecision:
    return RiskDecision(
        cl_ord_id=order.cl_ord_id,
        symbol=order.symbol,
        accepted=False,
        asked_qty=order.order_qty,
        granted_qty=Decimal(0),
        **refusal._asdict(),
    )


def unsent_text(refused: RiskDecision) -> str:
    """Return what is kept with an order that was refused at its sending."""
    return f"not sent: {refused.code}: {refused.text}"


def unsent_alert(account: str, refused: Sequence[RiskDecision], now: datetime) -> Alert:
    """Return what a person is told of orders that were recorded, and perhaps approved, and may not be sent any more."""
    which = sha256(" ".join(sorted(r.cl_ord_id for r in refused)).encode()).hexdigest()[:16]
    lines = [f"{r.symbol}: {r.cl_ord_id} {unsent_text(r)}" for r in refused]
    return Alert(
        fingerprint=f"unsent {account} {which}",
        severity=Severity.WARNING,
        title=f"{len(refused)} recorded orders of {account} were given up before they were sent",
        text="\n".join([*lines, "They are not sent later either; the next session decides anew."]),
        raised_at=now,
    )
