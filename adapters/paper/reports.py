"""Reports: how the paper broker numbers what it says of an order."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from adapters.paper.matching import WorkingOrder
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.order_types import OrderLeg, OrdType, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedReport:
    """A report, its place among those of its order and the session it belongs to."""

    number: int
    session: date
    report: ExecutionReport


_TELLS_VALUES = (ExecType.REPLACED, ExecType.RESTATED)


def make_report(
    account: str,
    order: WorkingOrder,
    exec_type: ExecType,
    at: datetime,
    *,
    last_qty: Decimal = Decimal(0),
    last_px: Decimal | None = None,
    commission: Decimal = Decimal(0),
    text: str = "",
    leg: OrderLeg | None = None,
) -> NumberedReport:
    """Return the next report of the order; its ExecID follows from the ClOrdID and its number.

    Args:
        leg: the one that was executed, when it is not the order as such; reported before what it adds up to.
    """
    order.reports += 1
    report = ExecutionReport(
        account=account,
        cl_ord_id=order.cl_ord_id,
        order_id=f"paper-{order.cl_ord_id}",
        exec_id=f"{order.cl_ord_id}.{order.reports}",
        exec_type=exec_type,
        ord_status=order.ord_status,
        symbol=leg.symbol if leg else order.symbol,
        side=leg_side(order.side, leg) if leg else order.side,
        last_qty=last_qty,
        last_px=last_px,
        cum_qty=order.cum_qty * leg.ratio + last_qty if leg else order.cum_qty,
        commission=commission,
        transact_time=at,
        text=text,
    )
    if exec_type in _TELLS_VALUES:
        report = replace(
            report,
            order_qty=order.order_qty,
            price=order.price,
            stop_px=None if order.ord_type is OrdType.TRAILING_STOP else order.stop_px,
            peg_offset_value=order.peg_offset_value,
        )
    return NumberedReport(number=order.reports, session=order.session, report=report)


def leg_side(side: Side, leg: OrderLeg) -> Side:
    """Return the side on which an order of that side trades the leg."""
    return leg.side if side is Side.BUY else leg.side.opposite
