"""Measure the risk of an account: limits in use, tails, stresses, contributors."""

from datetime import date, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.sql.risk_states import Asked
from blocks.desk import Clock, Desk
from tasks.describe import describe
from tasks.draw import risk_png
from tasks.model import equity_drawdown, held_values, page_model, portfolio_risk
from tasks.publish import publish_markdown, publish_png
from tasks.value import marks
from trading.positions.books import equity
from trading.risk.contributions import shortfall_contributions
from trading.risk.inputs import RiskInputs
from trading.risk.limit_uses import limit_uses
from trading.risk.report import RiskReport, measure_uses, stresses_of, tails_of
from trading.risk.risk_model import BETA
from trading.risk.risk_page import as_markdown, risk_page
from trading.risk.tally import exposure_of

LARGEST = 10  # contributors shown


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
        page = risk_page(report, desk.ledger.breakers.active(desk.name, clock()))
        await publish_markdown("risk", as_markdown(page), f"Risk of {desk.name} at {session}")
        await publish_png("risk-pictures", risk_png(report), f"Risk of {desk.name} at {session}")
    return report


def risk_report(desk: Desk, session: date, known: date, now: datetime) -> RiskReport | None:
    """Return the risk of what the account holds now."""
    journal, settings = desk.ledger.journal, desk.account.risk_limits
    books = desk.ledger.facts.books(desk.name, now)
    held, working = books.held(), journal.orders(desk.name, open_only=True)
    today = journal.orders(desk.name, session=session)
    wanted = {*held, *(s for o in (*working, *today) for s in o.new_order.symbols)}
    prices = marks(desk, known, wanted, desk.ledger.facts.executions(desk.name))
    worth = equity(books, prices)
    if worth <= 0:
        return None
    described = describe(desk, session, wanted)
    state = journal.risk_state(
        Asked(account=desk.name, session=session, as_of=now, now=now, equity=worth, cash=books.cash),
        RiskInputs(
            limits=settings.limits,
            marks=prices,
            facts=described.facts,
            market_volatility_pct=described.market_volatility_pct,
            calendar=desk.market.calendar,
            currency=desk.account.currency,
        ),
    )
    drawdown = equity_drawdown(desk, worth, now)
    model, benchmark, limits = page_model(desk, wanted, known)
    values = held_values(state, exposure_of(state))
    portfolio = portfolio_risk(state, model, limits, drawdown)
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
