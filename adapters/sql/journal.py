"""The journal in SQL: no order reaches a broker that is not recorded here first."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapters.sql.approvals import request_approval, require_approved, require_no_more_than_approved
from adapters.sql.decisions import (
    as_json,
    decided_for,
    decision_before,
    decision_for,
    decision_of,
    insert_decision,
    insert_verdicts,
    newest_rebalance,
    verdicts_of,
)
from adapters.sql.engine import reading, writing
from adapters.sql.halts import is_free_to_send, note_stop_file, require_trading
from adapters.sql.leases import require_lease
from adapters.sql.order_requests import gate_replace, insert_cancels
from adapters.sql.order_rows import (
    MARK,
    ORDER,
    REPORT,
    REQUEST,
    STATE,
    fold_states,
    insert_states,
    open_ids,
    orders_of,
    read_orders,
    replaces_of,
    rows_to_mark,
    working_orders,
)
from adapters.sql.risk_states import Asked, risk_state
from adapters.sql.rows import by_key, chunks, flat, report_of
from adapters.sql.send_marks import abandon_forbidden, insert_marks
from trading.breaks import Break, BreakType
from trading.errors import DeskHalted, InvalidValue, OrderNotOpen, OrderUnknown
from trading.ledger import Decision, Lease
from trading.orders.executions import ExecutionReport, SendMark, SendMarkEntry, fold_order
from trading.orders.orders import (
    NewOrderSingle,
    Order,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderPurpose,
    OrdStatus,
)
from trading.risk.gate import RiskState, check_orders
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskDecision

SHADOW = "shadow"  # decides, and makes no order


class SqlJournal:
    """Orders of all accounts of one ledger.

    Args:
        stop_file: while a file is there, nothing is intended or sent, and the desk is halted until resumed.
    """

    def __init__(self, engine: sa.Engine, *, stop_file: Path) -> None:
        self._engine, self._stop_file = engine, stop_file

    def intend(
        self,
        lease: Lease,
        decision: Decision,
        orders: Sequence[NewOrderSingle],
        inputs: RiskInputs,
    ) -> tuple[RiskDecision, ...]:
        """Gate and record all orders in one transaction; see `trading.ledger.Journal`."""
        note_stop_file(self._engine, self._stop_file, decision.decided_at)
        with writing(self._engine) as connection:
            require_lease(connection, lease)
            if not _only_flattens([o.purpose for o in orders]):
                require_trading(connection, lease.account, self._stop_file, decision.decided_at)
            _require_account(lease, {decision.account, *(o.account for o in orders)})
            known = decision_for(connection, decision.account, decision.session, decision.book)
            if known is not None:
                return verdicts_of(connection, known.decision_id)
            insert_decision(connection, decision)
            state = _risk_state(connection, decision, orders, inputs)
            verdicts = check_orders(orders, state, inputs.limits)
            granted = [_granted(order, verdict) for order, verdict in zip(orders, verdicts, strict=True)]
            intents = [order for order in granted if order is not None and decision.mode != SHADOW]
            _insert_intents(connection, lease, decision, verdicts, intents)
            request_approval(connection, decision, intents, inputs)
            return verdicts

    def abandon_forbidden(self, lease: Lease, cl_ord_ids: Sequence[str], now: datetime) -> tuple[RiskDecision, ...]:
        """Give up what may not be sent any more; see `trading.ledger.Journal`."""
        note_stop_file(self._engine, self._stop_file, now)
        with writing(self._engine) as connection:
            require_lease(connection, lease)
            require_trading(connection, lease.account, self._stop_file, now)  # a halt keeps what is not sent for later
            _meant(connection, lease, cl_ord_ids)
            return abandon_forbidden(connection, lease, cl_ord_ids, now)

    def mark_sending(self, lease: Lease, cl_ord_ids: Sequence[str], now: datetime) -> tuple[RiskDecision, ...]:
        """Mark the orders as going on the wire; see `trading.ledger.Journal`."""
        note_stop_file(self._engine, self._stop_file, now)
        with writing(self._engine) as connection:
            require_lease(connection, lease)
            meant = _meant(connection, lease, cl_ord_ids)
            if not _only_flattens([row.purpose for row in meant]):
                require_trading(connection, lease.account, self._stop_file, now)
            for order in orders_of(connection, [row.cl_ord_id for row in meant if row.touched]):
                if not order.may_be_sent:
                    raise OrderNotOpen(order.cl_ord_id, f"{order.ord_status.name} and perhaps at the broker")
            require_approved(connection, cl_ord_ids)
            refused = abandon_forbidden(connection, lease, cl_ord_ids, now)
            given_up = {r.cl_ord_id for r in refused}
            # No state of the others is derived anew: what may be sent was PENDING_NEW and is so still.
            going = [i for i in cl_ord_ids if i not in given_up]
            insert_marks(connection, lease, going, SendMark.SENDING, now, "")
            return refused

    def require_may_send(self, lease: Lease, now: datetime, cl_ord_id: str | None = None) -> None:
        """Look once more whether an order may go on the wire; see `trading.ledger.Journal`."""
        note_stop_file(self._engine, self._stop_file, now)
        with reading(self._engine) as connection:
            if is_free_to_send(connection, lease, self._stop_file, now):
                return
            require_lease(connection, lease)
            try:
                require_trading(connection, lease.account, self._stop_file, now)
            except DeskHalted:
                recorded = connection.execute(sa.select(ORDER.c.purpose).where(ORDER.c.cl_ord_id == cl_ord_id))
                if not _only_flattens(recorded.scalars().all()):
                    raise

    def mark(self, lease: Lease, cl_ord_id: str, mark: SendMark, now: datetime, text: str) -> None:
        """Record what became of a sending; see `trading.ledger.Journal`."""
        with writing(self._engine) as connection:
            require_lease(connection, lease)
            _meant(connection, lease, [cl_ord_id])
            insert_marks(connection, lease, [cl_ord_id], mark, now, text)
            fold_states(connection, [cl_ord_id])

    def intend_cancel(self, requests: Sequence[OrderCancelRequest]) -> None:
        """Record that orders are about to be canceled; see `trading.ledger.Journal`."""
        with writing(self._engine) as connection:
            insert_cancels(connection, requests)

    def intend_replace(
        self,
        lease: Lease,
        request: OrderCancelReplaceRequest,
        inputs: RiskInputs,
    ) -> RiskDecision:
        """Gate and record a replace request in one transaction; see `trading.ledger.Journal`."""
        note_stop_file(self._engine, self._stop_file, request.transact_time)
        with writing(self._engine) as connection:
            require_lease(connection, lease)
            require_trading(connection, lease.account, self._stop_file, request.transact_time)
            _require_account(lease, {request.account})
            require_no_more_than_approved(connection, request, inputs)
            return gate_replace(connection, lease, request, inputs)

    def risk_state(self, asked: Asked, inputs: RiskInputs) -> RiskState:
        """Return the account as the gate would see it now."""
        with reading(self._engine) as connection:
            return risk_state(connection, asked, inputs, working_orders(connection, asked.account))

    def replaces(self, cl_ord_id: str) -> tuple[OrderCancelReplaceRequest, ...]:
        """Return the replace requests of an order that passed the gate, oldest first."""
        with reading(self._engine) as connection:
            return tuple(replaces_of(connection, REQUEST.c.orig_cl_ord_id == cl_ord_id).get(cl_ord_id, ()))

    def record(self, reports: Sequence[ExecutionReport]) -> tuple[Break, ...]:
        """Append what a broker said; see `trading.ledger.Journal`."""
        new: list[ExecutionReport] = []
        contradictions: list[Break] = []
        with writing(self._engine) as connection:
            known = _known_reports(connection, reports)
            for report in reports:
                first = known.setdefault(report.account, {}).get(report.exec_id)
                if first is None:
                    known[report.account][report.exec_id] = report
                    new.append(report)
                elif first != report:
                    contradictions.append(_contradiction(first, report))
            if new:
                connection.execute(sa.insert(REPORT), [flat(r) for r in new])
            ours = fold_states(connection, sorted({r.cl_ord_id for r in new}))
        return (*(_stranger(r) for r in new if r.cl_ord_id not in ours), *contradictions)

    def orders(
        self,
        account: str,
        *,
        session: date | None = None,
        since: date | None = None,
        open_only: bool = False,
        purpose: OrderPurpose | None = None,
    ) -> tuple[Order, ...]:
        """Return the account's orders; see `trading.ledger.Journal`."""
        wanted = ORDER.c.account == account
        if session is not None:
            wanted &= ORDER.c.session == session
        if since is not None:
            wanted &= (ORDER.c.session >= since) | ORDER.c.cl_ord_id.in_(open_ids(account))
        if open_only:
            wanted &= ORDER.c.cl_ord_id.in_(open_ids(account))
        if purpose is not None:
            wanted &= ORDER.c.purpose == purpose.value
        with reading(self._engine) as connection:
            return read_orders(connection, wanted)

    def order(self, cl_ord_id: str) -> Order | None:
        """Return one order, or None when the ledger has never recorded it."""
        with reading(self._engine) as connection:
            return next(iter(read_orders(connection, ORDER.c.cl_ord_id == cl_ord_id)), None)

    def decision(self, account: str, session: date, book: str) -> dict[str, Any] | None:
        """Return the recorded decision as JSON values, or None."""
        with reading(self._engine) as connection:
            return as_json(decision_for(connection, account, session, book))

    def last_decision(self, account: str) -> dict[str, Any] | None:
        """Return the decision of the last session that a strategy decided for the account, as JSON values, or None.

        What closed or protected positions is none: it may be of a session that no strategy has decided yet.
        """
        with reading(self._engine) as connection:
            return as_json(newest_rebalance(connection, account))

    def decision_before(self, account: str, session: date, book: str) -> dict[str, Any] | None:
        """Return the book's last decision for an earlier session, as JSON values, or None."""
        with reading(self._engine) as connection:
            return as_json(decision_before(connection, account, session, book))

    def decision_of(self, cl_ord_id: str) -> dict[str, Any] | None:
        """Return the decision that an order was proposed by, accepted or not, as JSON values, or None."""
        with reading(self._engine) as connection:
            return as_json(decision_of(connection, cl_ord_id))

    def history(self, cl_ord_id: str) -> tuple[tuple[SendMarkEntry, ...], tuple[ExecutionReport, ...]]:
        """Return an order's send marks and the broker's reports, each in the order they were recorded."""
        with reading(self._engine) as connection:
            marks = connection.execute(sa.select(MARK).where(MARK.c.cl_ord_id == cl_ord_id).order_by("id"))
            entries = tuple(SendMarkEntry(mark=SendMark(m.mark), marked_at=m.marked_at, text=m.text) for m in marks)
            reports = connection.execute(sa.select(REPORT).where(REPORT.c.cl_ord_id == cl_ord_id).order_by("id"))
            return entries, tuple(report_of(r) for r in reports)

    def accounts(self) -> tuple[str, ...]:
        """Return the accounts that were ever decided for."""
        with reading(self._engine) as connection:
            return decided_for(connection)

    def locked(self, account: str, book: str) -> dict[str, str]:
        """Return the symbols that the book may not order now, each with the reason.

        These are symbols with an UNKNOWN order of any book, and those with an order of this book that still works:
        what it may yet fill is in no position. A protective order locks nothing: it is canceled before the symbol is
        traded.
        """
        open_orders = self.orders(account, open_only=True)
        own = [o for o in open_orders if o.new_order.book == book and o.new_order.purpose is not OrderPurpose.PROTECT]
        unknown = [o for o in open_orders if o.ord_status is OrdStatus.UNKNOWN]
        working = {symbol: "an order of it still works" for o in own for symbol in o.new_order.symbols}
        return working | {s: "locked: an order of it is UNKNOWN" for o in unknown for s in o.new_order.symbols}

    def risk_decisions(self, decision_id: str) -> tuple[RiskDecision, ...]:
        """Return what the gate decided, in its order."""
        with reading(self._engine) as connection:
            return verdicts_of(connection, decision_id)

    def rebuild(self) -> int:
        """Derive every order's state again from the facts, and return how many had drifted (always 0)."""
        with writing(self._engine) as connection:
            before = {tuple(row) for row in connection.execute(sa.select(STATE))}
            fold_states(connection, connection.execute(sa.select(ORDER.c.cl_ord_id)).scalars().all())
            after = {tuple(row) for row in connection.execute(sa.select(STATE))}
        return len(after - before)


def _only_flattens(purposes: Sequence[str]) -> bool:
    """Tell whether there is something to be sent, and all of it closes positions: that alone goes on in a halt."""
    return bool(purposes) and all(purpose == OrderPurpose.FLATTEN for purpose in purposes)


def _require_account(lease: Lease, accounts: Collection[str]) -> None:
    for account in accounts:
        if account != lease.account:
            raise InvalidValue("account", account, f"{lease.account}, for which the lease is")


def _risk_state(
    connection: sa.Connection,
    decision: Decision,
    orders: Sequence[NewOrderSingle],
    inputs: RiskInputs,
) -> RiskState:
    # A split between the decision and the open changes what is held: the orders were sized in the new shares.
    as_of = max((o.expire_time for o in orders), default=decision.decided_at)
    asked = Asked(
        account=decision.account,
        session=decision.session,
        as_of=as_of,
        now=decision.decided_at,
        equity=decision.equity,
        cash=decision.cash,
    )
    return risk_state(connection, asked, inputs, working_orders(connection, decision.account))


def _granted(order: NewOrderSingle, verdict: RiskDecision) -> NewOrderSingle | None:
    if not verdict.accepted or verdict.granted_qty is None:
        return None
    return order if verdict.granted_qty == order.order_qty else replace(order, order_qty=verdict.granted_qty)


def _insert_intents(
    connection: sa.Connection,
    lease: Lease,
    decision: Decision,
    verdicts: Sequence[RiskDecision],
    orders: Sequence[NewOrderSingle],
) -> None:
    insert_verdicts(connection, decision, verdicts)
    if orders:
        intents = [
            flat(o) | {"decision_id": decision.decision_id, "token": lease.token, "position": i}
            for i, o in enumerate(orders)
        ]
        connection.execute(sa.insert(ORDER), intents)
        insert_states(connection, [fold_order(o, (), ()) for o in orders])


def _meant(connection: sa.Connection, lease: Lease, cl_ord_ids: Sequence[str]) -> list[sa.Row[Any]]:
    """Return the rows of `rows_to_mark`, all of the lease's account."""
    rows = rows_to_mark(connection, cl_ord_ids)
    for unknown in set(cl_ord_ids) - {row.cl_ord_id for row in rows}:
        raise OrderUnknown(unknown)
    _require_account(lease, {row.account for row in rows})
    return rows


def _known_reports(
    connection: sa.Connection, reports: Sequence[ExecutionReport]
) -> dict[str, dict[str, ExecutionReport]]:
    """Return what is recorded already under the ids of these reports, by account and ExecID."""
    known: dict[str, dict[str, ExecutionReport]] = {}
    for account, told in by_key(reports, "account").items():
        found = known[account] = {}
        for part in chunks([r.exec_id for r in told]):
            wanted = (REPORT.c.account == account) & REPORT.c.exec_id.in_(part)
            found |= {r.exec_id: report_of(r) for r in connection.execute(sa.select(REPORT).where(wanted))}
    return known


def _stranger(report: ExecutionReport) -> Break:
    return Break(
        break_type=BreakType.ORDER,
        subject=report.cl_ord_id,
        ours="",
        theirs=f"{report.side} {report.symbol} {report.ord_status}",
        text=f"the broker reports order {report.cl_ord_id}, which this desk never made; find out who did",
    )


def _contradiction(known: ExecutionReport, report: ExecutionReport) -> Break:
    names = [f.name for f in fields(report) if getattr(known, f.name) != getattr(report, f.name)]
    return Break(
        break_type=BreakType.EXECUTION,
        subject=report.exec_id,
        ours=", ".join(f"{name} {getattr(known, name)}" for name in names),
        theirs=", ".join(f"{name} {getattr(report, name)}" for name in names),
        text=f"execution {report.exec_id} was reported before with another {' and '.join(names)}; the first is kept",
    )
