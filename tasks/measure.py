"""Measure the risk of an account: limits in use, tails, stresses, contributors."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import dropwhile

import numpy as np
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.sql.order_requests import notional
from blocks.desk import Clock, Desk
from tasks.draw import risk_png
from tasks.publish import publish_markdown, publish_png
from tasks.value import EVER, marks
from trading.market.adjustments import adjusted_closes
from trading.market.instruments import SecurityType
from trading.orders.orders import Order
from trading.positions.books import equity
from trading.risk.contributions import shortfall_contributions
from trading.risk.drawdowns import current_drawdown
from trading.risk.equity_curve import growth_index
from trading.risk.gate import RiskState
from trading.risk.portfolio_risk import PortfolioRisk
from trading.risk.report import (
    RiskReport,
    limit_uses,
    measure_uses,
    stresses_of,
    tails_of,
)
from trading.risk.return_history import ReturnHistory
from trading.risk.risk_model import BETA, RiskModel, SymbolFacts, exposure_value
from trading.risk.risk_page import as_markdown, risk_page
from trading.risk.stress import built_in_scenarios

LEAST_SESSIONS = 100  # of history, for a page; a limit needs all that it asks for
LARGEST = 10  # contributors shown
VOLUME_SESSIONS = 20  # that the usual value traded in a day is the mean of


@task(name="measure_risk", timeout_seconds=300, cache_policy=NO_CACHE)
async def measure(desk: Desk, session: date, known: date, clock: Clock) -> RiskReport | None:
    """Measure the account as it is now, record the report and publish it; None while the account has no equity.

    Args:
        session: whose orders count.
        known: the last session whose bars are known by now.
    """
    report = risk_report(desk, session, known, clock())
    if report is not None:
        desk.ledger.risk_reports.record(report)
        await publish_markdown("risk", as_markdown(risk_page(report)), f"Risk of {desk.name} at {session}")
        await publish_png("risk-pictures", risk_png(report), f"Risk of {desk.name} at {session}")
    return report


def risk_report(desk: Desk, session: date, known: date, now: datetime) -> RiskReport | None:
    """Return the risk of what the account holds now."""
    facts, journal, settings = desk.ledger.facts, desk.ledger.journal, desk.account.risk_limits
    books = facts.books(desk.name, now)
    held, working = books.held(), journal.orders(desk.name, open_only=True)
    today = journal.orders(desk.name, session=session)
    wanted = {*held, *(s for o in (*working, *today) for s in o.new_order.symbols)}
    prices = marks(desk, known, wanted, facts.executions(desk.name))
    worth = equity(books, prices)
    if worth <= 0:
        return None
    state = RiskState(
        equity=worth,
        cash=books.cash,
        held=held,
        marks=prices,
        working=working,
        orders_today=len(today),
        notional_today=sum((notional(o, prices) for o in today), Decimal(0)),
        currency=desk.account.currency,
    )
    limits, drawdown = settings.measures, _drawdown(desk, worth, now)
    model, benchmark = _model_for_page(desk, wanted, known)
    values = {s: exposure_value(qty, prices[s]) for s, qty in held.items()}
    portfolio = PortfolioRisk(
        held=values,
        working=[part for o in working for part in _values(o, prices)],
        model=model,
        limits=limits,
        equity=float(worth),
        drawdown=drawdown,
        currency=desk.account.currency,
    )
    pnl = model.values(values) @ model.returns
    return RiskReport(
        account=desk.name,
        session=session,
        reported_at=now,
        equity=worth,
        currency=desk.account.currency,
        uses=limit_uses(state, settings.limits) + measure_uses(portfolio.before()),
        level=limits.level,
        tails=tails_of(pnl, limits.level) if model.index else (),
        stresses=stresses_of(model, values) if model.index else (),
        contributors=shortfall_contributions(model, values, limits.level)[:LARGEST] if model.index else (),
        pnl=tuple(map(float, pnl)) if model.index else (),
        benchmark=benchmark,
        beta=float(model.values(values) @ model.linear[:, BETA]) / float(worth) if model.index else None,
        drawdown=drawdown,
        unmeasured=dict(portfolio.unmeasured),
    )


def risk_model(desk: Desk, symbols: Collection[str], session: date) -> RiskModel:
    """Return what the stored bars up to the session say of these symbols, with all the history that the limits want."""
    limits = desk.account.risk_limits.measures
    closes, facts = _past(desk, symbols, session)
    return _model(desk, ReturnHistory.of_closes(closes, limits.history_sessions), limits.benchmark, facts)


def _model_for_page(desk: Desk, symbols: Collection[str], session: date) -> tuple[RiskModel, str]:
    """Return a model of as much history as there is, and its benchmark: where it has no bars, the symbols' mean."""
    limits = desk.account.risk_limits.measures
    closes, facts = _past(desk, symbols, session)
    sessions = max(min(limits.history_sessions, len(closes) - 1), LEAST_SESSIONS)
    history, benchmark = ReturnHistory.of_closes(closes, sessions), limits.benchmark
    if history.column(benchmark) is None and history.symbols:
        benchmark = f"the mean of {len(history.symbols)} symbols"
        history = replace(
            history,
            symbols=(*history.symbols, benchmark),
            returns=np.column_stack([history.returns, history.returns.mean(axis=1)]),
        )
    return _model(desk, history, benchmark, facts), benchmark


def _model(desk: Desk, history: ReturnHistory, benchmark: str, facts: Mapping[str, SymbolFacts]) -> RiskModel:
    scenarios = (*built_in_scenarios(), *desk.account.risk_limits.scenarios)
    return RiskModel.of(history, benchmark=benchmark, facts=facts, scenarios=scenarios)


def _past(desk: Desk, symbols: Collection[str], session: date) -> tuple[pd.DataFrame, dict[str, SymbolFacts]]:
    """Return adjusted closes of the symbols and of the benchmark, wide, and what else is known of them."""
    limits, source, store = desk.account.risk_limits.measures, desk.market.settings.name, desk.market.store
    first = desk.market.calendar.sessions_before(session, limits.history_sessions)
    wanted = sorted({*symbols, limits.benchmark})
    frame = store.read(source, wanted, first, session).frame
    closes = adjusted_closes(frame, store.actions(source, EVER, session), as_of=session)
    lately = frame[frame["session"] >= pd.Timestamp(desk.market.calendar.sessions_before(session, VOLUME_SESSIONS - 1))]
    traded = (lately["close"] * lately["volume"]).groupby(lately["symbol"]).mean()
    instruments = desk.market.instruments()
    facts = {
        symbol: SymbolFacts(
            security_type=instruments[symbol].security_type if symbol in instruments else SecurityType.COMMON_STOCK,
            daily_value=float(traded[symbol]) if symbol in traded and traded[symbol] > 0 else None,
        )
        for symbol in wanted
    }
    return closes, facts


def _values(order: Order, prices: Mapping[str, Decimal]) -> Iterator[tuple[str, float]]:
    """Yield the signed value of what is left of an order, leg by leg."""
    for part, ratio in zip(order.in_force.parts(), order.in_force.ratios(), strict=True):
        if part.symbol in prices and order.leaves_qty:
            yield part.symbol, exposure_value(order.leaves_qty * ratio * part.side.sign, prices[part.symbol])


def _drawdown(desk: Desk, worth: Decimal, now: datetime) -> float:
    facts = desk.ledger.facts
    points = [(r.reconciled_at, r.equity) for r in facts.reconciliations(desk.name) if r.reconciled_at < now]
    index = growth_index(
        [*dropwhile(lambda point: point[1] <= 0, points), (now, worth)], facts.cash_movements(desk.name)
    )
    return current_drawdown(index)
