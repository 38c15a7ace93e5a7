"""Whatever happens in whatever order, and wherever the run is cut off: the ledger's promises hold."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
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
from trading.risk.scoped_limits import LimitScope, ScopedLimits, Sector
from trading.risk.trading_facts import TradingFacts

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
    max_order_qty=Decimal(79),
    max_position_qty=Decimal(95),
    max_participation_pct=Decimal(9),  # of 1,000: 90 of a symbol in a session
    max_turnover_per_day_pct=Decimal("2.4"),  # of 100,000: 2,400
    sectors=(Sector(name="Tech", symbols=("AAPL", "MSFT")),),
    scopes=(
        ScopedLimits(scope=LimitScope.SECTOR, subject="Tech", max_notional=Decimal(1500)),
        ScopedLimits(scope=LimitScope.STRATEGY, subject="main", max_notional=Decimal(1200), max_orders_per_day=2),
    ),
)
FACTS = dict.fromkeys(SYMBOLS, TradingFacts(average_volume=Decimal(1000)))
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
        self.held_by_main: Counter[str] = Counter()
        self.told: list[ExecutionReport] = []

    def teardown(self) -> None:
        assert self.ledger.journal.rebuild() == 0
        assert self.ledger.facts.executions(ACCOUNT) == tuple(self.told)
        self.ledger.engine.dispose()
        self.databases.free(self.url)

    # -- what the desk does

    @rule(day=st.sampled_from(DAYS), book=st.sampled_from(("main", "second")), wanted=wishes, cut=st.booleans())
    def intend(self, day: Any, book: str, wanted: list[tuple[str, Side, int]], cut: bool = False) -> None:
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
        limits = replace(LIMITS, reduce_to_fit=cut)
        verdicts = self.ledger.journal.intend(self.lease, a_decision(day, book), orders, self.inputs(limits))
        assert verdicts == before if known else len(verdicts) == len(orders)

    @rule(pick=picks, qty=st.sampled_from((79, 40, 5)))
    def change(self, pick: int, qty: int) -> None:
        """Ask for another quantity; the broker does as it is told, once the gate has let it pass."""
        order = self.picked(pick, [o for o in self.at_broker() if o.order_id is not None and o.cum_qty < qty])
        if order is None or not self.ledger.journal.decision(ACCOUNT, order.new_order.session, order.new_order.book):
            return
        request = order.replace_request(next(self.numbers), DECIDED, order_qty=Decimal(qty))
        verdict = self.ledger.journal.intend_replace(self.lease, request, self.inputs(LIMITS))
        if verdict.accepted:
            told = {"order_qty": Decimal(qty), "cum_qty": order.cum_qty, "ord_status": OrdStatus.NEW}
            self.tell(a_report(ExecType.REPLACED, self.exec_id(), **self.of(order.new_order), **told))

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
        status = OrdStatus.FILLED if cum_qty == order.in_force.order_qty else OrdStatus.PARTIALLY_FILLED
        self.tell(a_trade(str(qty), 10, self.exec_id(), **self.of(order.new_order), cum_qty=cum_qty, ord_status=status))
        self.held[order.new_order.symbol] += int(qty) * order.new_order.side.sign
        self.held_by_main[order.new_order.symbol] += (
            int(qty) * order.new_order.side.sign * (order.new_order.book == "main")
        )

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
            assert order.cum_qty + order.leaves_qty == order.in_force.order_qty or not order.ord_status.is_open

    def positions_are_the_executions(self) -> None:
        held = self.ledger.facts.books(ACCOUNT, CLOSE).held()
        assert held == {s: qty for s, qty in self.held.items() if qty}

    def no_limit_is_exceeded_by_what_is_held_and_all_that_may_still_trade(self, orders: tuple[Order, ...]) -> None:
        worst = self.worst(orders, self.held)
        assert all(qty <= 95 for qty in worst.values())
        assert sum(worst.values()) * PX <= 2000
        assert (worst["AAPL"] + worst["MSFT"]) * PX <= 1500
        of_main = [o for o in orders if o.new_order.book == "main"]
        assert sum(self.worst(of_main, self.held_by_main).values()) * PX <= 1200

    def worst(self, orders: Iterable[Order], held: Counter[str]) -> dict[str, Decimal]:
        """Return the larger side of each symbol when all that works is filled."""
        left: defaultdict[tuple[str, Side], Decimal] = defaultdict(Decimal)
        for order in orders:
            left[order.new_order.symbol, order.new_order.side] += order.leaves_qty
        return {s: max(held[s] + left[s, Side.BUY], left[s, Side.SELL] - held[s]) for s in SYMBOLS}

    def no_day_has_more_orders_than_it_may(self, orders: tuple[Order, ...]) -> None:
        for day in DAYS:
            of_day = [o for o in orders if o.new_order.session == day]
            assert len(of_day) <= 3
            assert sum(o.new_order.book == "main" for o in of_day) <= 2
            assert sum(o.in_force.order_qty for o in of_day) * PX <= 2400
            assert all(o.in_force.order_qty <= 79 for o in of_day)
            for symbol in SYMBOLS:
                assert sum(o.in_force.order_qty for o in of_day if o.new_order.symbol == symbol) <= 90

    # -- small change

    def inputs(self, limits: RiskLimits) -> RiskInputs:
        return RiskInputs(limits=limits, marks=dict.fromkeys(SYMBOLS, PX), facts=FACTS)

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
