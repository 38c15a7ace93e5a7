"""Limit: the one gate, and the intents it lets through, in one transaction."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Desk, wall_clock
from tasks.describe import Described, describe
from tasks.model import equity_drawdown, portfolio_risk, risk_model
from tasks.preview import preview
from tasks.publish import publish_table
from tasks.send import LEASE_TIME
from tasks.value import prices_at_open
from trading.ledger import Decision, Lease
from trading.market.quality import QualityReport
from trading.market.timetable import SessionTimes
from trading.orders.orders import NewOrderSingle, Order
from trading.orders.rebalance import orders_from_targets
from trading.positions.books import position_value
from trading.positions.sizing import SizingRules
from trading.risk.approvals import ApprovalTerms
from trading.risk.gate_quotes import GateQuotes
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskDecision
from trading.risk.portfolio_risk import PortfolioRisk
from trading.risk.risk_state import RiskState
from trading.risk.trading_facts import BrokerMargin


@task(name="limit_orders", timeout_seconds=300, cache_policy=NO_CACHE)
async def limit(
    desk: Desk,
    lease: Lease,
    decision: Decision,
    report: QualityReport,
    times: SessionTimes,
    sizing: SizingRules,
    *,
    quotes: GateQuotes,
    rehearsal: bool,
) -> tuple[RiskDecision, ...]:
    """Make the orders of the decision, run them through the gate, and record all of it or nothing."""
    orders = orders_from_targets(
        decision.targets,
        account=decision.account,
        session=decision.session,
        book=decision.book,
        instruments=desk.market.instruments(),
        time_in_force=sizing.time_in_force,
        expire_time=times.place_by,
        transact_time=decision.decided_at,
    )
    held = desk.ledger.facts.books(desk.name, times.open_at).held()
    open_orders = desk.ledger.journal.orders(desk.name, open_only=True)
    working = {s for o in open_orders for s in o.new_order.symbols}
    sized_by = {t.symbol: t.reference_px for t in decision.targets if t.reference_px is not None}
    marks = prices_at_open(desk, times.session, {*held, *working}) | sized_by
    described = describe(desk, times.session, {*held, *working, *(o.symbol for o in orders)})
    state = _state(desk, decision, held, open_orders, marks, described)
    margin = await _margin(desk, lease, orders, state)
    verdicts = desk.ledger.journal.intend(
        lease,
        decision,
        orders,
        RiskInputs(
            limits=desk.account.risk_limits.limits,
            marks=marks,
            approval=ApprovalTerms(
                rules=desk.account.approval, asked_at=wall_clock(), latest=None if rehearsal else times.place_by
            ),
            blocked=report.quarantined() | desk.ledger.clearances.locked(desk.name),
            facts=quotes.beside(described.facts),
            margin=margin,
            market_volatility_pct=described.market_volatility_pct,
            closes_at=times.close_at,
            portfolio=_portfolio(desk, decision, state),
            currency=desk.account.currency,
            calendar=desk.market.calendar,
        ),
    )
    await _publish(decision, orders, verdicts)
    return verdicts


def _state(
    desk: Desk,
    decision: Decision,
    held: Mapping[str, Decimal],
    working: Sequence[Order],
    marks: Mapping[str, Decimal],
    described: Described,
) -> RiskState:
    """Return the account as it stands before the decision."""
    return RiskState(
        equity=decision.equity,
        cash=decision.cash,
        held=held,
        marks=marks,
        working=working,
        facts=described.facts,
        currency=desk.account.currency,
    )


async def _margin(desk: Desk, lease: Lease, orders: Sequence[NewOrderSingle], state: RiskState) -> BrokerMargin | None:
    """Return what the broker says of margin, where a limit needs it and the broker says it."""
    if not desk.account.risk_limits.limits.need_margin or desk.margin_preview(wall_clock) is None:
        return None
    margin = await preview(desk, orders, state)
    desk.ledger.leases.renew(lease, LEASE_TIME)  # answers take their time
    return margin


def _portfolio(desk: Desk, decision: Decision, state: RiskState) -> PortfolioRisk | None:
    """Return the measures that have a limit, of that state; None when none has."""
    limits = desk.account.risk_limits.measures
    if not limits.any_set:
        return None
    symbols = {*state.marks, *state.held, *(s for o in state.working for s in o.new_order.symbols)}
    model = risk_model(desk, symbols, decision.bars_session)
    return portfolio_risk(state, model, limits, equity_drawdown(desk, decision.equity, decision.decided_at))


async def _publish(decision: Decision, orders: tuple[NewOrderSingle, ...], verdicts: tuple[RiskDecision, ...]) -> None:
    marks = {t.symbol: t.reference_px or Decimal(0) for t in decision.targets}
    by_id = {o.cl_ord_id: o for o in orders}
    rows = [
        {
            "symbol": v.symbol,
            "side": by_id[v.cl_ord_id].side.value,
            "quantity": str(by_id[v.cl_ord_id].order_qty),
            "value": f"{position_value(v.symbol, by_id[v.cl_ord_id].order_qty, marks[v.symbol]):,.2f}",
            "decision": v.told(),
            "limit": v.limit,
            "before": v.before,
            "would be": v.value,
            "what": v.text,
            "cl_ord_id": v.cl_ord_id,
        }
        for v in verdicts
        if v.cl_ord_id in by_id
    ]
    await publish_table("risk-decisions", rows, f"What the gate decided for {decision.session}")
