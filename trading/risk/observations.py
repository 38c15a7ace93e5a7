"""Observations: what is seen of an account at one time, and the numbers in it that must be worked out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import pandas as pd

from trading.breaks import Break, BreakType
from trading.market.bars import DailyBars
from trading.market.calendars import TradingCalendar
from trading.orders.executions import ExecutionReport
from trading.positions.books import position_value
from trading.risk.equity_curve import CashFlow, Valuation

_IN_MONEY = (BreakType.CASH, BreakType.DIVIDEND, BreakType.MERGER)
_NAN = Decimal("NaN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One order that went out, and whether the broker rejected it."""

    at: datetime
    rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FillCost:
    """One execution beside the price it is measured by.

    Attributes:
        value: of the execution at that price, > 0.
        cost: how much worse it was, in account currency; < 0 when better.
    """

    at: datetime
    value: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskObservation:
    """What is seen of an account at one time; None where nobody has looked, or there is nothing to see yet.

    Attributes:
        session: whose prices the account is valued at.
        equity: now, open positions included.
        values: value of each position, negative when short; None where it has no price.
        valuations: what it was worth before, oldest first.
        flows: deposits, withdrawals and bookings by a person.
        sendings: of the session under way, oldest first.
        worst_break: value of the worst difference from the broker that nobody has cleared; NaN when it has no price.
        sessions_behind: by how many the newest bars that were checked are behind.
        reachable: whether the broker answered.
        fills: oldest first.
        market_returns: of the market by session, oldest first.
        disagreeing: share of the symbols on which a second provider says otherwise, 0 to 1.
    """

    account: str
    session: date
    equity: Decimal | None = None
    values: Mapping[str, Decimal | None] = field(default_factory=dict)
    valuations: Sequence[Valuation] = ()
    flows: Sequence[CashFlow] = ()
    sendings: Sequence[Sending] | None = None
    worst_break: Decimal | None = None
    sessions_behind: int | None = None
    reachable: bool | None = None
    fills: Sequence[FillCost] = ()
    market_returns: Sequence[float] = ()
    disagreeing: Decimal | None = None


def worse_closes(
    closes: Mapping[str, Decimal | None], held: Mapping[str, Decimal], prices: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Return those of the closes that are worth less to what is held than the prices that it has, or that it has none.

    Args:
        closes: of symbols that are held; what is not above 0 is none.
    """
    usable = {s: px for s, px in closes.items() if px is not None and px.is_finite() and px > 0}
    return {s: px for s, px in usable.items() if s not in prices or (px - prices[s]) * held[s] < 0}


def worst_break(breaks: Sequence[Break], prices: Mapping[str, Decimal]) -> Decimal:
    """Return the value of the worst difference, of positions at their prices and of money; NaN where one has no price.

    What a corporate action explains is left out.
    """
    unexplained = [b for b in breaks if not b.expected]
    worth = [_difference(b) for b in unexplained if b.break_type in _IN_MONEY]
    # An adjusted option is a break without a difference, which is worth nothing whatever its price.
    positions = [b for b in unexplained if b.break_type is BreakType.POSITION and _difference(b)]
    worth += [position_value(b.subject, _difference(b), prices.get(b.subject, _NAN)) for b in positions]
    unknown = [w for w in worth if not w.is_finite()]
    return unknown[0] if unknown else max(worth, default=Decimal(0))


def _difference(found: Break) -> Decimal:
    return abs(Decimal(found.theirs or 0) - Decimal(found.ours or 0))


def sessions_behind(calendar: TradingCalendar, newest: date, now: datetime) -> int:
    """Return by how many sessions bars up to `newest` are behind those of the session before today."""
    expected = calendar.previous_session(calendar.local_date(now))
    return max(len(calendar.sessions(newest, expected)) - 1, 0)


def fill_costs(
    trades: Sequence[ExecutionReport], days: Sequence[date], bars: DailyBars, at_close: Collection[str]
) -> list[FillCost]:
    """Return trades beside the open of their session; beside its close where that was asked for, or no open is known.

    One whose bar is not known yet is left out until it is.

    Args:
        days: the session of each trade.
        at_close: cl_ord_ids of the orders that were for the closing auction.
    """
    prices = {
        (str(row.symbol), row.session.date()): (Decimal(repr(float(row.open))), Decimal(repr(float(row.close))))
        for row in bars.frame.itertuples()
    }
    fills = []
    for trade, day in zip(trades, days, strict=True):
        opened, close = prices.get((trade.symbol, day), (_NAN, _NAN))
        px = close if trade.cl_ord_id in at_close or not opened.is_finite() else opened
        if px.is_finite() and px > 0:
            value = position_value(trade.symbol, trade.last_qty, px)
            cost = position_value(trade.symbol, trade.signed_qty, trade.px - px)
            fills.append(FillCost(at=trade.transact_time, value=value, cost=cost))
    return fills


def market_returns(closes: pd.DataFrame) -> list[float]:
    """Return what the symbols returned on average in each session; one without a return on the day is left out.

    Args:
        closes: adjusted, wide: a row per session and a column per symbol.
    """
    returns = closes.pct_change(fill_method=None).mean(axis=1).dropna()
    return [float(r) for r in returns]
