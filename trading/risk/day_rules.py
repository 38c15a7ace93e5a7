"""Rules of the day: how many orders, how fast, how much."""

from trading.orders.orders import OrderPurpose
from trading.risk.refusals import RefusalCode
from trading.risk.tally import HUNDRED, Proposal, Refusal, Tally


def order_count(tally: Tally, _asked: Proposal) -> Refusal | None:
    """Refuse the order after the last of the session."""
    count, most = tally.orders_today + 1, tally.limits.max_orders_per_day
    if count <= most:
        return None
    text = f"This would be order {count} of the session, but {most} is the most."
    return Refusal(RefusalCode.MAX_ORDERS_PER_DAY, f"{most} orders", f"{count} orders", text, f"{count - 1} orders")


def order_rate(tally: Tally, _asked: Proposal) -> Refusal | None:
    """Refuse the order after the last of a minute."""
    count, most = tally.orders_last_minute + 1, tally.limits.max_orders_per_minute
    if most is None or count <= most:
        return None
    text = f"This would be order {count} within 60 seconds, but {most} is the most."
    limit, value, before = f"{most} orders a minute", f"{count} orders a minute", f"{count - 1} orders a minute"
    return Refusal(RefusalCode.MAX_ORDERS_PER_MINUTE, limit, value, text, before)


def day_notional(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what would make the session's orders worth too much."""
    total, most = tally.notional_today + asked.notional, tally.limits.max_notional_per_day
    if total <= most:
        return None
    limit, value, before = tally.money(most), tally.money(total), tally.money(tally.notional_today)
    text = f"The orders of the session would be worth {value}, but {limit} is the most."
    return Refusal(RefusalCode.MAX_NOTIONAL_PER_DAY, limit, value, text, before)


def turnover(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what would make the session's orders too large a part of equity."""
    pct, equity = tally.limits.max_turnover_per_day_pct, tally.state.equity
    if pct is None or equity <= 0:  # without equity positions may only be closed, which another rule sees to
        return None
    total = tally.notional_today + asked.notional
    if total * HUNDRED <= pct * equity:
        return None
    value, before = (f"{amount / equity * HUNDRED:.2f} % of equity" for amount in (total, tally.notional_today))
    text = f"The orders of the session would be worth {value}, but {pct} % is the most."
    return Refusal(RefusalCode.MAX_TURNOVER_PER_DAY, f"{pct} % of equity", value, text, before)


def day_trades(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what could be one day trade too many; protection may always be laid out."""
    most = tally.limits.max_day_trades
    if most is None or asked.order.purpose is OrderPurpose.PROTECT:
        return None
    before, count = tally.day_trades, tally.day_trades_with(asked.order)
    if count <= most or count == before:
        return None
    text = f"{asked.order.symbol} could be bought and sold on one day: day trade {count} of five sessions, "
    text += f"but {most} is the most."
    return Refusal(
        RefusalCode.MAX_DAY_TRADES, f"{most} day trades", f"{count} day trades", text, f"{before} day trades"
    )
