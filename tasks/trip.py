"""Trip breakers: look at the account, record what changes, and carry out what a trip asks for."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime

from blocks.desk import Clock, Desk
from tasks.cancel import cancel_orders
from tasks.observe import observe
from trading.alerts import Alert, Severity
from trading.market.calendars import TradingCalendar
from trading.market.timetable import session_times
from trading.risk.breaker_changes import BreakerChange
from trading.risk.breaker_readings import RiskObservation

Stop = Callable[[Desk, Clock, bool], Awaitable[str]]  # desk, clock, whether to flatten; returns what is left undone


async def cancel_only(desk: Desk, clock: Clock, flatten: bool) -> str:
    """Cancel what works for the account, and return what is left undone; empty when nothing is."""
    left = await cancel_orders(desk.as_stopper(), clock)
    undone = [f"{left.still_open} orders may still trade"] if left.still_open else []
    held = desk.ledger.facts.books(desk.name, clock()).held() if flatten else {}
    if held:
        undone.append(f"{', '.join(sorted(held))} are still held and have to be closed by a person")
    return "; ".join([*undone, *left.errors])


async def trip(
    desk: Desk,
    session: date,
    clock: Clock,
    *,
    reachable: bool | None = None,
    stop: Stop = cancel_only,
) -> tuple[BreakerChange, ...]:
    """Look at everything that the breakers of the account go by, and return those that are tripped then.

    Looking is idempotent. It needs no lease: it can only lower what may be sent.

    Args:
        session: the newest one whose closes may be looked at.
        reachable: whether the broker has just answered; None when nobody asked it.
        stop: cancels, and closes what is held where a breaker asks for that.
    """
    return await _rule(desk, observe(desk, session, clock(), reachable=reachable), clock, stop)


async def watch_orders(desk: Desk, session: date, clock: Clock, stop: Stop = cancel_only) -> tuple[BreakerChange, ...]:
    """Look at nothing but the orders that went out, which costs a millisecond, and return what is tripped then."""
    sendings = desk.ledger.breakers.sendings(desk.name, session)
    return await _rule(desk, RiskObservation(account=desk.name, session=session, sendings=sendings), clock, stop)


async def _rule(desk: Desk, seen: RiskObservation, clock: Clock, stop: Stop) -> tuple[BreakerChange, ...]:
    now = clock()
    rules, breakers = desk.account.risk_limits.breakers, desk.ledger.breakers
    breakers.rule(rules, seen, now, next_session_at(desk.market.calendar, now))
    active = breakers.active(desk.name, now)
    if any(change.cancel_working or change.flatten for change in active):
        await _carry_out(desk, active, clock, stop)
    return active


async def _carry_out(desk: Desk, active: tuple[BreakerChange, ...], clock: Clock, stop: Stop) -> None:
    """Cancel and flatten as long as there is something to; a crash after the trip leaves it to the next look."""
    asking = [change for change in active if change.cancel_working or change.flatten]
    flatten = any(change.flatten for change in asking)
    working = any(not o.may_be_sent for o in desk.ledger.journal.orders(desk.name, open_only=True))
    held = flatten and bool(desk.ledger.facts.books(desk.name, clock()).held())
    undone = await stop(desk, clock, flatten) if working or held else ""
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


def next_session_at(calendar: TradingCalendar, now: datetime) -> datetime:
    """Return when the session begins after the one that is under way, or that comes next."""
    day = calendar.session_on_or_after(calendar.local_date(now))
    if calendar.close_at(day) <= now:
        day = calendar.next_session(day)
    return session_times(calendar, calendar.next_session(day)).decide_at
