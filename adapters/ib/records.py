"""Records: what was heard becomes reports, each once, whoever hears it first and however often.

IB repeats itself at every synchronisation, several processes listen, and none of them remembers. So the table decides
what is news: a report is written when it is first heard, and never changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from adapters.ib.heard import Heard, Terms
from adapters.ib.tables import IbCashRow, IbReportRow, IbRequestRow
from adapters.sql.engine import reading, writing
from adapters.sql.rows import insert_new, table_of
from trading.broker import CashMovement, CashMovementType
from trading.money import Money
from trading.orders.executions import ExecType, ExecutionReport, effective_trades
from trading.orders.order_types import is_combo
from trading.orders.orders import OrdStatus, Side

REPORTS, CASH, REQUESTS = table_of(IbReportRow), table_of(IbCashRow), table_of(IbRequestRow)
FEE = ".fee"
_EXECUTIONS = (ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)
_ENDS = (ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED)
_CLOCKS_DIFFER = timedelta(seconds=5)
_ZERO = Decimal(0)

_OF_ACCOUNT = sa.select(REPORTS).where(REPORTS.c.account == sa.bindparam("account"))
_IN_ORDER = (REPORTS.c.transact_time, REPORTS.c.id)
_OF_ORDER = _OF_ACCOUNT.where(REPORTS.c.cl_ord_id == sa.bindparam("cl_ord_id")).order_by(*_IN_ORDER)
_SINCE = _OF_ACCOUNT.where(REPORTS.c.transact_time >= sa.bindparam("since")).order_by(*_IN_ORDER)


class Records:
    """The reports and cash movements of the accounts at IB, in the ledger's database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, heard: Sequence[Heard]) -> tuple[ExecutionReport, ...]:
        """Write what is news in one transaction and return it.

        Raises:
            LedgerUnavailable: nothing was written.
        """
        added: list[ExecutionReport] = []
        with writing(self._engine) as connection:
            known: dict[tuple[str, str], list[_Row]] = {}
            for one in heard:
                key = (one.account, one.cl_ord_id)
                if key not in known:
                    known[key] = _rows(connection, _OF_ORDER, account=one.account, cl_ord_id=one.cl_ord_id)
                if (row := _news(one, known[key])) is not None:
                    connection.execute(REPORTS.insert(), row)
                    known[key].append(row)
                    added.append(_report(row))
        return tuple(added)

    def reports_of(self, account: str, cl_ord_id: str) -> tuple[ExecutionReport, ...]:
        """Return the reports of one order in the order they happened.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        with reading(self._engine) as connection:
            return tuple(_report(r) for r in _rows(connection, _OF_ORDER, account=account, cl_ord_id=cl_ord_id))

    def reports_since(self, account: str, since: datetime) -> tuple[ExecutionReport, ...]:
        """Return the reports from that time on in the order they happened.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        with reading(self._engine) as connection:
            return tuple(_report(r) for r in _rows(connection, _SINCE, account=account, since=since))

    def is_answered(self, account: str, request_id: str) -> bool:
        """Tell whether IB has answered that request to change an order.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        key = (REQUESTS.c.account == account) & (REQUESTS.c.cl_ord_id == request_id)
        with reading(self._engine) as connection:
            return connection.execute(sa.select(REQUESTS).where(key)).first() is not None

    def note_answer(self, account: str, request_id: str, at: datetime) -> None:
        """Keep that IB has answered the request.

        Raises:
            LedgerUnavailable: nothing was written.
        """
        with writing(self._engine) as connection:
            row = {"account": account, "cl_ord_id": request_id, "answered_at": at}
            insert_new(connection, IbRequestRow, [row])

    def open_account(self, account: str, cash: Money, at: datetime) -> None:
        """Write the opening balance at the first sight of an account: its cash less what its executions moved.

        Raises:
            LedgerUnavailable: nothing was written.
        """
        with writing(self._engine) as connection:
            if _movements(connection, account):
                return
            rows = _rows(connection, _OF_ACCOUNT.order_by(*_IN_ORDER), account=account)
            opening = Money(amount=cash.amount - _cash_moved(rows), currency=cash.currency)
            row = {
                "account": account,
                "movement_id": f"{account}/opening",
                "movement_type": CashMovementType.DEPOSIT.value,
                "amount": opening.amount,
                "currency": opening.currency,
                "value_time": at,
                "symbol": None,
                "text": "opening balance as stated by the broker",
            }
            insert_new(connection, IbCashRow, [row])

    def movements(self, account: str) -> tuple[CashMovement, ...]:
        """Return all cash movements of the account in the order they happened.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        with reading(self._engine) as connection:
            return _movements(connection, account)


_Row = dict[str, Any]


def _rows(connection: sa.Connection, query: sa.Select[Any], **parameters: Any) -> list[_Row]:
    return [dict(row) for row in connection.execute(query, parameters).mappings()]


def _news(heard: Heard, known: Sequence[_Row]) -> _Row | None:
    """Return the row to be written, if what was heard is news."""
    if heard.exec_type in _EXECUTIONS:
        return _execution(heard, known)
    if heard.exec_type is ExecType.REPLACED or any(r["exec_id"] == heard.exec_id for r in known):
        return _changed_terms(heard, known)
    if heard.exec_type in (ExecType.NEW, ExecType.PENDING_NEW) and any(r["exec_type"] in _ENDS for r in known):
        return None
    if heard.exec_type is ExecType.ORDER_STATUS and heard.ord_status is OrdStatus.FILLED:
        trades = effective_trades([_report(r) for r in known if r["symbol"] == heard.symbol])
        if sum((t.last_qty for t in trades), _ZERO) >= heard.cum_qty:
            return None
    return _row(heard, heard.at)


def _changed_terms(heard: Heard, known: Sequence[_Row]) -> _Row | None:
    before = next((_terms(r) for r in reversed(known) if r["order_qty"] is not None), None)
    if heard.terms is None or heard.terms == before:
        return None
    if before is None and heard.exec_type is not ExecType.REPLACED:
        return None
    number = 1 + sum(r["exec_type"] == ExecType.REPLACED for r in known)
    exec_id = f"{heard.order_id}.replaced.{number}"
    return _row(replace(heard, exec_type=ExecType.REPLACED, exec_id=exec_id), heard.heard_at)


def _execution(heard: Heard, known: Sequence[_Row]) -> _Row | None:
    family = [r for r in known if _family(r["exec_id"]) == _family(heard.exec_id)]
    versions = {r["exec_id"]: r for r in family}
    if heard.exec_id in versions:
        return _fee(heard, versions, family)
    version = _version(heard.exec_id)
    ref, exec_type = None, heard.exec_type
    if version > 1:
        exec_type = ExecType.TRADE_CORRECT if heard.last_qty else ExecType.TRADE_CANCEL  # IB busts with 0 shares
        earlier = [r["exec_id"] for r in family if _version(r["exec_id"]) < version]
        # The fee of the version before is a version too; whatever holds now is what the correction supersedes.
        ref = earlier[-1] if earlier else f"{_family(heard.exec_id)}.{version - 1:02d}"
    return _row(replace(heard, exec_type=exec_type), _time_of(heard, known), exec_ref_id=ref)


def _fee(heard: Heard, versions: Mapping[str, _Row], family: Sequence[_Row]) -> _Row | None:
    """Return the correction that brings a commission which came late; none when it was known or is superseded."""
    first = versions[heard.exec_id]
    superseded = any(_version(r["exec_id"]) > _version(heard.exec_id) for r in family)
    if heard.commission is None or first["commission"] is not None or heard.exec_id + FEE in versions or superseded:
        return None
    fee = replace(heard, exec_type=ExecType.TRADE_CORRECT, exec_id=heard.exec_id + FEE, text="commission came later")
    return _row(fee, heard.heard_at, exec_ref_id=heard.exec_id)


def _time_of(heard: Heard, known: Sequence[_Row]) -> datetime:
    """Return IB's time, or that of an earlier report of the order when it comes out seconds later.

    IB's times are whole seconds and by its own clock; an execution must not sort before its order's acknowledgement.
    """
    near = [r["transact_time"] for r in known if heard.at < r["transact_time"] <= heard.at + _CLOCKS_DIFFER]
    return max(near, default=heard.at)


def _family(exec_id: str) -> str:
    return exec_id.removesuffix(FEE).rpartition(".")[0] or exec_id


def _version(exec_id: str) -> int:
    number = exec_id.removesuffix(FEE).rpartition(".")[2]
    return int(number) if number.isdigit() else 1


def _row(heard: Heard, at: datetime, *, exec_ref_id: str | None = None) -> _Row:
    terms = heard.terms
    return {
        "account": heard.account,
        "exec_id": heard.exec_id,
        "cl_ord_id": heard.cl_ord_id,
        "order_id": heard.order_id,
        "exec_ref_id": exec_ref_id,
        "exec_type": heard.exec_type.value,
        "ord_status": heard.ord_status.value,
        "symbol": heard.symbol,
        "side": heard.side.value,
        "last_qty": heard.last_qty,
        "last_px": heard.last_px,
        "cum_qty": heard.cum_qty,
        "commission": heard.commission,
        "multiplier": heard.multiplier,
        "transact_time": at,
        "text": heard.text,
        "order_qty": terms.order_qty if terms else None,
        "price": terms.price if terms else None,
        "stop_px": terms.stop_px if terms else None,
        "peg_offset_value": terms.peg_offset_value if terms else None,
    }


def _terms(row: _Row) -> Terms:
    return Terms(
        order_qty=row["order_qty"],
        price=row["price"],
        stop_px=row["stop_px"],
        peg_offset_value=row["peg_offset_value"],
    )


_CHANGED = ("order_qty", "price", "stop_px", "peg_offset_value")
_PLAIN = ("account", "exec_id", "cl_ord_id", "order_id", "exec_ref_id", "symbol", "last_qty", "last_px", "cum_qty")


def _report(row: _Row) -> ExecutionReport:
    values = {name: row[name] for name in (*_PLAIN, "transact_time", "text")}
    if row["exec_type"] == ExecType.REPLACED:
        values |= {name: row[name] for name in _CHANGED}
    return ExecutionReport(
        **values,
        exec_type=ExecType(row["exec_type"]),
        ord_status=OrdStatus(row["ord_status"]),
        side=Side(row["side"]),
        commission=row["commission"] if row["commission"] is not None else _ZERO,
    )


def _cash_moved(rows: Sequence[_Row]) -> Decimal:
    multipliers = {r["symbol"]: r["multiplier"] for r in rows if r["last_qty"]}
    trades = effective_trades([_report(r) for r in rows if not is_combo(r["symbol"])])
    return -sum(
        (t.side.sign * t.last_qty * t.px * multipliers[t.symbol] + t.commission for t in trades if t.last_qty), _ZERO
    )


def _movements(connection: sa.Connection, account: str) -> tuple[CashMovement, ...]:
    query = sa.select(CASH).where(CASH.c.account == account).order_by(CASH.c.value_time, CASH.c.movement_id)
    return tuple(
        CashMovement(
            account=row.account,
            movement_id=row.movement_id,
            movement_type=CashMovementType(row.movement_type),
            amount=Money(amount=row.amount, currency=row.currency),
            value_time=row.value_time,
            symbol=row.symbol,
            text=row.text,
        )
        for row in connection.execute(query)
    )
