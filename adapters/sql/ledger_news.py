"""What is new in the ledger of one account: for who looks every few seconds, and finds mostly nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.order_rows import MARK, ORDER, REPORT, open_ids, orders_of, read_orders
from adapters.sql.rows import chunks, report_of, table_of
from adapters.sql.tables import CashMovementRow, CorporateActionRow, ReconciliationRow
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.flatten import UNATTRIBUTED
from trading.orders.orders import Order

_EXECUTED = (ExecType.TRADE.value, ExecType.TRADE_CORRECT.value, ExecType.TRADE_CANCEL.value)
_RARE = tuple(table_of(model) for model in (CashMovementRow, CorporateActionRow, ReconciliationRow))
# Asked every few seconds, so written once. Ids only grow: all that writes holds the ledger's one write lock.
_NEWEST = sa.select(
    *(sa.select(sa.func.coalesce(sa.func.max(t.c.id), 0)).scalar_subquery() for t in (REPORT, MARK, *_RARE))
)


class _Newest(NamedTuple):
    report: int = 0
    mark: int = 0
    cash: int = 0
    action: int = 0
    reconciliation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerNews:
    """What came since the last look, or nothing but cash, corporate actions and valuations, which are few.

    Attributes:
        executions: new reports that execute, correct or bust.
        ours: the ClOrdIDs among them that are orders of a strategy book.
        orders: those that have changed, as they are now; at the first look those of the session and all open ones.
    """

    executions: tuple[ExecutionReport, ...]
    ours: frozenset[str]
    orders: tuple[Order, ...]


class LedgerWatch:
    """Looks at the ledger of one account again and again, and reads only what has come since.

    Args:
        session: the first look returns the orders of this session or later, and all that are open.
    """

    def __init__(self, engine: sa.Engine, account: str, session: date) -> None:
        self._engine, self._account, self._session = engine, account, session
        self._seen: _Newest | None = None

    def look(self) -> LedgerNews | None:
        """Return what has come, as one transaction sees it; None when nothing has, which costs half a millisecond.

        Raises:
            LedgerUnavailable: the database cannot be read; the next look returns what this one would have.
        """
        with reading(self._engine) as connection:
            newest = _Newest(*connection.execute(_NEWEST).one())
            if newest == self._seen:
                return None
            seen = self._seen or _Newest()
            executions = self._executions(connection, seen)
            news = LedgerNews(
                executions=executions,
                ours=self._ours(connection, {r.cl_ord_id for r in executions}),
                orders=self._orders(connection, self._seen),
            )
        self._seen = newest
        return news

    def _executions(self, connection: sa.Connection, seen: _Newest) -> tuple[ExecutionReport, ...]:
        wanted = (REPORT.c.account == self._account) & (REPORT.c.id > seen.report) & REPORT.c.exec_type.in_(_EXECUTED)
        return tuple(report_of(r) for r in connection.execute(sa.select(REPORT).where(wanted).order_by(REPORT.c.id)))

    def _ours(self, connection: sa.Connection, cl_ord_ids: Collection[str]) -> frozenset[str]:
        found = sa.select(ORDER.c.cl_ord_id).where(ORDER.c.account == self._account, ORDER.c.book != UNATTRIBUTED)
        return frozenset(
            cl_ord_id
            for part in chunks(sorted(cl_ord_ids))
            for cl_ord_id in connection.execute(found.where(ORDER.c.cl_ord_id.in_(part))).scalars()
        )

    def _orders(self, connection: sa.Connection, seen: _Newest | None) -> tuple[Order, ...]:
        if seen is None:
            wanted = (ORDER.c.session >= self._session) | ORDER.c.cl_ord_id.in_(open_ids(self._account))
            return read_orders(connection, wanted & (ORDER.c.account == self._account))
        reported = sa.select(REPORT.c.cl_ord_id).where(REPORT.c.id > seen.report, REPORT.c.account == self._account)
        marked = sa.select(MARK.c.cl_ord_id).where(MARK.c.id > seen.mark)
        changed = connection.execute(reported.union(marked)).scalars().all()
        return tuple(o for o in orders_of(connection, changed) if o.new_order.account == self._account)
