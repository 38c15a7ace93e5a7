"""What has to hold after a run, and at every moment of it, computed here from what the gateway has and the ledger says.

The sums are made anew and by hand: nothing of `trading.risk` or of the books is used to check itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from benchmarks.kills.desk import Trial
from benchmarks.kills.plans import ACCOUNT, CASH, CLOSES
from ib_gateway import orders as gateway_orders
from ib_gateway.gateway import Gateway
from ib_gateway.orders import Status
from trading.breaks import Break, BreakType
from trading.orders.executions import ExecType
from trading.orders.orders import Order, OrdStatus
from trading.risk.limits import RiskLimits

_ZERO, _CENT = Decimal(0), Decimal("0.01")
_MANUAL = "ib-"
_SAME = {
    Status.FILLED: {OrdStatus.FILLED},
    Status.CANCELLED: {OrdStatus.CANCELED, OrdStatus.REJECTED},
    Status.INACTIVE: {OrdStatus.REJECTED, OrdStatus.SUSPENDED},
    Status.SUBMITTED: {OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED},
    Status.PRE_SUBMITTED: {OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED},
}


@dataclass(slots=True)
class Verdict:
    """What a run is found to have done.

    Attributes:
        violations: sentences; none is what every run has to end with.
    """

    violations: list[str] = field(default_factory=list)
    duplicates: int = 0
    lost: int = 0
    breaches: int = 0
    unknown_locked: int = 0


class Open(NamedTuple):
    """What may still be bought (or sold, negative) at a price."""

    symbol: str
    signed: Decimal
    unit_value: Decimal


def worst_case(held: dict[str, Decimal], working: Iterable[Open]) -> dict[str, Decimal]:
    """Return the largest value that each position may come to, long or short, at the last closes."""
    buys, sells = defaultdict[str, list[Open]](list), defaultdict[str, list[Open]](list)
    for one in working:
        (buys if one.signed > 0 else sells)[one.symbol].append(one)
    worst = {}
    for symbol in {*held, *buys, *sells}:
        now = held.get(symbol, _ZERO)
        long = _side(max(now, _ZERO), max(-now, _ZERO), CLOSES[symbol], buys[symbol])
        short = _side(max(-now, _ZERO), max(now, _ZERO), CLOSES[symbol], sells[symbol])
        worst[symbol] = max(long, short)
    return worst


def _side(held: Decimal, closes: Decimal, mark: Decimal, orders: list[Open]) -> Decimal:
    working = sum((abs(o.signed) for o in orders), _ZERO)
    dearest = max([mark, *(o.unit_value for o in orders)])
    return held * mark + max(working - closes, _ZERO) * dearest


class LimitWatch:
    """Looks at the account's worst case after every intent and every acceptance.

    What strangers trade is no order of the desk: a symbol that they traded is left out from then on, and the account's
    total is allowed what they added.
    """

    def __init__(self, trial: Trial, gateway: Gateway, verdict: Verdict) -> None:
        self._trial, self._gateway, self._verdict = trial, gateway, verdict

    def intended(self) -> None:
        """Look at the ledger: what it holds, and all that it has reserved."""
        journal = self._trial.ledger.journal
        orders = journal.orders(ACCOUNT)
        books = self._trial.ledger.facts.books(ACCOUNT, self._trial.now())
        self._look("ledger", books.held(), [_reserved(o) for o in orders if o.ord_status.is_open])
        self._count("ledger", [_value_of(o) for o in orders])

    def accepted(self) -> None:
        """Look at the gateway: what the account holds there, and all that works."""
        ours = [o for o in self._gateway.accepted if o.order_ref]
        working = [_working(o) for o in ours if not o.is_done and o.remaining]
        self._look("broker", self._gateway.positions(), working)
        self._count("broker", [o.qty * _unit_value(o) for o in ours])

    def _look(self, where: str, held: dict[str, Decimal], working: list[Open]) -> None:
        limits, equity = self._trial.plan.limits, max(self._trial.equities, default=CASH)
        foreign = Counter[str]()
        for order in self._gateway.accepted:
            if not order.order_ref:
                foreign[order.symbol] += int(order.qty)
        worst = worst_case(held, working)
        most = min(limits.max_position_notional, equity * limits.max_position_pct / 100)
        for symbol, value in worst.items():
            if value > most and symbol not in foreign:
                self._breach(f"{where}: the position in {symbol} could reach {value}, {most} is the most")
        allowed = equity * min(limits.max_gross_leverage, limits.buying_power_multiple)
        allowed += sum((2 * qty * CLOSES[symbol] for symbol, qty in foreign.items()), _ZERO)
        if (gross := sum(worst.values(), _ZERO)) > allowed:
            self._breach(f"{where}: all positions could reach {gross}, {allowed} is the most")

    def _count(self, where: str, values: list[Decimal]) -> None:
        limits: RiskLimits = self._trial.plan.limits
        if len(values) > limits.max_orders_per_day:
            self._breach(f"{where}: {len(values)} orders, {limits.max_orders_per_day} is the most")
        if sum(values, _ZERO) > limits.max_notional_per_day:
            self._breach(f"{where}: orders of {sum(values)}, {limits.max_notional_per_day} is the most")
        if max(values, default=_ZERO) > limits.max_order_notional:
            self._breach(f"{where}: an order of {max(values)}, {limits.max_order_notional} is the most")

    def _breach(self, text: str) -> None:
        self._verdict.breaches += 1
        self._verdict.violations.append(f"limit: {text}")


def _reserved(order: Order) -> Open:
    new = order.in_force
    return Open(new.symbol, order.leaves_qty * new.side.sign, _value_of(order) / new.order_qty)


def _value_of(order: Order) -> Decimal:
    new = order.new_order
    return new.order_qty * max(CLOSES[new.symbol], new.price or _ZERO, new.stop_px or _ZERO)


def _working(order: gateway_orders.Order) -> Open:
    return Open(order.symbol, order.remaining * order.sign, _unit_value(order))


def _unit_value(order: gateway_orders.Order) -> Decimal:
    prices = (order.number("lmtPrice"), order.number("auxPrice"))
    return max(CLOSES[order.symbol], *(px or _ZERO for px in prices))


def check_books(trial: Trial, gateway: Gateway, breaks: tuple[Break, ...], verdict: Verdict) -> None:
    """Hold the ledger against the gateway when all is over."""
    orders = {o.cl_ord_id: o for o in trial.ledger.journal.orders(ACCOUNT)}
    at_gateway = [o for o in gateway.accepted if o.order_ref]
    _check_orders(orders, at_gateway, verdict)
    verdict.violations += _differences(trial, gateway)
    strange = [b.text for b in breaks if b.break_type is not BreakType.ORDER or not b.subject.startswith(_MANUAL)]
    verdict.violations += [f"break: {text}" for text in strange]


def _check_orders(orders: dict[str, Order], at_gateway: list[gateway_orders.Order], verdict: Verdict) -> None:
    """Check that what was sent was accepted exactly once, and what was not sent never."""
    for cl_ord_id, times in Counter(o.order_ref for o in at_gateway).items():
        if cl_ord_id not in orders:
            verdict.violations.append(f"order {cl_ord_id} was accepted and never intended")
        if times > 1:
            verdict.duplicates += 1
            verdict.violations.append(f"duplicate: order {cl_ord_id} was accepted {times} times")
    accepted = {o.order_ref: o for o in at_gateway}
    for cl_ord_id, order in orders.items():
        for problem in _problems(order, accepted.get(cl_ord_id)):
            verdict.lost += problem.startswith("lost")
            verdict.violations.append(f"{problem}: {cl_ord_id} is {order.ord_status} here")


def _problems(order: Order, accepted: gateway_orders.Order | None) -> Iterator[str]:
    if order.ord_status is OrdStatus.UNKNOWN:
        return
    if accepted is None:
        if order.ord_status not in (OrdStatus.REJECTED, OrdStatus.EXPIRED):
            yield "lost: an intent that the gateway never accepted, and that was neither refused nor given up"
        return
    if order.order_id is None:
        yield f"lost: the gateway has it ({accepted.status}), and it was never heard of"
    elif order.ord_status not in _SAME[accepted.status] or order.order_id != str(accepted.perm_id):
        yield f"it is {accepted.status} at the gateway"
    if order.cum_qty != accepted.filled:
        yield f"it is filled {accepted.filled} at the gateway and {order.cum_qty} here"
    if order.contradictions:
        yield f"contradictions: {order.contradictions}"


def check_unknown(trial: Trial, verdict: Verdict, *, was_killed: bool) -> None:
    """Check, when a process has ended, that what is not known keeps its symbol locked.

    One that was not killed has also told it; of one that was, the next tells.
    """
    told = {alert.fingerprint for alert in trial.ledger.outbox.due()}
    locked = trial.ledger.journal.locked(ACCOUNT, "another")
    for order in trial.ledger.journal.orders(ACCOUNT, open_only=True):
        if order.ord_status is OrdStatus.UNKNOWN:
            verdict.unknown_locked += 1
            if order.new_order.symbol not in locked:
                verdict.violations.append(f"{order.cl_ord_id} is UNKNOWN, and not locked")
            if not was_killed and f"unknown {order.cl_ord_id}" not in told:
                verdict.violations.append(f"{order.cl_ord_id} is UNKNOWN, and nobody was told")


def _differences(trial: Trial, gateway: Gateway) -> Iterator[str]:
    facts = trial.ledger.facts
    books, reports = facts.books(ACCOUNT, trial.now()), facts.executions(ACCOUNT)
    if books.held() != gateway.positions():
        yield f"positions: {dict(books.held())} here, {gateway.positions()} at the gateway"
    ours, theirs = books.cash.quantize(_CENT), gateway.cash()["USD"].quantize(_CENT)
    if ours != theirs:
        yield f"cash: {ours} here, {theirs} at the gateway"
    superseded = {r.exec_ref_id for r in reports if r.exec_type is ExecType.TRADE_CORRECT}
    paid = sum((r.commission for r in reports if r.last_qty and r.exec_id not in superseded), _ZERO)
    taken = sum((e.commission for e in gateway.exchange.executions()), _ZERO)
    if paid != taken:
        yield f"commissions: {paid} here, {taken} at the gateway"
    if drifted := trial.ledger.journal.rebuild():
        yield f"{drifted} states had drifted from their facts"
