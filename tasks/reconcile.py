"""Reconcile our books with the broker's."""

import asyncio
from datetime import date, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.collect import collect_facts
from tasks.publish import publish_table
from tasks.tell import tell_breaks
from tasks.value import marks
from trading.breaks import Break, uncleared
from trading.broker import AccountStatement
from trading.positions.books import equity, expected_payments
from trading.reconciliation import Reconciliation, action_breaks, reconcile

COMPARED = timedelta(days=10)  # executions before that were compared on their day


@task(name="reconcile_books", retries=2, retry_delay_seconds=[2, 10], timeout_seconds=300, cache_policy=NO_CACHE)
async def reconcile_books(
    desk: Desk, session: date, clock: Clock, *, look_again_seconds: float = 0.0
) -> Reconciliation:
    """Collect what the broker states, compare it with our books, record and publish every break not cleared.

    Args:
        look_again_seconds: as `find_breaks` takes it.
    """
    breaks, statement = await find_breaks(desk, clock, look_again_seconds=look_again_seconds)
    facts = desk.ledger.facts
    executions, books = facts.executions(desk.name), facts.books(desk.name, statement.as_of)
    tell_breaks(desk, session, breaks, clock())
    prices = marks(desk, session, books.held(), executions)
    outcome = Reconciliation(
        session=session,
        reconciled_at=clock(),
        equity=equity(books, prices),
        cash=books.cash,
        marks=prices,
        breaks=breaks,
    )
    facts.record_reconciliation(desk.name, outcome)
    await publish_table("breaks", [_row(b) for b in breaks], f"Breaks of {desk.name}, session {session}")
    return outcome


async def find_breaks(
    desk: Desk, clock: Clock, *, look_again_seconds: float = 0.0
) -> tuple[tuple[Break, ...], AccountStatement]:
    """Collect what the broker states, and return it with the breaks that nobody has cleared.

    Args:
        look_again_seconds: > 0 while the market is open: a fill between two answers of the broker looks like a break,
            so both sides are compared once more after that time, and what has gone by then never was one.
    """
    strangers, statement = await collect_facts(desk, clock)
    found = await _differences(desk, statement, clock)
    if found and look_again_seconds:
        await asyncio.sleep(look_again_seconds)
        more, statement = await collect_facts(desk, clock)
        seen, strangers = {(b.break_type, b.subject) for b in found}, (*strangers, *more)
        again = await _differences(desk, statement, clock)
        found = tuple(b for b in again if b.is_strange_order or (b.break_type, b.subject) in seen)
    different = tuple({(b.break_type, b.subject): b for b in (*strangers, *found)}.values())
    return uncleared(different, desk.ledger.clearances.of(desk.name)), statement


async def _differences(desk: Desk, statement: AccountStatement, clock: Clock) -> tuple[Break, ...]:
    facts = desk.ledger.facts
    executions, since = facts.executions(desk.name), statement.as_of - COMPARED
    booked, source = facts.actions(desk.name), desk.market.settings.name
    days = [effective.action.ex_date for effective in booked]
    believed = desk.market.store.actions(source, min(days), max(days)) if days else ()
    known = {action.symbol for action in believed}
    differences = action_breaks([b for b in booked if b.action.symbol in known], believed)
    return differences + reconcile(
        statement=statement,
        broker_reports=await desk.broker(clock).reports_since(since),
        since=since,
        orders=desk.ledger.journal.orders(desk.name, since=since.date() - COMPARED),
        reports=executions,
        books=facts.books(desk.name, statement.as_of),
        expected_payments=expected_payments(executions, facts.actions(desk.name)),
        actions=facts.actions(desk.name),
    )


def _row(found: Break) -> dict[str, str]:
    return {
        "type": found.break_type.value,
        "subject": found.subject,
        "ours": found.ours,
        "theirs": found.theirs,
        "what": found.text,
    }
