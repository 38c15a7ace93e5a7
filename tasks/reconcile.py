"""Reconcile our books with the broker's."""

from datetime import date, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.collect import collect_facts
from tasks.publish import publish_table
from tasks.tell import tell_breaks
from tasks.value import marks
from trading.broker import AccountStatement
from trading.positions.books import equity, expected_dividends
from trading.reconciliation import Break, Reconciliation, reconcile, uncleared

COMPARED = timedelta(days=10)  # executions before that were compared on their day


@task(name="reconcile_books", retries=2, retry_delay_seconds=[2, 10], timeout_seconds=300, cache_policy=NO_CACHE)
async def reconcile_books(desk: Desk, session: date, clock: Clock) -> Reconciliation:
    """Collect what the broker states, compare it with our books, record and publish every break not cleared."""
    breaks, statement = await find_breaks(desk, clock)
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
    await publish_table("breaks", [_row(b) for b in breaks], f"Breaks of {desk.name} after {session}")
    return outcome


async def find_breaks(desk: Desk, clock: Clock) -> tuple[tuple[Break, ...], AccountStatement]:
    """Collect what the broker states, and return it with the breaks that nobody has cleared."""
    strangers, statement = await collect_facts(desk, clock)
    facts = desk.ledger.facts
    executions, since = facts.executions(desk.name), statement.as_of - COMPARED
    found = reconcile(
        statement=statement,
        broker_reports=await desk.broker(clock).reports_since(since),
        since=since,
        orders=desk.ledger.journal.orders(desk.name, since=since.date() - COMPARED),
        reports=executions,
        books=facts.books(desk.name, statement.as_of),
        expected_dividends=expected_dividends(executions, facts.actions(desk.name)),
    )
    different = tuple({(b.break_type, b.subject): b for b in (*strangers, *found)}.values())
    return uncleared(different, desk.ledger.clearances.of(desk.name)), statement


def _row(found: Break) -> dict[str, str]:
    return {
        "type": found.break_type.value,
        "subject": found.subject,
        "ours": found.ours,
        "theirs": found.theirs,
        "what": found.text,
    }
