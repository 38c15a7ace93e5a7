"""The limits that need the ledger to remember: what was granted, how fast, how much, by which book."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.sql.risk_states import Asked
from tests.adapters.sql.sql_desk import a_decision
from tests.builders import ACCOUNT, CLOSE, DECIDED, SESSION, a_new_order, a_report, a_trade, at
from trading.market.calendars import TradingCalendar
from trading.market.instruments import Future
from trading.orders.executions import ExecType
from trading.orders.orders import OrderPurpose, OrdStatus, OrdType, Side
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RefusalCode, RiskLimits
from trading.risk.risk_decisions import RiskOutcome
from trading.risk.scoped_limits import LimitScope, ScopedLimits
from trading.risk.trading_facts import TradingFacts

D = Decimal


def test_a_reduced_order_is_recorded_with_what_was_granted_and_what_was_asked(ledger):
    lease = ledger.lease()

    (verdict,) = ledger.intend(lease, a_new_order(), max_position_notional=D(600), reduce_to_fit=True)

    order = ledger.journal.order("t-1")
    assert (order.new_order.order_qty, order.leaves_qty) == (60, 60)
    assert (verdict.outcome, verdict.asked_qty, verdict.granted_qty) == (RiskOutcome.REDUCED, 100, 60)
    assert (verdict.limit, verdict.before, verdict.value) == ("600.00 USD", "0.00 USD", "1,000.00 USD")
    assert ledger.journal.risk_decisions("DU100:2024-03-15:main") == (verdict,)


def test_a_change_is_never_cut_but_refused(ledger):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order())
    ledger.journal.record([replace(a_trade(1, 10), symbol="AAPL")])
    request = ledger.journal.order("t-1").replace_request(1, DECIDED, order_qty=D(200))
    limits = RiskLimits(max_position_notional=D(1500), reduce_to_fit=True)

    verdict = ledger.journal.intend_replace(lease, request, RiskInputs(limits=limits, marks={"AAPL": D(10)}))

    assert (verdict.accepted, verdict.code, verdict.granted_qty) == (False, RefusalCode.MAX_POSITION_NOTIONAL, 0)


def test_changes_of_orders_count_for_the_day_like_orders(ledger):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(price=D(10), ord_type=OrdType.LIMIT))
    ledger.journal.record([a_report(ExecType.NEW)])
    inputs = RiskInputs(limits=RiskLimits(max_orders_per_day=2), marks={"AAPL": D(10)}, currency="EUR")
    request = ledger.journal.order("t-1").replace_request(1, DECIDED, price=D("10.1"))
    assert ledger.journal.intend_replace(lease, request, inputs).accepted

    order = a_new_order(cl_ord_id="t-2", book="second")
    (verdict,) = ledger.journal.intend(lease, a_decision(book="second"), [order], inputs)

    assert (verdict.code, verdict.before) == (RefusalCode.MAX_ORDERS_PER_DAY, "2 orders")


def test_a_contract_counts_by_its_multiplier_in_the_session_total(ledger):
    future = Future(symbol="AAPL", mic="XNAS", maturity_date=SESSION, multiplier=D(50))
    limits = RiskLimits(max_notional_per_day=D(700))  # one of 500 has its place, two have not
    inputs = RiskInputs(limits=limits, marks={"AAPL": D(10)}, facts={"AAPL": TradingFacts(instrument=future)})
    lease = ledger.lease()

    def buy_one(book: str):
        order = a_new_order(cl_ord_id=book, book=book, order_qty=D(1))
        return ledger.journal.intend(lease, a_decision(book=book), [order], inputs)[0]

    assert buy_one("main").accepted
    assert buy_one("second").before == "500.00 USD"


def test_amounts_are_told_in_the_currency_of_the_account(ledger):
    inputs = RiskInputs(limits=RiskLimits(max_order_notional=D(999)), marks={"AAPL": D(10)}, currency="EUR")

    (verdict,) = ledger.journal.intend(ledger.lease(), a_decision(), [a_new_order()], inputs)

    assert (verdict.limit, verdict.value) == ("999.00 EUR", "1,000.00 EUR")


def test_the_account_can_be_looked_at_as_the_gate_would_see_it(ledger):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order())
    ledger.journal.record([a_trade(40, 10)])
    stop = a_new_order(cl_ord_id="p", side=Side.SELL, order_qty=D(40), purpose=OrderPurpose.PROTECT)
    assert ledger.intend(lease, stop, decision=a_decision(book="protect main 1"))[0].accepted
    inputs = RiskInputs(limits=RiskLimits(), marks={"AAPL": D(10)})
    asked = Asked(account=ACCOUNT, session=SESSION, as_of=CLOSE, now=CLOSE, equity=D(1), cash=D(1))

    state = ledger.journal.risk_state(asked, inputs)

    assert (state.held, state.orders_today, state.notional_today) == ({"AAPL": 40}, 1, 1000)
    assert [o.leaves_qty for o in state.working] == [60, 40]


def test_orders_of_the_last_minute_count_and_older_ones_do_not(ledger):
    lease = ledger.lease()

    def decide(book: str, seconds: int):
        now = DECIDED + timedelta(seconds=seconds)
        order = a_new_order(cl_ord_id=book, book=book, transact_time=now)
        decision = a_decision(book=book, decided_at=now)
        return ledger.intend(lease, order, decision=decision, max_orders_per_minute=1)[0].code

    assert [decide("a", 0), decide("b", 59), decide("c", 60)] == [None, "MAX_ORDERS_PER_MINUTE", None]


def test_what_another_book_ordered_in_the_session_counts_against_the_volume(ledger):
    lease, facts = ledger.lease(), {"AAPL": TradingFacts(average_volume=D(3000))}
    inputs = RiskInputs(limits=RiskLimits(max_participation_pct=D(5)), marks={"AAPL": D(10)}, facts=facts)

    ledger.journal.intend(lease, a_decision(), [a_new_order()], inputs)
    orders = [a_new_order(cl_ord_id=f"t-{qty}", book="b", order_qty=D(qty)) for qty in (51, 50)]
    verdicts = ledger.journal.intend(lease, a_decision(book="b"), orders, inputs)

    assert [v.code for v in verdicts] == [RefusalCode.MAX_PARTICIPATION, None]


def test_day_trades_are_counted_from_executions_of_five_sessions(ledger):
    lease = ledger.lease()
    for days_ago in (0, 1, 4, 5):  # the first of the five sessions is Monday, 2024-03-11
        day = SESSION - timedelta(days=days_ago)
        trades = [a_trade(10, 10, f"b{days_ago}", cl_ord_id=f"b{days_ago}", transact_time=at(1, day))]
        if days_ago:
            trades.append(a_trade(-10, 10, f"s{days_ago}", cl_ord_id=f"s{days_ago}", transact_time=at(2, day)))
        ledger.journal.record(trades)

    def sell(book: str, most: int):
        order = a_new_order(cl_ord_id=book, book=book, side=Side.SELL, order_qty=D(1))
        limits = RiskLimits(max_day_trades=most)
        inputs = RiskInputs(limits=limits, marks={"AAPL": D(10)}, calendar=TradingCalendar("XNYS"))
        return ledger.journal.intend(lease, a_decision(book=book), [order], inputs)[0]

    refused = sell("a", 2)  # bought today: selling it is the third
    assert (refused.code, refused.before) == (RefusalCode.MAX_DAY_TRADES, "2 day trades")
    assert sell("b", 3).accepted


def test_what_was_bought_before_midnight_in_london_is_of_the_session_in_sydney(ledger):
    lease = ledger.lease()
    bought_at = datetime(2024, 3, 14, 23, 30, tzinfo=UTC)  # half past ten on Friday, the 15th
    ledger.journal.record([a_trade(10, 10, cl_ord_id="b", transact_time=bought_at)])
    order = a_new_order(side=Side.SELL, order_qty=D(1))
    inputs = RiskInputs(limits=RiskLimits(max_day_trades=0), marks={"AAPL": D(10)}, calendar=TradingCalendar("XASX"))

    (verdict,) = ledger.journal.intend(lease, a_decision(), [order], inputs)

    assert verdict.code is RefusalCode.MAX_DAY_TRADES


def test_a_book_has_limits_of_its_own_and_closes_what_is_its_own(ledger):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(order_qty=D(50)))
    ledger.journal.record([a_trade(50, 10, ord_status=OrdStatus.FILLED)])
    scope = ScopedLimits(scope=LimitScope.STRATEGY, subject="main", max_notional=D(600))

    def more(book: str, qty: int, name: str):
        order = a_new_order(cl_ord_id=name, book=book, order_qty=D(abs(qty)), side=Side.BUY if qty > 0 else Side.SELL)
        decision = a_decision(book=book, session=SESSION, decision_id=name) if book != "main" else None
        decision = decision or a_decision(session=SESSION + timedelta(days=1), decision_id=name)
        return ledger.intend(lease, order, decision=decision, scopes=(scope,))[0].code

    assert more("main", 11, "over") == RefusalCode.SCOPE_MAX_NOTIONAL
    assert more("second", 99, "another") is None


def test_an_order_to_flatten_is_limited_to_what_is_held_net_of_what_works(ledger):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order())
    ledger.journal.record([a_trade(100, 10, ord_status=OrdStatus.FILLED)])

    def flatten(number: int, qty: int):
        order = a_new_order(cl_ord_id=f"f-{number}", side=Side.SELL, order_qty=D(qty), purpose=OrderPurpose.FLATTEN)
        decision = a_decision(book=f"flatten {number}")
        return ledger.intend(lease, order, decision=decision, blocked_symbols=("AAPL",), max_orders_per_day=1)[0].code

    assert [flatten(1, 101), flatten(2, 60), flatten(3, 60), flatten(4, 40)] == [
        RefusalCode.FLATTEN_ONLY_CLOSES,
        None,
        RefusalCode.FLATTEN_ONLY_CLOSES,
        None,
    ]
