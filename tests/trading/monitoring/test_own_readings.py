"""The numbers of our own side that rules are held against."""

from datetime import timedelta
from decimal import Decimal
from math import isnan, nan

import pytest

from tests.builders import an_order, at
from tests.own_builders import a_day, an_own_side, at_mid
from trading.monitoring.own_readings import (
    Readings,
    arrived,
    distance_pct,
    own_readings,
    slippage_pct,
    unacknowledged_seconds,
)
from trading.monitoring.rule_book import RuleBook
from trading.monitoring.watch_rules import OwnMetric, Subjects, default_rules, subjects_of
from trading.orders.orders import Order, OrderPurpose, OrdStatus, OrdType, Side

NOON_US = int(at(60).timestamp()) * 1_000_000


def a_sent(ord_status: OrdStatus = OrdStatus.NEW, **fields: object) -> Order:
    order_id = None if ord_status in (OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN) else "b-1"
    return an_order(ord_status=ord_status, **({"sent_count": 1, "order_id": order_id} | fields))


# -- acknowledged


@pytest.mark.parametrize("ord_status", [OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN])
def test_until_the_broker_answers_the_time_since_the_sending_counts(ord_status: OrdStatus):
    assert unacknowledged_seconds(a_sent(ord_status), at(59.75), at(60)) == 15


@pytest.mark.parametrize("ord_status", [OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.FILLED])
def test_once_it_has_answered_nothing_is_waited_for(ord_status: OrdStatus):
    assert unacknowledged_seconds(a_sent(ord_status), at(0), at(60)) == 0


def test_of_an_order_whose_sending_was_not_read_yet_nothing_is_known():
    assert isnan(unacknowledged_seconds(a_sent(OrdStatus.PENDING_NEW), None, at(60)))


# -- slippage


@pytest.mark.parametrize(
    ("side", "avg_px", "slippage"),
    [(Side.BUY, "10.10", 1), (Side.BUY, "9.90", -1), (Side.SELL, "10.10", -1), (Side.SELL, "9.90", 1)],
)
def test_slippage_is_above_zero_where_the_fill_was_worse(side: Side, avg_px: str, slippage: float):
    order = a_sent(OrdStatus.FILLED, side=side, cum_qty=Decimal(100), avg_px=Decimal(avg_px))

    assert slippage_pct(order, 10.0) == pytest.approx(slippage)


def test_without_a_fill_or_an_arrival_price_there_is_no_slippage():
    filled = a_sent(OrdStatus.FILLED, cum_qty=Decimal(100), avg_px=Decimal(10))

    assert isnan(slippage_pct(a_sent(), 10.0))
    assert isnan(slippage_pct(filled, nan))


def test_the_arrival_price_is_the_first_mid_that_is_known_and_stays():
    own = an_own_side(orders=(a_sent(),))

    before = arrived({}, own, {"AAPL": nan})
    first = arrived(before, own, {"AAPL": 10.0})
    later = arrived(first, own, {"AAPL": 11.0})

    assert (before, first, later) == ({}, {"t-1": 10.0}, {"t-1": 10.0})


@pytest.mark.parametrize(("ago", "known"), [(20, {"t-1": 10.0}), (61, {})])
def test_an_order_first_seen_when_it_had_filled_has_an_arrival_price_only_just_after(ago: int, known: dict[str, float]):
    order = a_sent(OrdStatus.FILLED, cum_qty=Decimal(100), avg_px=Decimal("10.20"))
    own = an_own_side(orders=(order,), filled_at={"t-1": at(60) - timedelta(seconds=ago)})

    assert arrived({}, own, {"AAPL": 10.0}) == known


# -- distance


def a_limit(side: Side, price: str, **fields: object) -> Order:
    return a_sent(side=side, ord_type=OrdType.LIMIT, price=Decimal(price), **fields)


def a_stop(side: Side, stop_px: str, **fields: object) -> Order:
    return a_sent(side=side, ord_type=OrdType.STOP, stop_px=Decimal(stop_px), **fields)


@pytest.mark.parametrize(
    ("order", "distance"),
    [
        (a_limit(Side.BUY, "9.50"), 5),
        (a_limit(Side.SELL, "10.50"), 5),
        (a_limit(Side.BUY, "10.10"), -1),
        (a_stop(Side.SELL, "9.50"), 5),
        (a_stop(Side.BUY, "10.50"), 5),
    ],
)
def test_the_distance_is_how_far_the_market_must_move_until_the_order_works(order: Order, distance: float):
    assert distance_pct(order, 10.0) == pytest.approx(distance)


@pytest.mark.parametrize(
    "order",
    [
        a_sent(),
        a_limit(Side.BUY, "5", ord_status=OrdStatus.CANCELED),
        a_stop(Side.SELL, "9", purpose=OrderPurpose.PROTECT),
    ],
)
def test_a_market_order_one_that_has_ended_and_one_that_protects_have_no_distance(order: Order):
    assert isnan(distance_pct(order, 10.0))


# -- together


def test_orders_stay_while_they_are_open_and_once_they_have_filled():
    unsent = an_order(ord_status=OrdStatus.PENDING_NEW, cl_ord_id="unsent", may_be_sent=True)
    refused = an_order(ord_status=OrdStatus.PENDING_NEW, cl_ord_id="refused", sent_count=1, may_be_sent=True)
    filled = a_sent(OrdStatus.FILLED, cl_ord_id="filled", cum_qty=Decimal(100), avg_px=Decimal(10))
    partly = a_sent(OrdStatus.CANCELED, cl_ord_id="partly", cum_qty=Decimal(1), avg_px=Decimal(10))
    canceled = a_sent(OrdStatus.CANCELED, cl_ord_id="canceled")
    own = an_own_side(orders=(unsent, refused, filled, partly, canceled, a_sent(cl_ord_id="open")))

    orders = own_readings(own, {}, {}, {}, at(60))[Subjects.ORDERS]

    assert orders.subjects == ("filled", "partly", "open")
    assert orders.symbols == ("AAPL",) * 3
    assert orders.values.shape == (3, 3)


def test_every_metric_of_our_own_side_is_read_but_the_silence_of_feeds():
    readings = own_readings(an_own_side(), {}, {}, {}, at(60))

    read = {metric: subjects for subjects, each in readings.items() for metric in each.metrics}
    assert read == {metric: subjects_of(metric) for metric in OwnMetric if metric is not OwnMetric.FEED_SILENCE}


def test_the_rules_a_desk_begins_with_speak_up_over_these_numbers():
    # 100 at 10 and 1 at 80 with 900 owed are worth 180: 10 % below 200, 14 % below 210, and 1,080 is six times that.
    own = an_own_side(
        cash=-900,
        before=200,
        peak=210,
        positions={"AAPL": a_day(100), "IBM": a_day(1)},
        stopped={"AAPL": False},
        orders=(a_sent(OrdStatus.UNKNOWN, cl_ord_id="silent"),),
        sent_at={"silent": at(59)},
    )

    readings = own_readings(own, at_mid({"AAPL": 10.0, "IBM": 80.0}), {}, {}, at(60))

    assert {pair for kind, each in readings.items() for pair in broken(kind, each)} == {
        ("unacknowledged-warning", "silent"),
        ("unacknowledged-critical", "silent"),
        ("day-loss-warning", "DU100"),
        ("day-loss-critical", "DU100"),
        ("drawdown-warning", "DU100"),
        ("exposure-warning", "DU100"),
        ("exposure-critical", "DU100"),
        ("no-stop-critical", "AAPL"),
    }


def broken(kind: Subjects, readings: Readings) -> set[tuple[str, str]]:
    """Return the rules a desk begins with that are broken after a minute, each with the subject."""
    rules = [r for r in default_rules() if subjects_of(r.metric) is kind]
    book = RuleBook(rules, readings.metrics, readings.subjects)
    for second in range(0, 61, 5):
        book.evaluate(readings.values, NOON_US + second * 1_000_000)
    return {pair for pair, standing in book.standing().items() if standing.broken_at}
