"""Whatever happens in whatever order, and wherever the run is cut off: the ledger's promises hold."""

import tempfile
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from adapters.sql.engine import make_engine
from tests.adapters.sql.conftest import Databases, SqliteFiles
from tests.adapters.sql.sql_desk import MINUTE, SqlLedger, a_decision, failing_at
from tests.builders import ACCOUNT, CLOSE, DECIDED, SESSION, a_new_order, a_report, a_trade
from trading.errors import LeaseLost, OrderNotOpen
from trading.orders.executions import ExecType, ExecutionReport, SendMark
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, Side
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskLimits

SYMBOLS = ("AAPL", "IBM", "MSFT")
PX = Decimal(10)  # of every symbol, always
DAYS = tuple(SESSION + timedelta(days=n) for n in range(5))
LIMITS = RiskLimits(
    max_order_notional=Decimal(800),
    max_position_notional=Decimal(1000),
    max_position_pct=Decimal(100),
    max_gross_leverage=Decimal("0.02"),  # of 100,000: 2,000
    max_orders_per_day=3,
    max_notional_per_day=Decimal(2500),
)
STATEMENTS = ("INSERT INTO new_order", "INSERT INTO send_mark", "INSERT INTO order_state", "DELETE FROM order_state")
wishes = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(Side), st.sampled_from((80, 60, 20, 1))), min_size=1, max_size=4
)
picks = st.integers(0, 1000)


class Desk(RuleBasedStateMachine):
    """A desk of five days and two books, a broker that answers as brokers do, and crashes."""

    databases: Databases

    def __init__(self) -> None:
        super().__init__()
        self.url, self.stop_file = self.databases.new(), Path(tempfile.gettempdir()) / "no STOP file"
        self.ledger = SqlLedger(make_engine(self.url), self.stop_file)
        self.lease, self.numbers = self.ledger.lease(), count()
        self.held: Counter[str] = Counter()
        self.told: list[ExecutionReport] = []

    def teardown(self) -> None:
        assert self.ledger.journal.rebuild() == 0
        assert self.ledger.facts.executions(ACCOUNT) == tuple(self.told)
        self.ledger.engine.dispose()
        self.databases.free(self.url)

    # -- what the desk does

    @rule(day=st.sampled_from(DAYS), book=st.sampled_from(("main", "second")), wanted=wishes)
    def intend(self, day: Any, book: str, wanted: list[tuple[str, Side, int]]) -> None:
        orders = [
            a_new_order(
                cl_ord_id=f"t-{next(self.numbers)}",
                session=day,
                book=book,
                symbol=symbol,
                side=side,
                order_qty=Decimal(qty),
                expire_time=CLOSE + timedelta(days=9),
            )
            for symbol, side, qty in wanted
        ]
        known = self.ledger.journal.decision(ACCOUNT, day, book)
        before = self.ledger.journal.risk_decisions(known["decision_id"]) if known else None
        marks = dict.fromkeys(SYMBOLS, PX)
        verdicts = self.ledger.journal.intend(
            self.lease, a_decision(day, book), orders, RiskInputs(limits=LIMITS, marks=marks)
        )
        assert verdicts == before if known else len(verdicts) == len(orders)

    @rule(pick=picks)
    def send(self, pick: int) -> None:
        """Send all that may be sent, and try to send one that may not."""
        orders = self.open()
        self.ledger.journal.mark_sending(self.lease, [o.cl_ord_id for o in orders if o.may_be_sent], DECIDED)
        order = self.picked(pick, self.at_broker())
        if order is not None:
            with pytest.raises(OrderNotOpen):
                self.ledger.journal.mark_sending(self.lease, [order.cl_ord_id], DECIDED)

    @rule(pick=picks, mark=st.sampled_from((SendMark.UNKNOWN, SendMark.NOT_SENT, SendMark.ABANDONED)))
    def mark(self, pick: int, mark: SendMark) -> None:
        order = self.picked(pick, [o for o in self.open() if o.sent_count and o.order_id is None])
        if order is not None:
            self.ledger.journal.mark(self.lease, order.cl_ord_id, mark, DECIDED, "")

    # -- what the broker says

    @rule(pick=picks, kind=st.sampled_from((ExecType.NEW, ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED)))
    def answer(self, pick: int, kind: ExecType) -> None:
        order = self.picked(pick, self.at_broker())
        if order is None or (kind is ExecType.REJECTED and order.cum_qty):
            return
        self.tell(a_report(kind, self.exec_id(), **self.of(order.new_order), cum_qty=order.cum_qty))

    @rule(pick=picks, part=st.sampled_from((80, 7)))
    def fill(self, pick: int, part: int) -> None:
        order = self.picked(pick, self.at_broker())
        if order is None:
            return
        qty = min(Decimal(part), order.leaves_qty)
        cum_qty = order.cum_qty + qty
        status = OrdStatus.FILLED if cum_qty == order.new_order.order_qty else OrdStatus.PARTIALLY_FILLED
        self.tell(a_trade(str(qty), 10, self.exec_id(), **self.of(order.new_order), cum_qty=cum_qty, ord_status=status))
        self.held[order.new_order.symbol] += int(qty) * order.new_order.side.sign

    @precondition(lambda self: self.told)
    @rule(pick=picks)
    def say_again(self, pick: int) -> None:
        assert self.ledger.journal.record([self.told[pick % len(self.told)]]) == ()

    # -- what goes wrong

    @rule()
    def crash(self) -> None:
        """Start again; who still has the old lease can do nothing more."""
        old, order = self.lease, next(iter(self.open()), None)
        self.ledger.engine.dispose()
        self.ledger = SqlLedger(make_engine(self.url), self.stop_file)
        self.ledger.leases.release(old)
        self.lease = self.ledger.leases.acquire(ACCOUNT, "after the crash", 60 * MINUTE)
        assert self.lease.token > old.token
        if order is not None:
            with pytest.raises(LeaseLost):
                self.ledger.journal.mark_sending(old, [order.cl_ord_id], DECIDED)

    @rule(statement=st.sampled_from(STATEMENTS), day=st.sampled_from(DAYS), pick=picks)
    def cut_off(self, statement: str, day: Any, pick: int) -> None:
        """Cut a step off on its way: it has happened as a whole or not at all, and is done again."""
        before = self.ledger.journal.orders(ACCOUNT)
        with failing_at(self.ledger.engine, statement):
            try:
                self.send(pick)
            except InterruptedError:
                assert self.ledger.journal.orders(ACCOUNT) == before
            try:
                self.intend(day, "third", [("AAPL", Side.BUY, 1)])
            except InterruptedError:
                assert self.ledger.journal.decision(ACCOUNT, day, "third") is None

    # -- what always holds

    @invariant()
    def the_promises_are_kept(self) -> None:
        orders = self.ledger.journal.orders(ACCOUNT)
        self.no_order_has_the_name_of_another(orders)
        self.what_is_filled_and_what_is_left_make_the_order(orders)
        self.no_day_has_more_orders_than_it_may(orders)
        self.no_limit_is_exceeded_by_what_is_held_and_all_that_may_still_trade(orders)
        self.positions_are_the_executions()

    def no_order_has_the_name_of_another(self, orders: tuple[Order, ...]) -> None:
        assert len({o.cl_ord_id for o in orders}) == len(orders)

    def what_is_filled_and_what_is_left_make_the_order(self, orders: tuple[Order, ...]) -> None:
        for order in orders:
            assert order.cum_qty + order.leaves_qty == order.new_order.order_qty or not order.ord_status.is_open

    def positions_are_the_executions(self) -> None:
        held = self.ledger.facts.books(ACCOUNT, CLOSE).held()
        assert held == {s: qty for s, qty in self.held.items() if qty}

    def no_limit_is_exceeded_by_what_is_held_and_all_that_may_still_trade(self, orders: tuple[Order, ...]) -> None:
        gross = Decimal(0)
        left: defaultdict[tuple[str, Side], Decimal] = defaultdict(Decimal)
        for order in orders:
            left[order.new_order.symbol, order.new_order.side] += order.leaves_qty
        for symbol in SYMBOLS:
            longest, shortest = self.held[symbol] + left[symbol, Side.BUY], self.held[symbol] - left[symbol, Side.SELL]
            assert max(longest, -shortest) * PX <= 1000
            gross += max(longest, -shortest) * PX
        assert gross <= 2000

    def no_day_has_more_orders_than_it_may(self, orders: tuple[Order, ...]) -> None:
        for day in DAYS:
            ordered = [o.new_order.order_qty for o in orders if o.new_order.session == day]
            assert len(ordered) <= 3
            assert sum(ordered) * PX <= 2500

    # -- small change

    def open(self) -> tuple[Order, ...]:
        return self.ledger.journal.orders(ACCOUNT, open_only=True)

    def at_broker(self) -> list[Order]:
        return [o for o in self.open() if o.sent_count and not o.may_be_sent]

    def picked(self, pick: int, orders: Any) -> Order | None:
        return orders[pick % len(orders)] if orders else None

    def exec_id(self) -> str:
        return f"e-{next(self.numbers)}"

    def of(self, order: NewOrderSingle) -> dict[str, Any]:
        return {"cl_ord_id": order.cl_ord_id, "symbol": order.symbol, "side": order.side}

    def tell(self, report: ExecutionReport) -> None:
        assert self.ledger.journal.record([report]) == ()
        self.told.append(report)


def test_the_ledger_keeps_its_promises_whatever_happens(databases):
    class DeskHere(Desk):
        pass

    DeskHere.databases = databases
    run_state_machine_as_test(
        DeskHere,
        settings=settings(
            max_examples=60 if isinstance(databases, SqliteFiles) else 5,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
