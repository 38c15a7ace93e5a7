"""The one gate: no order reaches a broker without passing here, and each accepted one counts against the next.

What applies to which orders:

* Halts, breakers, blocked and allowed symbols, locked symbols, bars, hours, prices, quotes, the size of one order and
  the counts of the day apply to every order, also to those that only close a position: they guard against wrong orders,
  and a wrong order to sell is no better than one to buy. What is larger than one order may be is closed in several.
* Limits on what is held apply only to orders that add exposure in the worst case (`trading.risk.exposure`): whoever is
  over a limit can always get out. Where a strategy book has limits, they apply to what adds to the book.
* Nothing is added while equity is not above 0, or while anything held or working has no price, because then no
  exposure is known.
* Orders to flatten pass all of it but the price band. In return they may do nothing but close what is held, net of all
  that works.
* Protective orders may do nothing else either. They are asked for permission and a price only: no limit may leave a
  position without its stop. They are in no count of the day.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Decimal

from trading.orders.orders import NewOrderSingle, OrderPurpose
from trading.risk import cover_rules, day_rules, exposure_rules, permission_rules, scope_rules, size_rules
from trading.risk.limits import RefusalCode, RiskDecision, RiskLimits
from trading.risk.restrictions import Restriction, RestrictionKind
from trading.risk.risk_state import RiskState as RiskState
from trading.risk.tally import Proposal, Refusal, Tally

Rule = Callable[[Tally, Proposal], Refusal | None]
_NOTHING = Decimal(0)

_WHATEVER_THE_SIZE: tuple[Rule, ...] = (
    permission_rules.only_closes,
    permission_rules.not_halted,
    permission_rules.no_breaker,
    permission_rules.symbol_permitted,
    permission_rules.symbol_known,
    permission_rules.within_hours,
    scope_rules.scope_blocked,
    size_rules.has_price,
    size_rules.price_band,
    size_rules.quoted,
    day_rules.order_count,
    day_rules.order_rate,
    day_rules.day_trades,
    scope_rules.scope_order_count,
)
_BY_SIZE: tuple[Rule, ...] = (
    size_rules.order_size,
    size_rules.order_volatility,
    size_rules.participation,
    day_rules.day_notional,
    day_rules.turnover,
    scope_rules.scope_order,
    scope_rules.scope_exposure,  # knows itself what adds to a book
    exposure_rules.breaker_lets_add,  # likewise
    cover_rules.covered,  # shares that cover a call are no longer free to be sold
)
_THAT_ADD: tuple[Rule, ...] = (
    exposure_rules.may_add,
    exposure_rules.short_sale,
    exposure_rules.market_calm,
    exposure_rules.all_priced,
    exposure_rules.position,
    exposure_rules.has_equity,
    exposure_rules.cluster,
    exposure_rules.gross_leverage,
    exposure_rules.net_leverage,
    exposure_rules.buying_power,
    exposure_rules.margin,
    exposure_rules.measures,
)
_TO_FLATTEN: tuple[Rule, ...] = (permission_rules.only_closes, size_rules.price_band)
_TO_PROTECT: tuple[Rule, ...] = (
    permission_rules.only_closes,
    permission_rules.not_halted,
    permission_rules.no_breaker,
    permission_rules.symbol_permitted,
    permission_rules.symbol_known,
    size_rules.has_price,
)


def check_orders(orders: Sequence[NewOrderSingle], state: RiskState, limits: RiskLimits) -> tuple[RiskDecision, ...]:
    """Return one decision per order, in the given order; every accepted order counts as working for the next ones."""
    tally, decisions = Tally(state, limits), []
    for order in orders:
        if order.legs:
            decision, tally = _decide_legs(tally, order)
        else:
            decision = _decide(tally, order)
        decisions.append(decision)
    return tuple(decisions)


def _decide(tally: Tally, order: NewOrderSingle) -> RiskDecision:
    asked, cut = _cut_by_breaker(tally, tally.propose(order, order.order_qty))
    if cut is not None and not asked.qty:
        return _decision(order, cut, _NOTHING)
    refusal = _refusal(tally, asked)
    if refusal is not None:
        fitting = _largest_fitting(tally, asked) if tally.limits.reduce_to_fit else None
        if fitting is None:
            return _decision(order, refusal, _NOTHING)
        asked, cut = fitting, refusal
    tally.count(asked)
    if order.purpose is not OrderPurpose.PROTECT:
        tally.count_order(order)
    return _decision(order, cut, asked.qty)


def _decide_legs(tally: Tally, order: NewOrderSingle) -> tuple[RiskDecision, Tally]:
    """Decide each leg as an order of its own, on top of those before it; together they are one order of the day."""
    ahead = tally.copy()
    for part in order.parts():
        asked = ahead.propose(part, part.order_qty)
        refusal = _cut_by_breaker(ahead, asked)[1] or _refusal(ahead, asked)
        if refusal is not None:
            return _decision(order, refusal, _NOTHING), tally
        ahead.count(asked)
    ahead.count_order(order)
    return _decision(order, None, order.order_qty), ahead


def _refusal(tally: Tally, asked: Proposal) -> Refusal | None:
    if asked.order.purpose is OrderPurpose.FLATTEN:
        return _first(_TO_FLATTEN, tally, asked)
    if asked.order.purpose is OrderPurpose.PROTECT:
        return _first(_TO_PROTECT, tally, asked)
    return _first(_WHATEVER_THE_SIZE, tally, asked) or _refusal_by_size(tally, asked)


def _refusal_by_size(tally: Tally, asked: Proposal) -> Refusal | None:
    return _first(_BY_SIZE, tally, asked) or (_first(_THAT_ADD, tally, asked) if asked.adds else None)


def _first(rules: Sequence[Rule], tally: Tally, asked: Proposal) -> Refusal | None:
    for rule in rules:
        refusal = rule(tally, asked)
        if refusal is not None:
            return refusal
    return None


def _cut_by_breaker(tally: Tally, asked: Proposal) -> tuple[Proposal, Refusal | None]:
    """Return the order at the share of its quantity that tripped breakers leave; what it closes stays whole."""
    if not tally.state.restrictions or asked.order.purpose is not OrderPurpose.REBALANCE:
        return asked, None
    cuts = [(_cut(tally, r, asked), r.cause) for r in tally.state.restrictions]
    qty, cause = min(cuts)
    if qty == asked.qty:
        return asked, None
    text = f"A breaker has cut what orders may add until it is reset, to {qty} of {asked.qty}: {cause}"
    refusal = Refusal(RefusalCode.BREAKER_REDUCED, f"{qty} units", f"{asked.qty} units", text)
    return tally.propose(asked.order, qty), refusal


def _cut(tally: Tally, restriction: Restriction, asked: Proposal) -> Decimal:
    added, factor = tally.added_to(restriction, asked), restriction.size_factor
    if restriction.kind is not RestrictionKind.REDUCE_SIZE or factor is None or not added:
        return asked.qty
    lot, closing = tally.lot_size(asked.order.symbol), asked.qty - added
    return max((closing + added * factor) // lot * lot, closing)


def _largest_fitting(tally: Tally, asked: Proposal) -> Proposal | None:
    """Return the order at the largest number of whole lots that no limit refuses, or None when there is none.

    An order that only closes is not cut, and none is cut so far that what it closes stays open in part.
    """
    if not asked.adds or _first(_WHATEVER_THE_SIZE, tally, asked) is not None:
        return None
    lot = tally.lot_size(asked.order.symbol)
    fits, too_many = max(_lots(asked.closing, lot) - 1, _NOTHING), _lots(asked.qty, lot)
    best = None
    while too_many - fits > 1:
        lots = (fits + too_many) // 2
        smaller = tally.propose(asked.order, lots * lot)
        if _refusal_by_size(tally, smaller) is None:
            best, fits = smaller, lots
        else:
            too_many = lots
    return best


def _lots(qty: Decimal, lot: Decimal) -> Decimal:
    """Return how many lots hold the quantity."""
    return (qty / lot).to_integral_value(ROUND_CEILING)


def _decision(order: NewOrderSingle, refusal: Refusal | None, granted: Decimal) -> RiskDecision:
    why = {} if refusal is None else refusal._asdict()
    return RiskDecision(
        cl_ord_id=order.cl_ord_id,
        symbol=order.symbol,
        accepted=granted > 0,
        asked_qty=order.order_qty,
        granted_qty=granted,
        **why,
    )
