"""Each limit that may be set besides the usual ones: exactly at it passes, one step over is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.trading.risk.gate_accounts import MARKS, OPTIONS, D, a_state, an_order, codes, decision_on, limits, working
from trading.market.instruments import Equity, FxPair
from trading.orders.order_types import OrderLeg, combo_symbol
from trading.orders.orders import OrderPurpose, Side
from trading.risk.gate import check_orders
from trading.risk.limits import RefusalCode
from trading.risk.measure_limits import MeasureBreach
from trading.risk.risk_decisions import RiskOutcome
from trading.risk.scoped_limits import ScopedLimits, Sector
from trading.risk.trading_facts import BrokerMargin, QuoteFact, TradingFacts

DECIDED = an_order().transact_time
SHARE = Equity(symbol="A", mic="XNYS")


def facts(**of_a) -> dict[str, TradingFacts]:
    return {"A": TradingFacts(**of_a)}


def quote(bid: str, ask: str, seconds_old: int = 0) -> dict[str, TradingFacts]:
    at = DECIDED - timedelta(seconds=seconds_old)
    return facts(quote=QuoteFact(bid=D(bid), ask=D(ask), quoted_at=at))


def scoped(scope: str, subject: str, **values):
    sectors = (Sector(name="Energy", symbols=("A", "B")),)
    return limits(sectors=sectors, scopes=(ScopedLimits(scope=scope, subject=subject, **values),))


@pytest.mark.parametrize(
    ("code", "limit", "at", "over", "state"),
    [
        ("MAX_ORDER_QTY", limits(max_order_qty="100"), an_order(100), an_order(101), a_state()),
        ("MAX_ORDER_QTY", limits(max_order_qty="100"), an_order(-100), an_order(-101), a_state({"A": 999})),
        ("MAX_POSITION_QTY", limits(max_position_qty="100"), an_order(40), an_order(41), a_state({"A": 60})),
        ("MAX_POSITION_QTY", limits(max_position_qty="100"), an_order(-160), an_order(-161), a_state({"A": 60})),
        # 10,000 of equity: 5,000 long net of 3,000 short in B may become 8,000 long less 3,000 short.
        ("MAX_NET_LEVERAGE", limits(max_net_leverage="0.5"), an_order(800), an_order(801), a_state({"B": -300})),
        ("MAX_NET_LEVERAGE", limits(max_net_leverage="0.5"), an_order(-700), an_order(-701), a_state({"B": 200})),
        # 5 % of 2,000: 40 were ordered in the session already.
        (
            "MAX_PARTICIPATION",
            limits(max_participation_pct="5"),
            an_order(60),
            an_order(61),
            a_state(today=[an_order(-40, name="earlier")], facts=facts(average_volume=D(2000))),
        ),
        (
            "MAX_TURNOVER_PER_DAY",
            limits(max_turnover_per_day_pct="10"),
            an_order(30),
            an_order(31),
            a_state(notional_today=D(700)),
        ),
        # 1,000 that move 2 % a day move 20, which is 0.2 % of 10,000.
        (
            "MAX_ORDER_VOLATILITY",
            limits(max_order_volatility_pct="0.2"),
            an_order(100),
            an_order(101),
            a_state(facts=facts(volatility_pct=D(2))),
        ),
        # 1,000 of B count beside A, and 9,000 of C do not.
        (
            "MAX_CLUSTER_PCT",
            limits(max_cluster_pct="30"),
            an_order(200),
            an_order(201),
            a_state({"B": -100, "C": 900}, facts=facts(correlated=frozenset({"B", "X"}))),
        ),
        # Half of 6,000 long is 3,000 of margin, 30 % of equity.
        ("MAX_MARGIN", limits(max_margin_pct="30"), an_order(400), an_order(401), a_state({"B": 200})),
        (
            "SHORT_SALE",
            limits(short_sales_allowed=False),
            an_order(-60),
            an_order(-61),
            a_state({"A": 100}, working=working(an_order(-40, name="w"))),
        ),
        (
            "SCOPE_MAX_ORDER_NOTIONAL",
            scoped("strategy", "main", max_order_notional=D(1000)),
            an_order(100),
            an_order(101),
            a_state(),
        ),
        (
            "SCOPE_MAX_NOTIONAL",
            scoped("instrument", "A", max_notional=D(1000)),
            an_order(60),
            an_order(61),
            a_state({"A": 40}),
        ),
        (
            "SCOPE_MAX_NOTIONAL",
            scoped("sector", "Energy", max_notional=D(1000)),
            an_order(60),
            an_order(61),
            a_state({"B": -40, "C": 900}),
        ),
        ("SCOPE_MAX_PCT", scoped("sector", "Energy", max_pct=D(10)), an_order(60), an_order(61), a_state({"B": 40})),
        (
            "SCOPE_MAX_NOTIONAL",
            scoped("asset_class", "CS", max_notional=D(1000)),
            an_order(60),
            an_order(61),
            # What B is nobody knows, so it counts; the call is an option.
            a_state({"B": 40, "CALL": 9}, marks=MARKS, facts=facts(instrument=SHARE) | OPTIONS),
        ),
        (
            "SCOPE_MAX_NOTIONAL",
            scoped("strategy", "main", max_notional=D(1000)),
            an_order(60),
            an_order(61),
            # The account is flat in A: the other book is short what this one is long.
            a_state({"A": 0}, books={"main": {"A": D(40)}}),
        ),
    ],
)
def test_an_order_exactly_at_a_limit_passes_and_one_step_over_is_refused(code, limit, at, over, state):
    assert decision_on(at, state, limit).accepted
    assert decision_on(over, state, limit).code == RefusalCode(code)


@pytest.mark.parametrize(
    ("code", "limit", "passes", "refused"),
    [
        # (10.05 - 9.95) / 10.00 is 1 %.
        ("MAX_SPREAD", limits(max_spread_pct="1"), quote("9.95", "10.05"), quote("9.94", "10.05")),
        ("MAX_QUOTE_AGE", limits(max_quote_age_seconds=60), quote("10", "10", 60), quote("10", "10", 61)),
        ("NO_QUOTE", limits(max_quote_age_seconds=60), quote("10", "10"), {}),
        ("NO_QUOTE", limits(max_spread_pct="1"), quote("10", "10"), quote("10.01", "10")),
        (
            "NO_QUOTE",
            limits(max_spread_pct="1"),
            quote("10", "10"),
            facts(quote=QuoteFact(bid=D(10), ask=None, quoted_at=DECIDED)),
        ),
        ("NO_FACTS", limits(max_participation_pct="99"), facts(average_volume=D(10**6)), {}),
        ("NO_FACTS", limits(max_order_volatility_pct="99"), facts(volatility_pct=D(1)), {}),
        ("NO_FACTS", limits(max_cluster_pct="99"), facts(correlated=frozenset()), {}),
    ],
)
def test_a_limit_that_needs_a_fact_refuses_without_it(code, limit, passes, refused):
    assert decision_on(an_order(), a_state(facts=passes), limit).accepted
    assert decision_on(an_order(), a_state(facts=refused), limit).code == RefusalCode(code)


def test_the_last_order_of_a_minute_and_of_a_scope_passes_and_the_next_is_refused():
    orders = [an_order(name="one"), an_order(name="two")]
    minute, energy = limits(max_orders_per_minute=10), scoped("sector", "Energy", max_orders_per_day=2)

    assert codes(orders, a_state(orders_last_minute=8), minute) == [None, None]
    assert codes(orders, a_state(orders_last_minute=9), minute) == [None, "MAX_ORDERS_PER_MINUTE"]
    assert codes(orders, a_state(), energy) == [None, None]
    assert codes(orders, a_state(today=[an_order(symbol="B")]), energy) == [None, "SCOPE_MAX_ORDERS_PER_DAY"]
    assert codes(orders, a_state(today=[an_order(symbol="C")]), energy) == [None, None]


def test_a_broker_that_says_what_an_order_binds_is_believed():
    margin = BrokerMargin(initial=D(2000), changes={"o": D(1000)})

    assert decision_on(an_order(999), a_state(margin=margin), limits(max_margin_pct="30")).accepted
    assert decision_on(an_order(1), a_state(margin=margin), limits(max_margin_pct="29.9")).code == "MAX_MARGIN"


def test_what_turns_a_position_round_counts_with_all_of_its_way_for_net_leverage():
    state = a_state({"A": 100})  # 1,000 long of 10,000

    assert decision_on(an_order(-150), state, limits(max_net_leverage="0.05")).accepted  # 500 short
    assert decision_on(an_order(-151), state, limits(max_net_leverage="0.05")).code == "MAX_NET_LEVERAGE"


def test_half_an_order_binds_half_of_what_the_broker_says_of_the_whole():
    margin = BrokerMargin(initial=D(2000), changes={"o": D(2000)})  # 20 each, of 10,000 of equity

    decision = decision_on(an_order(100), a_state(margin=margin), limits(max_margin_pct="30", reduce_to_fit=True))

    assert (decision.code, decision.granted_qty) == ("MAX_MARGIN", 50)


@pytest.mark.parametrize(("volatility", "code"), [(D(40), None), (D("40.01"), "MARKET_VOLATILITY"), (None, "NO_FACTS")])
def test_in_a_wild_market_positions_are_only_closed(volatility, code):
    state, limit = a_state({"B": 10}, market_volatility_pct=volatility), limits(max_market_volatility_pct="40")

    assert decision_on(an_order(), state, limit).code == code
    assert decision_on(an_order(-10, symbol="B"), state, limit).accepted


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("CLOSE_ONLY", limits(close_only=True)),
        ("SCOPE_CLOSE_ONLY", scoped("instrument", "A", close_only=True)),
        ("SCOPE_CLOSE_ONLY", scoped("strategy", "main", close_only=True)),
    ],
)
def test_close_only_lets_out_and_nobody_in(code, limit):
    state = a_state({"A": 100}, books={"main": {"A": D(100)}})

    assert codes([an_order(-100), an_order(-1)], state, limit) == [None, code]
    assert decision_on(an_order(1), state, limit).code == RefusalCode(code)


def test_a_blocked_scope_is_neither_bought_nor_sold():
    state, limit = a_state({"A": 100}), scoped("sector", "Energy", blocked=True)

    assert codes([an_order(-1), an_order(1, symbol="B"), an_order(1, symbol="C")], state, limit) == [
        "SCOPE_BLOCKED",
        "SCOPE_BLOCKED",
        None,
    ]


def test_orders_are_sent_by_the_close_and_filled_in_the_session():
    close = datetime(2024, 4, 1, 20, tzinfo=UTC)
    limit = limits(trading_hours_only=True)

    assert decision_on(an_order(), a_state(closes_at=close), limit).accepted
    early = a_state(closes_at=close - timedelta(hours=3))  # a half day
    assert decision_on(an_order(), early, limit).code == "OUTSIDE_HOURS"
    extended = replace(an_order(), outside_regular_hours=True)
    assert decision_on(extended, a_state(closes_at=close), limit).code == "OUTSIDE_HOURS"
    assert decision_on(an_order(), a_state(), limit).code == "NO_FACTS"


# --- reduced orders


def test_an_order_that_is_too_large_is_cut_to_what_fits_where_the_account_wants_that():
    tight = limits(max_position_notional="1000", reduce_to_fit=True)

    first, second, third = check_orders([an_order(150), an_order(1), an_order(-1)], a_state({"A": 15}), tight)

    assert (first.accepted, first.outcome, first.asked_qty, first.granted_qty) == (True, RiskOutcome.REDUCED, 150, 85)
    assert (first.code, first.limit, first.before, first.value) == (
        "MAX_POSITION_NOTIONAL",
        "1,000.00 USD",
        "150.00 USD",
        "1,650.00 USD",
    )
    assert (second.outcome, second.granted_qty) == (RiskOutcome.REFUSED, 0)
    assert third.outcome is RiskOutcome.ACCEPTED


def test_an_order_is_cut_to_whole_lots_and_never_below_one():
    lots = facts(instrument=FxPair(symbol="A", mic="XNYS", base_currency="EUR", lot_size=D(40)))

    def granted(most: str):
        tight = limits(max_position_notional=most, reduce_to_fit=True)
        return decision_on(an_order(120), a_state(facts=lots), tight).granted_qty

    assert [granted("1200"), granted("1199"), granted("400"), granted("399")] == [120, 80, 40, 0]


def test_an_order_that_only_closes_or_has_legs_is_never_cut():
    tight = limits(max_order_notional="500", max_position_notional="500", reduce_to_fit=True)

    assert decision_on(an_order(-100), a_state({"A": 100}), tight).outcome is RiskOutcome.REFUSED
    # Selling 120 of 100 held: what closes stays whole, so nothing fits.
    assert decision_on(an_order(-120), a_state({"A": 100}), tight).outcome is RiskOutcome.REFUSED
    legs = (OrderLeg(symbol="A", ratio=1, side=Side.BUY), OrderLeg(symbol="B", ratio=2, side=Side.SELL))
    in_legs = replace(an_order(100), symbol=combo_symbol(legs), legs=legs)
    assert decision_on(in_legs, a_state(), tight).outcome is RiskOutcome.REFUSED


def test_an_order_that_turns_a_position_is_cut_to_what_closes_it():
    flat = limits(short_sales_allowed=False, reduce_to_fit=True)

    decision = decision_on(an_order(-150), a_state({"A": 100}), flat)

    assert (decision.granted_qty, decision.code, decision.told()) == (
        100,
        "SHORT_SALE",
        "reduced from 150 to 100: SHORT_SALE",
    )


# --- measures of the portfolio


class OneMeasure:
    """A measure that is the sum of values, as a portfolio's may be."""

    def __init__(self, total: float = 0.0) -> None:
        self.total = total

    def copy(self):
        return OneMeasure(self.total)

    def reserve(self, symbol: str, signed_value: float) -> None:
        self.total += signed_value

    def breach(self, symbol: str, signed_value: float):
        if self.total + signed_value <= 1000:
            return None
        text = f"{symbol} too much"
        return MeasureBreach(
            code=RefusalCode.MAX_VAR, symbol=symbol, limit="10 %", before="9 %", after="11 %", text=text
        )


def test_a_measure_beyond_its_limit_refuses_what_adds_and_knows_what_was_accepted():
    measure = OneMeasure()
    orders = [an_order(60, name="1"), an_order(41, name="2"), an_order(40, symbol="B", name="3")]

    first, second, third = check_orders(orders, a_state(portfolio=measure), limits())

    assert (first.code, second.code, third.code) == (None, RefusalCode.MAX_VAR, None)
    assert (second.limit, second.before, second.value, second.text) == ("10 %", "9 %", "11 %", "A too much")
    assert measure.total == 0  # it belongs to who gave it
    assert decision_on(an_order(-10), a_state({"A": 10}, portfolio=OneMeasure(10**6)), limits()).accepted


# --- orders to flatten and to protect


def purposed(qty: int, purpose: OrderPurpose, **fields):
    return replace(an_order(qty), purpose=purpose, **fields)


@pytest.mark.parametrize(
    "hindrance",
    [
        {"halted": "a person stopped it"},
        {"blocked": {"A": "stale"}},
        {"orders_today": 10**9},
        {"notional_today": D(10**12)},
        {"marks": {}},
        {"equity": D(-1)},
        {"day_trades_before": 9, "traded_today": frozenset({("x", "A", Side.BUY)})},
    ],
)
def test_nothing_keeps_a_position_from_being_flattened(hindrance):
    tight = limits(
        max_order_notional="1",
        blocked_symbols=("A",),
        close_only=True,
        max_day_trades=0,
        max_participation_pct="1",
        max_spread_pct="1",
        trading_hours_only=True,
        max_order_qty="1",
        max_orders_per_minute=1,
    )
    state = a_state({"A": 100}, **hindrance)

    decisions = check_orders([purposed(-60, OrderPurpose.FLATTEN), purposed(-40, OrderPurpose.FLATTEN)], state, tight)

    assert [d.code for d in decisions] == [None, None]


@pytest.mark.parametrize("purpose", [OrderPurpose.FLATTEN, OrderPurpose.PROTECT])
def test_an_order_to_flatten_or_protect_does_nothing_but_close_what_no_working_order_closes(purpose):
    state = a_state({"A": 100}, working=working(an_order(-40, name="w")))
    code = f"{purpose.name}_ONLY_CLOSES"

    assert decision_on(purposed(-60, purpose), state, limits()).accepted
    assert decision_on(purposed(-61, purpose), state, limits()).code == code
    assert decision_on(purposed(1, purpose), state, limits()).code == code
    assert decision_on(purposed(-1, purpose), a_state(marks={}), limits()).code == code


def test_a_protective_order_passes_what_every_order_passes():
    assert decision_on(purposed(-1, OrderPurpose.PROTECT), a_state({"A": 1}, halted="stop"), limits()).code == "HALTED"
