"""In the middle of a session: the breakers, looked at every few minutes."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.desk import Desk, open_desk, wall_clock
from flows.check_books import is_open
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.collect import collect_facts
from tasks.deliver import deliver
from tasks.publish import publish_table
from tasks.trip import trip
from trading.errors import BrokerUnavailable
from trading.risk.breaker_changes import BreakerChange, forbidden_text


@flow(
    name="check-risk",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def check_risk(account: str = "paper", storage: str = "desk") -> State[Any]:
    """Look whether a circuit breaker trips, or is over, while the session is open.

    It sends no order and takes no lease; a breaker that says so has working orders canceled.

    Args:
        account: Name of the broker account block.
        storage: Name of the desk storage block.
    """
    desk = await open_desk(account, storage)
    now = wall_clock()
    if not is_open(desk.market.calendar, now):
        return ended(f"{desk.market.calendar.mic} is closed; trade-session and reconcile-day look then", name="Skipped")
    session = desk.market.calendar.local_date(now)
    active = await trip(desk, session, wall_clock, reachable=await _is_reachable(desk))
    await publish_table("breakers", [_row(c) for c in active], f"Tripped breakers of {desk.name}, {now:%H:%M} UTC")
    await deliver(desk.storage, desk.ledger)
    names = ", ".join(c.name for c in active) or "none"
    return ended(f"{session}, {now:%H:%M} UTC: tripped: {names}", name="Tripped" if active else None)


async def _is_reachable(desk: Desk) -> bool:
    """Collect what happened at the broker, and tell whether it answered."""
    try:
        await collect_facts(desk, wall_clock)
    except BrokerUnavailable:
        return False
    return True


def _row(change: BreakerChange) -> dict[str, str]:
    return {
        "breaker": change.name,
        "since": f"{change.tripped_at:%Y-%m-%d %H:%M} UTC",
        "cause": change.cause,
        "forbidden": forbidden_text(change),
        "ends": change.how_it_ends(),
    }
