"""Day trades: what is bought and sold on one day."""

from datetime import UTC, date, datetime

import pytest

from tests.builders import a_trade
from tests.trading.risk.gate_accounts import a_state, an_order, decision_on, limits, working
from trading.market.calendars import TradingCalendar
from trading.orders.orders import Side
from trading.risk.day_trades import count_day_trades, trades_by_day

FRIDAY = date(2024, 3, 15)
BUY, SELL = Side.BUY, Side.SELL
NEW_YORK, SYDNEY = TradingCalendar("XNYS"), TradingCalendar("XASX")


@pytest.mark.parametrize(
    ("trades", "count"),
    [
        ([], 0),
        ([("A", BUY), ("B", SELL)], 0),
        ([("A", BUY), ("A", SELL)], 1),
        ([("A", SELL), ("A", BUY)], 1),  # sold short and bought back
        ([("A", BUY), ("A", SELL), ("A", SELL)], 1),  # one position, closed in two orders
        ([("A", BUY), ("A", BUY), ("A", SELL), ("A", SELL)], 2),
        ([(s, side) for s in ("A", "B") for side in Side], 2),
    ],
)
def test_the_side_with_fewer_orders_counts(trades, count):
    orders = [(f"t-{i}", symbol, side) for i, (symbol, side) in enumerate(trades)]

    assert count_day_trades(orders) == count


@pytest.mark.parametrize(
    ("calendar", "bought_at", "day"),
    [
        (NEW_YORK, datetime(2024, 3, 15, 0, 30, tzinfo=UTC), date(2024, 3, 14)),  # 20:30 on Thursday in New York
        (SYDNEY, datetime(2024, 3, 14, 23, 30, tzinfo=UTC), FRIDAY),  # half past ten on Friday in Sydney
        (None, datetime(2024, 3, 14, 23, 30, tzinfo=UTC), date(2024, 3, 14)),
    ],
)
def test_a_trade_is_of_the_day_at_its_exchange(calendar, bought_at, day):
    bought = a_trade(10, 10, cl_ord_id="b", transact_time=bought_at)

    assert trades_by_day([bought], FRIDAY, calendar) == {day: {("b", "AAPL", BUY)}}


def test_an_order_counts_once_a_day_in_five_sessions_whatever_holidays_there_are():
    # Monday, 27 May 2024, was Memorial Day: the five sessions to Friday begin on the Friday before.
    times = [datetime(2024, 5, day, 14, minute, tzinfo=UTC) for day in (23, 24, 31) for minute in (0, 1)]
    trades = [a_trade(10, 10, f"e-{at}", cl_ord_id="b", transact_time=at) for at in times]

    counted = trades_by_day(trades, date(2024, 5, 31), NEW_YORK)

    assert counted == {date(2024, 5, day): {("b", "AAPL", BUY)} for day in (24, 31)}


def test_what_was_bought_today_may_not_be_sold_today_once_too_often():
    limit = limits(max_day_trades=3)
    bought = frozenset({("earlier", "A", Side.BUY)})

    assert decision_on(an_order(-10), a_state({"A": 10}, day_trades_before=2, traded_today=bought), limit).accepted
    over = decision_on(an_order(-10), a_state({"A": 10}, day_trades_before=3, traded_today=bought), limit)
    assert (over.code, over.value, over.before) == ("MAX_DAY_TRADES", "4 day trades", "3 day trades")
    # Held overnight: it may always be sold.
    assert decision_on(an_order(-10), a_state({"A": 10}, day_trades_before=3), limit).accepted


def test_a_working_order_of_the_other_side_may_make_a_day_trade():
    state = a_state({"A": 10}, working=working(an_order(5, name="w")), day_trades_before=3)

    assert decision_on(an_order(-5), state, limits(max_day_trades=3)).code == "MAX_DAY_TRADES"
    # Several orders on one side close what one order opened: one day trade.
    both = a_state(working=working(an_order(5, name="w"), an_order(-5, name="v")), day_trades_before=2)
    assert decision_on(an_order(-5), both, limits(max_day_trades=3)).accepted
