"""Watch: close what has reached its stop or its profit, where nothing rests at the broker."""

from collections.abc import Mapping
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Clock, Desk
from tasks.guarded import look_at
from tasks.protect import open_protective, propose, send_protective
from tasks.tell import tell_protection
from trading.errors import DeskHalted
from trading.ledger import Lease
from trading.market.timetable import SessionTimes
from trading.orders.protection import ProtectionRules


@task(name="watch_protection", timeout_seconds=300, cache_policy=NO_CACHE)
async def watch(
    desk: Desk,
    lease: Lease,
    times: SessionTimes,
    book: str,
    rules: ProtectionRules,
    clock: Clock,
    quotes: Mapping[str, Decimal] | None = None,
) -> tuple[str, ...]:
    """Close at the market each position of the book whose last price has reached its stop or its profit.

    A price between two looks is not seen. Looking again while an order closes a position does nothing.

    Args:
        quotes: last prices by symbol; without one the last stored close, or what was paid since, counts.

    Returns:
        What a person must know, a sentence for each position.

    Raises:
        LeaseLost: another run trades the account.
        DeskHalted: the desk was stopped; nothing was sent, and a person is told what should be closed.
        NotArmed: the account is live and not armed; likewise.
        BrokerUnavailable: the broker cannot be reached; what is recorded is sent by the next look.
    """
    desk.require_armed(clock())
    guarded = look_at(desk, times, book, rules, clock, quotes)
    busy = {o.new_order.symbol for o in open_protective(desk, book)} | guarded.left_alone.keys()
    reached = [p for p in guarded.protections if p.passed and p.symbol not in busy]

    try:
        refused = propose(
            desk, lease, times, book, rules, guarded, clock, lambda placing: [placing.closing(p) for p in reached]
        )
        await send_protective(desk, lease, book, clock)
    except DeskHalted as exc:
        late = [f"{p.symbol}: {p.qty} held have reached {p.passed}, and are not closed, for {exc}" for p in reached]
        tell_protection(desk, times.session, late, clock())
        raise
    told = tuple(f"{p.symbol}: the last price {p.last_px} has reached {p.passed}, so it is closed" for p in reached)
    findings = (*told, *refused, *(f for p in guarded.protections for f in p.faults), *guarded.without.values())
    tell_protection(desk, times.session, findings, clock())
    return findings
