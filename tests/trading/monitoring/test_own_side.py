"""What the day made of what we hold, what the account was worth, and which positions have a stop."""

from datetime import date, timedelta
from decimal import Decimal
from math import isnan, nan

import numpy as np
import pytest

from tests.builders import SESSION, a_movement, a_trade, an_order, at, trades
from tests.own_builders import a_day, an_own_side, at_mid
from trading.broker import CashMovementType
from trading.market.instruments import Equity
from trading.monitoring.live_account import MarkSource, account_now, live_prices, marks_of, position_pnl
from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.own_side import stopped, worth_before
from trading.monitoring.session_curve import SessionCurve
from trading.orders.orders import Order, OrderPurpose, OrdStatus, OrdType, Side, TimeInForce
from trading.orders.protection import Distance, DistanceUnit, HeldBy, ProtectionRules
from trading.risk.equity_curve import Valuation, cash_flows

STOP = ProtectionRules(stop_loss=Distance(unit=DistanceUnit.PERCENT, value=Decimal(8)))
THURSDAY, WEDNESDAY = date(2024, 3, 14), date(2024, 3, 13)


def a_valuation(equity: int, session: date = THURSDAY) -> Valuation:
    return Valuation(session=session, at=at(405, session), equity=Decimal(equity))


def a_stop(qty: int = 100, **fields: object) -> Order:
    terms = {"side": Side.SELL, "ord_type": OrdType.STOP, "stop_px": Decimal("9.20"), "time_in_force": TimeInForce.GTC}
    given = {"order_qty": Decimal(qty), "purpose": OrderPurpose.PROTECT, "order_id": "b-1", "sent_count": 1}
    return an_order(**(terms | given | fields))


# -- the day


def test_what_was_held_counts_from_the_previous_close_and_what_was_bought_from_its_price():
    # 100 at 10 and 50 at 11.50 stand at 10.50. 60 sold at 12 realize 90; 90 at 13 are 225 up; commission 2.
    day = a_day(90, *trades((50, "11.50"), (-60, 12)), close=10)

    (pnl,) = position_pnl(an_own_side(positions={"AAPL": day}), at_mid({"AAPL": 13.0}))

    assert (pnl.realized, pnl.open_pnl, pnl.day_pnl, pnl.value) == (90, 225, 315, 1170)


def test_commission_is_paid_of_the_day():
    day = a_day(100, a_trade(100, 10, commission=Decimal("1.25")))

    (pnl,) = position_pnl(an_own_side(positions={"AAPL": day}), at_mid({"AAPL": 10.5}))

    assert pnl.day_pnl == 50 - 1.25


def test_a_short_earns_when_it_falls_and_when_it_is_bought_back_lower():
    # Short 100 from a close of 20: 40 bought back at 18 realize 80, 60 at 19 are 60 up.
    day = a_day(-60, *trades((40, 18)), close=20)

    (pnl,) = position_pnl(an_own_side(positions={"AAPL": day}), at_mid({"AAPL": 19.0}))

    assert (pnl.realized, pnl.open_pnl, pnl.day_pnl, pnl.value) == (80, 60, 140, -1140)


def test_a_position_that_is_turned_closes_at_one_price_and_opens_at_the_same():
    # 100 from a close of 10: 150 sold at 11 realize 100, and 50 short at 11 lose 25 at 11.50.
    day = a_day(-50, *trades((-150, 11)), close=10)

    (pnl,) = position_pnl(an_own_side(positions={"AAPL": day}), at_mid({"AAPL": 11.5}))

    assert (pnl.realized, pnl.open_pnl) == (100, -25)


def test_a_contract_counts_as_often_as_its_multiplier():
    # 2 contracts of 100 from 3.10: one sold at 3.50 realizes 40, one at 3.30 is 20 up.
    day = a_day(1, *trades((-1, "3.50")), close="3.10", multiplier=100)

    (pnl,) = position_pnl(an_own_side(positions={"AAPL": day}), at_mid({"AAPL": 3.3}))

    assert (pnl.realized, pnl.open_pnl, pnl.value) == pytest.approx((40, 20, 330))


def test_what_was_closed_today_needs_no_mark_and_what_was_opened_today_no_previous_close():
    own = an_own_side(positions={"AAPL": a_day(0, *trades((-10, 12)), close=10), "IBM": a_day(5, *trades((5, 100)))})

    closed, opened = position_pnl(own, at_mid({"IBM": 101.0}))

    assert (closed.day_pnl, closed.value, opened.day_pnl) == (20, 0, 5)


def test_without_its_previous_close_what_a_position_has_made_is_not_known():
    (pnl,) = position_pnl(an_own_side(positions={"AAPL": a_day(100)}), at_mid({"AAPL": 10.0}))

    assert isnan(pnl.day_pnl)
    assert isnan(pnl.realized)
    assert pnl.value == 1000


# -- the account


def test_loss_exposure_and_net_are_sums_over_long_and_short():
    # 1,000 cash, 100 at 12 and -50 at 10: worth 1,700, of 2,000 at the close; 1,700 gross, 700 net.
    own = an_own_side(cash=1000, before=2000, positions={"AAPL": a_day(100, close=11), "IBM": a_day(-50, close=10)})

    now = account_now(own, at_mid({"AAPL": 12.0, "IBM": 10.0}), at(60))

    assert (now.equity, now.pnl, now.gross, now.net) == (1700, -300, 1700, 700)
    assert (now.loss_pct, now.gross_pct) == (15, 100)
    assert now.problems == ()


def test_while_one_position_has_no_mark_nothing_of_the_account_is_known_and_it_is_named():
    own = an_own_side(cash=1000, before=2000, peak=2000, positions={"AAPL": a_day(100), "IBM": a_day(-50)})

    now = account_now(own, at_mid({"AAPL": 12.0}), at(60))

    assert all(map(isnan, (now.equity, now.pnl, now.loss_pct, now.drawdown_pct, now.gross, now.net, now.gross_pct)))
    assert now.problems == ("IBM is held and has no price, so equity is not known",)


def test_of_an_account_that_is_worth_nothing_no_position_is_a_share_but_its_loss_is_told():
    own = an_own_side(cash=-3000, before=2000, peak=2500, positions={"AAPL": a_day(100)})

    now = account_now(own, at_mid({"AAPL": 10.0}), at(60))

    assert (now.equity, now.loss_pct, now.drawdown_pct) == (-2000, 200, 100)
    assert isnan(now.gross_pct)
    assert now.problems == ("equity is -2,000.00, so no position is a share of it",)


@pytest.mark.parametrize("before", [None, 0])
def test_an_account_that_was_worth_nothing_before_has_no_loss_of_the_day(before: int | None):
    now = account_now(an_own_side(cash=100, before=before), {}, at(60))

    assert isnan(now.loss_pct)
    assert isnan(now.drawdown_pct)
    assert len(now.problems) == 1


def test_a_deposit_of_the_day_is_no_gain():
    flows = cash_flows([a_movement(500, value_time=at(30)), a_movement(7, CashMovementType.DIVIDEND, "m-2")])

    before = worth_before([a_valuation(2000)], flows, SESSION)

    now = account_now(an_own_side(cash=2475, before=before.close), {}, at(60))
    assert (now.pnl, now.loss_pct) == (-25, 1)


def test_the_peak_grows_by_what_is_paid_in_as_much_as_what_is_there():
    # Fallen from 100 to 80, then 20 paid in: of 100 a fall to 75 is 0.8 x 0.75 = 0.6, 40 % below the peak.
    flows = cash_flows([a_movement(20, value_time=at(30))])

    before = worth_before([a_valuation(100, WEDNESDAY), a_valuation(80)], flows, SESSION)

    assert before == (100, 125)
    assert account_now(an_own_side(cash=75, before=100, peak=125), {}, at(60)).drawdown_pct == pytest.approx(40)


def test_once_all_was_lost_a_deposit_makes_no_new_account_of_it():
    flows = cash_flows([a_movement(20, value_time=at(30))])

    before = worth_before([a_valuation(100, WEDNESDAY), a_valuation(0)], flows, SESSION)

    own = an_own_side(cash=20, before=before.close, peak=before.peak)
    assert account_now(own, {}, at(60)).drawdown_pct == 100


def test_the_session_itself_is_not_what_its_loss_is_measured_by():
    before = worth_before([a_valuation(100), a_valuation(90, SESSION)], (), SESSION)

    assert before == (100, 100)


# -- marks


def test_a_mark_is_the_mid_else_the_last_trade_else_the_last_close_and_says_how_old_it_is():
    own = an_own_side(
        positions={symbol: a_day(1) for symbol in ("MID", "LAST", "CLOSE", "NONE")},
        closes={"CLOSE": Decimal("7.5"), "MID": Decimal(9)},
    )
    told = {Metric.MID: [10.0, nan, nan], Metric.LAST: [11.0, 12.0, nan]}
    told |= {Metric.QUOTE_AGE_SECONDS: [0.5, 1.0, nan], Metric.TRADE_AGE_SECONDS: [3.0, 90.0, nan]}
    values = np.full((len(Metric), 3), np.nan)
    for metric, numbers in told.items():
        values[metric.row] = numbers

    marks = marks_of(own, {"MID": 0, "LAST": 1, "CLOSE": 2}, Metrics(at_us=0, values=values), at(60))

    assert marks == {
        "MID": (10.0, MarkSource.MID, 0.5),
        "LAST": (12.0, MarkSource.LAST, 90.0),
        "CLOSE": (7.5, MarkSource.CLOSE, 18.5 * 3600),
    }
    assert live_prices(marks) == {"MID": Decimal(10), "LAST": Decimal(12)}


# -- stops

AAPL = {"AAPL": Equity(symbol="AAPL", mic="XNYS")}


@pytest.mark.parametrize(
    ("what", "stop", "is_stopped"),
    [
        ("for all of it", a_stop(), True),
        ("for a part", a_stop(60), False),
        ("of the wrong side", a_stop(side=Side.BUY), False),
        ("that was never answered", a_stop(ord_status=OrdStatus.PENDING_NEW, order_id=None), False),
        ("of which nothing is known", a_stop(ord_status=OrdStatus.UNKNOWN), False),
        ("that was canceled", a_stop(ord_status=OrdStatus.CANCELED), False),
        ("a profit", a_stop(ord_type=OrdType.LIMIT, stop_px=None, price=Decimal(12)), False),
    ],
)
def test_a_position_is_stopped_by_an_order_that_works_and_closes_all_of_it(what: str, stop: Order, is_stopped: bool):
    assert stopped({"AAPL": Decimal("100.4")}, STOP, [stop], AAPL) == {"AAPL": is_stopped}, what


@pytest.mark.parametrize(
    "rules", [None, ProtectionRules(), ProtectionRules(stop_loss=STOP.stop_loss, held_by=HeldBy.DESK)]
)
def test_where_no_stop_is_asked_for_at_the_broker_none_is_missed(rules: ProtectionRules | None):
    assert stopped({"AAPL": Decimal(100)}, rules, [], AAPL) == {}


def test_less_than_a_lot_cannot_have_a_stop():
    assert stopped({"AAPL": Decimal("0.4")}, STOP, [], AAPL) == {}


# -- the curve


def test_the_curve_has_a_point_a_minute():
    own, curve = an_own_side(cash=100, before=90), SessionCurve()

    for seconds in (0, 1, 59, 60, 61, 30):
        curve = curve.appended(account_now(own, {}, at(0) + timedelta(seconds=seconds)))

    assert [point.at for point in curve.points] == [at(0), at(1)]
    assert [point.pnl for point in curve.points] == [10, 10]
