"""What measures are called, in which unit they are told, and the sentence that refuses an order."""

import math

from trading.risk.measure_limits import MeasureBreach, MeasureCode, MeasureLimits, MeasureUse

_PER_CENT = frozenset(
    {MeasureCode.MAX_VAR, MeasureCode.MAX_EXPECTED_SHORTFALL, MeasureCode.MAX_STRESS_LOSS, MeasureCode.MAX_DRAWDOWN}
)
_NAMES = {
    MeasureCode.MAX_VAR: "value at risk",
    MeasureCode.MAX_EXPECTED_SHORTFALL: "expected shortfall",
    MeasureCode.MAX_STRESS_LOSS: "loss in the stress scenario",
    MeasureCode.MAX_DRAWDOWN: "fall of equity from its peak",
    MeasureCode.MAX_BETA: "beta of equity",
    MeasureCode.MAX_LIQUIDITY_DAYS: "time to sell the position",
    MeasureCode.MAX_DELTA: "net delta",
    MeasureCode.MAX_GAMMA: "net gamma for 1 %",
    MeasureCode.MAX_VEGA: "net vega for one point",
}


def unit_of(code: MeasureCode, currency: str) -> str:
    """Return the unit in which a limit and its measure are told."""
    if code in _PER_CENT:
        return "% of equity"
    if code is MeasureCode.MAX_BETA:
        return "x equity"
    return "sessions" if code is MeasureCode.MAX_LIQUIDITY_DAYS else currency


def in_unit(code: MeasureCode, amount: float, equity: float) -> float:
    """Return an amount in the unit of its limit; infinite when it is a share of an equity that is not there."""
    if code in _PER_CENT or code is MeasureCode.MAX_BETA:
        share = amount / equity if equity > 0 else math.inf if amount > 0 else 0.0
        return 100 * share if code in _PER_CENT else share
    return amount


def limit_of(limits: MeasureLimits, code: MeasureCode) -> float | None:
    """Return the limit in its unit, or None when it is not set."""
    value = {
        MeasureCode.MAX_VAR: limits.max_var_pct,
        MeasureCode.MAX_EXPECTED_SHORTFALL: limits.max_expected_shortfall_pct,
        MeasureCode.MAX_STRESS_LOSS: limits.max_stress_loss_pct,
        MeasureCode.MAX_DRAWDOWN: limits.max_drawdown_pct,
        MeasureCode.MAX_BETA: limits.max_beta,
        MeasureCode.MAX_LIQUIDITY_DAYS: limits.max_liquidity_days,
        MeasureCode.MAX_DELTA: limits.max_delta,
        MeasureCode.MAX_GAMMA: limits.max_gamma,
        MeasureCode.MAX_VEGA: limits.max_vega,
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
        code=MeasureCode.NOT_MEASURED, symbol=symbol, limit="measured", before=why, after=why, text=text
    )


def _name(limits: MeasureLimits, use: MeasureUse) -> str:
    name = _NAMES[use.code]
    if use.code in (MeasureCode.MAX_VAR, MeasureCode.MAX_EXPECTED_SHORTFALL):
        sessions = "one session" if limits.horizon_sessions == 1 else f"{limits.horizon_sessions} sessions"
        method = limits.method.value.replace("_", "-").lower()
        return f"{name} of {sessions} ({method}, {100 * limits.level:g} %)"
    return f"{name} {use.scenario!r}" if use.scenario else name


def _told(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "beyond any limit, for there is no equity"
    return f"{value:,.2f} {unit}"
