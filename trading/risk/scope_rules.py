"""Rules of a part of the account: a strategy book, an instrument, a sector or an asset class."""

from trading.risk.refusals import RefusalCode
from trading.risk.scoped_limits import LimitScope, ScopedLimits
from trading.risk.tally import HUNDRED, Proposal, Refusal, Tally


def scope_blocked(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what is blocked."""
    for scoped in tally.scopes(asked.order):
        if scoped.blocked:
            text = f"The {scoped.name} is blocked, so {asked.order.symbol} may be neither bought nor sold."
            return Refusal(RefusalCode.SCOPE_BLOCKED, "not blocked", scoped.name, text)
    return None


def scope_order(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse an order that is worth too much for its scope."""
    for scoped in tally.scopes(asked.order):
        most = scoped.max_order_notional
        if most is not None and asked.notional > most:
            worth, limit = tally.money(asked.notional), tally.money(most)
            text = f"The order is worth {worth}, but one order of the {scoped.name} may be worth {limit} at most."
            return Refusal(RefusalCode.SCOPE_MAX_ORDER_NOTIONAL, f"{limit} ({scoped.name})", worth, text)
    return None


def scope_order_count(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse the order after the last of its scope in the session."""
    for scoped in tally.scopes(asked.order):
        most, before = scoped.max_orders_per_day, tally.scope_orders[scoped.key]
        if most is not None and before + 1 > most:
            text = f"This would be order {before + 1} of the {scoped.name} in the session, but {most} is the most."
            limit = f"{most} orders ({scoped.name})"
            code = RefusalCode.SCOPE_MAX_ORDERS_PER_DAY
            return Refusal(code, limit, f"{before + 1} orders", text, f"{before} orders")
    return None


def scope_exposure(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what adds to a scope that may only be closed, or that has enough."""
    for scoped in tally.scopes(asked.order):
        adds = tally.adds_in_book(asked) if scoped.scope is LimitScope.STRATEGY else asked.adds
        found = _added(tally, asked, scoped) if adds else None
        if found is not None:
            return found
    return None


def _added(tally: Tally, asked: Proposal, scoped: ScopedLimits) -> Refusal | None:
    if scoped.close_only:
        text = f"Positions of the {scoped.name} may only be closed, and the order could do more."
        return Refusal(RefusalCode.SCOPE_CLOSE_ONLY, f"close only ({scoped.name})", f"{asked.qty} units", text)
    if scoped.max_notional is None and scoped.max_pct is None:
        return None
    before, value = tally.scope_value(scoped, asked)
    most, pct, equity = scoped.max_notional, scoped.max_pct, tally.state.equity
    if most is not None and value > most:
        limit, reach = tally.money(most), tally.money(value)
        text = f"Positions of the {scoped.name} could reach {reach}, but {limit} is the most."
        return Refusal(RefusalCode.SCOPE_MAX_NOTIONAL, f"{limit} ({scoped.name})", reach, text, tally.money(before))
    if pct is not None and equity > 0 and value * HUNDRED > pct * equity:
        share, had = (f"{amount / equity * HUNDRED:.2f} % of equity" for amount in (value, before))
        text = f"Positions of the {scoped.name} could reach {share}, but {pct} % is the most."
        return Refusal(RefusalCode.SCOPE_MAX_PCT, f"{pct} % of equity ({scoped.name})", share, text, had)
    return None
