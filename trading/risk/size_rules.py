"""Rules of one order: its price, its quote, its size."""

from decimal import Decimal

from trading.risk.refusals import RefusalCode
from trading.risk.tally import HUNDRED, Proposal, Refusal, Tally
from trading.risk.trading_facts import TradingFacts


def has_price(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what cannot be valued."""
    symbol = asked.order.symbol
    if tally.exposure.mark(symbol) is not None:
        return None
    text = f"{symbol} has no last price, so the order cannot be valued."
    return Refusal(RefusalCode.NO_PRICE, "a price above 0", str(tally.state.marks.get(symbol, "none")), text)


def price_band(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse a limit or stop price far from the last price."""
    order, pct = asked.order, tally.limits.price_band_pct
    mark = tally.exposure.mark(order.symbol)
    for px in (order.price, order.stop_px):
        if px is not None and mark is not None and abs(px - mark) > mark * pct / HUNDRED:
            away = f"{abs(px - mark) / mark * HUNDRED:.2f} %"
            text = f"The price {px} is {away} away from the last price {mark} of {order.symbol}; {pct} % is the most."
            return Refusal(RefusalCode.PRICE_BAND, f"{pct} %", away, text)
    return None


def quoted(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what has no quote, an old one, or one that is too wide."""
    widest, oldest = tally.limits.max_spread_pct, tally.limits.max_quote_age_seconds
    if widest is None and oldest is None:
        return None
    order, quote = asked.order, tally.facts(asked.order.symbol).quote
    bid, ask, at = (None, None, None) if quote is None else (quote.bid, quote.ask, quote.quoted_at)
    told = f"bid {bid}, ask {ask}, at {at}"
    if quote is None or bid is None or ask is None or not 0 < bid <= ask:
        return _no_quote(order.symbol, tally.facts(order.symbol), told)
    if oldest is not None:
        if at is None:
            return _no_quote(order.symbol, tally.facts(order.symbol), told)
        age = (max(order.transact_time, quote.received_at or order.transact_time) - at).total_seconds()
        if age > oldest:
            text = f"The quote of {order.symbol} is {age:,.0f} seconds old; {oldest} seconds is the most."
            return Refusal(RefusalCode.MAX_QUOTE_AGE, f"{oldest} seconds", f"{age:,.0f} seconds", text)
    spread = (ask - bid) * 2 * HUNDRED / (ask + bid)
    if widest is not None and spread > widest:
        text = f"The spread of {order.symbol}, {bid} to {ask}, is {spread:.4f} %; {widest} % is the most."
        return Refusal(RefusalCode.MAX_SPREAD, f"{widest} %", f"{spread:.4f} %", text)
    return None


def _no_quote(symbol: str, facts: TradingFacts, value: str) -> Refusal:
    text = f"{symbol} has no quote to hold against max_spread_pct or max_quote_age_seconds"
    if facts.quote is not None:
        text += f" ({value}): wait for a whole one, or name a feed that gives it."
    elif facts.why_no_quote:
        text += f": {facts.why_no_quote}."
    else:
        text += ": name a market feed in `feed` of trade-session, or leave these limits out."
    return Refusal(RefusalCode.NO_QUOTE, "a quote", value, text)


def order_size(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse an order that is worth too much, or has too many units."""
    most, most_qty = tally.limits.max_order_notional, tally.limits.max_order_qty
    if asked.notional > most:
        worth = tally.money(asked.notional)
        text = f"The order is worth {worth}, but one order may be worth {tally.money(most)} at most."
        return Refusal(RefusalCode.MAX_ORDER_NOTIONAL, tally.money(most), worth, text)
    if most_qty is not None and asked.qty > most_qty:
        text = f"The order is for {asked.qty} units, but one order may have {most_qty} at most."
        return Refusal(RefusalCode.MAX_ORDER_QTY, f"{most_qty} units", f"{asked.qty} units", text)
    return None


def order_volatility(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse an order whose usual daily move is too large a part of equity."""
    most, equity, symbol = tally.limits.max_order_volatility_pct, tally.state.equity, asked.order.symbol
    if most is None or equity <= 0:  # without equity positions may only be closed, which another rule sees to
        return None
    daily = tally.facts(symbol).volatility_pct
    if daily is None:
        return unknown("volatility", symbol, "max_order_volatility_pct")
    moved = asked.notional * daily
    if moved <= most * equity:
        return None
    value, limit = f"{moved / equity:.4f} % of equity", f"{most} % of equity"
    text = f"{symbol} moves {daily:.2f} % a day, so the order would move {value}; {most} % is the most."
    return Refusal(RefusalCode.MAX_ORDER_VOLATILITY, limit, value, text)


def participation(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse more of a symbol's usual volume than a session may order."""
    most, symbol = tally.limits.max_participation_pct, asked.order.symbol
    if most is None:
        return None
    volume = tally.facts(symbol).average_volume
    if volume is None:
        return unknown("average volume", symbol, "max_participation_pct")
    before = tally.qty_today[symbol]
    total = before + asked.qty
    if total * HUNDRED <= most * volume:
        return None
    value, text = _share(total, volume), f"{total} units of {symbol} would be ordered in the session, "
    text += f"{value} of {volume:,.0f}; {most} % is the most."
    return Refusal(RefusalCode.MAX_PARTICIPATION, f"{most} % of average volume", value, text, _share(before, volume))


def _share(qty: Decimal | int, volume: Decimal) -> str:
    return f"{qty * HUNDRED / volume:.2f} % of average volume"


def unknown(what: str, symbol: str, limit: str) -> Refusal:
    """Return the refusal for a number that a limit needs and nobody knows."""
    text = f"The {what} of {symbol} is not known, and {limit} needs it."
    return Refusal(RefusalCode.NO_FACTS, limit, f"{what} not known", text)
