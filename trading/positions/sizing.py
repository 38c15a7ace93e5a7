"""Sizing: from the weights a strategy wants to whole lots. The one place where float64 and Decimal meet.

A float becomes the Decimal of its shortest decimal form (`Decimal(repr(x))`), so 0.1 is 0.1. Prices round half to even
to the tick; everything else rounds toward zero, so that no rounding ever buys more than the weight is worth.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.errors import InvalidValue
from trading.ledger import Target
from trading.market.instruments import Instrument
from trading.market.option_symbols import multiplier_of
from trading.orders.orders import TimeInForce
from trading.risk.form_fields import FormDecimal
from trading.validation import STRICT

_TOWARD_ZERO = Context(prec=28, rounding=ROUND_DOWN)
_ZERO, _ONE, _HUNDRED = Decimal(0), Decimal(1), Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class SizingRules:
    """How weights become orders."""

    capital_pct: Annotated[
        FormDecimal, Field(gt=0, le=100, description="Share of the account's equity that the book uses, in per cent.")
    ] = Decimal(100)
    cash_buffer_pct: Annotated[
        FormDecimal,
        Field(ge=0, lt=100, description="Kept in cash for fees and price moves until the fills, in per cent."),
    ] = Decimal(2)
    drift_band_pct: Annotated[
        FormDecimal,
        Field(ge=0, description="A position closer to its target is left alone, in per cent of equity."),
    ] = Decimal("0.5")
    min_trade_notional: Annotated[
        FormDecimal,
        Field(ge=0, description="Smaller orders are not made, in account currency, except to close a position."),
    ] = Decimal(100)
    time_in_force: Annotated[TimeInForce, Field(description="How long an order stays at the broker.")] = TimeInForce.DAY


def price_of(close: float, instrument: Instrument) -> Decimal:
    """Return a close as a price on the instrument's tick grid, rounded half to even; 10.126 at 0.01 gives 10.13.

    Raises:
        InvalidValue: the close is NaN or infinite, or is not above 0 on the grid.
    """
    close = float(close)  # numpy's float64 has another repr
    px = instrument.round_to_tick(Decimal(repr(close))) if math.isfinite(close) else _ZERO
    if px <= 0:
        rule = f"finite and above 0 in steps of {instrument.tick_size}"
        raise InvalidValue(f"close of {instrument.symbol}", close, rule)
    return px


def prices_of(closes: Mapping[str, float], instruments: Mapping[str, Instrument]) -> dict[str, Decimal]:
    """Return `price_of` every known instrument's close; one that is no price is left out, as an absent one is."""
    prices: dict[str, Decimal] = {}
    for symbol, close in closes.items():
        if symbol in instruments:
            try:
                prices[symbol] = price_of(close, instruments[symbol])
            except InvalidValue:
                continue  # sizing then says "no price" of it, and orders nothing
    return prices


def size_targets(
    *,
    weights: Mapping[str, float],
    prices: Mapping[str, Decimal],
    held: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    equity: Decimal,
    rules: SizingRules,
    frozen: Mapping[str, str],
    currency: str = "USD",
) -> tuple[Target, ...]:
    """Return a target for every symbol that is weighted or held, sorted by symbol.

    A weight is worth `weight × equity × capital_pct × (1 − cash_buffer_pct)`. Positions that cannot be traded keep
    their room: when the others do not fit beside them, all others shrink by the same factor. With an equity of 10,000,
    no buffer and 4,000 frozen in C, weights of A 0.5 and B 0.5 become 3,000 each; with A 0.3 and B 0.3 they fit, and
    become 3,000 each too.

    The drift band leaves positions a little above their target. Where the cash buffer cannot hold all of these, they
    are trimmed to their targets in spite of it.

    Args:
        weights: checked ones; a held symbol without one is wanted at 0.
        prices: raw prices per unit. Give a frozen symbol's last known price, so that its room can be kept.
        held: signed quantities of the book.
        equity: of the account, > 0; without it nothing can be sized.
        frozen: symbols not to be traded, each with the reason that its target shall bear.
        currency: of the account; what is quoted in another one is not traded.

    Raises:
        InvalidValue: equity is not a number above 0.
    """
    if not (equity.is_finite() and equity > 0):
        raise InvalidValue("equity", equity, "greater than 0, or nothing can be sized by it; check the account")
    with localcontext(_TOWARD_ZERO):
        lines = _lines(weights, prices, held, instruments, frozen, currency)
        capital = equity * rules.capital_pct / _HUNDRED
        wanted = _wanted_values(lines, capital, rules)
        targets = [_target(line, wanted[line.symbol], equity, rules, trim_freely=False) for line in lines]
        if _gross_after(lines, targets) > capital * max(_ONE, _gross_weight(lines)):
            targets = [_target(line, wanted[line.symbol], equity, rules, trim_freely=True) for line in lines]
        return tuple(targets)


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One symbol with all that sizing must know of it; `unit_value` is 0 when it cannot be valued."""

    symbol: str
    weight: Decimal
    px: Decimal | None
    unit_value: Decimal
    lot_size: Decimal
    held: Decimal
    frozen: str | None

    @property
    def held_value(self) -> Decimal:
        return self.held * self.unit_value

    def whole_lots(self, qty: Decimal) -> Decimal:
        return qty // self.lot_size * self.lot_size + _ZERO  # never -0


def _lines(
    weights: Mapping[str, float],
    prices: Mapping[str, Decimal],
    held: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    frozen: Mapping[str, str],
    currency: str,
) -> list[_Line]:
    lines = []
    for symbol in sorted({*weights, *held}):
        instrument, px = instruments.get(symbol), prices.get(symbol)
        if px is not None and not px > 0:
            px = None
        line = _Line(
            symbol=symbol,
            weight=Decimal(repr(float(weights.get(symbol, 0)))),
            px=px,
            unit_value=_ZERO if px is None else px * (instrument.multiplier if instrument else multiplier_of(symbol)),
            lot_size=instrument.lot_size if instrument else _ONE,
            held=held.get(symbol, _ZERO),
            frozen=frozen.get(symbol) or _why_frozen(instrument, px, currency),
        )
        lines.append(line)
    return lines


def _why_frozen(instrument: Instrument | None, px: Decimal | None, currency: str) -> str | None:
    if instrument is None:
        return "no instrument"
    if instrument.currency != currency:
        return f"quoted in {instrument.currency}, not in {currency}"
    return "no price" if px is None else None


def _wanted_values(lines: list[_Line], capital: Decimal, rules: SizingRules) -> dict[str, Decimal]:
    base = capital * (_HUNDRED - rules.cash_buffer_pct) / _HUNDRED
    frozen_value = sum((abs(line.held_value) for line in lines if line.frozen), _ZERO)
    room = max(_ZERO, base * max(_ONE, _gross_weight(lines)) - frozen_value)
    free = _gross_weight([line for line in lines if not line.frozen])
    if base * free <= room:
        return {line.symbol: line.weight * base for line in lines}
    return {line.symbol: line.weight * room / free for line in lines}


def _target(line: _Line, wanted: Decimal, equity: Decimal, rules: SizingRules, *, trim_freely: bool) -> Target:
    target_qty = line.held if line.frozen else line.whole_lots(wanted / line.unit_value)
    order_qty = line.whole_lots(target_qty - line.held)
    trims = abs(target_qty) < abs(line.held)
    left_alone = "" if trims and trim_freely else _why_left_alone(line, wanted, order_qty, equity, rules)
    if line.frozen:
        reason = line.frozen
    elif order_qty == 0:
        reason = "at target" if target_qty == line.held and (line.held or not wanted) else "less than one lot"
    elif wanted == 0:
        reason = "close out"
    elif left_alone:
        order_qty, reason = _ZERO, left_alone
    else:
        reason = "to target"
    return Target(
        symbol=line.symbol,
        weight=float(line.weight),
        reference_px=line.px,
        held_qty=line.held,
        target_qty=target_qty,
        order_qty=order_qty,
        reason=reason,
    )


def _why_left_alone(line: _Line, wanted: Decimal, order_qty: Decimal, equity: Decimal, rules: SizingRules) -> str:
    if abs(wanted - line.held_value) < equity * rules.drift_band_pct / _HUNDRED:
        return "within drift band"
    if abs(order_qty * line.unit_value) < rules.min_trade_notional:
        return "below minimum trade"
    return ""


def _gross_weight(lines: list[_Line]) -> Decimal:
    return sum((abs(line.weight) for line in lines), _ZERO)


def _gross_after(lines: list[_Line], targets: list[Target]) -> Decimal:
    after = (abs((line.held + t.order_qty) * line.unit_value) for line, t in zip(lines, targets, strict=True))
    return sum(after, _ZERO)
