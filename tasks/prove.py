"""Prove on a paper account that an order finds its way to the broker and back; it is made to work and never to fill."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from importlib.metadata import version

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.ib.findings import findings
from adapters.ib.ib_settings import Role
from adapters.ib.probe import Probe, probe_gateway
from blocks.broker_account import Mode
from blocks.desk import Clock, Desk
from tasks.describe import describe
from tasks.publish import publish_markdown
from tasks.reconcile import find_breaks
from tasks.send import LEASE_TIME, send_batch
from tasks.value import last_prices, marks
from trading.broker import AccountStatement
from trading.errors import BrokerError
from trading.ledger import Decision, Lease, Target
from trading.orders.executions import SendMark
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce, make_cl_ord_id
from trading.positions.books import equity
from trading.readiness import Check, ReadinessReport
from trading.risk.inputs import RiskInputs

BOOK = "readiness"
SENT_WITHIN = timedelta(minutes=10)
FAR, NEARER = Decimal("0.9"), Decimal("0.8")  # of the price band of the limits: any order passes the same gate
CENT = Decimal("0.01")
TRIES, WAIT_SECONDS = 10, 0.5


class _NoFurther(Exception):
    """A step failed, and those after it would prove nothing."""


@task(name="prove_gateway", timeout_seconds=300, cache_policy=NO_CACHE)
async def prove_gateway(desk: Desk, symbol: str, clock: Clock) -> tuple[Probe, tuple[Check, ...]]:
    """Ask the gateway who it is and what it would do; nothing is sent to a market."""
    ib = desk.account.ib
    probe = await probe_gateway(ib, desk.name, symbol, now=clock)
    is_live = desk.account.mode is Mode.LIVE
    return probe, findings(probe, account=desk.name, port=ib.port, is_live=is_live)


@task(name="prove_order", timeout_seconds=900, cache_policy=NO_CACHE)
async def prove_order(desk: Desk, lease: Lease, symbol: str, quote_px: Decimal | None, clock: Clock) -> list[Check]:
    """Place, find, change and cancel one share far from the market, by the journal like any order.

    Args:
        quote_px: what the symbol is quoted at; None takes the last stored close.
    """
    proof = _Proof(desk, lease, clock)
    try:
        await proof.leave_nothing()  # of a run that was killed
        await proof.run(symbol, quote_px)
    except BrokerError as exc:
        proof.checks.append(Check(name="broker", ok=False, text=str(exc), remedy="mend it and prove it again"))
    except _NoFurther:
        pass  # the check says it
    finally:
        await proof.leave_nothing()
    return proof.checks


class _Proof:
    """One run: what it has checked, and the order it does so with."""

    def __init__(self, desk: Desk, lease: Lease, clock: Clock) -> None:
        self._desk, self._lease, self._clock = desk, lease, clock
        self._journal, self.checks = desk.ledger.journal, list[Check]()

    async def run(self, symbol: str, quote_px: Decimal | None) -> None:
        before = await self._books("books before")
        order = self._intend(symbol, self._price(symbol, quote_px), before)
        await self._place(order)
        await self._find(order)
        await self._replace(order)
        await self._cancel(order)
        await self._find_canceled(order)
        after = await self._books("books after")
        same = (before.cash, before.positions) == (after.cash, after.positions)
        what = f"cash {after.cash.amount:,.2f} {after.cash.currency}, {len(after.positions)} positions"
        text = f"{what}, as before" if same else f"{what}; before: {before.cash.amount:,.2f}, {len(before.positions)}"
        self._check("nothing moved", text, "look in TWS what traded meanwhile, and prove it again", ok=same)

    async def leave_nothing(self) -> None:
        """End what such a proof has left open, of this run or one before."""
        orders = self._journal.orders(self._desk.name, open_only=True)
        for order in [o for o in orders if o.new_order.book.startswith(BOOK)]:
            if order.may_be_sent:
                text = "the proof ended before it was sent"
                self._journal.mark(self._lease, order.cl_ord_id, SendMark.ABANDONED, self._clock(), text)
                continue
            try:
                await self._send_cancel(order)
            except BrokerError as exc:
                self.checks.append(
                    Check(
                        name="left working",
                        ok=False,
                        text=f"order {order.cl_ord_id} may still work: {exc}",
                        remedy="run it again, or cancel the order in TWS",
                    )
                )

    def _check(self, name: str, text: str, remedy: str, *, ok: bool) -> None:
        self.checks.append(Check(name=name, ok=ok, text=text, remedy=None if ok else remedy))
        if not ok:
            raise _NoFurther(name)

    def _order(self, cl_ord_id: str) -> Order:
        (order,) = (o for o in self._journal.orders(self._desk.name) if o.cl_ord_id == cl_ord_id)
        return order

    async def _books(self, name: str) -> AccountStatement:
        breaks, statement = await find_breaks(self._desk, self._clock)
        text = "; ".join(b.text for b in breaks) or "no break: orders, executions, positions and cash agree"
        remedy = "run reconcile_day, then explain each break: `openbell breaks`, `openbell clear SUBJECT --reason TEXT`"
        self._check(name, text, remedy, ok=not breaks)
        return statement

    def _price(self, symbol: str, quote_px: Decimal | None) -> Decimal:
        stored = last_prices(self._desk, self._yesterday(), [symbol]).get(symbol)
        px = quote_px or stored
        if px is None:
            text = f"{symbol} has neither a quote nor a stored close, so no price is far from it"
            self._check("order", text, "name a symbol with one", ok=False)
            raise _NoFurther(symbol)
        return px

    def _yesterday(self) -> date:
        """Return the session before today's: so the proof is in no count and no report of the strategy's session."""
        calendar = self._desk.market.calendar
        return calendar.previous_session(calendar.local_date(self._clock()))

    def _away(self, px: Decimal, share: Decimal) -> Decimal:
        band = min(self._desk.account.risk_limits.limits.price_band_pct, Decimal(50))
        return (px * (1 - band * share / 100)).quantize(CENT, ROUND_FLOOR)

    def _intend(self, symbol: str, px: Decimal, statement: AccountStatement) -> NewOrderSingle:
        now, name = self._clock(), self._desk.name
        self._marks = self._known_marks(statement) | {symbol: px}
        self._px = px
        book = f"{BOOK} {now:%Y-%m-%dT%H:%M:%S}"  # each run decides anew
        order = NewOrderSingle(
            cl_ord_id=make_cl_ord_id(account=name, session=self._yesterday(), book=book, symbol=symbol, purpose=BOOK),
            account=name,
            session=self._yesterday(),
            book=book,
            symbol=symbol,
            side=Side.BUY,
            order_qty=Decimal(1),
            ord_type=OrdType.LIMIT,
            time_in_force=TimeInForce.DAY,
            price=self._away(px, FAR),
            expire_time=now + SENT_WITHIN,
            transact_time=now,
        )
        decision = self._decision(order, px, statement)
        (verdict,) = self._journal.intend(self._lease, decision, [order], self._risk_inputs())
        text = verdict.text or f"buy 1 {symbol} at {order.price}, last {px}: accepted and recorded"
        self._check("risk gate", text, "let the account's limits accept such an order", ok=verdict.accepted)
        return order

    def _risk_inputs(self) -> RiskInputs:
        calendar, sent_by = self._desk.market.calendar, self._clock() + SENT_WITHIN
        session = calendar.session_on_or_after(calendar.local_date(sent_by))
        if calendar.close_at(session) < sent_by:
            session = calendar.next_session(session)
        described, limits = describe(self._desk, session, self._marks), self._desk.account.risk_limits.limits
        return RiskInputs(
            # The order cannot fill, so no spread can cost it anything; and a feed of quotes proves nothing of a broker.
            limits=replace(limits, max_spread_pct=None, max_quote_age_seconds=None),
            marks=self._marks,
            blocked=self._desk.ledger.clearances.locked(self._desk.name),
            facts=described.facts,
            market_volatility_pct=described.market_volatility_pct,
            closes_at=calendar.close_at(session),
            calendar=calendar,
            currency=self._desk.account.currency,
        )

    def _known_marks(self, statement: AccountStatement) -> dict[str, Decimal]:
        working = self._journal.orders(self._desk.name, open_only=True)
        wanted = {p.symbol for p in statement.positions} | {s for o in working for s in o.new_order.symbols}
        return marks(self._desk, self._yesterday(), wanted, self._desk.ledger.facts.executions(self._desk.name))

    def _decision(self, order: NewOrderSingle, px: Decimal, statement: AccountStatement) -> Decision:
        books = self._desk.ledger.facts.books(self._desk.name, statement.as_of)
        target = Target(
            symbol=order.symbol,
            weight=0.0,
            reference_px=px,
            held_qty=books.held().get(order.symbol, Decimal(0)),
            target_qty=books.held().get(order.symbol, Decimal(0)),
            order_qty=order.order_qty,
            reason="proves the way to the broker; not meant to fill",
        )
        return Decision(
            decision_id=f"{order.account}:{order.session}:{order.book}",
            account=order.account,
            session=order.session,
            book=order.book,
            strategy="prove_readiness",
            parameters={"symbol": order.symbol},
            sizing={},
            code_version=f"openbell {version('openbell')}",
            source=self._desk.market.settings.name,
            bars_hash="",
            first_session=order.session,
            bars_session=order.session,
            verdict_id="",
            equity=equity(books, self._marks),
            cash=books.cash,
            mode=self._desk.account.mode.value,
            decided_at=order.transact_time,
            targets=(target,),
        )

    async def _place(self, order: NewOrderSingle) -> None:
        self._desk.ledger.leases.renew(self._lease, LEASE_TIME)
        recorded = self._order(order.cl_ord_id)
        await send_batch(self._desk, self._lease, self._desk.broker(self._clock), [recorded], self._clock)
        now = self._order(order.cl_ord_id)
        ok = now.ord_status is OrdStatus.NEW and now.order_id is not None
        text = f"{order.cl_ord_id} is {now.ord_status} as order {now.order_id}" + (f": {now.text}" if now.text else "")
        self._check("order placed", text, "read what the broker says, mend it and prove it again", ok=ok)

    async def _find(self, order: NewOrderSingle) -> None:
        broker = self._desk.broker(self._clock)
        known = bool(await broker.find(order.cl_ord_id))
        works = order.cl_ord_id in (await broker.statement()).working
        text = f"the broker {'knows' if known else 'does not know'} it; {'working' if works else 'not working'}"
        self._check("order found", text, "another program may have canceled it; look in TWS", ok=known and works)

    async def _replace(self, order: NewOrderSingle) -> None:
        wanted = self._away(self._px, NEARER)
        request = self._order(order.cl_ord_id).replace_request(1, self._clock(), price=wanted)
        verdict = self._journal.intend_replace(self._lease, request, self._risk_inputs())
        if verdict.accepted:
            self._journal.record(await self._desk.broker(self._clock).replace(request))
        now = self._order(order.cl_ord_id).in_force.price
        text = verdict.text or f"from {order.price} to {now}, asked for {wanted}"
        moved = now is not None and order.price is not None and order.price < now <= wanted
        self._check("order replaced", text, "read what the broker says of it in TWS", ok=moved)

    async def _cancel(self, order: NewOrderSingle) -> None:
        await self._send_cancel(self._order(order.cl_ord_id))
        now = await self._ended(order.cl_ord_id)
        text = f"{order.cl_ord_id} is {now.ord_status}, {now.cum_qty} filled"
        remedy = "cancel it in TWS; where it has filled, sell the share there"
        self._check("order canceled", text, remedy, ok=now.ord_status is OrdStatus.CANCELED and not now.cum_qty)

    async def _ended(self, cl_ord_id: str) -> Order:
        """Return the order once it has ended, or after some time as it is: a fill is told with its commission only."""
        for _ in range(TRIES):
            if not self._order(cl_ord_id).ord_status.is_open:
                break
            await asyncio.sleep(WAIT_SECONDS)
            self._journal.record(await self._desk.broker(self._clock).find(cl_ord_id))
        return self._order(cl_ord_id)

    async def _send_cancel(self, order: Order) -> None:
        request = order.cancel_request(self._clock())
        self._journal.intend_cancel([request])
        self._journal.record(await self._desk.broker(self._clock).cancel(request))

    async def _find_canceled(self, order: NewOrderSingle) -> None:
        """Ask on a socket that has never heard of the order."""
        reader = replace(self._desk, role=Role.READER).broker(self._clock)
        await reader.close()
        try:
            reports = await reader.find(order.cl_ord_id)
            works = order.cl_ord_id in (await reader.statement()).working
        finally:
            await reader.close()
        last = reports[-1].ord_status if reports else None
        ok = last is OrdStatus.CANCELED and not works
        text = f"on a new connection it is {last or 'unknown'}, and {'working' if works else 'not working'}"
        self._check("found canceled", text, "look in TWS whether it works, and cancel it there", ok=ok)


async def publish_readiness(report: ReadinessReport) -> None:
    """Publish the report as a table to be worked through."""
    result = "passed: the live side may be armed for 30 days" if report.passed else "NOT passed"
    where = f"{report.account} at {report.host}:{report.port}, {report.library}, protocol {report.server_version}"
    lines = [f"## {where}: {result}", "", "| check | result | what to do |", "| --- | --- | --- |"]
    lines += [_line(check) for check in report.checks]
    await publish_markdown("readiness", "\n".join(lines), f"Whether {report.account} is ready")


def _line(check: Check) -> str:
    cells = (check.name, f"{check.verdict}: {check.text}", check.remedy or "")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
