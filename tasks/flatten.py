"""Flatten: close all that an account holds, by the journal like any order, while the desk is halted.

It needs the ledger and the broker, and nothing of Prefect. Done again after a crash at any step it sells nothing twice:
what may have been sent is asked for first, what was never sent is given up, and each round closes what the broker says
is held less what already works to close it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version

from adapters.sql.rows import json_value
from blocks.broker_account import Mode
from blocks.desk import Clock, Desk, wall_clock
from tasks.last_prices import known_prices
from tasks.recover import resolve_unknown
from tasks.send import BATCH, LEASE_TIME, send_batch
from trading.broker import AccountStatement
from trading.errors import BrokerError, LeaseHeld, MarketDataError
from trading.ledger import Decision, Lease, Target
from trading.market.instruments import Instrument
from trading.market.timetable import SessionTimes, session_times
from trading.orders.executions import SendMark
from trading.orders.flatten import UNATTRIBUTED, FlattenRules, Holdings, flatten_orders
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, OrdStatus
from trading.positions.books import position_value
from trading.risk.inputs import RiskInputs

ROUNDS = 5  # each must have closed something, or there is no other
FOLLOW_SECONDS, CLOSED_SECONDS, LOOK_SECONDS = 60.0, 2.0, 0.5
LAG_LOOKS, LAG_SECONDS = 3, 1.0  # a broker's positions may be older than the executions it has told
LEASE_LOOK_SECONDS = 1.0
TEXT = "given up: the account is being flattened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattened:
    """What flattening came to.

    Attributes:
        sent: orders that went out.
        left: signed quantity per symbol that is still held.
        working: closing orders that may still trade, such as those that wait for the open.
        unclosed: what is left and no closing order is known to be at work for, or only for a part of it.
        notes: what a person should know, a sentence each.
    """

    sent: int
    left: dict[str, Decimal]
    working: int
    unclosed: tuple[str, ...] = ()
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Which session it is for the account, and what its clock says when orders are placed and when they are looked for.

    A rehearsed account lives in the past: its orders are placed where it stands and found at the end of the session.
    """

    session: SessionTimes
    place: Clock
    look: Clock

    @property
    def is_open(self) -> bool:
        """Tell whether the exchange trades now."""
        return self.session.open_at <= self.place() < self.session.close_at


def times_of(desk: Desk, clock: Clock) -> Times:
    """Return the times of the account: the present, or for one that is rehearsing the time it has come to."""
    calendar, stands_at = desk.market.calendar, own_time(desk, clock())
    now = stands_at or clock()
    day = calendar.session_on_or_after(calendar.local_date(now))
    if now >= calendar.close_at(day):
        day = calendar.next_session(day)
    times = session_times(calendar, day)
    if stands_at is None:
        return Times(session=times, place=clock, look=clock)
    return Times(session=times, place=lambda: now, look=lambda: times.close_at)


def own_time(desk: Desk, now: datetime) -> datetime | None:
    """Return the time that a rehearsed account has come to; None for one that lives in the present.

    An account at the built-in paper broker is being rehearsed when a whole session went by since it last decided.
    """
    last = desk.ledger.journal.last_decision(desk.name)
    if not desk.account.is_simulated or last is None:
        return None
    calendar = desk.market.calendar
    if now <= calendar.close_at(calendar.next_session(last["session"])):
        return None
    decided_at: datetime = last["decided_at"]
    told = desk.ledger.facts.span(desk.name)
    return max(decided_at, told[1]) if told else decided_at


async def flatten(
    desk: Desk, holder: str, rules: FlattenRules, clock: Clock, say: Callable[[str], None], lease: Lease | None = None
) -> Flattened:
    """Close all positions, again until nothing is left or nothing more can be done.

    Args:
        lease: the account's, where the caller holds it; else it is waited for until it has expired.

    Raises:
        LeaseHeld: another process trades on.
        LedgerError: the ledger cannot be written, and so nothing sent.
    """
    if desk.account.mode is Mode.SHADOW:
        return Flattened(sent=0, left={}, working=0, notes=(f"{desk.name} is a shadow account: nothing is sent",))
    mine = lease or await _take_lease(desk, holder, say)
    trader = desk.as_trader()
    try:
        return await _Flattening(trader, mine, rules, times_of(desk, clock)).run()
    finally:
        if lease is None:
            await trader.broker(clock).close()
            desk.ledger.leases.release(mine)


async def _take_lease(desk: Desk, holder: str, say: Callable[[str], None]) -> Lease:
    deadline, told = time.monotonic() + LEASE_TIME.total_seconds() + LEASE_LOOK_SECONDS, False
    while True:
        try:
            return desk.ledger.leases.acquire(desk.name, holder, LEASE_TIME)
        except LeaseHeld as exc:
            if time.monotonic() > deadline:
                raise
            if not told:
                say(f"{exc}. Flattening waits for that; its orders are canceled already.")
                told = True
        await asyncio.sleep(LEASE_LOOK_SECONDS)


class _Flattening:
    """One go at it."""

    def __init__(self, desk: Desk, lease: Lease, rules: FlattenRules, times: Times) -> None:
        self._desk, self._lease, self._rules, self._times = desk, lease, rules, times
        self._journal, self._broker = desk.ledger.journal, desk.broker(times.place)
        self._sent, self._notes = 0, dict[str, None]()

    async def run(self) -> Flattened:
        try:
            await self._run()
        except BrokerError as exc:
            self._notes[f"{self._desk.name}: {exc}"] = None
        return await self._outcome()

    async def _run(self) -> None:
        before, lost = dict[str, Decimal](), False
        for _ in range(ROUNDS):
            self._desk.ledger.leases.renew(self._lease, LEASE_TIME)
            await resolve_unknown(self._desk, self._lease, self._times.place)
            self._give_up_unsent()
            holdings, statement = await self._holdings()
            if not (left := holdings.left()) or (left == before and not lost):
                return
            if not (orders := self._intend(holdings, statement)):
                return
            await self._send(orders)
            lost = await self._follow({o.cl_ord_id for o in orders})
            before = left

    def _give_up_unsent(self) -> None:
        """Give up every order that is not at the broker, ours of a round before too: sizes are made anew."""
        for order in self._open():
            if order.may_be_sent:
                self._journal.mark(self._lease, order.cl_ord_id, SendMark.ABANDONED, self._times.place(), TEXT)

    def _open(self) -> tuple[Order, ...]:
        return self._journal.orders(self._desk.name, open_only=True)

    async def _holdings(self) -> tuple[Holdings, AccountStatement]:
        statement = await self._settled_statement()
        stated = {p.symbol: p.qty for p in statement.positions}
        prices, notes = await known_prices(
            self._desk, stated, self._times.session.session, quoted=self._rules.limit_band_pct is not None
        )
        self._notes |= dict.fromkeys(notes)
        books = self._desk.ledger.facts.by_book(self._desk.name, statement.as_of)
        return Holdings(positions=stated, books=books, working=self._open(), prices=prices), statement

    async def _settled_statement(self) -> AccountStatement:
        """Return what the broker states, once our books of its executions say the same or have had time to."""
        for look in range(LAG_LOOKS):
            statement = await self._collect(self._times.place)
            stated = {p.symbol: p.qty for p in statement.positions}
            if stated == self._desk.ledger.facts.books(self._desk.name, statement.as_of).held():
                break
            if look < LAG_LOOKS - 1:
                await asyncio.sleep(LAG_SECONDS)
        return statement

    async def _collect(self, clock: Clock) -> AccountStatement:
        broker = self._desk.broker(clock)
        statement = await broker.statement()  # first, so that all it holds is among the reports
        self._journal.record(await broker.reports_since(self._since(clock())))
        self._desk.ledger.facts.record_cash(statement.cash_movements)
        return statement

    def _since(self, now: datetime) -> datetime:
        return min([now - timedelta(days=3), *(o.new_order.transact_time for o in self._open())])

    def _intend(self, holdings: Holdings, statement: AccountStatement) -> list[NewOrderSingle]:
        """Record the round's decision, and return the orders that the gate has let through."""
        name, session = f"flatten {wall_clock():%Y-%m-%dT%H:%M:%S.%f}", self._times.session.session
        orders = flatten_orders(
            holdings,
            self._rules,
            account=self._desk.name,
            session=session,
            decision=name,
            instruments=self._instruments(),
            expire_time=self._times.session.close_at,
            transact_time=self._times.place(),
        )
        ordered = {o.symbol for o in orders}
        self._notes |= {
            f"{s}: {qty} is less than one lot, which no order can close": None
            for s, qty in holdings.left().items()
            if s not in ordered
        }
        if not orders:
            return []  # in a halt nothing may be intended that does not close
        decision = self._decision(name, session, orders, holdings, statement)
        inputs = RiskInputs(
            limits=self._desk.account.risk_limits.limits, marks=holdings.prices, stated=holdings.positions
        )
        verdicts = self._journal.intend(self._lease, decision, orders, inputs)
        self._notes |= {f"{v.symbol}: {v.text}": None for v in verdicts if not v.accepted}
        self._notes |= {
            f"{o.symbol}: {o.order_qty} belong to no strategy book; they are closed too": None
            for o in orders
            if o.book == UNATTRIBUTED
        }
        accepted = {v.cl_ord_id for v in verdicts if v.accepted}
        return [o for o in orders if o.cl_ord_id in accepted]

    def _instruments(self) -> Mapping[str, Instrument]:
        try:
            return self._desk.market.instruments()
        except MarketDataError as exc:
            self._notes[f"lots and ticks are taken for those of shares: {exc}"] = None
            return {}

    def _decision(
        self,
        name: str,
        session: date,
        orders: Sequence[NewOrderSingle],
        holdings: Holdings,
        statement: AccountStatement,
    ) -> Decision:
        prices, positions = holdings.prices, holdings.positions
        worth = (position_value(s, qty, prices.get(s, Decimal(0))) for s, qty in positions.items())
        return Decision(
            decision_id=f"{self._desk.name}:{session}:{name}",
            account=self._desk.name,
            session=session,
            book=name,
            strategy=OrderPurpose.FLATTEN.value,
            parameters=json_value(self._rules),
            sizing={},
            code_version=f"openbell {version('openbell')}",
            source=self._desk.market.settings.name,
            bars_hash="",
            first_session=session,
            bars_session=session,
            verdict_id="",
            equity=statement.cash.amount + sum(worth, Decimal(0)),
            cash=statement.cash.amount,
            mode=self._desk.account.mode.value,
            decided_at=self._times.place(),
            targets=tuple(_target(order, holdings) for order in orders),
        )

    async def _send(self, orders: Sequence[NewOrderSingle]) -> None:
        for start in range(0, len(orders), BATCH):
            self._desk.ledger.leases.renew(self._lease, LEASE_TIME)
            recorded = {o.cl_ord_id: o for o in self._open()}
            batch = [recorded[o.cl_ord_id] for o in orders[start : start + BATCH]]
            self._sent += await send_batch(self._desk, self._lease, self._broker, batch, self._times.place)

    async def _follow(self, cl_ord_ids: set[str]) -> bool:
        """Look until all have ended, or it would take too long: an exchange that is closed fills nothing.

        Returns:
            Whether one is UNKNOWN.
        """
        deadline = time.monotonic() + (FOLLOW_SECONDS if self._times.is_open else CLOSED_SECONDS)
        while True:
            await self._collect(self._times.look)
            open_orders = [o for o in self._open() if o.cl_ord_id in cl_ord_ids]
            lost = any(o.ord_status is OrdStatus.UNKNOWN for o in open_orders)
            if lost or not open_orders or time.monotonic() > deadline:
                return lost
            await asyncio.sleep(LOOK_SECONDS)

    async def _outcome(self) -> Flattened:
        ours = self._journal.orders(self._desk.name, session=self._times.session.session)
        closing = [o for o in ours if o.new_order.purpose is OrderPurpose.FLATTEN]
        self._notes |= {
            f"{o.new_order.symbol}: {o.ord_status}, {o.cum_qty} of {o.new_order.order_qty} closed: {o.text}": None
            for o in closing
            if not o.ord_status.is_open and o.cum_qty < o.new_order.order_qty and o.sent_count
        }
        held = self._desk.ledger.facts.books(self._desk.name, self._times.look()).held()
        try:
            held = {p.symbol: p.qty for p in (await self._collect(self._times.look)).positions}
        except BrokerError as exc:
            self._notes[f"{self._desk.name}: {exc}"] = None
        others = {s: o for o in self._open() if o not in closing for s in o.new_order.symbols}
        self._notes |= {
            f"{s}: not closed while order {o.cl_ord_id} is {o.ord_status}": None for s, o in others.items() if s in held
        }
        working = [o for o in closing if o.ord_status.is_open]
        at_work = [o for o in working if o.order_id is not None]  # the broker has answered for it
        unclosed = Holdings(positions=held, books={}, working=at_work, prices={}).left()
        return Flattened(
            sent=self._sent, left=held, working=len(working), unclosed=tuple(sorted(unclosed)), notes=tuple(self._notes)
        )


def _target(order: NewOrderSingle, holdings: Holdings) -> Target:
    held = holdings.books.get(order.book, {}).get(order.symbol, holdings.positions[order.symbol])
    return Target(
        symbol=order.symbol,
        weight=0.0,
        reference_px=holdings.prices.get(order.symbol),
        held_qty=held,
        target_qty=held + order.signed_qty,
        order_qty=order.signed_qty,
        reason="closed: the desk was stopped",
    )
