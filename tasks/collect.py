"""Collect what happened at the broker."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from blocks.desk import Clock, Desk
from trading.breaks import Break
from trading.broker import AccountStatement
from trading.market.corporate_actions import CorporateAction, EffectiveAction, with_new_names

LOOK_BACK = timedelta(days=3)  # asked for again each time: a late report is found, a known one changes nothing


async def collect_facts(desk: Desk, clock: Clock) -> tuple[tuple[Break, ...], AccountStatement]:
    """Record executions, cash and corporate actions; asking is idempotent.

    Returns:
        A break for every new report that fits no order of ours, and the broker's statement.
    """
    broker = desk.broker(clock)
    statement = await broker.statement()  # first, so that all it holds is among the reports
    breaks = desk.ledger.journal.record(await broker.reports_since(_since(desk, clock())))
    desk.ledger.facts.record_cash(statement.cash_movements)
    record_actions(desk, clock())
    return breaks, statement


def _since(desk: Desk, now: datetime) -> datetime:
    """Return since when reports may be new: a broker may tell late what happened while an order worked."""
    span = desk.ledger.facts.span(desk.name)
    if span is None:
        return datetime.min.replace(tzinfo=now.tzinfo)
    working = [o.new_order.transact_time for o in desk.ledger.journal.orders(desk.name, open_only=True)]
    return min([span[1] - LOOK_BACK, *working])


def record_actions(desk: Desk, by: datetime) -> None:
    """Record the corporate actions that take effect by then on what the account has traded."""
    span = desk.ledger.facts.span(desk.name)
    if span is None:
        return
    first = span[0]
    actions = desk.market.store.actions(desk.market.settings.name, first.date(), by.date())
    ours = with_new_names(desk.ledger.facts.traded(desk.name), actions)
    effective = [a for a in _effective(desk, actions) if a.action.symbol in ours and first < a.effective_at <= by]
    desk.ledger.facts.record_actions(desk.name, effective)


def _effective(desk: Desk, actions: Iterable[CorporateAction]) -> Iterable[EffectiveAction]:
    calendar = desk.market.calendar
    for action in actions:
        opens = calendar.open_at(calendar.session_on_or_after(action.ex_date))
        yield EffectiveAction(action=action, effective_at=opens)
