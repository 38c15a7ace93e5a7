"""Ties: what the fate of one order does to those that are linked with it.

* A child waits until its parent has filled completely. If the parent ends before it has traded at all, the child is
  canceled; if it has traded in part, the child works for that part of its own quantity, and a RESTATED report says so.
* When one order of an OCO list trades, if only in part, the others of the list with the same parent are canceled. One
  that is canceled or expires leaves the others alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from adapters.paper import hours
from adapters.paper.matching import Moment, WorkingOrder
from adapters.paper.moments import IMMEDIATE, looked_at, next_open, schedule
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.reports import NumberedReport, make_report
from trading.market.instruments import Instrument
from trading.orders.executions import ExecType
from trading.orders.order_types import ContingencyType
from trading.orders.orders import OrdStatus, TimeInForce

TOO_LATE = "it came after the open, the only moment it could have traded at"
_ENDS = {ExecType.CANCELED: OrdStatus.CANCELED, ExecType.EXPIRED: OrdStatus.EXPIRED}


@dataclass(slots=True, kw_only=True)
class Ties:
    """Orders that may end or free each other.

    Attributes:
        orders: by ClOrdID; all that are linked with one of them are among them.
        reports: what has been said of them, in order.
    """

    account: str
    settings: PaperSettings
    instruments: Mapping[str, Instrument]
    orders: Mapping[str, WorkingOrder]
    reports: list[NumberedReport] = field(default_factory=list)

    def mic(self, order: WorkingOrder) -> str:
        """Return the exchange of the order."""
        return self.instruments[order.traded_symbols[0]].mic

    def end(self, order: WorkingOrder, at: datetime, exec_type: ExecType, text: str) -> None:
        """Cancel or expire what is left of the order, and free or cancel its children."""
        order.ord_status, order.due_at = _ENDS[exec_type], None
        self.reports.append(make_report(self.account, order, exec_type, at, text=text))
        for child in self._children(order):
            part = self._part(child, order)
            if part <= 0:
                self.end(child, at, ExecType.CANCELED, f"its parent {order.cl_ord_id} ended without it")
                continue
            if part != child.order_qty:
                child.order_qty = part
                text = f"its parent {order.cl_ord_id} traded {order.cum_qty} of {order.order_qty}"
                self.reports.append(make_report(self.account, child, ExecType.RESTATED, at, text=text))
            mic, session = self.mic(child), order.session
            since = at if at < hours.close_at(mic, session) else next_open(mic, session)
            self._release(child, at, since, session)

    def traded(self, order: WorkingOrder, at: datetime, since: datetime) -> None:
        """Cancel what the trade of this order cancels, and free what it frees.

        Args:
            since: from when on its children may trade, as far as a daily bar can tell.
        """
        if order.contingency_type is ContingencyType.OCO:
            for other in self._linked(order):
                self.end(other, at, ExecType.CANCELED, f"{order.cl_ord_id} of its list traded")
        if not order.leaves_qty:
            for child in self._children(order):
                self._release(child, at, since, order.session)

    def _release(self, child: WorkingOrder, at: datetime, since: datetime, session: date) -> None:
        """Let the child of an order that filled in that session work from a time on."""
        child.waits, child.active_at = False, max(since, child.active_at)
        if child.session > session:
            schedule(child, self.mic(child), self.settings)
        elif child.time_in_force in IMMEDIATE:
            self.end(child, at, kill_type(child), TOO_LATE)
        else:  # it is looked at once more in this session, but not at the open: that was its parent's
            child.moment = Moment.CLOSE
            child.due_at = looked_at(child, self.mic(child), self.settings)

    def reschedule(self, order: WorkingOrder, active_at: datetime) -> None:
        """Let the order begin anew from a time on, where that is later."""
        if active_at > order.active_at:
            order.active_at = active_at
        if not order.waits and order.active_at > hours.open_at(self.mic(order), order.session):
            schedule(order, self.mic(order), self.settings)

    def _children(self, parent: WorkingOrder) -> list[WorkingOrder]:
        return [o for o in self.orders.values() if o.waits and o.parent_cl_ord_id == parent.cl_ord_id and _works(o)]

    def _linked(self, order: WorkingOrder) -> list[WorkingOrder]:
        group = (order.list_id, order.parent_cl_ord_id, order.contingency_type)
        same = [o for o in self.orders.values() if (o.list_id, o.parent_cl_ord_id, o.contingency_type) == group]
        return [o for o in same if o is not order and _works(o)]

    def _part(self, child: WorkingOrder, parent: WorkingOrder) -> Decimal:
        """Return the child's quantity for what the parent has traded, in whole lots."""
        lot = Decimal(1) if child.legs else self.instruments[child.symbol].lot_size
        return child.order_qty * parent.cum_qty / parent.order_qty // lot * lot


def _works(order: WorkingOrder) -> bool:
    return order.ord_status.is_open and order.due_at is not None


def kill_type(order: WorkingOrder) -> ExecType:
    """Return how an order that its exchange ends is reported: at once or never is canceled, others expire."""
    killed = order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    return ExecType.CANCELED if killed else ExecType.EXPIRED
