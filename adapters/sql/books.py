"""Facts in SQL: executions, cash, corporate actions, quality, reconciliations, and the books that follow from them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import reading, writing
from adapters.sql.market_tables import QualityReportRow
from adapters.sql.rows import flat, insert_new, json_value, report_of, table_of
from adapters.sql.tables import (
    CashMovementRow,
    CorporateActionRow,
    ExecutionReportRow,
    NewOrderRow,
    ReconciliationRow,
)
from trading.breaks import Break, BreakType
from trading.broker import CashMovement, CashMovementType
from trading.ledger import FILLED_IN
from trading.market.corporate_actions import ActionKind, ActionTerms, EffectiveAction
from trading.market.quality import (
    DayVerdict,
    Finding,
    FindingSeverity,
    QualityReport,
    Rule,
    SymbolVerdict,
)
from trading.money import Money
from trading.orders.executions import ExecType, ExecutionReport, position_trades
from trading.orders.flatten import UNATTRIBUTED
from trading.positions.books import Books, Position, fold_books
from trading.reconciliation import Reconciliation

REPORT, CASH, ACTION = table_of(ExecutionReportRow), table_of(CashMovementRow), table_of(CorporateActionRow)
ORDER = table_of(NewOrderRow)
QUALITY, RECONCILIATION = table_of(QualityReportRow), table_of(ReconciliationRow)
_EXECUTED = (ExecType.TRADE.value, ExecType.TRADE_CORRECT.value, ExecType.TRADE_CANCEL.value)


class SqlFacts:
    """Facts of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def executions(self, account: str) -> tuple[ExecutionReport, ...]:
        """Return all reports of the account, in the order they were recorded."""
        with reading(self._engine) as connection:
            return _executions(connection, REPORT.c.account == account)

    def cash_movements(self, account: str) -> tuple[CashMovement, ...]:
        """Return all cash movements of the account, in the order they were recorded."""
        with reading(self._engine) as connection:
            return _cash_movements(connection, account)

    def actions(self, account: str) -> tuple[EffectiveAction, ...]:
        """Return the corporate actions that apply to the account's positions."""
        with reading(self._engine) as connection:
            return _actions(connection, account)

    def books(self, account: str, as_of: datetime) -> Books:
        """Return positions and cash, folded from every fact and the corporate actions in effect by `as_of`."""
        with reading(self._engine) as connection:
            return read_books(connection, account, as_of)

    def span(self, account: str) -> tuple[datetime, datetime] | None:
        """Return when the first and the last report of the account happened, or None when there is none."""
        happened = REPORT.c.transact_time
        wanted = sa.select(sa.func.min(happened), sa.func.max(happened)).where(REPORT.c.account == account)
        with reading(self._engine) as connection:
            first, last = connection.execute(wanted).one()
        return None if first is None else (first, last)

    def traded(self, account: str) -> frozenset[str]:
        """Return the symbols that the account has reports of."""
        with reading(self._engine) as connection:
            found = connection.execute(sa.select(REPORT.c.symbol).where(REPORT.c.account == account).distinct())
            return frozenset(s for (s,) in found)

    def held(self, account: str, as_of: datetime, book: str | None = None) -> dict[str, Decimal]:
        """Return the signed quantities that a strategy book of the account holds, or all its books; see `positions`."""
        return {symbol: p.qty for symbol, p in self.positions(account, as_of, book).items() if p.qty}

    def positions(self, account: str, as_of: datetime, book: str | None = None) -> Mapping[str, Position]:
        """Return the positions of a strategy book, or of all books: the fold of their own orders' executions.

        What the account holds beyond its books, such as a person's own trades, belongs to none of them.
        """
        with reading(self._engine) as connection:
            return read_positions(connection, account, as_of, book)

    def by_book(self, account: str, as_of: datetime) -> dict[str, dict[str, Decimal]]:
        """Return what each strategy book of the account holds."""
        with reading(self._engine) as connection:
            found = connection.execute(sa.select(ORDER.c.book).where(ORDER.c.account == account).distinct())
            books = [book for (book,) in found if book != UNATTRIBUTED]
        return {book: self.held(account, as_of, book) for book in books}

    def record_cash(self, movements: Sequence[CashMovement]) -> int:
        """Append the new movements; see `trading.ledger.Facts`."""
        rows = [
            flat(m) | {"amount": m.amount.amount, "currency": m.amount.currency, "value_time": m.value_time}
            for m in movements
        ]
        with writing(self._engine) as connection:
            return insert_new(connection, CashMovementRow, rows)

    def record_actions(self, account: str, actions: Sequence[EffectiveAction]) -> int:
        """Append the new corporate actions; see `trading.ledger.Facts`."""
        if not actions:
            return 0
        with writing(self._engine) as connection:
            return insert_new(connection, CorporateActionRow, [_action_row(account, a) for a in actions])

    def record_quality(self, report: QualityReport) -> None:
        """Append a quality report; see `trading.ledger.Facts`."""
        row = {
            "verdict_id": report.verdict_id,
            "source": report.source,
            "session": report.session,
            "bars_hash": report.bars_hash,
            "rows": report.rows,
            "day_verdict": report.day_verdict.value,
            "symbols": json_value(report.symbols),
            "findings": json_value(report.findings),
            "checked_at": report.checked_at,
        }
        same_day = (QUALITY.c.source == report.source) & (QUALITY.c.session == report.session)
        last = sa.select(QUALITY.c.verdict_id).where(same_day).order_by(QUALITY.c.id.desc()).limit(1)
        with writing(self._engine) as connection:
            if connection.execute(last).scalar_one_or_none() != report.verdict_id:
                connection.execute(sa.insert(QUALITY), row)

    def quality(self, source: str, session: date) -> QualityReport | None:
        """Return the latest quality report of the source for the session, or None."""
        with reading(self._engine) as connection:
            return read_quality(connection, source, session)

    def last_checked(self) -> dict[str, date]:
        """Return the newest session that was ingested of each source; what was filled in is none."""
        newest = sa.select(QUALITY.c.source, sa.func.max(QUALITY.c.session)).group_by(QUALITY.c.source)
        newest = newest.where(QUALITY.c.source.not_like(f"% {FILLED_IN}"))
        with reading(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(newest.order_by(QUALITY.c.source))}

    def quality_report(self, verdict_id: str) -> QualityReport | None:
        """Return the quality report of that verdict, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(QUALITY).where(QUALITY.c.verdict_id == verdict_id).limit(1)).first()
        return None if row is None else _quality_of(row)

    def record_reconciliation(self, account: str, reconciliation: Reconciliation) -> None:
        """Append a reconciliation, with breaks or without."""
        row = {"account": account} | {name: getattr(reconciliation, name) for name in Reconciliation.__slots__}
        with writing(self._engine) as connection:
            connection.execute(
                sa.insert(RECONCILIATION), row | {name: json_value(row[name]) for name in ("marks", "breaks")}
            )

    def reconciliations(self, account: str) -> tuple[Reconciliation, ...]:
        """Return the latest reconciliation of each session, oldest session first."""
        wanted = sa.select(RECONCILIATION).where(RECONCILIATION.c.account == account).order_by("id")
        with reading(self._engine) as connection:
            latest = {row.session: _reconciliation_of(row) for row in connection.execute(wanted)}
        return tuple(latest[session] for session in sorted(latest))


def read_books(connection: sa.Connection, account: str, as_of: datetime) -> Books:
    """Return positions and cash as this transaction sees them, with the corporate actions in effect by `as_of`."""
    actions = [a for a in _actions(connection, account) if a.effective_at <= as_of]
    executed = _executions(connection, (REPORT.c.account == account) & REPORT.c.exec_type.in_(_EXECUTED))
    return fold_books(executed, _cash_movements(connection, account), actions)


def read_positions(
    connection: sa.Connection, account: str, as_of: datetime, book: str | None
) -> Mapping[str, Position]:
    """Return the positions of a strategy book, or of all of them, as this transaction sees them."""
    ours = sa.select(ORDER.c.cl_ord_id).where(ORDER.c.account == account)
    # What no book holds is closed under a name that is none.
    ours = ours.where(ORDER.c.book != UNATTRIBUTED if book is None else ORDER.c.book == book)
    wanted = (REPORT.c.account == account) & REPORT.c.exec_type.in_(_EXECUTED) & REPORT.c.cl_ord_id.in_(ours)
    actions = [a for a in _actions(connection, account) if a.effective_at <= as_of]
    return fold_books(_executions(connection, wanted), (), actions).positions


def read_trades(connection: sa.Connection, account: str, since: datetime) -> tuple[ExecutionReport, ...]:
    """Return what was bought and sold from that time on, without what was busted since."""
    recent = (REPORT.c.account == account) & REPORT.c.exec_type.in_(_EXECUTED) & (REPORT.c.transact_time >= since)
    return tuple(position_trades(_executions(connection, recent)))


def _executions(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> tuple[ExecutionReport, ...]:
    rows = connection.execute(sa.select(REPORT).where(wanted).order_by(REPORT.c.id))
    return tuple(report_of(r) for r in rows)


def _cash_movements(connection: sa.Connection, account: str) -> tuple[CashMovement, ...]:
    rows = connection.execute(sa.select(CASH).where(CASH.c.account == account).order_by(CASH.c.id))
    return tuple(
        CashMovement(
            account=r.account,
            movement_id=r.movement_id,
            movement_type=CashMovementType(r.movement_type),
            amount=Money(amount=r.amount, currency=r.currency),
            value_time=r.value_time,
            symbol=r.symbol,
            text=r.text,
        )
        for r in rows
    )


def _actions(connection: sa.Connection, account: str) -> tuple[EffectiveAction, ...]:
    rows = connection.execute(sa.select(ACTION).where(ACTION.c.account == account).order_by("effective_at", "id"))
    return tuple(_action_of(r) for r in rows)


def _action_row(account: str, effective: EffectiveAction) -> dict[str, Any]:
    terms = ActionTerms.of(effective.action)
    named = terms.kind is ActionKind.RENAME
    return {
        "account": account,
        "symbol": terms.symbol,
        "ex_date": terms.ex_date,
        "kind": terms.kind.value,
        "value": Decimal(terms.value) if terms.value and not named else Decimal(0),
        "new_symbol": terms.value if named else None,
        "currency": terms.currency,
        "effective_at": effective.effective_at,
    }


def _action_of(row: sa.Row[Any]) -> EffectiveAction:
    terms = ActionTerms(
        kind=ActionKind(row.kind),
        symbol=row.symbol,
        ex_date=row.ex_date,
        value=row.new_symbol or str(row.value),
        currency=row.currency,
    )
    return EffectiveAction(action=terms.action(), effective_at=row.effective_at)


def read_quality(
    connection: sa.Connection, source: str, session: date, *, but_for: str | None = None
) -> QualityReport | None:
    """Return the latest quality report of the source for the session, or None; also None when it is that verdict."""
    wanted = (QUALITY.c.source == source) & (QUALITY.c.session == session)
    newest = sa.select(QUALITY.c.id, QUALITY.c.verdict_id).where(wanted).order_by(QUALITY.c.id.desc()).limit(1)
    last = connection.execute(newest).first()
    if last is None or last.verdict_id == but_for:
        return None
    return _quality_of(connection.execute(sa.select(QUALITY).where(QUALITY.c.id == last.id)).one())


def _quality_of(row: sa.Row[Any]) -> QualityReport:
    return QualityReport(
        source=row.source,
        session=row.session,
        bars_hash=row.bars_hash,
        rows=row.rows,
        day_verdict=DayVerdict(row.day_verdict),
        symbols=tuple((symbol, SymbolVerdict(verdict)) for symbol, verdict in row.symbols),
        findings=tuple(
            Finding(
                rule=Rule(f["rule"]),
                severity=FindingSeverity(f["severity"]),
                symbol=f["symbol"],
                session=date.fromisoformat(f["session"]) if f["session"] else None,
                value=f["value"],
                limit=f["limit"],
                text=f["text"],
            )
            for f in row.findings
        ),
        checked_at=row.checked_at,
    )


def break_of(row: dict[str, Any]) -> Break:
    """Return the break that was written as JSON values."""
    return Break(**(row | {"break_type": BreakType(row["break_type"])}))


def _reconciliation_of(row: sa.Row[Any]) -> Reconciliation:
    breaks = tuple(break_of(b) for b in row.breaks)
    return Reconciliation(
        session=row.session,
        reconciled_at=row.reconciled_at,
        equity=row.equity,
        cash=row.cash,
        marks={symbol: Decimal(px) for symbol, px in row.marks.items()},
        breaks=breaks,
    )
