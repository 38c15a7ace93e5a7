"""Builders for tests of the ledger: its parts on one engine, decisions, and statements that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapters.sql.approvals import SqlApprovals
from adapters.sql.arming import SqlArming
from adapters.sql.books import SqlFacts
from adapters.sql.breakers import SqlBreakers
from adapters.sql.clearances import SqlClearances
from adapters.sql.halts import SqlHalts
from adapters.sql.journal import SqlJournal
from adapters.sql.leases import SqlLeases
from adapters.sql.outbox import SqlOutbox
from adapters.sql.repairs import SqlRepairs
from tests.builders import ACCOUNT, DECIDED, SESSION, a_new_order
from trading.ledger import Decision, Lease, Target
from trading.orders.orders import NewOrderSingle, OrdStatus
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskDecision, RiskLimits

MINUTE = timedelta(minutes=1)
SYMBOLS = ("AAPL", "MSFT", "IBM", "z", "a", "m", "b", *(f"S{n}" for n in range(1, 41)))


class SqlLedger:
    """The parts of one ledger."""

    def __init__(self, engine: sa.Engine, stop_file: Path) -> None:
        self.engine, self.stop_file = engine, stop_file
        self.leases, self.facts, self.outbox = SqlLeases(engine), SqlFacts(engine), SqlOutbox(engine)
        self.journal, self.halts = SqlJournal(engine, stop_file=stop_file), SqlHalts(engine, stop_file=stop_file)
        self.clearances, self.arming = SqlClearances(engine), SqlArming(engine)
        self.repairs, self.breakers = SqlRepairs(engine), SqlBreakers(engine)
        self.approvals = SqlApprovals(engine)

    def lease(self, account: str = ACCOUNT) -> Lease:
        return self.leases.acquire(account, "the morning run", MINUTE)

    def intend(
        self, lease: Lease, *orders: NewOrderSingle, decision: Decision | None = None, **limits: Any
    ) -> tuple[RiskDecision, ...]:
        """Intend the orders at a last price of 10 for every symbol, under wide limits."""
        marks = {symbol: Decimal(10) for symbol in SYMBOLS}
        blocked, approval = limits.pop("blocked", {}), limits.pop("approval", None)
        inputs = RiskInputs(limits=RiskLimits(**limits), marks=marks, blocked=blocked, approval=approval)
        return self.journal.intend(lease, decision or a_decision(), orders, inputs)

    def sent(self, lease: Lease, *orders: NewOrderSingle) -> None:
        """Intend the orders and mark them as sending."""
        self.intend(lease, *orders)
        self.journal.mark_sending(lease, [o.cl_ord_id for o in orders], DECIDED)

    def statuses(self) -> dict[str, OrdStatus]:
        return {o.cl_ord_id: o.ord_status for o in self.journal.orders(ACCOUNT)}

    def count(self, table: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    def tamper(self, statement: str) -> None:
        """Change a row as nobody should."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)


def a_decision(session: date = SESSION, book: str = "main", **fields: Any) -> Decision:
    target = Target(
        symbol="AAPL",
        weight=0.1,
        reference_px=Decimal("10.00"),
        held_qty=Decimal(0),
        target_qty=Decimal(100),
        order_qty=Decimal(100),
        reason="to its weight",
    )
    given = {
        "decision_id": f"{ACCOUNT}:{session}:{book}",
        "account": ACCOUNT,
        "session": session,
        "book": book,
        "strategy": "EqualWeight",
        "parameters": {"top": 5},
        "sizing": {"lot": "1"},
        "code_version": "openbell 0.1.0",
        "source": "sample",
        "bars_hash": "b" * 64,
        "first_session": date(2024, 1, 2),
        "bars_session": date(2024, 3, 14),
        "verdict_id": "qv-1",
        "equity": Decimal(100_000),
        "cash": Decimal(100_000),
        "mode": "paper",
        "decided_at": DECIDED,
        "targets": (target,),
    }
    return Decision(**(given | fields))


def some_orders(number: int) -> list[NewOrderSingle]:
    """Return orders t-1, t-2, ... to buy 1 of S1, S2, ..."""
    return [a_new_order(cl_ord_id=f"t-{n}", symbol=f"S{n}", order_qty=Decimal(1)) for n in range(1, number + 1)]


@contextmanager
def failing_at(engine: sa.Engine, statement: str) -> Iterator[None]:
    """Fail the first statement that begins so, as a power cut just before it would."""

    def fail(_connection: object, _cursor: object, told: str, *_: object) -> None:
        if told.startswith(statement):
            raise InterruptedError(statement)

    sa.event.listen(engine, "before_cursor_execute", fail)
    yield
    sa.event.remove(engine, "before_cursor_execute", fail)
