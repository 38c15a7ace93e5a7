"""In the middle of a session: the breakers, looked at every few minutes."""

from decimal import Decimal
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from pydantic import Field

from blocks.desk import Desk, open_desk, wall_clock
from flows.check_books import is_open
from flows.guard import ended
from flows.leasing import leasing
from flows.on_failure import tell_failure
from flows.quoting import judged_quotes
from tasks.collect import collect_facts
from tasks.deliver import deliver
from tasks.measure import measure
from tasks.trip import trip
from tasks.watch import watch
from trading.errors import BrokerUnavailable, LeaseHeld, MarketDataError
from trading.market.timetable import session_times
from trading.orders.protection import HeldBy, ProtectionRules


@flow(
    name="check-risk",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def check_risk(
    account: str = "paper",
    feed: str | None = None,
    book: Annotated[str, Field(min_length=1)] = "main",
    protection: ProtectionRules | None = None,
    storage: str = "desk",
) -> State[Any]:
    """Look whether a circuit breaker trips, or is over, while the session is open, and measure the account's risk.

    It takes the lease only to close positions: where a breaker says so, or what the desk watches has reached its stop.

    Args:
        account: Name of the broker account block.
        feed: Name of the market feed block whose quotes value what is held. None: the last closes in store do.
        book: Strategy book that `protection` is for.
        protection: As of trade-session, where it is held by the desk.
        storage: Name of the desk storage block.
    """
    desk = await open_desk(account, storage)
    now = wall_clock()
    if not is_open(desk.market.calendar, now):
        return ended(f"{desk.market.calendar.mic} is closed; trade-session and reconcile-day look then", name="Skipped")
    session = desk.market.calendar.local_date(now)
    reachable, quotes = await _is_reachable(desk), await _quotes(desk, feed, storage)
    active = await trip(desk, session, wall_clock, reachable=reachable, quotes=quotes)
    if reachable and protection is not None and protection.held_by is HeldBy.DESK:
        times = session_times(desk.market.calendar, session)
        try:
            async with leasing(desk, f"check-risk {runtime.flow_run.name} ({runtime.flow_run.id})") as (trader, lease):
                await watch(trader, lease, times, book, protection, wall_clock, quotes)
        except LeaseHeld as exc:  # a run that trades watches at its own end
            get_run_logger().warning("Stops were not looked at: %s", exc)
    if reachable:  # else what is held may not be what is held any more
        await measure(desk, session, desk.market.calendar.previous_session(session), wall_clock)
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


async def _quotes(desk: Desk, feed: str | None, storage: str) -> dict[str, Decimal]:
    """Return the prices of what is held that pass the gate for quotes; none when they cannot be had."""
    held = sorted(desk.ledger.facts.books(desk.name, wall_clock()).held())
    if feed is None or not held:
        return {}
    try:
        quotes, verdict = await judged_quotes(desk, feed, storage, held)
    except (MarketDataError, TimeoutError) as exc:
        get_run_logger().warning("Positions are valued at their last closes: %s", exc)
        return {}
    return {s: px for s, px in quotes.marks().items() if s not in verdict.quarantined()}
