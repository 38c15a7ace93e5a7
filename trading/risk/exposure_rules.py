"""Rules of exposure: what may be added. Whoever is over a limit can always get out, so what only closes passes."""

from decimal import Decimal

from trading.market.instruments import Option
from trading.orders.orders import Side
from trading.risk.refusals import RefusalCode
from trading.risk.restrictions import RestrictionKind
from trading.risk.size_rules import unknown
from trading.risk.tally import HUNDRED, Proposal, Refusal, Tally


def may_add(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse to add where positions may only be closed."""
    if tally.limits.close_only:
        text = "The account may only close positions (close_only), and the order could do more."
        return Refusal(RefusalCode.CLOSE_ONLY, "close only", f"{_opening(asked)} more", text)
    return None


def breaker_lets_add(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse to add what a tripped breaker lets only be closed."""
    for restriction in tally.state.restrictions:
        if restriction.kind is RestrictionKind.CLOSE_ONLY and tally.added_to(restriction, asked):
            text = f"A breaker lets positions only be closed until it is reset: {restriction.cause}"
            return Refusal(RefusalCode.BREAKER_CLOSE_ONLY, "close only", restriction.cause, text)
    return None


def short_sale(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse to sell more than is held; what is short of options `cover_rules` say."""
    if tally.limits.short_sales_allowed or asked.order.side is Side.BUY:
        return None
    symbol = asked.order.symbol
    if isinstance(tally.facts(symbol).instrument, Option):
        return None
    free = asked.before.free
    text = (
        f"{asked.qty} {symbol} were to be sold, but {free} are held and not for sale yet; no short sales are allowed."
    )
    return Refusal(RefusalCode.SHORT_SALE, f"{free} units", f"{asked.qty} units", text)


def market_calm(tally: Tally, _asked: Proposal) -> Refusal | None:
    """Refuse to add while the market moves too much."""
    most, now = tally.limits.max_market_volatility_pct, tally.state.market_volatility_pct
    if most is None:
        return None
    benchmark = tally.limits.market_benchmark
    if now is None:
        return unknown("volatility", benchmark, "max_market_volatility_pct")
    if now <= most:
        return None
    value = f"{now:.2f} % a year"
    text = f"{benchmark} moves {value}; above {most} % nothing is added."
    return Refusal(RefusalCode.MARKET_VOLATILITY, f"{most} % a year", value, text)


def all_priced(tally: Tally, _asked: Proposal) -> Refusal | None:
    """Refuse to add while exposure is not known."""
    if not tally.exposure.unpriced:
        return None
    unpriced = ", ".join(sorted(tally.exposure.unpriced))
    text = f"Nothing may be added while {unpriced} is held or ordered without a price, for exposure is not known."
    return Refusal(RefusalCode.NO_PRICE, "a price for every position", unpriced, text)


def position(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse a position that is too large."""
    most, pct, equity = tally.limits.max_position_notional, tally.limits.max_position_pct, tally.state.equity
    value, before, symbol = asked.after.value, asked.before.value, asked.order.symbol
    most_qty = tally.limits.max_position_qty
    qty = asked.after.held + asked.after.opening
    if most_qty is not None and qty > most_qty:
        text = f"The position in {symbol} could reach {qty} units, but {most_qty} is the most."
        had = f"{asked.before.held + asked.before.opening} units"
        return Refusal(RefusalCode.MAX_POSITION_QTY, f"{most_qty} units", f"{qty} units", text, had)
    if value > most:
        limit, reach = tally.money(most), tally.money(value)
        text = f"The position in {symbol} could reach {reach}, but {limit} is the most."
        return Refusal(RefusalCode.MAX_POSITION_NOTIONAL, limit, reach, text, tally.money(before))
    if equity > 0 and value * HUNDRED > equity * pct:
        share = _share(value, equity)
        text = f"The position in {symbol} could reach {share}, but {pct} % is the most."
        return Refusal(RefusalCode.MAX_POSITION_PCT, f"{pct} % of equity", share, text, _share(before, equity))
    return None


def cluster(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse too much of a symbol with all that moves like it, long and short alike."""
    pct, equity, symbol = tally.limits.max_cluster_pct, tally.state.equity, asked.order.symbol
    if pct is None or equity <= 0:
        return None
    others = tally.facts(symbol).correlated
    if others is None:
        return unknown("correlations", symbol, "max_cluster_pct")
    if asked.gross * HUNDRED <= pct * equity:
        return None  # not even all positions together reach it
    worst = tally.exposure.worst
    before = sum((worst[s] for s in others if s in worst), worst.get(symbol, Decimal(0)))
    value = before + asked.gross - tally.exposure.gross
    if value * HUNDRED <= pct * equity:
        return None
    limit, share = f"{pct} % of equity", _share(value, equity)
    text = f"{symbol} and {len(others)} symbols that move with it could reach {share}, but {pct} % is the most."
    return Refusal(RefusalCode.MAX_CLUSTER_PCT, limit, share, text, _share(before, equity))


def has_equity(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse to add without equity."""
    equity = tally.state.equity
    if equity > 0:
        return None
    text = f"Equity is {tally.money(equity)}, so there is no buying power and positions may only be closed."
    before, after = tally.money(tally.exposure.gross), tally.money(asked.gross)
    return Refusal(RefusalCode.BUYING_POWER, tally.money(Decimal(0)), after, text, before)


def gross_leverage(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse too much of everything."""
    equity, most = tally.state.equity, tally.limits.max_gross_leverage
    if asked.gross <= equity * most:
        return None
    times, before = _times(asked.gross, equity), _times(tally.exposure.gross, equity)
    text = f"All positions together could reach {times}, but {most} x equity is the most."
    return Refusal(RefusalCode.MAX_GROSS_LEVERAGE, f"{most} x equity", times, text, before)


def net_leverage(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse too much long beyond short, or the other way round."""
    equity, most = tally.state.equity, tally.limits.max_net_leverage
    if most is None:
        return None
    before = tally.exposure.net[asked.order.side]
    net = before + asked.after.furthest - asked.before.furthest
    if net <= equity * most:
        return None
    way = "long less short" if asked.order.side is Side.BUY else "short less long"
    text = f"All positions together, {way}, could reach {_times(net, equity)}, but {most} x equity is the most."
    limit = f"{most} x equity"
    return Refusal(RefusalCode.MAX_NET_LEVERAGE, limit, _times(net, equity), text, _times(before, equity))


def buying_power(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse more than the broker would finance."""
    power = tally.state.equity * tally.limits.buying_power_multiple
    if asked.gross <= power:
        return None
    limit, gross, cash = tally.money(power), tally.money(asked.gross), tally.money(tally.state.cash)
    text = f"All positions together could reach {gross}, but buying power is {limit} (cash is {cash})."
    return Refusal(RefusalCode.BUYING_POWER, limit, gross, text, tally.money(tally.exposure.gross))


def margin(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what would bind too much of equity as initial margin."""
    pct, equity = tally.limits.max_margin_pct, tally.state.equity
    if pct is None:
        return None
    before = tally.initial_margin
    after = before + tally.margin_change(asked)
    if after * HUNDRED <= pct * equity:
        return None
    share = _share(after, equity)
    text = f"Initial margin could reach {share}, but {pct} % is the most."
    return Refusal(RefusalCode.MAX_MARGIN, f"{pct} % of equity", share, text, _share(before, equity))


def measures(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what would bring a measure of the whole portfolio beyond its limit."""
    if tally.portfolio is None:
        return None
    breach = tally.portfolio.breach(asked.order.symbol, tally.signed_value(asked))
    if breach is None:
        return None
    return Refusal(breach.code, breach.limit, breach.after, breach.text, breach.before)


def _opening(asked: Proposal) -> Decimal:
    return asked.after.opening - asked.before.opening


def _share(amount: Decimal, equity: Decimal) -> str:
    return f"{amount / equity * HUNDRED:.2f} % of equity"


def _times(amount: Decimal, equity: Decimal) -> str:
    return f"{amount / equity:.4f} x equity"
