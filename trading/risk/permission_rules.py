"""Rules of permission: what may be neither bought nor sold."""

from trading.orders.orders import OrderPurpose
from trading.risk.refusals import RefusalCode
from trading.risk.restrictions import RestrictionKind
from trading.risk.tally import Proposal, Refusal, Tally


def only_closes(_tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse an order to flatten or protect that could do more than close what is held, net of what works."""
    purpose = asked.order.purpose
    if purpose is OrderPurpose.REBALANCE or asked.after.working <= asked.after.closable:
        return None
    free = asked.before.free
    text = (
        f"The order is to {purpose}, so it may only close: {free} of {asked.order.symbol} can be closed, "
        f"{asked.order.side} {asked.qty} were asked for."
    )
    code = RefusalCode.FLATTEN_ONLY_CLOSES if purpose is OrderPurpose.FLATTEN else RefusalCode.PROTECT_ONLY_CLOSES
    return Refusal(code, f"{free} units", f"{asked.qty} units", text)


def not_halted(tally: Tally, _asked: Proposal) -> Refusal | None:
    """Refuse everything while trading is stopped."""
    halted = tally.state.halted
    if halted is None:
        return None
    text = f"Trading is halted ({halted}), so no order may be sent until a person resumes it."
    return Refusal(RefusalCode.HALTED, "not halted", halted, text)


def no_breaker(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what a tripped breaker halts or blocks."""
    if not tally.state.restrictions:
        return None
    for cause in tally.restricted(asked, RestrictionKind.HALT):
        text = f"A breaker has halted trading until it is reset: {cause}"
        return Refusal(RefusalCode.BREAKER_HALTED, "no breaker", cause, text)
    for cause in tally.restricted(asked, RestrictionKind.BLOCK):
        text = f"A breaker lets {asked.order.symbol} be neither bought nor sold until it is reset: {cause}"
        return Refusal(RefusalCode.BREAKER_BLOCKED, "no breaker", cause, text)
    return None


def symbol_permitted(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse symbols that a list forbids."""
    symbol, allowed = asked.order.symbol, tally.allowed
    if symbol in tally.blocked:
        text = f"{symbol} is on the list of blocked symbols, so it may be neither bought nor sold."
        return Refusal(RefusalCode.SYMBOL_BLOCKED, "not blocked", symbol, text)
    if allowed and symbol not in allowed:
        text = f"{symbol} is not one of the {len(allowed)} symbols that may be traded; add it to allowed_symbols."
        return Refusal(RefusalCode.SYMBOL_NOT_ALLOWED, f"{len(allowed)} allowed symbols", symbol, text)
    return None


def symbol_known(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse symbols of which an order is UNKNOWN, or whose bars did not pass."""
    symbol = asked.order.symbol
    if symbol in tally.locked:
        unknown = tally.locked[symbol]
        text = (
            f"What became of order {unknown} in {symbol} is unknown, so nothing else is sent in it until it is known."
        )
        return Refusal(RefusalCode.SYMBOL_LOCKED, "no unknown order", unknown, text)
    if symbol in tally.state.blocked:
        why = tally.state.blocked[symbol].rstrip(".")
        text = f"The bars of {symbol} have not passed their checks: {why}."
        return Refusal(RefusalCode.BARS_NOT_PASSED, "bars passed", why, text)
    return None


def within_hours(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what could be sent or filled outside the regular session; before its open it may be sent."""
    if not tally.limits.trading_hours_only:
        return None
    closes_at, order = tally.state.closes_at, asked.order
    if closes_at is None:
        text = "When the session closes is not known, and orders may only be filled within it."
        return Refusal(RefusalCode.NO_FACTS, "a known close", "none", text)
    limit = f"sent by {closes_at:%Y-%m-%d %H:%M} UTC"
    if order.outside_regular_hours:
        text = "The order may trade outside the regular session, which trading_hours_only forbids."
        return Refusal(RefusalCode.OUTSIDE_HOURS, limit, "outside regular hours", text)
    if order.expire_time > closes_at:
        value = f"sent by {order.expire_time:%Y-%m-%d %H:%M} UTC"
        text = f"The order could be {value}, but the session closes at {closes_at:%H:%M} UTC."
        return Refusal(RefusalCode.OUTSIDE_HOURS, limit, value, text)
    return None
