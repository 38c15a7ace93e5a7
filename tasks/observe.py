"""Observe an account for its breakers: from the ledger, the bars in store and what the broker has said."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from adapters.staged_bars import load_fetched
from blocks.desk import Desk
from tasks.value import marks
from trading.breaks import BreakType
from trading.market.adjustments import adjusted_closes
from trading.market.checked_bars import CheckedBars
from trading.market.quality import QualityReport
from trading.market.repairs import BarField
from trading.orders.executions import ExecutionReport, position_trades
from trading.positions.books import fold_books, position_value
from trading.risk.equity_curve import cash_flows
from trading.risk.observations import (
    FillCost,
    RiskObservation,
    fill_costs,
    market_returns,
    sessions_behind,
    worse_closes,
    worst_break,
)


def observe(
    desk: Desk, session: date, now: datetime, *, reachable: bool | None, quotes: Mapping[str, Decimal]
) -> RiskObservation:
    """Return all that the breakers go by.

    Args:
        session: the newest one whose closes may be looked at.
        reachable: whether the broker has just answered; None when nobody asked it.
        quotes: last prices that are newer than those in store; for a symbol that has one no bars are read.
    """
    calendar, breakers = desk.market.calendar, desk.ledger.breakers
    facts, rules = desk.ledger.facts, desk.account.risk_limits.breakers
    executions, movements = facts.executions(desk.name), facts.cash_movements(desk.name)
    books = fold_books(executions, movements, [a for a in facts.actions(desk.name) if a.effective_at <= now])
    held = books.held()
    unquoted = {symbol: qty for symbol, qty in held.items() if symbol not in quotes}
    prices = {**marks(desk, session, unquoted, executions), **quotes}
    newest = facts.last_checked().get(desk.market.settings.name)
    report = None if newest is None else facts.quality(desk.market.settings.name, min(newest, session))
    prices |= _worse(desk, report, unquoted, prices)
    values = {
        symbol: position_value(symbol, qty, prices[symbol]) if symbol in prices else None
        for symbol, qty in held.items()
    }
    known = [value for value in values.values() if value is not None]
    return RiskObservation(
        account=desk.name,
        session=session,
        equity=books.cash + books.due + sum(known, Decimal(0)),
        values=values,
        valuations=breakers.valuations(desk.name),
        flows=cash_flows(movements),
        sendings=breakers.sendings(desk.name, calendar.session_on_or_after(calendar.local_date(now))),
        worst_break=_worst_break(desk, session, prices),
        sessions_behind=None if newest is None else sessions_behind(calendar, newest, now),
        reachable=reachable,
        fills=_fills(desk, executions, rules.slippage.sample) if rules.slippage.enabled else (),
        market_returns=_returns(desk, session, rules.volatility.sample) if rules.volatility.enabled else (),
        disagreeing=None if report is None else report.disagreeing(),
    )


def _worse(
    desk: Desk, report: QualityReport | None, held: Mapping[str, Decimal], prices: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Return the closes of the session checked that are in quarantine and worse for a position than its last good one.

    They may be wrong; but a loss that may be there must not be hidden by them.
    """
    suspect = sorted(held.keys() & report.quarantined().keys()) if report is not None else []
    if report is None or not suspect:
        return {}
    path = desk.storage.checked_folder / f"{report.source}-{report.session}.parquet"
    if not path.exists():
        return {}
    checked = CheckedBars(report=report, fetched=load_fetched(path))
    return worse_closes({s: checked.value(s, report.session, BarField.CLOSE) for s in suspect}, held, prices)


def _worst_break(desk: Desk, session: date, prices: Mapping[str, Decimal]) -> Decimal:
    """Return the value of the worst difference that nobody has cleared and no corporate action explains."""
    breaks = desk.ledger.clearances.open_breaks(desk.name)
    unknown = {b.subject for b in breaks if b.break_type is BreakType.POSITION} - prices.keys()
    return worst_break(breaks, {**marks(desk, session, unknown, ()), **prices})


def _fills(desk: Desk, executions: Sequence[ExecutionReport], count: int) -> list[FillCost]:
    """Return the last executions beside what they are measured by."""
    calendar, trades = desk.market.calendar, position_trades(executions)[-count:]
    if not trades:
        return []
    days = [calendar.local_date(t.transact_time) for t in trades]
    bars = desk.market.store.read(desk.market.settings.name, sorted({t.symbol for t in trades}), min(days), max(days))
    return fill_costs(trades, days, bars, desk.ledger.breakers.at_close([t.cl_ord_id for t in trades]))


def _returns(desk: Desk, session: date, count: int) -> list[float]:
    """Return what the symbols in store returned on average in each of the last sessions."""
    market = desk.market
    first = market.calendar.sessions_before(session, count)
    frame = market.store.read(market.settings.name, None, first, session).frame
    actions = market.store.actions(market.settings.name, first, session)
    return market_returns(adjusted_closes(frame, actions, as_of=session))
