"""What is asked of IB about orders: send, change, cancel. All of it runs on the owner's loop."""

import asyncio
import copy
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from weakref import WeakValueDictionary

from adapters.ib.connection import NAME, Connection
from adapters.ib.contracts import ContractRefused, Listed
from adapters.ib.heard import Terms
from adapters.ib.memory import KnownOrder, Sent
from adapters.ib.orders import apply_terms, make_order
from adapters.ib.price_steps import grid_prices
from adapters.ib.session import IbSession
from adapters.request_budget import Priority
from trading.errors import BrokerUnavailable, InvalidValue, OutcomeUnknown
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.order_types import PriceTrigger
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest

ALL = "(all)"
_ASK_AGAIN = 0.25  # seconds; orders of other clients are told of only when asked for
_GRACE = 1.0  # seconds that a better answer is waited for after one that proves nothing
Reports = tuple[ExecutionReport, ...]


class OrderCalls:
    """The order calls of one session.

    Attributes:
        unanswered: ClOrdIDs that were sent on the socket of now and not answered; sent again only once proven absent.
    """

    def __init__(self, session: IbSession) -> None:
        self._session = session
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unanswered: dict[str, Connection] = {}

    # -- new orders

    async def submit(self, orders: Sequence[NewOrderSingle]) -> Reports:
        """Send one order, or a list, and return the reports it has by then.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: something may have been sent.
        """
        async with AsyncExitStack() as locks:
            for cl_ord_id in sorted(order.cl_ord_id for order in orders):
                await locks.enter_async_context(self._lock_of(cl_ord_id))
            connection = await self._session.ready(to_send=True)
            absent = [order for order in orders if not await self._is_known(order)]
            if absent:
                await self._send(connection, orders, absent)
            return await self._answers(orders)

    def _lock_of(self, cl_ord_id: str) -> asyncio.Lock:
        return self._locks.get(cl_ord_id) or self._locks.setdefault(cl_ord_id, asyncio.Lock())

    async def _is_known(self, order: NewOrderSingle) -> bool:
        await self._session.settled()
        if await self._reports_of(order.account, order.cl_ord_id) or self._session.memory.of(order.cl_ord_id):
            return True
        if self._unanswered.get(order.cl_ord_id) is self._session.connection:
            why = "it was sent before and not answered; find it first"
            raise OutcomeUnknown(NAME, order.cl_ord_id, why)
        return False

    async def _send(
        self, connection: Connection, orders: Sequence[NewOrderSingle], absent: Sequence[NewOrderSingle]
    ) -> None:
        try:
            listed = {order.cl_ord_id: await self._listed(connection, order) for order in absent}
            con_ids = await self._trigger_ids(connection, absent)
        except ContractRefused as exc:
            for order in absent:  # a list is sent as a whole or not at all
                self._session.memory.reject(order, str(exc))
            return
        sent = await self._place(connection, orders, absent, listed, con_ids)
        await self._await_answers(connection, sent)
        if len(orders) > 1:
            await self._undo_partial(connection, orders)

    async def _listed(self, connection: Connection, order: NewOrderSingle) -> Listed:
        book = self._session.contracts
        await book.require_counted(connection, order)
        return await (book.combo(connection, order.legs) if order.legs else book.look_up(connection, order.symbol))

    async def _trigger_ids(self, connection: Connection, orders: Sequence[NewOrderSingle]) -> Mapping[str, int]:
        symbols = {t.symbol for order in orders for t in order.triggers if isinstance(t, PriceTrigger)}
        return {s: (await self._session.contracts.look_up(connection, s)).con_id for s in sorted(symbols)}

    async def _place(
        self,
        connection: Connection,
        orders: Sequence[NewOrderSingle],
        absent: Sequence[NewOrderSingle],
        listed: Mapping[str, Listed],
        con_ids: Mapping[str, int],
    ) -> dict[int, Sent]:
        """Put the orders on the wire; of linked ones only the last transmits, which sets all of them off."""
        holds_back = orders[0].contingency_type is not None and any(o.parent_cl_ord_id for o in orders)
        for _ in absent:
            await connection.take(Priority.ORDER)
        self._session.require_healthy(connection)
        sent: dict[int, Sent] = {}
        for order in absent:
            order_id = connection.next_id()
            price, stop_px = grid_prices(listed[order.cl_ord_id].steps, order.side, order.price, order.stop_px)
            made = make_order(self._session.library, replace(order, price=price, stop_px=stop_px), con_ids)
            made.transmit = not holds_back or order is absent[-1]
            if order.parent_cl_ord_id is not None:
                made.parentId = self._order_id_of(order.parent_cl_ord_id, sent)
            sent[order_id] = self._session.memory.sent[order_id] = Sent(cl_ord_id=order.cl_ord_id, order=order)
            self._unanswered[order.cl_ord_id] = connection
            connection.client.placeOrder(order_id, listed[order.cl_ord_id].contract, made)
        return sent

    def _order_id_of(self, cl_ord_id: str, sent: Mapping[int, Sent]) -> int:
        for order_id, one in sent.items():
            if one.cl_ord_id == cl_ord_id:
                return order_id
        known = [k for k in self._session.memory.of(cl_ord_id) if not k.is_done and k.order_id > 0]
        if not known:
            raise BrokerUnavailable(NAME, f"parent {cl_ord_id} does not work any more, so its child would stand alone")
        return known[-1].order_id

    async def _await_answers(self, connection: Connection, sent: Mapping[int, Sent]) -> None:
        """Wait for the first word on each.

        Raises:
            OutcomeUnknown: it did not come.
        """
        memory, patience = self._session.memory, self._session.settings.answer_seconds

        def answered() -> bool:
            return not connection.is_open or all(memory.answered(one.cl_ord_id) for one in sent.values())

        def unclear() -> bool:
            return any(one.unclear or one.refusal for one in sent.values())

        await self._session.pulse.until(lambda: answered() or unclear(), patience)
        await self._session.pulse.until(answered, min(patience, _GRACE) if unclear() else 0)
        for one in sent.values():
            if memory.heard_of(one.cl_ord_id):
                self._unanswered.pop(one.cl_ord_id, None)
            else:
                raise OutcomeUnknown(NAME, one.cl_ord_id, self._why_silent(connection, one))

    def _why_silent(self, connection: Connection, sent: Sent) -> str:
        if sent.unclear or sent.refusal:
            return f"its only answer was {sent.unclear or sent.refusal}"
        if not connection.is_open:
            return f"the connection to {connection.place} was lost"
        return f"no answer within {self._session.settings.answer_seconds:g} s{self._session.notices()}"

    async def _undo_partial(self, connection: Connection, orders: Sequence[NewOrderSingle]) -> None:
        """Cancel the rest of a list of which one was rejected."""
        reports = [await self._settled_reports(order) for order in orders]
        if any(r.exec_type is ExecType.REJECTED for of_order in reports for r in of_order):
            for order in orders:
                await self._cancel_known(connection, order.cl_ord_id)

    async def _answers(self, orders: Sequence[NewOrderSingle]) -> Reports:
        return tuple([report for order in orders for report in await self._settled_reports(order)])

    async def _settled_reports(self, order: NewOrderSingle) -> Reports:
        try:
            await self._session.settled()
            return await self._reports_of(order.account, order.cl_ord_id)
        except BrokerUnavailable as exc:
            raise OutcomeUnknown(NAME, order.cl_ord_id, exc.why) from exc

    # -- changes

    async def cancel(self, account: str, cl_ord_id: str) -> Reports:
        """Cancel what is left of an order and return its reports.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: it may have been sent.
        """
        connection = await self._session.ready(to_cancel=True)
        if not self._session.memory.of(cl_ord_id):
            await self._session.ask_orders()
        await self._cancel_known(connection, cl_ord_id)
        await self._session.settled()
        return await self._reports_of(account, cl_ord_id)

    async def _cancel_known(self, connection: Connection, cl_ord_id: str) -> None:
        working = [k for k in self._session.memory.of(cl_ord_id) if not k.is_done]
        sent = [await self._send_cancel(connection, known) for known in working]
        if (
            not await self._session.pulse.until(
                lambda: (
                    not connection.is_open or all(k.is_done or s.refusal for k, s in zip(working, sent, strict=True))
                ),
                self._session.settings.answer_seconds,
            )
            or not connection.is_open
        ):
            if all(known.is_done for known in working):
                return
            raise OutcomeUnknown(NAME, cl_ord_id, "the cancel was sent and not confirmed")
        if any(s.refusal for s in sent):
            await self._session.ask_orders()  # refused because it has ended already, most often

    async def _send_cancel(self, connection: Connection, known: KnownOrder) -> Sent:
        self._require_own(connection, known)
        await connection.take(Priority.ORDER)
        if not connection.is_open:
            raise connection.lost("before the order was sent")
        self._session.memory.sent[known.order_id] = sent = Sent(cl_ord_id=known.cl_ord_id)
        connection.client.cancelOrder(known.order_id, "")
        return sent

    def _require_own(self, connection: Connection, known: KnownOrder) -> None:
        if known.client_id != connection.client_id or known.order_id <= 0:
            raise BrokerUnavailable(
                NAME,
                f"order {known.cl_ord_id} was placed by client {known.client_id}, and only that one can change it (we "
                f"are client {connection.client_id}); cancel it in TWS, or cancel everything",
            )

    async def cancel_all(self, account: str) -> None:
        """Cancel everything that works, whoever placed it, with one message.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: not all of it was confirmed in time.
        """
        connection = await self._session.ready(to_cancel=True)
        await connection.post(connection.client.reqGlobalCancel)
        deadline = asyncio.get_running_loop().time() + self._session.settings.answer_seconds
        try:
            while True:
                await self._session.ask_orders()
                await self._session.settled()
                working = self._session.memory.working(account)
                left = deadline - asyncio.get_running_loop().time()
                if not working:
                    return
                if left <= 0:
                    names = ", ".join(known.cl_ord_id for known in working)
                    raise OutcomeUnknown(NAME, ALL, f"still working: {names}")
                await self._session.pulse.until(
                    lambda: not self._session.memory.working(account), min(left, _ASK_AGAIN)
                )
        except BrokerUnavailable as exc:
            raise OutcomeUnknown(NAME, ALL, exc.why) from exc

    async def replace(self, request: OrderCancelReplaceRequest) -> Reports:
        """Change an order and return its reports; a refused change leaves it as it is.

        Raises:
            BrokerUnavailable: nothing was sent.
            OutcomeUnknown: it may have been sent.
        """
        connection = await self._session.ready(to_send=True)
        if not self._session.memory.of(request.orig_cl_ord_id):
            await self._session.ask_orders()
        working = [k for k in self._session.memory.of(request.orig_cl_ord_id) if not k.is_done]
        account, request_id, now = request.account, request.cl_ord_id, self._session.now()
        if working and not await self._session.records(lambda r: r.is_answered(account, request_id)):
            await self._change(connection, working[-1], await self._wanted(connection, working[-1], request))
            await self._session.records(lambda r: r.note_answer(account, request_id, now))
        await self._session.settled()
        return await self._reports_of(request.account, request.orig_cl_ord_id)

    async def _wanted(self, connection: Connection, known: KnownOrder, request: OrderCancelReplaceRequest) -> Terms:
        wanted = Terms(
            order_qty=request.order_qty,
            price=request.price,
            stop_px=request.stop_px,
            peg_offset_value=request.peg_offset_value,
        )
        given = [(getattr(wanted, name) is None) == (getattr(known.terms, name) is None) for name in Terms.__slots__]
        if not all(given):
            raise InvalidValue(
                f"values of {request.cl_ord_id}", wanted, f"of the same kind as those in force: {known.terms}"
            )
        if known.contract.secType == "BAG":
            return wanted
        listed = await self._session.contracts.look_up(connection, known.symbol)
        price, stop_px = grid_prices(listed.steps, known.side, wanted.price, wanted.stop_px)
        return replace(wanted, price=price, stop_px=stop_px)

    async def _change(self, connection: Connection, known: KnownOrder, wanted: Terms) -> None:
        if wanted == known.terms:
            return
        self._require_own(connection, known)
        await connection.take(Priority.ORDER)
        if not connection.is_open or known.is_done:
            return
        changed = copy.copy(known.order)
        apply_terms(changed, wanted)
        self._session.memory.sent[known.order_id] = sent = Sent(cl_ord_id=known.cl_ord_id)
        connection.client.placeOrder(known.order_id, known.contract, changed)
        answered = await self._session.pulse.until(
            lambda: not connection.is_open or known.terms == wanted or known.is_done or bool(sent.refusal),
            self._session.settings.answer_seconds,
        )
        if not answered or not connection.is_open:
            raise OutcomeUnknown(NAME, known.cl_ord_id, f"the change was sent and not answered; {sent.unclear}")

    # -- questions

    async def find(self, account: str, cl_ord_id: str) -> Reports:
        """Return every report of an order; empty once the server has told all it has and this is not among it.

        That proves nothing on the socket that the order was sent on: it may still be under way. So the socket is left
        for a new one, and what was not read of the old one is void.

        Raises:
            BrokerUnavailable: the broker could not be asked.
        """
        async with self._lock_of(cl_ord_id):
            connection = await self._session.ready()
            await self._session.ask_orders()
            self._session.require_healthy(connection)
            await self._session.settled()
            reports = await self._reports_of(account, cl_ord_id)
            if not reports and self._unanswered.get(cl_ord_id) is connection:
                await self._session.renew(f"order {cl_ord_id} was not answered, and may still be under way")
                await self._session.settled()
                reports = await self._reports_of(account, cl_ord_id)
            self._unanswered.pop(cl_ord_id, None)
            return reports

    async def _reports_of(self, account: str, cl_ord_id: str) -> Reports:
        return await self._session.records(lambda records: records.reports_of(account, cl_ord_id))
