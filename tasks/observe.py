"""Observe an account for its breakers: from the ledger, the bars in store and what the broker has said."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from adapters.staged_bars import load_fetched
from blocks.desk import Desk
from tasks.value import last_prices, marks
from trading.market.adjustments import adjusted_closes
from trading.market.bars import DailyBars
from trading.market.checked_bars import CheckedBars
from trading.market.quality import Rule
from trading.market.repairs import BarField
from trading.orders.executions import ExecutionReport, position_trades
from trading.reconciliation import Break, BreakType
from trading.risk.breaker_readings import FillCost, RiskObservation
from trading.risk.equity_curve import cash_flows

_IN_MONEY = (BreakType.CASH, BreakType.DIVIDEND, BreakType.MERGER)
_NAN = Decimal("NaN")


def observe(
    desk: Desk, session: date, now: datetime, *, reachable: bool | None, quotes: Mapping[str, Decimal]
) -> RiskObservation:
    """Return all that the breakers go by.

    Args:
        session: the newest one whose closes may be looked at.
        reachable: whether the broker has just answered; None when nobody asked it.
        quotes: last prices that are newer than those in store.
    """
    calendar, breakers = desk.market.calendar, desk.ledger.breakers
    facts, rules = desk.ledger.facts, desk.account.risk_limits.breakers
    executions, books = facts.executions(desk.name), facts.books(desk.name, now)
    held = books.held()
    prices = {**marks(desk, session, held, executions), **quotes}
    newest = facts.last_checked().get(desk.market.settings.name)
    prices |= {s: px for s, px in _worse(desk, newest, held, prices).items() if s not in quotes}
    values = {symbol: qty * prices[symbol] if symbol in prices else None for symbol, qty in held.items()}
    known = [value for value in values.values() if value is not None]
    return RiskObservation(
        account=desk.name,
        session=session,
        equity=books.cash + books.due + sum(known, Decimal(0)),
        values=values,
        valuations=breakers.valuations(desk.name),
        flows=cash_flows(facts.cash_movements(desk.name)),
        sendings=breakers.sendings(desk.name, calendar.session_on_or_after(calendar.local_date(now))),
        worst_break=_worst_break(desk, session, prices),
        sessions_behind=None if newest is None else _sessions_behind(desk, newest, now),
        reachable=reachable,
        fills=_fills(desk, executions, rules.slippage.sample) if rules.slippage.enabled else (),
        market_returns=_returns(desk, session, rules.volatility.sample) if rules.volatility.enabled else (),
        disagreeing=None if newest is None else _disagreeing(desk, newest),
    )


def _worse(
    desk: Desk, newest: date | None, held: Mapping[str, Decimal], prices: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Return the closes of the newest session that are in quarantine and worse for a position than its last good one.

    They may be wrong; but a loss that may be there must not be hidden by them.
    """
    source = desk.market.settings.name
    report = None if newest is None else desk.ledger.facts.quality(source, newest)
    suspect = sorted(held.keys() & report.quarantined().keys()) if report is not None else []
    path = desk.storage.checked_folder / f"{source}-{newest}.parquet"
    if report is None or not suspect or not path.exists():
        return {}
    checked = CheckedBars(report=report, fetched=load_fetched(path))
    given = {s: checked.value(s, report.session, BarField.CLOSE) for s in suspect}
    usable = {s: px for s, px in given.items() if px is not None and px.is_finite() and px > 0}
    return {s: px for s, px in usable.items() if s not in prices or (px - prices[s]) * held[s] < 0}


def _worst_break(desk: Desk, session: date, prices: Mapping[str, Decimal]) -> Decimal:
    """Return the value of the worst difference that nobody has cleared and no corporate action explains."""
    unexplained = [b for b in desk.ledger.clearances.open_breaks(desk.name) if not b.expected]
    positions = [b for b in unexplained if b.break_type is BreakType.POSITION]
    unknown = {b.subject for b in positions} - prices.keys()
    known = {**last_prices(desk, session, unknown), **prices}
    worth = [_difference(b) for b in unexplained if b.break_type in _IN_MONEY]
    worth += [_difference(b) * known.get(b.subject, _NAN) for b in positions]
    return next((w for w in worth if not w.is_finite()), max(worth, default=Decimal(0)))


def _difference(found: Break) -> Decimal:
    return abs(Decimal(found.theirs or 0) - Decimal(found.ours or 0))


def _sessions_behind(desk: Desk, newest: date, now: datetime) -> int:
    calendar = desk.market.calendar
    expected = calendar.previous_session(calendar.local_date(now))
    return max(len(calendar.sessions(newest, expected)) - 1, 0) if newest < expected else 0


def _disagreeing(desk: Desk, newest: date) -> Decimal:
    report = desk.ledger.facts.quality(desk.market.settings.name, newest)
    if report is None or not report.symbols:
        return Decimal(0)
    named = {f.symbol for f in report.findings if f.rule is Rule.DISAGREEMENT}
    return Decimal(len(named)) / len(report.symbols)


def _fills(desk: Desk, executions: Sequence[ExecutionReport], count: int) -> list[FillCost]:
    """Return the last executions beside the open of their session, or its close where that is what was asked for.

    One whose bar is not stored yet is left out until it is.
    """
    calendar, trades = desk.market.calendar, position_trades(executions)[-count:]
    if not trades:
        return []
    days = [calendar.local_date(t.transact_time) for t in trades]
    bars = desk.market.store.read(desk.market.settings.name, sorted({t.symbol for t in trades}), min(days), max(days))
    prices = _by_session(bars)
    at_close = desk.ledger.breakers.at_close([t.cl_ord_id for t in trades])
    fills = []
    for trade, day in zip(trades, days, strict=True):
        opened, close = prices.get((trade.symbol, day), (_NAN, _NAN))
        px = close if trade.cl_ord_id in at_close or not opened.is_finite() else opened
        if px.is_finite() and px > 0:
            cost = (trade.px - px) * trade.signed_qty
            fills.append(FillCost(at=trade.transact_time, value=px * trade.last_qty, cost=cost))
    return fills


def _by_session(bars: DailyBars) -> dict[tuple[str, date], tuple[Decimal, Decimal]]:
    """Return open and close by symbol and session."""
    return {
        (str(row.symbol), row.session.date()): (Decimal(repr(float(row.open))), Decimal(repr(float(row.close))))
        for row in bars.frame.itertuples()
    }


def _returns(desk: Desk, session: date, count: int) -> list[float]:
    """Return what the symbols in store returned on average in each of the last sessions."""
    market = desk.market
    first = market.calendar.sessions_before(session, count)
    frame = market.store.read(market.settings.name, None, first, session).frame
    closes = adjusted_closes(frame, market.store.actions(market.settings.name, first, session), as_of=session)
    returns = closes.pct_change(fill_method=None).mean(axis=1).dropna()
    return [float(r) for r in returns]
