"""The paper exchange: what it does with orders and requests, within the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from adapters.paper import hours, records
from adapters.paper.admission import Admission
from adapters.paper.matching import WorkingOrder
from adapters.paper.moments import IMMEDIATE, moment_at
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.records import ORDERS
from adapters.paper.reports import make_report
from adapters.paper.ties import Ties
from trading.market.instruments import Instrument
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrdStatus, OrdType


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The exchange at one time, as one account sees it; everything due has been settled."""

    connection: sa.Connection
    account: str
    instruments: Mapping[str, Instrument]
    settings: PaperSettings
    at: datetime

    def accept(self, orders: Sequence[NewOrderSingle]) -> tuple[tuple[ExecutionReport, ...], datetime | None]:
        """Take or reject orders, linked ones all or none; a known ClOrdID is answered with the reports it has.

        Returns:
            The reports, and when the first of the new orders is looked at.
        """
        known = {o.cl_ord_id: records.reports_of(self.connection, self.account, o.cl_ord_id) for o in orders}
        new = [order for order in orders if not known[order.cl_ord_id]]
        mates = self._list_of({o.list_id for o in new if o.list_id})
        admission = Admission(
            account=self.account, instruments=self.instruments, settings=self.settings, now=self.at, mates=mates
        )
        admitted = [admission.admit(order) for order in new]
        refused = [(order.cl_ord_id, why) for order, why in admitted if why]
        for order, why in admitted:
            if refused and not why:
                why = f"{refused[0][0]} of its list was rejected: {refused[0][1]}"
                order.ord_status, order.due_at = OrdStatus.REJECTED, None
            exec_type = ExecType.REJECTED if why else ExecType.NEW
            numbered = make_report(self.account, order, exec_type, self.at, text=why)
            records.add_order(self.connection, self.account, order)
            records.add_reports(self.connection, [numbered])
            known[order.cl_ord_id] = (numbered.report,)
        due_at = min((order.due_at for order, _ in admitted if order.due_at is not None), default=None)
        return tuple(report for order in orders for report in known[order.cl_ord_id]), due_at

    def cancel(self, which: sa.ColumnElement[bool]) -> None:
        """Cancel those of the working orders, and what they take with them."""
        orders = self._working(which)
        ties = self._ties(orders)
        for order in orders:
            if order.due_at is not None:  # another one may have taken it along
                ties.end(order, self.at, ExecType.CANCELED, "canceled on request")
        self._write(ties)

    def replace(self, request: OrderCancelReplaceRequest) -> tuple[ExecutionReport, ...]:
        """Let a working order go on under the request's values, or say why not; a known request changes nothing."""
        for order in self._working(ORDERS.c.cl_ord_id == request.orig_cl_ord_id):
            if not records.is_answered(self.connection, self.account, request, self.at):
                ties = self._ties([order])
                self._replace(ties, order, request)
                self._write(ties)
        return records.reports_of(self.connection, self.account, request.orig_cl_ord_id)

    def _replace(self, ties: Ties, order: WorkingOrder, request: OrderCancelReplaceRequest) -> None:
        if why := self._no_replace(ties, order, request):
            text = f"not replaced by {request.cl_ord_id}: {why}"
            ties.reports.append(make_report(self.account, order, ExecType.ORDER_STATUS, self.at, text=text))
            return
        is_cut = request.order_qty <= order.order_qty and _values(order) == _values(request)
        if order.ord_type is OrdType.TRAILING_STOP:
            order.stop_px = order.stop_px if order.peg_offset_value == request.peg_offset_value else None
        else:
            order.stop_px = request.stop_px
        order.order_qty, order.price = request.order_qty, request.price
        order.peg_offset_value = request.peg_offset_value
        if not order.leaves_qty:
            order.ord_status, order.due_at = OrdStatus.FILLED, None
        elif not is_cut or moment_at(order, ties.mic(order), self.settings) <= self.at:
            # Other values hold from now on: what a bar showed before is not for them.
            ties.reschedule(order, self.at + timedelta(seconds=self.settings.delay_seconds))
        ties.reports.append(make_report(self.account, order, ExecType.REPLACED, self.at))
        if not order.leaves_qty:
            ties.traded(order, self.at, self.at)

    def _no_replace(self, ties: Ties, order: WorkingOrder, request: OrderCancelReplaceRequest) -> str:
        """Return why the order cannot be replaced so; empty when it can."""
        given = {"price": order.price, "stop_px": order.stop_px, "peg_offset_value": order.peg_offset_value}
        if order.ord_type is OrdType.TRAILING_STOP:
            given["stop_px"] = None
        for name, old in given.items():
            if (old is None) != (getattr(request, name) is None):
                return f"{name} {getattr(request, name)} does not fit a {order.ord_type} order"
        if request.order_qty < order.cum_qty:
            return f"{order.cum_qty} have traded, more than {request.order_qty}"
        late = self.at > hours.open_at(ties.mic(order), order.session)
        if order.time_in_force in IMMEDIATE and late and not order.waits:
            return f"its moment, the open of {order.session}, is over"
        admission = Admission(
            account=self.account, instruments=self.instruments, settings=self.settings, now=self.at, mates={}
        )
        symbols = order.traded_symbols
        return admission.off_grid(symbols, order.legs, request.order_qty, (request.price, request.stop_px))

    # -- rows

    def _working(self, which: sa.ColumnElement[bool]) -> list[WorkingOrder]:
        mine = (ORDERS.c.account == self.account, ORDERS.c.due_at.is_not(None))
        found = records.orders_where(self.connection, *mine, which)
        return sorted(found, key=lambda order: (order.accepted_at, order.cl_ord_id))

    def _list_of(self, list_ids: set[str]) -> dict[str, WorkingOrder]:
        if not list_ids:
            return {}
        mine = (ORDERS.c.account == self.account, ORDERS.c.list_id.in_(sorted(list_ids)))
        return {order.cl_ord_id: order for order in records.orders_where(self.connection, *mine)}

    def _ties(self, orders: Sequence[WorkingOrder]) -> Ties:
        """Return the orders with all that are linked with them."""
        linked = self._list_of({order.list_id for order in orders if order.list_id})
        members = linked | {order.cl_ord_id: order for order in orders}
        return Ties(account=self.account, settings=self.settings, instruments=self.instruments, orders=members)

    def _write(self, ties: Ties) -> None:
        told = {numbered.report.cl_ord_id for numbered in ties.reports}
        changed = [order for order in ties.orders.values() if order.cl_ord_id in told or order.list_id]
        records.update_orders(self.connection, self.account, changed)
        records.add_reports(self.connection, ties.reports)


def _values(terms: WorkingOrder | OrderCancelReplaceRequest) -> tuple[Decimal | None, ...]:
    trails = terms.peg_offset_value is not None
    return (terms.price, None if trails else terms.stop_px, terms.peg_offset_value)
