"""Trip breakers: look at the account, record what changes, and carry out what a trip asks for."""

import logging
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from blocks.desk import Clock, Desk
from tasks.cancel import cancel_orders
from tasks.flatten import flatten
from tasks.observe import observe
from trading.alerts import Alert, Severity
from trading.errors import TradingError
from trading.ledger import Lease
from trading.market.calendars import TradingCalendar
from trading.market.timetable import session_times
from trading.orders.flatten import FlattenRules
from trading.orders.orders import OrderPurpose
from trading.risk.breaker_changes import BreakerChange
from trading.risk.observations import RiskObservation

LOGGER = logging.getLogger(__name__)  # also called where no run is


async def trip(
    desk: Desk,
    session: date,
    clock: Clock,
    *,
    reachable: bool | None = None,
    lease: Lease | None = None,
    quotes: Mapping[str, Decimal] | None = None,
) -> tuple[BreakerChange, ...]:
    """Look at everything that the breakers of the account go by, and return those that are tripped then.

    Looking is idempotent. It needs no lease: it can only lower what may be sent, and to close positions it takes one.

    Args:
        session: the newest one whose closes may be looked at.
        reachable: whether the broker has just answered; None when nobody asked it.
        lease: the account's, where the caller holds it.
        quotes: last prices that are newer than those in store.
    """
    return await _rule(desk, observe(desk, session, clock(), reachable=reachable, quotes=quotes or {}), clock, lease)


async def watch_orders(desk: Desk, session: date, clock: Clock, lease: Lease) -> tuple[BreakerChange, ...]:
    """Look at nothing but the orders that went out, which costs a millisecond, and return what is tripped then."""
    sendings = desk.ledger.breakers.sendings(desk.name, session)
    return await _rule(desk, RiskObservation(account=desk.name, session=session, sendings=sendings), clock, lease)


async def _rule(desk: Desk, seen: RiskObservation, clock: Clock, lease: Lease | None) -> tuple[BreakerChange, ...]:
    now = clock()
    rules, breakers = desk.account.risk_limits.breakers, desk.ledger.breakers
    breakers.rule(rules, seen, now, next_session_at(desk.market.calendar, now))
    active = breakers.active(desk.name, now)
    if any(change.cancel_working or change.flatten for change in active):
        await _carry_out(desk, active, clock, lease)
    return active


async def _carry_out(desk: Desk, active: tuple[BreakerChange, ...], clock: Clock, lease: Lease | None) -> None:
    """Cancel and flatten as long as there is something to; a crash after the trip leaves it to the next look."""
    asking = [change for change in active if change.cancel_working or change.flatten]
    closes = any(change.flatten for change in asking)
    at_broker = [o for o in desk.ledger.journal.orders(desk.name, open_only=True) if not o.may_be_sent]
    working = any(o.new_order.purpose is not OrderPurpose.FLATTEN for o in at_broker)  # what closes is left to
    held = closes and bool(desk.ledger.facts.books(desk.name, clock()).held())
    left = await _cancel(desk, clock) if working else []
    left += await _close(desk, clock, lease) if held else []
    undone = "; ".join(left)
    if undone:
        names = ", ".join(change.name for change in asking)
        alert = Alert(
            fingerprint=f"breaker undone {desk.name} {asking[-1].tripped_at.isoformat()} {undone}",
            severity=Severity.EMERGENCY,
            title=f"Breaker {names} of account {desk.name}: not all is canceled or closed",
            text=f"{undone}.\nLook at the broker, or run `openbell stop`; it is tried again at the next look.",
            raised_at=clock(),
        )
        desk.ledger.outbox.raise_alert(alert)


async def _cancel(desk: Desk, clock: Clock) -> list[str]:
    """Cancel what works for the account, and return what is left undone."""
    stopper = desk.as_stopper()
    try:
        left = await cancel_orders(stopper, clock)
    finally:
        await stopper.broker(clock).close()  # a stop in another process wants its place at the broker
    return [*([f"{left.still_open} orders may still trade"] if left.still_open else []), *left.errors]


async def _close(desk: Desk, clock: Clock, lease: Lease | None) -> list[str]:
    """Close all positions, and return what is left undone; orders that wait for the open are not."""
    try:
        done = await flatten(desk, f"breaker of {desk.name}", FlattenRules(), clock, LOGGER.warning, lease)
    except TradingError as exc:
        return [f"nothing was closed: {exc}"]
    return [f"{', '.join(done.unclosed)} still held", *done.notes] if done.unclosed else []


def next_session_at(calendar: TradingCalendar, now: datetime) -> datetime:
    """Return when the session begins after the one that is under way, or that comes next."""
    day = calendar.session_on_or_after(calendar.local_date(now))
    if calendar.close_at(day) <= now:
        day = calendar.next_session(day)
    return session_times(calendar, calendar.next_session(day)).decide_at
