"""Margin as the broker told it: which orders it is asked of, and what of the answer counts at the gate."""

from dataclasses import replace

import pytest

from tests.trading.risk.gate_accounts import D, a_state, an_order, codes, decision_on, limits
from trading.orders.orders import Order, OrdStatus
from trading.risk.margin_previews import count_margin, orders_to_preview
from trading.risk.trading_facts import BrokerMargin


def working(qty: int, **terms) -> Order:
    return Order(new_order=an_order(qty, name="w", **terms), ord_status=OrdStatus.NEW)


def test_only_orders_that_could_do_more_than_close_are_previewed():
    orders = [
        an_order(-60, name="closes"),  # of 100 held, 20 of them sold already
        an_order(-30, name="goes short"),
        an_order(10, name="adds"),
        an_order(50, symbol="B", name="opens"),
    ]

    adding = orders_to_preview(orders, a_state({"A": 100}, working=[working(-20)]))

    assert [o.cl_ord_id for o in adding] == ["goes short", "adds", "opens"]


def test_what_works_counts_by_the_rate_on_top_of_what_is_told():
    """The worked example of `count_margin`."""
    state, told = a_state({"A": 100}, working=[working(50)]), BrokerMargin(initial=D(300))

    assert count_margin(told, state, limits(margin_rate_pct="50")).initial == D(550)


def test_an_order_that_would_free_margin_frees_none_before_it_is_filled():
    told = BrokerMargin(initial=D(2000), changes={"frees": D(-500), "binds": D(1001)})
    margin = count_margin(told, a_state(), limits())

    orders = [an_order(name="frees"), an_order(name="binds")]

    assert codes(orders, a_state(margin=margin), limits(max_margin_pct="30")) == [None, "MAX_MARGIN"]


@pytest.mark.parametrize(
    ("rate", "told", "code", "value", "before"),
    [
        ("10", "3001.00", "MAX_MARGIN", "50.01 % of equity", "20.00 % of equity"),  # by the rate 1,000 more would pass
        ("100", "3000.00", None, "", ""),  # by the rate 10,000 more would not
    ],
)
def test_the_broker_goes_before_the_rate_both_ways(rate, told, code, value, before):
    margin = BrokerMargin(initial=D(2000), changes={"o": D(told)})
    limit = limits(max_margin_pct="50", margin_rate_pct=rate)

    by_broker = decision_on(an_order(1000), a_state(margin=margin), limit)
    by_rate = decision_on(an_order(1000), a_state(margin=replace(margin, changes={})), limit)

    assert (by_broker.code, by_broker.value, by_broker.before) == (code, value, before)
    assert by_rate.accepted is (code is not None)
