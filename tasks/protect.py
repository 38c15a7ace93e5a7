"""Protect: what a book holds has its stop and its profit resting at the broker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from itertools import islice

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.sql.rows import json_value
from blocks.desk import Clock, Desk
from tasks.cancel import cancel_these
from tasks.collect import collect_facts
from tasks.guarded import Guarded, look_at
from tasks.publish import publish_table
from tasks.send import BATCH, LEASE_TIME, send_batch
from tasks.tell import tell_protection, tell_without_stop
from trading.errors import DeskHalted
from trading.ledger import Decision, Lease, Target
from trading.market.timetable import SessionTimes
from trading.orders.executions import SendMark
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, OrdStatus
from trading.orders.protection import HeldBy, Protection, ProtectionRules
from trading.orders.protective_orders import Placing, ProtectiveChange, change_protection, without_stop
from trading.risk.inputs import RiskInputs

SENT_WITHIN = timedelta(minutes=30)  # what could not be sent by then is decided anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """What protecting came to: orders sent and canceled, and what a person must look at."""

    sent: int
    canceled: int
    findings: tuple[str, ...]


def open_protective(desk: Desk, book: str) -> tuple[Order, ...]:
    """Return the protective orders of the book that may still trade."""
    orders = desk.ledger.journal.orders(desk.name, open_only=True, purpose=OrderPurpose.PROTECT)
    return tuple(o for o in orders if o.new_order.book == book)


def bare_positions(desk: Desk, book: str, now: datetime) -> dict[str, Decimal]:
    """Return what the book holds and no stop at the broker closes, by symbol."""
    return without_stop(desk.ledger.facts.held(desk.name, now, book), open_protective(desk, book))


@task(name="protect_positions", timeout_seconds=900, cache_policy=NO_CACHE)
async def protect(
    desk: Desk, lease: Lease, times: SessionTimes, book: str, rules: ProtectionRules, clock: Clock
) -> Protected:
    """Let a stop and a profit rest at the broker for each position of the book, and nothing else.

    What rests and fits stays; the rest is canceled first and, once the broker has confirmed it, placed anew. So a crash
    leaves a position with its orders or with none, never with two pairs, and running it again mends it. Rules that ask
    for nothing at the broker have what rests canceled.

    Raises:
        LeaseLost: another run trades the account.
        DeskHalted: the desk was stopped; nothing was sent, and a person is told what stands without a stop.
        NotArmed: the account is live and not armed; nothing was sent.
        BrokerUnavailable: the broker cannot be reached; positions may be without their orders until the next run.
    """
    try:
        return await _protect(desk, lease, times, book, rules, clock)
    except DeskHalted as exc:
        if rules.stop_loss is not None:
            tell_without_stop(desk, times.session, bare_positions(desk, book, clock()), exc, clock())
        raise


async def _protect(
    desk: Desk, lease: Lease, times: SessionTimes, book: str, rules: ProtectionRules, clock: Clock
) -> Protected:
    desk.require_armed(clock())
    await collect_facts(desk, clock)
    guarded, change = _plan(desk, times, book, rules, clock)
    canceled = len(change.cancel)
    if change.cancel:
        desk.ledger.journal.require_may_send(lease, clock())  # nothing is taken away that may not be replaced
        await cancel_these(desk, change.cancel, clock)
        guarded, change = _plan(desk, times, book, rules, clock)  # one of them may have filled before its cancel came
    stuck = {o.new_order.symbol: f"its order {o.cl_ord_id} is not known to be canceled" for o in change.cancel}
    for order in change.abandon:
        desk.ledger.journal.mark(lease, order.cl_ord_id, SendMark.ABANDONED, clock(), "it does not fit any more")
    place = [p for p in change.place if p.symbol not in stuck]
    refused = propose(
        desk, lease, times, book, rules, guarded, clock, lambda placing: [o for p in place for o in placing.resting(p)]
    )
    sent = await send_protective(desk, lease, book, clock)
    findings = (*_findings(guarded, change, stuck), *refused, *_rejected(desk, sent))
    tell_protection(desk, times.session, findings, clock())
    await publish_table("protection", [_row(p, findings) for p in guarded.protections], f"Stops and profits of {book}")
    return Protected(sent=len(sent), canceled=canceled - len(change.cancel), findings=findings)


def propose(
    desk: Desk,
    lease: Lease,
    times: SessionTimes,
    book: str,
    rules: ProtectionRules,
    guarded: Guarded,
    clock: Clock,
    make: Callable[[Placing], Sequence[NewOrderSingle]],
) -> tuple[str, ...]:
    """Run protective orders through the gate and record what it accepts; return what it refuses, a sentence each.

    Args:
        make: gives the orders of a placing.
    """
    journal, number = desk.ledger.journal, 1
    while journal.decision(desk.name, times.session, _name(book, number)) is not None:
        number += 1
    orders = make(_placing(desk, times, book, number, clock()))
    if not orders:
        return ()
    decision = _decision(desk, times, _name(book, number), rules, guarded, clock, orders)
    desk.ledger.leases.renew(lease, LEASE_TIME)
    verdicts = journal.intend(
        lease,
        decision,
        orders,
        RiskInputs(
            limits=desk.account.risk_limits.limits,
            marks=guarded.marks,
            blocked=desk.ledger.clearances.locked(desk.name),
        ),
    )
    return tuple(f"{v.symbol} is not protected as asked: {v.code}: {v.text}" for v in verdicts if not v.accepted)


def _plan(
    desk: Desk, times: SessionTimes, book: str, rules: ProtectionRules, clock: Clock
) -> tuple[Guarded, ProtectiveChange]:
    guarded = look_at(desk, times, book, rules, clock)
    wanted = guarded.protections if rules.held_by is HeldBy.BROKER else ()
    return guarded, change_protection(wanted, open_protective(desk, book), guarded.left_alone)


def _placing(desk: Desk, times: SessionTimes, book: str, number: int, now: datetime) -> Placing:
    return Placing(
        account=desk.name,
        decided_in=times.session,
        session=times.session if now < times.close_at else desk.market.calendar.next_session(times.session),
        book=book,
        number=number,
        expire_time=now + SENT_WITHIN,
        transact_time=now,
    )


async def send_protective(desk: Desk, lease: Lease, book: str, clock: Clock) -> tuple[str, ...]:
    """Send what is recorded and not at the broker, whole lists at a time, and return the ids."""
    due = [o for o in open_protective(desk, book) if o.may_be_sent and o.new_order.expire_time >= clock()]
    lists: dict[str, list[Order]] = {}
    for order in due:
        lists.setdefault(order.new_order.list_id or order.cl_ord_id, []).append(order)
    if due:
        await desk.require_protected()
    groups = iter(lists.values())
    while some := list(islice(groups, BATCH // 2)):
        desk.ledger.leases.renew(lease, LEASE_TIME)
        await send_batch(desk, lease, desk.broker(clock), [o for group in some for o in group], clock)
    return tuple(o.cl_ord_id for o in due)


def _findings(guarded: Guarded, change: ProtectiveChange, stuck: Mapping[str, str]) -> tuple[str, ...]:
    passed = (
        f"{p.symbol}: the last price {p.last_px} has reached {p.passed} already; its order closes it at once"
        for p in change.place
        if p.passed and p.symbol not in stuck
    )
    alone = {s: why for s, why in {**change.left_alone, **stuck}.items() if s not in guarded.without}
    faults = (fault for p in change.place for fault in p.faults)
    unchanged = (f"{symbol}: nothing was changed: {why}" for symbol, why in alone.items())
    return (*passed, *unchanged, *faults, *guarded.without.values())


def _rejected(desk: Desk, sent: Sequence[str]) -> tuple[str, ...]:
    """Tell what is not at the broker of what was to be sent: it was rejected, or given up on the way."""
    orders = [o for o in map(desk.ledger.journal.order, sent) if o is not None]
    rejected = [(o, "which the broker rejected") for o in orders if o.ord_status is OrdStatus.REJECTED]
    given_up = [(o, "given up") for o in orders if o.ord_status is OrdStatus.EXPIRED and not o.sent_count]
    return tuple(
        f"{o.new_order.symbol} is without order {o.cl_ord_id}, {why}: {o.text}" for o, why in (*rejected, *given_up)
    )


def _name(book: str, number: int) -> str:
    return f"{OrderPurpose.PROTECT} {book} {number}"


def _decision(
    desk: Desk,
    times: SessionTimes,
    name: str,
    rules: ProtectionRules,
    guarded: Guarded,
    clock: Clock,
    orders: Sequence[NewOrderSingle],
) -> Decision:
    ordered = {o.symbol for o in orders}
    return Decision(
        decision_id=f"{desk.name}:{times.session}:{name}",
        account=desk.name,
        session=times.session,
        book=name,
        strategy=OrderPurpose.PROTECT.value,
        parameters=json_value(rules),
        sizing={},
        code_version=f"openbell {version('openbell')}",
        source=desk.market.settings.name,
        bars_hash="",
        first_session=times.session,
        bars_session=times.session,
        verdict_id="",
        equity=guarded.equity,
        cash=guarded.cash,
        mode=desk.account.mode.value,
        decided_at=clock(),
        targets=tuple(_target(p) for p in guarded.protections if p.symbol in ordered),
    )


def _target(protection: Protection) -> Target:
    return Target(
        symbol=protection.symbol,
        weight=0.0,
        reference_px=protection.last_px,
        held_qty=protection.qty,
        target_qty=Decimal(0),
        order_qty=-protection.qty,
        reason=f"cost {protection.basis_px:f}; stop {_stop(protection)}, profit {protection.profit_px or 'none'}",
    )


def _stop(protection: Protection) -> str:
    if protection.trail_pct is not None:
        return f"{protection.trail_pct} % behind the best price"
    return str(protection.stop_px or "none")


def _row(protection: Protection, findings: Sequence[str]) -> dict[str, str]:
    told = [text for text in findings if text.startswith(protection.symbol)]
    return {
        "symbol": protection.symbol,
        "held": str(protection.qty),
        "average cost": f"{protection.basis_px:f}",
        "stop": _stop(protection),
        "profit": str(protection.profit_px or "none"),
        "last price": str(protection.last_px),
        "look at": "; ".join(told),
    }
