"""Our own side read of a real ledger: the same however it is read, and whatever came in between."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from adapters.sql.schema import migrate
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount
from blocks.desk import Desk, Ledger, Market
from blocks.desk_storage import DeskStorage
from tasks.own import OwnSideReader, own_side
from tests.adapters.sql.sql_desk import a_decision
from tests.builders import a_movement, a_new_order, a_report, a_trade
from tests.own_builders import at_mid, ids
from trading.ledger import Lease
from trading.market.bars import DailyBars, PriceBasis, bars_frame
from trading.market.corporate_actions import EffectiveAction, Split
from trading.monitoring.live_account import account_now, marks_of, position_pnl
from trading.orders.executions import ExecType
from trading.orders.orders import NewOrderSingle, OrderPurpose, OrdStatus, OrdType, Side, TimeInForce
from trading.orders.protection import Distance, DistanceUnit, ProtectionRules
from trading.reconciliation import Reconciliation
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskLimits

FRIDAY, MONDAY = date(2020, 8, 28), date(2020, 8, 31)  # Apple split 4 for 1 at Monday's open
OPEN, BEFORE_OPEN = datetime(2020, 8, 31, 13, 30, tzinfo=UTC), datetime(2020, 8, 31, 13, tzinfo=UTC)
NOON = datetime(2020, 8, 31, 16, tzinfo=UTC)
RULES = ProtectionRules(stop_loss=Distance(unit=DistanceUnit.PERCENT, value=Decimal(8)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk that holds 10 AAPL over the weekend of their split, at a close of 499.23, and 5,000 in cash."""
    storage = DeskStorage(home=tmp_path)
    market = Market.of(BarSource(name="files", provider=Provider.FILES, path=tmp_path), storage)
    rows = pd.DataFrame({"symbol": "AAPL", "session": [FRIDAY], "close": [499.23]})
    evening, split = OPEN - timedelta(days=2, hours=16), Split(symbol="AAPL", ex_date=MONDAY, new_per_old=Decimal(4))
    market.store.upsert(DailyBars(frame=bars_frame(rows), source="files", price_basis=PriceBasis.RAW), evening)
    market.store.upsert_actions("files", [split], evening)
    migrate(storage.engine())
    account = BrokerAccount(account="paper", bar_source=market.settings)
    desk = Desk(account=account, storage=storage, ledger=Ledger.of(storage), market=market)
    record(desk, intended(desk, "f-1", 10, FRIDAY), 10, "490.00", evening - timedelta(hours=3))
    desk.ledger.facts.record_cash([a_movement(9900, account="paper", value_time=evening - timedelta(days=1))])
    desk.ledger.facts.record_actions("paper", [EffectiveAction(action=split, effective_at=OPEN)])
    worth = {"equity": Decimal("9992.30"), "cash": Decimal(5000), "marks": {"AAPL": Decimal("499.23")}, "breaks": ()}
    valued = Reconciliation(session=FRIDAY, reconciled_at=evening, **worth)
    desk.ledger.facts.record_reconciliation("paper", valued)
    return desk


def intended(desk: Desk, cl_ord_id: str, qty: int, session: date = MONDAY, **fields: object) -> Lease:
    """Intend an order in AAPL and mark it as sending; a negative quantity is a sale."""
    day = datetime(session.year, session.month, session.day, 13, 30, tzinfo=UTC)
    side = Side.BUY if qty > 0 else Side.SELL
    given = {"expire_time": day + timedelta(hours=6), "transact_time": day, "order_qty": Decimal(abs(qty))}
    order: NewOrderSingle = a_new_order(
        cl_ord_id=cl_ord_id, account="paper", session=session, side=side, **(given | fields)
    )
    lease = desk.ledger.leases.acquire("paper", cl_ord_id, timedelta(minutes=1))
    decision = a_decision(session, book=cl_ord_id, decision_id=cl_ord_id, account="paper", decided_at=day)
    inputs = RiskInputs(limits=RiskLimits(), marks={"AAPL": Decimal(125)})
    (verdict,) = desk.ledger.journal.intend(lease, decision, [order], inputs)
    assert verdict.accepted, verdict.text
    desk.ledger.journal.mark_sending(lease, [cl_ord_id], day)
    desk.ledger.leases.release(lease)
    return lease


def record(desk: Desk, lease: Lease, qty: int, px: str, when: datetime) -> None:
    """Let the order of that lease fill."""
    status = {"account": "paper", "cl_ord_id": lease.holder, "ord_status": OrdStatus.FILLED, "transact_time": when}
    desk.ledger.journal.record([a_trade(qty, px, f"e-{lease.holder}", **status)])


def test_the_day_counts_from_the_close_in_the_shares_of_the_day(desk: Desk):
    # 40 new shares at 499.23 / 4 = 124.8075; 10 sold at 126.8075 realize 20, and 30 at 125.8075 are 30 up.
    record(desk, intended(desk, "m-1", -10), -10, "126.8075", NOON)

    own = own_side(desk, MONDAY, NOON, None)

    marks = at_mid({"AAPL": 125.8075})
    (pnl,) = position_pnl(own, marks)
    assert own.held() == {"AAPL": Decimal(30)}
    assert (pnl.realized, pnl.open_pnl) == pytest.approx((20, 30))
    assert account_now(own, marks, NOON).pnl == pytest.approx(50)


def test_a_reader_that_has_seen_all_of_it_come_knows_what_one_knows_that_comes_later(desk: Desk):
    reader = OwnSideReader(desk, MONDAY, RULES)
    reader.read(BEFORE_OPEN)
    steps = [
        lambda: record(desk, intended(desk, "m-1", -10), -10, "126.80", NOON),
        lambda: desk.ledger.facts.record_cash([a_movement(100, account="paper", movement_id="m-2", value_time=NOON)]),
        lambda: intended(desk, "m-2", 1),
        lambda: record(desk, intended(desk, "m-3", 1), 1, "126.00", NOON),
    ]

    for step in steps:
        step()
        grown, afresh = reader.read(NOON), own_side(desk, MONDAY, NOON, RULES)

        assert grown == afresh


def test_before_the_open_too_all_is_told_in_the_shares_of_the_session(desk: Desk):
    # Otherwise 10 old shares at the new price would look like a loss of three quarters.
    own = own_side(desk, MONDAY, BEFORE_OPEN, None)

    now = account_now(own, marks_of(own, {}, None, BEFORE_OPEN), BEFORE_OPEN)

    assert own.held() == {"AAPL": Decimal(40)}
    assert (now.equity, now.loss_pct) == pytest.approx((9992.3, 0))


def test_an_order_is_waited_for_from_its_sending_and_a_position_is_stopped_once_its_stop_works(desk: Desk):
    terms = {"ord_type": OrdType.STOP, "stop_px": Decimal("114.83"), "purpose": OrderPurpose.PROTECT}
    reader = OwnSideReader(desk, MONDAY, RULES)
    intended(desk, "stop", -40, time_in_force=TimeInForce.GTC, **terms)

    sent = reader.read(NOON)
    new = a_report(ExecType.NEW, "n-1", account="paper", cl_ord_id="stop", side=Side.SELL, transact_time=NOON)
    desk.ledger.journal.record([new])
    works = reader.read(NOON)

    assert (ids(sent.watched_orders()), sent.sent_at, sent.stopped) == (["stop"], {"stop": OPEN}, {"AAPL": False})
    assert works.stopped == {"AAPL": True}


def test_what_a_person_holds_beside_the_books_ought_to_have_no_stop(desk: Desk):
    bought = {"account": "paper", "cl_ord_id": "by hand", "symbol": "IBM", "transact_time": NOON}
    desk.ledger.journal.record([a_trade(5, "120.00", "e-hand", **bought)])

    own = own_side(desk, MONDAY, NOON, RULES)

    assert own.held() == {"AAPL": Decimal(40), "IBM": Decimal(5)}
    assert own.stopped == {"AAPL": False}
