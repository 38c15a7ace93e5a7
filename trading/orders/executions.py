"""Execution reports: what a broker said about an order, and the fold that makes an order of them.

Source: FIX 5.0 SP2, message ExecutionReport (8), and appendix D, scenarios J (cancels and corrects of executions).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.errors import InvalidValue
from trading.orders.order_states import ExecType as ExecType
from trading.orders.order_states import next_status
from trading.orders.order_types import is_combo
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, Side

ZERO = Decimal(0)
_EXECUTED = (ExecType.TRADE, ExecType.TRADE_CORRECT)
_RESTATES = (ExecType.REPLACED, ExecType.RESTATED)
_VALUES = ("order_qty", "price", "stop_px", "peg_offset_value")
_CHANGES = (ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """One fact from a broker about one order.

    Attributes:
        account: Account (FIX 1).
        cl_ord_id: ClOrdID (FIX 11), as the broker returned it; may be one that we never made.
        order_id: OrderID (FIX 37), the broker's.
        exec_id: ExecID (FIX 17); unique per account: a report with a known one is the same fact again.
        exec_ref_id: ExecRefID (FIX 19); for TRADE_CORRECT and TRADE_CANCEL, the execution superseded.
        exec_type: ExecType (FIX 150).
        ord_status: OrdStatus (FIX 39) that the broker states.
        symbol: Symbol (FIX 55). An order in legs is executed twice over: under its own symbol, which moves the order
            and nothing that is held, and under each leg's symbol, which moves positions and cash and not the order.
        side: Side (FIX 54); of the leg where the symbol is a leg's.
        last_qty: LastQty (FIX 32); > 0 for TRADE and TRADE_CORRECT, else 0.
        last_px: LastPx (FIX 31); price per unit of this execution, None unless TRADE or TRADE_CORRECT.
        cum_qty: CumQty (FIX 14) that the broker states.
        commission: Commission (FIX 12) of this execution, in the instrument's currency, >= 0 when charged.
        transact_time: TransactTime (FIX 60), UTC.
        text: Text (FIX 58).
        order_qty: OrderQty (FIX 38) of the order as it is now; with REPLACED and RESTATED, None when not said.
        price: Price (FIX 44), likewise.
        stop_px: StopPx (FIX 99), likewise.
        peg_offset_value: PegOffsetValue (FIX 211), likewise.
    """

    account: str
    cl_ord_id: str
    order_id: str
    exec_id: str
    exec_type: ExecType
    ord_status: OrdStatus
    symbol: str
    side: Side
    cum_qty: Decimal
    transact_time: datetime
    last_qty: Decimal = Decimal(0)
    last_px: Decimal | None = None
    commission: Decimal = Decimal(0)
    exec_ref_id: str | None = None
    text: str = ""
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    peg_offset_value: Decimal | None = None

    def __post_init__(self) -> None:
        if self.exec_type in _EXECUTED and not (self.last_px is not None and self.last_px.is_finite()):
            raise InvalidValue(f"last_px of execution {self.exec_id}", self.last_px, "a finite price")
        if self.transact_time.tzinfo is None:
            raise InvalidValue(f"transact_time of execution {self.exec_id}", self.transact_time, "aware (UTC)")

    @property
    def signed_qty(self) -> Decimal:
        """Return the executed quantity, negative for a sell."""
        return self.last_qty * self.side.sign

    @property
    def px(self) -> Decimal:
        """Return LastPx of an execution.

        Raises:
            InvalidValue: the report executes nothing, so there is no price.
        """
        if self.last_px is None:
            raise InvalidValue(f"last_px of {self.exec_type.name} {self.exec_id}", None, "that of an execution")
        return self.last_px


class SendMark(StrEnum):
    """What we know of a sending without having heard from the broker."""

    SENDING = "sending"
    NOT_SENT = "not_sent"  # proven: refused before the wire, or the broker never had it
    UNKNOWN = "unknown"  # the answer never came
    ABANDONED = "abandoned"  # proven not at the broker, and too late to send or not approved: it is EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMarkEntry:
    """A send mark as it was recorded, and why."""

    mark: SendMark
    marked_at: datetime
    text: str = ""


_STATUS_OF_MARK: Mapping[SendMark, OrdStatus] = {
    SendMark.SENDING: OrdStatus.PENDING_NEW,
    SendMark.NOT_SENT: OrdStatus.PENDING_NEW,
    SendMark.UNKNOWN: OrdStatus.UNKNOWN,
    SendMark.ABANDONED: OrdStatus.EXPIRED,
}


def is_execution(report: ExecutionReport) -> bool:
    """Tell whether a report executes, corrects or busts, and so changes positions and cash."""
    return report.exec_type is ExecType.TRADE or report.exec_type in _CHANGES


def effective_trades(reports: Sequence[ExecutionReport]) -> tuple[ExecutionReport, ...]:
    """Return the executions that hold, in the order they happened; the one place that nets busts and corrections.

    An execution counts once, in its last correction, at the time it first happened; a bust removes it with all its
    corrections. The order of arrival does not matter, save between executions of the same instant, which keep it.

    Args:
        reports: of one account, of any type.
    """
    facts = {r.exec_id: r for r in _once(reports) if is_execution(r)}
    if any(r.exec_type in _CHANGES for r in facts.values()):
        families: dict[str, list[ExecutionReport]] = {}
        for report in facts.values():
            families.setdefault(_lineage(report, facts)[-1], []).append(report)
        held = [_version_that_holds(family, facts) for family in families.values()]
    else:
        held = list(facts.values())
    return tuple(sorted((r for r in held if r is not None), key=lambda r: r.transact_time))


def position_trades(reports: Sequence[ExecutionReport]) -> tuple[ExecutionReport, ...]:
    """Return the executions that hold and move positions and cash: all but those of orders in legs as a whole.

    Args:
        reports: of one account, of any type.
    """
    return tuple(t for t in effective_trades(reports) if not is_combo(t.symbol))


def _once(reports: Sequence[ExecutionReport]) -> tuple[ExecutionReport, ...]:
    """Return the reports without those whose exec_id came before."""
    known: dict[str, ExecutionReport] = {}
    for report in reports:
        known.setdefault(report.exec_id, report)
    return tuple(known.values())


def _lineage(report: ExecutionReport, facts: Mapping[str, ExecutionReport]) -> list[str]:
    """Return the exec_ids from the report back to the execution it began with, which may not have arrived yet."""
    ids = [report.exec_id]
    known: ExecutionReport | None = report
    while known is not None and known.exec_type in _CHANGES and known.exec_ref_id and known.exec_ref_id not in ids:
        ids.append(known.exec_ref_id)
        known = facts.get(known.exec_ref_id)
    return ids


def _version_that_holds(
    family: Sequence[ExecutionReport], facts: Mapping[str, ExecutionReport]
) -> ExecutionReport | None:
    if any(r.exec_type is ExecType.TRADE_CANCEL for r in family):
        return None
    last = max(family, key=lambda r: (len(_lineage(r, facts)), r.transact_time, r.exec_id))
    first = facts.get(_lineage(last, facts)[-1], last)
    return last if first is last else replace(last, transact_time=first.transact_time)


def fold_order(new_order: NewOrderSingle, marks: Sequence[SendMarkEntry], reports: Sequence[ExecutionReport]) -> Order:
    """Return the order as its send marks and execution reports make it; any report beats every mark.

    Quantities, price and commission do not depend on the order of the reports, nor on their doubles.

    Args:
        marks: oldest first.
        reports: of this order, in the order they were received.
    """
    facts = _once(reports)
    executed = effective_trades(facts)
    trades = [t for t in executed if not _is_of_a_leg(new_order, t)]
    cum_qty = sum((t.last_qty for t in trades), ZERO)
    in_force, nonsense = _in_force(new_order, facts)
    marked = _STATUS_OF_MARK[marks[-1].mark] if marks else OrdStatus.PENDING_NEW
    ord_status, contradictions = _fold_status(in_force, facts) if facts else (marked, ())
    return Order(
        new_order=new_order,
        replaced_by=None if in_force is new_order else in_force,
        ord_status=ord_status,
        order_id=next((r.order_id for r in reversed(facts) if r.order_id), None),
        cum_qty=cum_qty,
        avg_px=sum((t.last_qty * t.px for t in trades), ZERO) / cum_qty if cum_qty else None,
        commission=sum((t.commission for t in executed), ZERO),
        sent_count=sum(m.mark is SendMark.SENDING for m in marks),
        may_be_sent=not facts and (not marks or marks[-1].mark is SendMark.NOT_SENT),
        text=next((text for text in reversed([m.text for m in marks] + [r.text for r in facts]) if text), ""),
        contradictions=(*nonsense, *contradictions, *_mismatches(in_force, facts, cum_qty)),
    )


def _is_of_a_leg(order: NewOrderSingle, report: ExecutionReport) -> bool:
    """Tell whether the report executes a leg; it moves positions and cash, but not the order."""
    return bool(order.legs) and is_execution(report) and report.symbol != order.symbol


def _in_force(order: NewOrderSingle, facts: Sequence[ExecutionReport]) -> tuple[NewOrderSingle, tuple[str, ...]]:
    """Return the order under the values that the broker last said it has, and what cannot be true of them.

    The last to happen counts, in whatever order they arrived.
    """
    nonsense = []
    for report in sorted((r for r in facts if r.exec_type in _RESTATES), key=lambda r: r.transact_time):
        told = {name: value for name in _VALUES if (value := getattr(report, name)) is not None}
        told = {name: value for name, value in told.items() if name == "order_qty" or getattr(order, name) is not None}
        try:
            order = replace(order, **told) if any(getattr(order, k) != v for k, v in told.items()) else order
        except InvalidValue as exc:
            nonsense.append(f"{report.exec_type.name} {report.exec_id} cannot be true: {exc}; ask the broker")
    return order, tuple(nonsense)


def _fold_status(new_order: NewOrderSingle, facts: Sequence[ExecutionReport]) -> tuple[OrdStatus, tuple[str, ...]]:
    ord_status, contradictions = OrdStatus.PENDING_NEW, []
    facts = [r for r in facts if not _is_of_a_leg(new_order, r)]
    for report, cum_qty in zip(facts, _running_cum_qty(facts), strict=True):
        step = next_status(
            ord_status, report.exec_type, report.ord_status, cum_qty=cum_qty, order_qty=new_order.order_qty
        )
        if step.contradicts:
            contradictions.append(
                f"{report.exec_type.name} {report.exec_id} came when order {new_order.cl_ord_id} was "
                f"{ord_status.name}; it is taken as {step.ord_status.name}, ask the broker"
            )
        ord_status = step.ord_status
    return ord_status, tuple(contradictions)


def _running_cum_qty(facts: Sequence[ExecutionReport]) -> Iterator[Decimal]:
    """Yield CumQty after each report; netting anew only where a bust or correction is concerned."""
    cum_qty, referred = ZERO, set[str]()
    for n, report in enumerate(facts, start=1):
        if report.exec_type in _CHANGES or report.exec_id in referred:
            referred.add(report.exec_ref_id or report.exec_id)
            cum_qty = sum((t.last_qty for t in effective_trades(facts[:n])), ZERO)
        elif report.exec_type is ExecType.TRADE:
            cum_qty += report.last_qty
        yield cum_qty


def _mismatches(order: NewOrderSingle, facts: Sequence[ExecutionReport], cum_qty: Decimal) -> Iterator[str]:
    """Yield what the reports say against the order itself."""
    if cum_qty > order.order_qty:
        yield f"order {order.cl_ord_id} is filled {cum_qty} of {order.order_qty}; ask the broker to bust the excess"
    meant = {(order.symbol, order.side)}
    if order.legs:
        meant |= {(part.symbol, part.side) for part in order.parts()}
    for report in facts:
        if (report.symbol, report.side) not in meant:
            yield (
                f"{report.exec_id} says {report.side.name} {report.symbol}, but order {order.cl_ord_id} is "
                f"{order.side.name} {order.symbol}; ask the broker"
            )
    changed = any(r.exec_type in _CHANGES for r in facts)
    if cum_qty < order.order_qty and not changed and any(r.ord_status is OrdStatus.FILLED for r in facts):
        yield (
            f"the broker calls order {order.cl_ord_id} FILLED, but its executions add up to {cum_qty} of "
            f"{order.order_qty}; fetch the missing ones"
        )
