"""Reports: how the paper broker numbers what it says of an order."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from adapters.paper.matching import WorkingOrder
from trading.orders.executions import ExecType, ExecutionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedReport:
    """A report, its place among those of its order and the session it belongs to."""

    number: int
    session: date
    report: ExecutionReport


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
) -> NumberedReport:
    """Return the next report of the order; its ExecID follows from the ClOrdID and its number."""
    order.reports += 1
    report = ExecutionReport(
        account=account,
        cl_ord_id=order.cl_ord_id,
        order_id=f"paper-{order.cl_ord_id}",
        exec_id=f"{order.cl_ord_id}.{order.reports}",
        exec_type=exec_type,
        ord_status=order.ord_status,
        symbol=order.symbol,
        side=order.side,
        last_qty=last_qty,
        last_px=last_px,
        cum_qty=order.cum_qty,
        commission=commission,
        transact_time=at,
        text=text,
    )
    return NumberedReport(number=order.reports, session=order.session, report=report)
