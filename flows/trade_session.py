"""Before the open: the daily rebalance, from reconciliation to the last fill."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.broker_account import Mode
from blocks.desk import Desk, open_desk, wall_clock
from flows.asking import ask_persons
from flows.guard import Go, ended, guard, is_past
from flows.leasing import leasing
from flows.on_failure import tell_failure
from flows.quoting import quotes_at_gate
from tasks.decide import StrategyChoice, decide
from tasks.deliver import deliver
from tasks.follow import follow
from tasks.limit import limit
from tasks.measure import measure
from tasks.place import place
from tasks.protect import open_protective, protect
from tasks.reconcile import reconcile_books
from tasks.recover import recover
from tasks.send import LEASE_TIME
from tasks.tell import tell_refused
from tasks.trip import trip
from tasks.verify import verify
from tasks.watch import watch
from trading.errors import BooksDisagree, InvalidValue
from trading.ledger import Lease
from trading.market.timetable import MissedRun, Step
from trading.orders.orders import Order, OrdStatus
from trading.orders.protection import HeldBy, ProtectionRules
from trading.positions.sizing import SizingRules
from trading.risk.approvals import Approval

FOLLOW_AFTER_OPEN = timedelta(minutes=15)
LOOK_AGAIN_SECONDS = 2.0  # a person or the broker may trade in the account while it is being compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What placing came to."""

    sent: int = 0
    unknown: int = 0
    note: str = ""


@flow(
    name="trade-session",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def trade_session(
    session: date | None = None,
    account: str = "paper",
    strategy: StrategyChoice = StrategyChoice(),
    book: Annotated[str, Field(min_length=1)] = "main",
    sizing: SizingRules = SizingRules(),
    protection: ProtectionRules | None = None,
    storage: str = "desk",
    missed_run: MissedRun = MissedRun.SKIP,
    feed: str | None = None,
) -> State[Any]:
    """Reconcile, decide, limit, place and follow the orders of one session.

    Orders that a person must approve are placed once they are; until then the run is paused and holds no lease.
    Running it again is safe at any moment: what was decided is not decided again, and the broker is asked about every
    order that may have been sent before anything is sent.

    Args:
        session: Which session. None: today's. A past one is rehearsed, on the paper broker only.
        account: Name of the broker account block.
        strategy: Which strategy decides.
        book: Strategy book that the positions belong to.
        sizing: How weights become orders.
        protection: Where each position is closed at a loss or at a profit. None: nowhere.
        storage: Name of the desk storage block.
        missed_run: What a run does that starts after the open. After the deadline it never trades.
        feed: Name of the market feed block whose quotes the limits on spread and age are held against. None: where one
            of them is set, every order is refused.
    """
    desk = await open_desk(account, storage)
    holder = f"trade-session {runtime.flow_run.name} ({runtime.flow_run.id})"
    go = await guard(desk.market.calendar, Step.TRADE, session, _when_late(desk, session, book, missed_run))
    if not isinstance(go, Go):
        await _settle_what_is_open(desk, holder)
        return go
    _refuse_real_rehearsal(desk, go, feed)
    if is_past(desk, go.times.session, book):
        return ended(f"{go.times.session}: decided and traded before; nothing was sent", name="Skipped")
    async with leasing(desk, holder) as (trader, lease):
        outcome = await _trade(trader, go, lease, strategy, book, sizing, feed, storage)
    if waiting := _waiting(desk, go, book):
        approval = await ask_persons(desk, waiting, go.times.open_at)
        async with leasing(desk, holder) as (trader, lease):
            approved = await _trade(trader, go, lease, strategy, book, sizing, feed, storage)
        outcome = replace(approved, sent=outcome.sent + approved.sent, note=approval.text)
    orders = await _follow(desk, go)
    await _protect(desk, go, holder, book, protection or ProtectionRules())
    known = desk.market.calendar.previous_session(go.times.session)
    await measure(desk, go.times.session, known, go.clock_at(_followed_until(go)))
    tell_refused(desk, go.times.session, book, wall_clock())
    await deliver(desk.storage, desk.ledger)
    return ended(_summary(go.times.session, outcome, orders))


async def _trade(
    desk: Desk,
    go: Go,
    lease: Lease,
    strategy: StrategyChoice,
    book: str,
    sizing: SizingRules,
    feed: str | None,
    storage: str,
) -> Outcome:
    times, clock = go.times, go.clock_at(go.times.decide_at)
    unresolved = await recover(desk, lease, clock)
    recorded = desk.ledger.journal.decision(desk.name, times.session, book)
    if recorded is None:
        await _require_agreement(desk, go, lease)
        report = await verify(desk, desk.market.calendar.previous_session(times.session))
        decision = await decide(desk, report, times, strategy, book, sizing, clock)
        quotes = await quotes_at_gate(desk, decision, feed, storage, rehearsal=go.rehearsal)
        desk.ledger.leases.renew(lease, LEASE_TIME)
        await limit(desk, lease, decision, report, times, sizing, quotes=quotes, rehearsal=go.rehearsal)
    else:  # hours may have passed until a person approved
        await trip(desk, desk.market.calendar.previous_session(times.session), clock, lease=lease)
    if desk.account.mode is Mode.SHADOW:
        return Outcome(note="shadow, so nothing was sent")
    sent = await place(desk, lease, times, clock)
    if any(o.ord_status is OrdStatus.UNKNOWN for o in desk.ledger.journal.orders(desk.name, open_only=True)):
        unresolved = await recover(desk, lease, clock)
        sent += await place(desk, lease, times, clock)
    note = "it had been decided before, so nothing was decided again" if recorded else ""
    return Outcome(sent=sent, unknown=unresolved, note=note)


def _waiting(desk: Desk, go: Go, book: str) -> Approval | None:
    decision = desk.ledger.journal.decision(desk.name, go.times.session, book)
    approval = desk.ledger.approvals.of(decision["decision_id"]) if decision else None
    return approval if approval and approval.waits else None


async def _follow(desk: Desk, go: Go) -> tuple[Order, ...]:
    until = _followed_until(go)
    orders = await follow(desk, go.times, until, go.clock_at(until))
    await trip(desk, go.times.session, go.clock_at(until))
    return orders


async def _protect(desk: Desk, go: Go, holder: str, book: str, rules: ProtectionRules) -> None:
    """Protect what is held by now; rules that ask for nothing take away what is left of others."""
    if desk.account.mode is Mode.SHADOW or (rules.asks_for_nothing and not open_protective(desk, book)):
        return
    clock = go.clock_at(_followed_until(go))
    async with leasing(desk, holder) as (trader, lease):
        await protect(trader, lease, go.times, book, rules, clock)
        if rules.held_by is HeldBy.DESK:
            await watch(trader, lease, go.times, book, rules, clock)


def _followed_until(go: Go) -> datetime:
    return go.times.close_at if go.rehearsal else go.times.open_at + FOLLOW_AFTER_OPEN


def _when_late(desk: Desk, session: date | None, book: str, missed_run: MissedRun) -> MissedRun:
    """Let a run that resumes a recorded decision go on until the deadline: what it sends was decided in time."""
    day = session or desk.market.calendar.local_date(wall_clock())
    return missed_run if desk.ledger.journal.decision(desk.name, day, book) is None else MissedRun.CATCH_UP


async def _settle_what_is_open(desk: Desk, holder: str) -> None:
    """Find out what became of orders that were never answered, though it is too late to trade."""
    if any(o.order_id is None for o in desk.ledger.journal.orders(desk.name, open_only=True)):
        async with leasing(desk, holder) as (trader, lease):
            await recover(trader, lease, wall_clock)


async def _require_agreement(desk: Desk, go: Go, lease: Lease) -> None:
    outcome = await reconcile_books(
        desk,
        desk.market.calendar.previous_session(go.times.session),
        go.clock_at(go.times.decide_at),
        look_again_seconds=0.0 if go.rehearsal else LOOK_AGAIN_SECONDS,
    )
    await trip(desk, outcome.session, go.clock_at(go.times.decide_at), reachable=True, lease=lease)
    grave = [b.text for b in outcome.breaks if b.break_type.falsifies_sizing]
    if grave:
        raise BooksDisagree(desk.name, grave)
    desk.ledger.breakers.require_none_halts(desk.name, go.clock_at(go.times.decide_at)())


def _refuse_real_rehearsal(desk: Desk, go: Go, feed: str | None) -> None:
    if go.rehearsal and feed is not None:
        raise InvalidValue("feed", feed, f"left out: {go.times.session} is over, and a feed gives the quotes of now")
    if go.rehearsal and not desk.account.is_simulated:
        raise InvalidValue("session", str(go.times.session), f"today's: the broker of {desk.name} is not simulated")


def _summary(session: date, outcome: Outcome, orders: tuple[Order, ...]) -> str:
    filled = sum(o.cum_qty == o.new_order.order_qty for o in orders)
    working = sum(o.ord_status.is_open for o in orders)
    text = f"{session}: {outcome.sent} orders sent, {filled} of {len(orders)} filled, {working} working"
    if outcome.unknown:
        text += f", {outcome.unknown} UNKNOWN"
    return f"{text}; {outcome.note}" if outcome.note else text
