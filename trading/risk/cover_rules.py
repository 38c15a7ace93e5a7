"""Rules of cover: a short call needs the shares, a short put the cash to buy them."""

from decimal import Decimal

from trading.market.instruments import Option, PutOrCall
from trading.orders.orders import Side
from trading.risk.refusals import RefusalCode
from trading.risk.tally import Proposal, Refusal, Tally

_ZERO = Decimal(0)


def covered(tally: Tally, asked: Proposal) -> Refusal | None:
    """Refuse what could leave a short call without its shares, or a short put without its cash.

    A long option covers nothing, nor do shares or cash that an order still working has yet to bring: the legs of a
    spread or of a buy-write do not cover each other.
    """
    if tally.limits.uncovered_shorts_allowed:
        return None
    return _calls(tally, asked) or _puts(tally, asked)


def _calls(tally: Tally, asked: Proposal) -> Refusal | None:
    """Hold the shares that are sure to stay against those that short calls may take."""
    option, symbol = _option(tally, asked.order.symbol), asked.order.symbol
    if asked.order.side is Side.BUY or (option is None and symbol not in tally.options):
        return None
    underlying = symbol if option is None else option.underlying
    needed = _short(tally, asked, underlying, PutOrCall.CALL)
    shares = asked.after if underlying == symbol else tally.exposure.side(underlying, Side.SELL)
    kept = shares.free
    if needed <= kept or (option is not None and (option.put_or_call is PutOrCall.PUT or not asked.adds)):
        return None
    text = f"Short calls on {underlying} may take {needed} shares, but only {kept} are held and not for sale."
    return Refusal(RefusalCode.UNCOVERED_SHORT, f"{kept} shares", f"{needed} shares", text)


def _puts(tally: Tally, asked: Proposal) -> Refusal | None:
    """Hold the cash that working buys leave against what short puts may cost."""
    if not asked.adds or not tally.options:
        return None
    option = _option(tally, asked.order.symbol)
    sells_put = option is not None and option.put_or_call is PutOrCall.PUT and asked.order.side is Side.SELL
    if not sells_put and asked.order.side is Side.SELL:
        return None
    needed = sum((_short(tally, asked, underlying, PutOrCall.PUT) for underlying in tally.options), _ZERO)
    spent = sum((s.opening * s.unit_value for (_, side), s in tally.exposure.sides() if side is Side.BUY), _ZERO)
    if asked.order.side is Side.BUY:
        spent += asked.after.value - asked.before.value
    free = tally.state.cash - spent
    if not needed or needed <= free:
        return None
    text = f"Short puts may cost {tally.money(needed)}, but only {tally.money(free)} of cash is free."
    return Refusal(RefusalCode.UNCOVERED_SHORT, tally.money(free), tally.money(needed), text)


def _short(tally: Tally, asked: Proposal, underlying: str, kind: PutOrCall) -> Decimal:
    """Return the shares that short calls on the underlying may take, or the cash that short puts may cost."""
    total = _ZERO
    for symbol in tally.options.get(underlying, ()):
        option = _option(tally, symbol)
        if option is not None and option.put_or_call is kind:
            mine = symbol == asked.order.symbol and asked.order.side is Side.SELL
            side = asked.after if mine else tally.exposure.side(symbol, Side.SELL)
            unit = option.multiplier * (option.strike_px if kind is PutOrCall.PUT else 1)
            total += (side.held + side.opening) * unit
    return total


def _option(tally: Tally, symbol: str) -> Option | None:
    instrument = tally.facts(symbol).instrument
    return instrument if isinstance(instrument, Option) else None
