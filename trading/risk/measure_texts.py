"""What measures are called, in which unit they are told, and the sentence that refuses an order."""

import math

from trading.risk.measure_limits import MeasureBreach, MeasureLimits, MeasureUse
from trading.risk.refusals import RefusalCode

_PER_CENT = frozenset(
    {RefusalCode.MAX_VAR, RefusalCode.MAX_EXPECTED_SHORTFALL, RefusalCode.MAX_STRESS_LOSS, RefusalCode.MAX_DRAWDOWN}
)
_NAMES = {
    RefusalCode.MAX_VAR: "value at risk",
    RefusalCode.MAX_EXPECTED_SHORTFALL: "expected shortfall",
    RefusalCode.MAX_STRESS_LOSS: "loss in the stress scenario",
    RefusalCode.MAX_DRAWDOWN: "fall of equity from its peak",
    RefusalCode.MAX_BETA: "beta of equity",
    RefusalCode.MAX_LIQUIDITY_DAYS: "time to sell the position",
    RefusalCode.MAX_DELTA: "net delta",
    RefusalCode.MAX_GAMMA: "net gamma for 1 %",
    RefusalCode.MAX_VEGA: "net vega for one point",
}


def unit_of(code: RefusalCode, currency: str) -> str:
    """Return the unit in which a limit and its measure are told."""
    if code in _PER_CENT:
        return "% of equity"
    if code is RefusalCode.MAX_BETA:
        return "x equity"
    return "sessions" if code is RefusalCode.MAX_LIQUIDITY_DAYS else currency


def in_unit(code: RefusalCode, amount: float, equity: float) -> float:
    """Return an amount in the unit of its limit; infinite when it is a share of an equity that is not there."""
    if code in _PER_CENT or code is RefusalCode.MAX_BETA:
        share = amount / equity if equity > 0 else math.inf if amount > 0 else 0.0
        return 100 * share if code in _PER_CENT else share
    return amount


def limit_of(limits: MeasureLimits, code: RefusalCode) -> float | None:
    """Return the limit in its unit, or None when it is not set."""
    value = {
        RefusalCode.MAX_VAR: limits.max_var_pct,
        RefusalCode.MAX_EXPECTED_SHORTFALL: limits.max_expected_shortfall_pct,
        RefusalCode.MAX_STRESS_LOSS: limits.max_stress_loss_pct,
        RefusalCode.MAX_DRAWDOWN: limits.max_drawdown_pct,
        RefusalCode.MAX_BETA: limits.max_beta,
        RefusalCode.MAX_LIQUIDITY_DAYS: limits.max_liquidity_days,
        RefusalCode.MAX_DELTA: limits.max_delta,
        RefusalCode.MAX_GAMMA: limits.max_gamma,
        RefusalCode.MAX_VEGA: limits.max_vega,
    }.get(code)
    return None if value is None else float(value)


def breach_of(symbol: str, limits: MeasureLimits, before: MeasureUse, after: MeasureUse) -> MeasureBreach:
    """Return the breach of one limit, before and after an order."""
    most, was, now = (_told(value, after.unit) for value in (after.limit, before.value, after.value))
    return MeasureBreach(
        code=after.code,
        symbol=symbol,
        limit=most,
        before=was,
        after=now,
        text=f"With this order in {symbol} the {_name(limits, after)} could reach {now}, but {most} is the most; "
        f"without it, it is {was}.",
    )


def drawdown_breach(symbol: str, use: MeasureUse) -> MeasureBreach:
    """Return why nothing may be added while equity is too far below its peak."""
    most, now = _told(use.limit, use.unit), _told(use.value, use.unit)
    text = f"Equity is {use.value:.2f} % below its peak, and beyond {use.limit:g} % nothing may be added to {symbol}."
    return MeasureBreach(code=use.code, symbol=symbol, limit=most, before=now, after=now, text=text)


def not_measured(symbol: str, what: str, why: str) -> MeasureBreach:
    """Return why nothing may be added to what has no measure."""
    text = f"Nothing may be added to {symbol}, for {what} cannot be measured: {why}. It may be closed."
    return MeasureBreach(
        code=RefusalCode.NOT_MEASURED, symbol=symbol, limit="measured", before=why, after=why, text=text
    )


def _name(limits: MeasureLimits, use: MeasureUse) -> str:
    name = _NAMES[use.code]
    if use.code in (RefusalCode.MAX_VAR, RefusalCode.MAX_EXPECTED_SHORTFALL):
        sessions = "one session" if limits.horizon_sessions == 1 else f"{limits.horizon_sessions} sessions"
        method = limits.method.value.replace("_", "-").lower()
        return f"{name} of {sessions} ({method}, {100 * limits.level:g} %)"
    return f"{name} {use.scenario!r}" if use.scenario else name


def _told(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "beyond any limit, for there is no equity"
    return f"{value:,.2f} {unit}"
