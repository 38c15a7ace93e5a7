"""The live account: what is held at the prices of the moment, what that has made of the day, and what it is worth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from math import isinf, isnan, nan
from typing import NamedTuple

from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.own_side import DayPosition, OwnSide


class MarkSource(StrEnum):
    """What a mark is."""

    MID = "mid"
    LAST = "last"
    CLOSE = "close"


class Mark(NamedTuple):
    """The price at which a symbol is valued.

    Attributes:
        age_seconds: since it was quoted or traded; of a close at least so much.
    """

    px: float
    source: MarkSource
    age_seconds: float


class PositionPnl(NamedTuple):
    """What one position has made since the previous close, in account currency; NaN where it is not known.

    Attributes:
        value: signed.
        day_pnl: realized + open, less commission.
        open_pnl: of what is held, against its basis.
        realized: of what was closed today.
    """

    symbol: str
    qty: float
    mark: float
    value: float
    day_pnl: float
    open_pnl: float
    realized: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNow:
    """The account as a whole; NaN where a number is not known.

    Attributes:
        pnl: since the close before, without cash paid in and out.
        loss_pct: of what it was worth at the close before; below 0 is a gain.
        drawdown_pct: from the peak, 0 or more.
        gross: sum of the values of all positions without their signs.
        net: the same with them.
        gross_pct: of equity.
        problems: why a number is not known, a sentence each.
    """

    at: datetime
    equity: float
    pnl: float
    loss_pct: float
    drawdown_pct: float
    gross: float
    net: float
    gross_pct: float
    problems: tuple[str, ...]


def marks_of(own: OwnSide, places: Mapping[str, int], metrics: Metrics | None, at: datetime) -> dict[str, Mark]:
    """Return the mark of all that is held or was traded today: the mid, else the last trade, else the last close.

    Args:
        places: the column of each symbol that is watched.
        metrics: None before the first second was measured.
    """
    closed = (at - own.closed_at).total_seconds()
    marks = {s: Mark(float(px), MarkSource.CLOSE, closed) for s, px in own.closes.items() if s in own.positions}
    if metrics is None:
        return marks
    for symbol in own.positions.keys() & places.keys():
        mid, last, quoted, traded = (
            float(metrics.values[metric.row, places[symbol]])
            for metric in (Metric.MID, Metric.LAST, Metric.QUOTE_AGE_SECONDS, Metric.TRADE_AGE_SECONDS)
        )
        if mid > 0:
            marks[symbol] = Mark(mid, MarkSource.MID, quoted)
        elif last > 0:
            marks[symbol] = Mark(last, MarkSource.LAST, traded)
    return marks


def live_prices(marks: Mapping[str, Mark]) -> dict[str, Decimal]:
    """Return the marks that are newer than any close, as breakers are told them."""
    return {s: Decimal(repr(m.px)) for s, m in marks.items() if m.source is not MarkSource.CLOSE}


def position_pnl(own: OwnSide, marks: Mapping[str, Mark]) -> tuple[PositionPnl, ...]:
    """Return what each position has made of the day, sorted by symbol; what was closed today is among them."""
    return tuple(_pnl(symbol, position, marks.get(symbol)) for symbol, position in sorted(own.positions.items()))


def account_now(own: OwnSide, marks: Mapping[str, Mark], at: datetime) -> AccountNow:
    """Return what the account is worth; while anything held has no mark its worth is not known, and not summed."""
    values = {s: float(p.qty * p.multiplier) * (marks[s].px if s in marks else nan) for s, p in _held(own)}
    net, gross = sum(values.values()), sum(map(abs, values.values()))
    equity = float(own.cash + own.due) + net
    close, peak = (nan if worth is None else float(worth) for worth in own.before)
    return AccountNow(
        at=at,
        equity=equity,
        pnl=equity - close,
        loss_pct=_share(close - equity, close),
        drawdown_pct=_fall(equity, peak),
        gross=gross,
        net=net,
        gross_pct=_share(gross, equity),
        problems=tuple(_problems(own, (s for s, value in values.items() if isnan(value)), equity, close)),
    )


def _held(own: OwnSide) -> Iterable[tuple[str, DayPosition]]:
    return ((symbol, position) for symbol, position in own.positions.items() if position.qty)


def _pnl(symbol: str, position: DayPosition, mark: Mark | None) -> PositionPnl:
    units, px = float(position.qty * position.multiplier), nan if mark is None else mark.px
    basis, realized = (nan if known is None else float(known) for known in (position.basis_px, position.realized))
    open_pnl = units * (px - basis) if units else 0.0
    return PositionPnl(
        symbol=symbol,
        qty=float(position.qty),
        mark=px,
        value=units * px if units else 0.0,
        day_pnl=realized + open_pnl - float(position.commission),
        open_pnl=open_pnl,
        realized=realized,
    )


def _share(amount: float, of: float) -> float:
    """Return an amount in per cent; NaN of nothing and of less."""
    return 100 * amount / of if of > 0 else nan


def _fall(equity: float, peak: float) -> float:
    if isnan(equity) or isnan(peak):
        return nan
    return 100.0 if isinf(peak) else min(max(100 * (1 - equity / peak), 0.0), 100.0)


def _problems(own: OwnSide, unmarked: Iterable[str], equity: float, close: float) -> Iterable[str]:
    yield from (f"{symbol} is held and has no price, so equity is not known" for symbol in sorted(unmarked))
    if equity <= 0:
        yield f"equity is {equity:,.2f}, so no position is a share of it"
    if own.before.close is None:
        yield f"the account was not valued before {own.session}, so there is no loss of the day"
    elif close <= 0:
        yield f"the account was worth {close:,.2f} before {own.session}, so a loss is a share of nothing"
