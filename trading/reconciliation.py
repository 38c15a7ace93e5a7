"""Reconciliation: our books against the broker's; every difference is a break.

Nothing is mended here and nothing is small enough to pass: a quantity, a price and a cent are equal or they are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from trading.breaks import Break, BreakType
from trading.broker import AccountStatement, CashMovement, CashMovementType
from trading.market.corporate_actions import (
    ActionKind,
    ActionTerms,
    CorporateAction,
    EffectiveAction,
    Rename,
    changes_position,
)
from trading.market.option_symbols import is_adjusted
from trading.money import plain, to_cents
from trading.orders.executions import ExecutionReport, effective_trades, is_execution
from trading.orders.orders import Order, OrdStatus
from trading.positions.books import Books, ExpectedPayment

DIVIDEND_DUE_AFTER = timedelta(days=45)  # from ex-date to payment it is two to five weeks in the USA
BOOKED_WITHIN = timedelta(days=5)  # of a split, rename or merger; brokers take a day or two
_RESTING = (OrdStatus.DONE_FOR_DAY, OrdStatus.CALCULATED)


_Paid = tuple[CashMovementType, str]
_PAYMENTS: Mapping[CashMovementType, BreakType] = MappingProxyType(
    {CashMovementType.DIVIDEND: BreakType.DIVIDEND, CashMovementType.MERGER: BreakType.MERGER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One reconciliation of an account, with what the account was worth, in account currency.

    Attributes:
        marks: close by symbol that each position was valued at.
    """

    session: date
    reconciled_at: datetime
    equity: Decimal
    cash: Decimal
    marks: Mapping[str, Decimal]
    breaks: tuple[Break, ...]


def reconcile(
    *,
    statement: AccountStatement,
    broker_reports: Sequence[ExecutionReport],
    since: datetime,
    orders: Sequence[Order],
    reports: Sequence[ExecutionReport],
    books: Books,
    expected_payments: Sequence[ExpectedPayment] = (),
    actions: Sequence[EffectiveAction] = (),
    dividend_due_after: timedelta = DIVIDEND_DUE_AFTER,
) -> tuple[Break, ...]:
    """Return every difference between what we recorded and what the broker states; none is the good end of a day.

    An adjusted option counts as one until a person has cleared it: its name does not tell what it is worth.

    Args:
        broker_reports: what the broker reports since `since`.
        orders: all that are open, and all that the broker may still report since `since`.
        reports: all that we recorded of the account.
        books: the fold of what we recorded.
        expected_payments: of the account's whole history, as its cash movements are.
        actions: those of what the account has held; for BOOKED_WITHIN of one, the positions that it changes may differ.
        dividend_due_after: from the ex-date on, how long a dividend may stay unpaid.
    """
    return (
        *_order_breaks(statement, broker_reports, orders),
        *_execution_breaks(broker_reports, since, reports),
        *_position_breaks(statement, books, actions),
        *_adjusted_breaks(statement, books),
        *_cash_breaks(statement, books),
        *_payment_breaks(statement, expected_payments, dividend_due_after),
    )


def action_breaks(booked: Sequence[EffectiveAction], believed: Sequence[CorporateAction]) -> tuple[Break, ...]:
    """Return a break for each booked split or dividend that is believed no more, or with other terms.

    What is booked stays: positions and cash have followed from it.

    Args:
        believed: all that the store holds of these days; a kind that it holds nothing of on that day is no more.
    """
    now = {(a.symbol, a.ex_date, ActionTerms.of(a).kind): ActionTerms.of(a).value for a in believed}
    found = []
    for terms in (ActionTerms.of(effective.action) for effective in booked):
        if terms.kind not in (ActionKind.SPLIT, ActionKind.DIVIDEND):
            continue
        value = now.get((terms.symbol, terms.ex_date, terms.kind))
        if value is None or Decimal(value) != Decimal(terms.value):
            found.append(
                Break(
                    break_type=BreakType.ACTION,
                    subject=f"{terms.symbol} {terms.kind} {terms.ex_date}",
                    symbol=terms.symbol,
                    ours=terms.value,
                    theirs=value or "none",
                    text=f"{terms.symbol} {terms.kind} {terms.ex_date} is booked as {terms.value}, and its source "
                    f"says {value or 'none'} now; compare what the broker holds, and clear it",
                )
            )
    return tuple(found)


def _order_breaks(
    statement: AccountStatement, broker_reports: Sequence[ExecutionReport], orders: Sequence[Order]
) -> Iterator[Break]:
    ours = {o.cl_ord_id: o for o in orders}
    symbols = {r.cl_ord_id: r.symbol for r in broker_reports}
    working, reported = set(statement.working), symbols.keys()
    for cl_ord_id in sorted((working | reported) - ours.keys()):
        theirs, symbol = "working" if cl_ord_id in working else "reported", symbols.get(cl_ord_id)
        what = "was never made by this desk; find out who did, and cancel or book it"
        yield _order_break(cl_ord_id, "", theirs, what, symbol)
    for cl_ord_id, order in sorted(ours.items()):
        status = order.ord_status.name
        if cl_ord_id in working and not order.ord_status.is_open:
            yield _order_break(
                cl_ord_id, status, "working", f"works at the broker but is {status} here; cancel it there"
            )
        if cl_ord_id not in working and _should_work(order):
            yield _order_break(
                cl_ord_id, status, "", f"is {status} here but does not work at the broker; ask for its reports"
            )
        if cl_ord_id in working | reported:
            for contradiction in order.contradictions:
                yield Break(break_type=BreakType.ORDER, subject=cl_ord_id, ours=status, theirs="", text=contradiction)


def _should_work(order: Order) -> bool:
    """Tell whether the broker should list it; what never went on the wire or is done for the day need not be there."""
    return order.ord_status.is_open and not order.may_be_sent and order.ord_status not in _RESTING


def _order_break(cl_ord_id: str, ours: str, theirs: str, what: str, symbol: str | None = None) -> Break:
    text = f"order {cl_ord_id} {what}"
    return Break(break_type=BreakType.ORDER, subject=cl_ord_id, symbol=symbol, ours=ours, theirs=theirs, text=text)


def _execution_breaks(
    broker_reports: Sequence[ExecutionReport], since: datetime, reports: Sequence[ExecutionReport]
) -> Iterator[Break]:
    ours = {r.exec_id: r for r in reports if is_execution(r)}
    theirs = {r.exec_id: r for r in broker_reports if is_execution(r)}
    for exec_id, report in theirs.items():
        mine = ours.get(exec_id)
        if mine is None:
            yield _execution_break(exec_id, None, report, "is not recorded here; record the broker's reports again")
        elif _executed(mine) != _executed(report):
            yield _execution_break(
                exec_id, mine, report, "differs; the broker's holds, have it corrected under a new id"
            )
    for trade in effective_trades(reports):
        if trade.transact_time >= since and trade.exec_id not in theirs:
            yield _execution_break(trade.exec_id, trade, None, "is not at the broker; ask whether it was busted")


def _executed(report: ExecutionReport) -> str:
    px = "" if report.last_px is None else f" at {plain(report.last_px)}"
    of = f" of {report.exec_ref_id}" if report.exec_ref_id else ""
    return (
        f"{report.exec_type.name}{of} {report.side.name} {plain(report.last_qty)} {report.symbol}{px}, "
        f"commission {plain(report.commission)}"
    )


def _execution_break(exec_id: str, ours: ExecutionReport | None, theirs: ExecutionReport | None, what: str) -> Break:
    told = ours or theirs
    return Break(
        break_type=BreakType.EXECUTION,
        subject=exec_id,
        symbol=told.symbol if told else None,
        ours=_executed(ours) if ours else "",
        theirs=_executed(theirs) if theirs else "",
        text=f"execution {exec_id} {what}",
    )


def _position_breaks(statement: AccountStatement, books: Books, actions: Sequence[EffectiveAction]) -> Iterator[Break]:
    explained = _explained(statement, actions)
    ours, theirs = books.held(), {p.symbol: p.qty for p in statement.positions}
    for symbol in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(symbol, Decimal(0)), theirs.get(symbol, Decimal(0))
        if mine != other:
            yield Break(
                break_type=BreakType.POSITION,
                subject=symbol,
                symbol=symbol,
                ours=plain(mine),
                theirs=plain(other),
                text=f"{symbol}: {plain(mine)} here, {plain(other)} at the broker; "
                + explained.get(symbol, "look for an execution, split or transfer that one side has not booked"),
                expected=symbol in explained,
            )


def _adjusted_breaks(statement: AccountStatement, books: Books) -> Iterator[Break]:
    """Return a break for each adjusted option that both sides hold alike; what differs is a break already."""
    ours = books.held()
    for symbol, qty in sorted((p.symbol, p.qty) for p in statement.positions if is_adjusted(p.symbol)):
        if ours.get(symbol) == qty:
            yield Break(
                break_type=BreakType.POSITION,
                subject=symbol,
                symbol=symbol,
                ours=plain(qty),
                theirs=plain(qty),
                text=f"{symbol}: {plain(qty)} on both sides, but it is no standard option, and its name does not tell "
                "what it is worth; it counts with 100: compare the OCC's memo, and clear it, or close it there",
            )


def _explained(statement: AccountStatement, actions: Sequence[EffectiveAction]) -> dict[str, str]:
    """Return the symbols whose position a corporate action has just changed, each with what to expect."""
    found: dict[str, str] = {}
    for effective in actions:
        action, until = effective.action, effective.effective_at + BOOKED_WITHIN
        if not changes_position(action) or not effective.effective_at <= statement.as_of < until:
            continue
        kind = ActionTerms.of(action).kind.replace("_", " ")
        text = f"expected until {until:%Y-%m-%d}: one side has not booked the {kind} of {action.ex_date} yet"
        symbols = [action.symbol, action.new_symbol] if isinstance(action, Rename) else [action.symbol]
        found |= dict.fromkeys(symbols, text)
    return found


def _cash_breaks(statement: AccountStatement, books: Books) -> Iterator[Break]:
    ours, theirs = to_cents(books.cash), to_cents(statement.cash.amount)
    if ours != theirs:
        currency = statement.cash.currency
        yield Break(
            break_type=BreakType.CASH,
            subject=currency,
            ours=plain(ours),
            theirs=plain(theirs),
            text=f"cash is {ours:,.2f} {currency} here, {theirs:,.2f} at the broker; "
            f"look for a fee, dividend, commission or transfer of {theirs - ours:+,.2f}",
        )


def _payment_breaks(
    statement: AccountStatement, expected: Sequence[ExpectedPayment], due_after: timedelta
) -> Iterator[Break]:
    booked: dict[_Paid, list[CashMovement]] = {}
    for movement in statement.cash_movements:
        if movement.movement_type in _PAYMENTS:
            key = (movement.movement_type, movement.symbol or movement.movement_id)
            booked.setdefault(key, []).append(movement)
    for payment in sorted(expected, key=lambda e: (e.ex_date, e.symbol)):
        amount, key = to_cents(payment.amount.amount), (payment.movement_type, payment.symbol)
        paid = _payment_of(payment, amount, booked.get(key, ()))
        if paid is not None:
            booked[key].remove(paid)
            if paid.amount.amount != amount:
                yield _payment_break(
                    key,
                    plain(amount),
                    plain(paid.amount.amount),
                    f"of {payment.ex_date} should pay {amount} and paid {paid.amount.amount}; "
                    "look for tax withheld, or for a position that differed before the ex-date",
                )
        elif statement.as_of.date() > payment.ex_date + due_after:
            yield _payment_break(
                key, plain(amount), "", f"of {payment.ex_date} was never booked; ask the broker for it"
            )
    for key, movement in ((key, m) for key, unasked in booked.items() for m in unasked):
        amount = movement.amount.amount
        yield _payment_break(
            key,
            "",
            plain(amount),
            f"of {amount} booked on {movement.value_time:%Y-%m-%d} was not expected; record the corporate action",
        )


def _payment_of(payment: ExpectedPayment, amount: Decimal, booked: Sequence[CashMovement]) -> CashMovement | None:
    """Return the movement that paid it: the earliest since the ex-date of exactly that amount, else the earliest."""
    since = [m for m in booked if m.value_time.date() >= payment.ex_date]
    return min(since, key=lambda m: (m.amount.amount != amount, m.value_time), default=None)


def _payment_break(paid: _Paid, ours: str, theirs: str, what: str) -> Break:
    kind, symbol = paid
    return Break(
        break_type=_PAYMENTS[kind],
        subject=symbol,
        symbol=symbol,
        ours=ours,
        theirs=theirs,
        text=f"the {kind} of {symbol} {what}",
    )
