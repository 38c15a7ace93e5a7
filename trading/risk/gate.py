"""The one gate: no order reaches a broker without passing here, and each accepted one counts against the next.

What applies to which orders:

* Halts, blocked and allowed symbols, locked symbols, bars, prices, the price band, the value of one order and the
  counts of the day apply to every order, also to those that only close a position: they guard against wrong orders,
  and a wrong order to sell is no better than one to buy. What is larger than one order may be is closed in several.
* Position, leverage and buying power apply only to orders that add exposure in the worst case
  (`trading.risk.exposure`): whoever is over a limit can always get out.
* Nothing is added while equity is not above 0, or while anything held or working has no price, because then no
  exposure is known.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from trading.errors import InvalidValue
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, OrdStatus, Side
from trading.risk.exposure import AccountExposure
from trading.risk.limits import RefusalCode, RiskDecision, RiskLimits
from trading.risk.restrictions import Restriction

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """All that the gate must know of an account besides its limits.

    Attributes:
        equity: finite, in `currency`; may be negative.
        cash: finite; told to the person who is short of buying power, and not a limit of its own.
        held: signed quantity per symbol.
        marks: last raw price per unit; one that is absent, not finite or not above 0 is no price.
        working: orders that may still trade, UNKNOWN ones included; final ones do no harm.
        orders_today: orders accepted before in this session.
        notional_today: their value by `trading.risk.exposure.order_notional`.
        halted: why trading is stopped, or None.
        blocked: symbols whose bars did not pass, each with the reason.
        multipliers: of instruments whose multiplier is not 1.
        restrictions: what tripped breakers forbid.
    """

    equity: Decimal
    cash: Decimal
    held: Mapping[str, Decimal]
    marks: Mapping[str, Decimal]
    working: Sequence[Order] = ()
    orders_today: int = 0
    notional_today: Decimal = Decimal(0)
    halted: str | None = None
    blocked: Mapping[str, str] = field(default_factory=dict)
    multipliers: Mapping[str, Decimal] = field(default_factory=dict)
    currency: str = "USD"
    restrictions: Sequence[Restriction] = ()

    def __post_init__(self) -> None:
        amounts = {"equity": self.equity, "cash": self.cash, "notional_today": self.notional_today}
        amounts |= {f"quantity held of {symbol}": qty for symbol, qty in self.held.items()}
        for name, amount in amounts.items():
            if not amount.is_finite():
                raise InvalidValue(name, amount, "a finite number")


def check_orders(orders: Sequence[NewOrderSingle], state: RiskState, limits: RiskLimits) -> tuple[RiskDecision, ...]:
    """Return one decision per order, in the given order; every accepted order counts as working for the next ones."""
    gate = _Gate(state, limits)
    return tuple(gate.decide(order) for order in orders)


class _Refusal(NamedTuple):
    code: RefusalCode
    limit: str
    value: str
    text: str


class _Gate:
    """The running sums behind `check_orders`."""

    def __init__(self, state: RiskState, limits: RiskLimits) -> None:
        self.state, self.limits = state, limits
        self.exposure = AccountExposure(state.held, state.working, state.marks, state.multipliers)
        self.orders_today, self.notional_today = state.orders_today, state.notional_today
        unknown = [o for o in state.working if o.ord_status is OrdStatus.UNKNOWN]
        self.locked = {symbol: o.cl_ord_id for o in unknown for symbol in o.new_order.symbols}
        self.closing = defaultdict[tuple[str, Side], Decimal](Decimal)
        for working in state.working:
            self.closing[working.new_order.symbol, working.new_order.side] += working.leaves_qty
        self.allowed, self.blocked = frozenset(limits.allowed_symbols), frozenset(limits.blocked_symbols)

    def decide(self, order: NewOrderSingle) -> RiskDecision:
        if order.purpose is OrderPurpose.FLATTEN:
            return self._decide_flatten(order)
        if order.legs:
            return self._decide_legs(order)
        refusals = (rule(self, order) for rule in _RULES)
        refusal = next((r for r in refusals if r), None)
        if refusal:
            return RiskDecision(cl_ord_id=order.cl_ord_id, symbol=order.symbol, accepted=False, **refusal._asdict())
        self.orders_today += 1
        self.notional_today += self.exposure.notional(order)
        self.exposure.reserve(order, order.order_qty)
        return RiskDecision(cl_ord_id=order.cl_ord_id, symbol=order.symbol, accepted=True)

    def _decide_flatten(self, order: NewOrderSingle) -> RiskDecision:
        """Let an order through that only closes a position, whatever else forbids to trade, and no other."""
        held = max(-self.state.held.get(order.symbol, Decimal(0)) * order.side.sign, Decimal(0))
        left = held - self.closing[order.symbol, order.side]
        decision = RiskDecision(cl_ord_id=order.cl_ord_id, symbol=order.symbol, accepted=False)
        if order.symbol in self.locked or order.order_qty > left:
            unknown = self.locked.get(order.symbol)
            text = f"{left} {order.symbol} are left to be closed, and the order is for {order.order_qty}."
            refusal = _Refusal(RefusalCode.CLOSES_NOTHING, str(left), str(order.order_qty), text)
            if unknown is not None:
                text = f"What became of order {unknown} in {order.symbol} is unknown, so how much is left is too."
                refusal = _Refusal(RefusalCode.SYMBOL_LOCKED, "no unknown order", unknown, text)
            return replace(decision, **refusal._asdict())
        self.closing[order.symbol, order.side] += order.order_qty
        return replace(decision, accepted=True)

    def _decide_legs(self, order: NewOrderSingle) -> RiskDecision:
        """Decide each leg as an order of its own, on top of those before it; together they are one order of the day."""
        before = self.exposure, self.orders_today, self.notional_today
        self.exposure = self.exposure.copy()
        for part in order.parts():
            self.orders_today = before[1]
            decision = self.decide(part)
            if not decision.accepted:
                self.exposure, self.orders_today, self.notional_today = before
                return replace(decision, symbol=order.symbol)
        return RiskDecision(cl_ord_id=order.cl_ord_id, symbol=order.symbol, accepted=True)

    def money(self, amount: Decimal) -> str:
        return f"{amount:,.2f} {self.state.currency}"


def _permission(gate: _Gate, order: NewOrderSingle) -> _Refusal | None:
    if gate.state.halted is not None:
        text = f"Trading is halted ({gate.state.halted}), so no order may be sent until a person resumes it."
        return _Refusal(RefusalCode.HALTED, "not halted", gate.state.halted, text)
    return _symbol(gate, order.symbol)


def _symbol(gate: _Gate, symbol: str) -> _Refusal | None:
    if symbol in gate.blocked:
        text = f"{symbol} is on the list of blocked symbols, so it may be neither bought nor sold."
        return _Refusal(RefusalCode.SYMBOL_BLOCKED, "not blocked", symbol, text)
    if gate.allowed and symbol not in gate.allowed:
        text = f"{symbol} is not one of the {len(gate.allowed)} symbols that may be traded; add it to allowed_symbols."
        return _Refusal(RefusalCode.SYMBOL_NOT_ALLOWED, f"{len(gate.allowed)} allowed symbols", symbol, text)
    if symbol in gate.locked:
        unknown = gate.locked[symbol]
        text = (
            f"What became of order {unknown} in {symbol} is unknown, so nothing else is sent in it until it is known."
        )
        return _Refusal(RefusalCode.SYMBOL_LOCKED, "no unknown order", unknown, text)
    if symbol in gate.state.blocked:
        why = gate.state.blocked[symbol].rstrip(".")
        text = f"The bars of {symbol} have not passed their checks: {why}."
        return _Refusal(RefusalCode.BARS_NOT_PASSED, "bars passed", why, text)
    return None


def _price(gate: _Gate, order: NewOrderSingle) -> _Refusal | None:
    mark, pct = gate.exposure.mark(order.symbol), gate.limits.price_band_pct
    if mark is None:
        text = f"{order.symbol} has no last price, so the order cannot be valued."
        return _Refusal(RefusalCode.NO_PRICE, "a price above 0", str(gate.state.marks.get(order.symbol, "none")), text)
    for px in (order.price, order.stop_px):
        if px is not None and abs(px - mark) > mark * pct / _HUNDRED:
            away = f"{abs(px - mark) / mark * _HUNDRED:.2f} %"
            text = f"The price {px} is {away} away from the last price {mark} of {order.symbol}; {pct} % is the most."
            return _Refusal(RefusalCode.PRICE_BAND, f"{pct} %", away, text)
    return None


def _order_size(gate: _Gate, order: NewOrderSingle) -> _Refusal | None:
    notional, most = gate.exposure.notional(order), gate.limits.max_order_notional
    if notional <= most:
        return None
    text = f"The order is worth {gate.money(notional)}, but one order may be worth {gate.money(most)} at most."
    return _Refusal(RefusalCode.MAX_ORDER_NOTIONAL, gate.money(most), gate.money(notional), text)


def _day(gate: _Gate, order: NewOrderSingle) -> _Refusal | None:
    count, most_orders = gate.orders_today + 1, gate.limits.max_orders_per_day
    if count > most_orders:
        text = f"This would be order {count} of the session, but {most_orders} is the most."
        return _Refusal(RefusalCode.MAX_ORDERS_PER_DAY, f"{most_orders} orders", f"{count} orders", text)
    total, most = gate.notional_today + gate.exposure.notional(order), gate.limits.max_notional_per_day
    if total > most:
        text = f"The orders of the session would be worth {gate.money(total)}, but {gate.money(most)} is the most."
        return _Refusal(RefusalCode.MAX_NOTIONAL_PER_DAY, gate.money(most), gate.money(total), text)
    return None


def _exposure(gate: _Gate, order: NewOrderSingle) -> _Refusal | None:
    after, gross = gate.exposure.after(order, order.order_qty)
    if after.value <= gate.exposure.before(order).value:
        return None  # it only closes, which no limit on what is held may prevent
    if gate.exposure.unpriced:
        unpriced = ", ".join(sorted(gate.exposure.unpriced))
        text = f"Nothing may be added while {unpriced} is held or ordered without a price, for exposure is not known."
        return _Refusal(RefusalCode.NO_PRICE, "a price for every position", unpriced, text)
    return _position(gate, order.symbol, after.value) or _account(gate, gross)


def _position(gate: _Gate, symbol: str, value: Decimal) -> _Refusal | None:
    most, pct, equity = gate.limits.max_position_notional, gate.limits.max_position_pct, gate.state.equity
    if value > most:
        text = f"The position in {symbol} could reach {gate.money(value)}, but {gate.money(most)} is the most."
        return _Refusal(RefusalCode.MAX_POSITION_NOTIONAL, gate.money(most), gate.money(value), text)
    if equity > 0 and value > equity * pct / _HUNDRED:
        share = f"{value / equity * _HUNDRED:.2f} % of equity"
        text = f"The position in {symbol} could reach {share}, but {pct} % is the most."
        return _Refusal(RefusalCode.MAX_POSITION_PCT, f"{pct} % of equity", share, text)
    return None


def _account(gate: _Gate, gross: Decimal) -> _Refusal | None:
    equity, multiple, leverage = gate.state.equity, gate.limits.buying_power_multiple, gate.limits.max_gross_leverage
    if equity <= 0:
        text = f"Equity is {gate.money(equity)}, so there is no buying power and positions may only be closed."
        return _Refusal(RefusalCode.BUYING_POWER, gate.money(Decimal(0)), gate.money(gross), text)
    if gross > equity * leverage:
        times = f"{gross / equity:.4f} x equity"
        text = f"All positions together could reach {times}, but {leverage} x equity is the most."
        return _Refusal(RefusalCode.MAX_GROSS_LEVERAGE, f"{leverage} x equity", times, text)
    if gross > equity * multiple:
        power, cash = gate.money(equity * multiple), gate.money(gate.state.cash)
        text = f"All positions together could reach {gate.money(gross)}, but buying power is {power} (cash is {cash})."
        return _Refusal(RefusalCode.BUYING_POWER, power, gate.money(gross), text)
    return None


_RULES: tuple[Callable[[_Gate, NewOrderSingle], _Refusal | None], ...] = (
    _permission,
    _price,
    _order_size,
    _day,
    _exposure,
)
