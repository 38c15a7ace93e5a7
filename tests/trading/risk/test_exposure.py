from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from trading.orders.order_types import OrderLeg, combo_symbol
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce
from trading.risk.exposure import (
    AccountExposure,
    held_without,
    order_in_force_notional,
    order_notional,
    orders_notional,
)

D = Decimal
MARKS = {"A": D(10)}


def an_order(side: Side, qty: int, *, symbol: str = "A", price: str | None = None, stop_px: str | None = None):
    ord_type = {
        (False, False): OrdType.MARKET,
        (True, False): OrdType.LIMIT,
        (False, True): OrdType.STOP,
        (True, True): OrdType.STOP_LIMIT,
    }[price is not None, stop_px is not None]
    return NewOrderSingle(
        cl_ord_id=f"{symbol}-{side}-{qty}",
        account="DU1",
        session=date(2024, 4, 1),
        book="main",
        symbol=symbol,
        side=side,
        order_qty=D(qty),
        ord_type=ord_type,
        time_in_force=TimeInForce.DAY,
        expire_time=datetime(2024, 4, 1, 20, tzinfo=UTC),
        transact_time=datetime(2024, 4, 1, 12, tzinfo=UTC),
        price=None if price is None else D(price),
        stop_px=None if stop_px is None else D(stop_px),
    )


CALL = "AAPL  240621C00200000"


def exposure_of(held=(), working=(), marks=MARKS, multipliers=()):
    orders = [o if isinstance(o, Order) else Order(new_order=o, ord_status=OrdStatus.NEW) for o in working]
    return AccountExposure({s: D(q) for s, q in dict(held).items()}, orders, dict(marks), dict(multipliers))


@pytest.mark.parametrize(
    ("order", "notional"),
    [
        (an_order(Side.BUY, 10), 100),
        (an_order(Side.SELL, 10), 100),
        (an_order(Side.BUY, 10, price="11"), 110),  # may pay its limit
        (an_order(Side.BUY, 10, price="9"), 100),  # once held, it is worth the last price
        (an_order(Side.SELL, 10, price="12"), 120),  # sold for its limit or more
        (an_order(Side.SELL, 10, price="9"), 100),  # filled near the last price
        (an_order(Side.BUY, 10, stop_px="10.5"), 105),
        (an_order(Side.SELL, 10, stop_px="9.5"), 100),
        (an_order(Side.BUY, 10, price="10.8", stop_px="10.5"), 108),
    ],
)
def test_an_order_is_worth_the_highest_of_its_prices_and_the_last_one(order, notional):
    assert order_notional(order, D(10), D(1)) == notional
    assert order_notional(order, D(10), D(100)) == notional * 100


@pytest.mark.parametrize(
    ("held", "working", "long", "short"),
    [
        (0, [], 0, 0),
        (100, [], 1000, 0),
        (-100, [], 0, 1000),
        (100, [an_order(Side.BUY, 50), an_order(Side.SELL, 120)], 1500, 200),  # the example in the docstring
        (100, [an_order(Side.SELL, 100)], 1000, 0),  # a sell that closes lowers nothing before it is filled
        (-100, [an_order(Side.BUY, 100)], 0, 1000),
        (-100, [an_order(Side.BUY, 150)], 500, 1000),
        (0, [an_order(Side.BUY, 10), an_order(Side.BUY, 10, price="11")], 220, 0),  # all at the highest price
        (0, [an_order(Side.BUY, 10, price="11"), an_order(Side.BUY, 10)], 220, 0),
        (100, [an_order(Side.BUY, 10, price="11")], 1110, 0),  # what is held stays at the last price
        (100, [an_order(Side.SELL, 100, price="11")], 1000, 0),
    ],
)
def test_the_worst_case_counts_orders_that_add_and_none_that_close(held, working, long, short):
    exposure = exposure_of({"A": held}, working)

    assert exposure.before(an_order(Side.BUY, 1)).value == long
    assert exposure.before(an_order(Side.SELL, 1)).value == short
    assert exposure.gross == max(long, short)


@pytest.mark.parametrize(
    ("ord_status", "cum_qty", "gross"),
    [
        (OrdStatus.PENDING_NEW, 0, 500),
        (OrdStatus.UNKNOWN, 0, 500),
        (OrdStatus.PARTIALLY_FILLED, 20, 300),  # the 20 are held now, and not working
        (OrdStatus.PENDING_CANCEL, 20, 300),
        (OrdStatus.CANCELED, 20, 0),
        (OrdStatus.FILLED, 50, 0),
    ],
)
def test_an_order_reserves_what_it_has_left_while_it_is_open(ord_status, cum_qty, gross):
    order = Order(new_order=an_order(Side.BUY, 50), ord_status=ord_status, cum_qty=D(cum_qty))

    assert exposure_of(working=[order]).gross == gross


def test_gross_exposure_adds_the_worst_of_every_symbol():
    marks = {"A": D(10), "B": D(2), "C": D(5)}

    exposure = exposure_of({"A": -100, "B": 50}, [an_order(Side.BUY, 3, symbol="C")], marks, {"C": D(100)})

    assert exposure.gross == 1000 + 100 + 1500


@pytest.mark.parametrize("mark", [None, D(0), D(-1), D("NaN"), D("Infinity")])
def test_what_has_no_price_is_named_and_not_guessed(mark):
    marks = {"A": D(10)} | ({} if mark is None else {"B": mark, "C": mark})

    exposure = exposure_of({"A": 1, "B": 5, "FLAT": 0}, [an_order(Side.BUY, 3, symbol="C")], marks)

    assert (exposure.gross, exposure.unpriced) == (10, {"B", "C"})


PAIR = (OrderLeg(symbol="A", ratio=1, side=Side.BUY), OrderLeg(symbol="B", ratio=2, side=Side.SELL))


def a_pair(side: Side, qty: int) -> NewOrderSingle:
    """Return an order that buys one A and sells two B, or the other way round."""
    return replace(an_order(side, qty), symbol=combo_symbol(PAIR), legs=PAIR)


@pytest.mark.parametrize(
    ("order", "counts"),
    [
        (Order(new_order=an_order(Side.BUY, 10), ord_status=OrdStatus.NEW), 100),
        (Order(new_order=an_order(Side.SELL, 10), ord_status=OrdStatus.FILLED, cum_qty=D(10), avg_px=D(12)), 100),
        (Order(new_order=a_pair(Side.BUY, 10), ord_status=OrdStatus.NEW), 10 * 10 + 20 * 2 * 100),
        (Order(new_order=an_order(Side.BUY, 10, symbol="C"), ord_status=OrdStatus.NEW), 0),
        (Order(new_order=an_order(Side.BUY, 10, symbol="C", price="9"), ord_status=OrdStatus.NEW), 90),
        (
            Order(new_order=an_order(Side.BUY, 10, symbol="C"), ord_status=OrdStatus.FILLED, cum_qty=D(5), avg_px=D(7)),
            70,
        ),
    ],
)
@pytest.mark.parametrize("of_c", [None, D(0), D("NaN")])
def test_an_order_of_the_session_counts_at_the_last_price_or_at_what_it_paid(order, counts, of_c):
    marks = {"A": D(10), "B": D(2)} | ({} if of_c is None else {"C": of_c})

    assert order_in_force_notional(order, marks, {"B": D(100)}) == counts


@pytest.mark.parametrize("of_c", [None, D(0), D("NaN")])
def test_orders_together_are_worth_all_their_legs_by_their_multipliers_and_nobody_knows_without_a_price(of_c):
    marks = {"A": D(10), "B": D(2)} | ({} if of_c is None else {"C": of_c})
    orders = [an_order(Side.SELL, 10), a_pair(Side.BUY, 10)]

    assert orders_notional(orders, marks, {"B": D(100)}) == 100 + 100 + 20 * 2 * 100
    assert orders_notional([*orders, an_order(Side.BUY, 1, symbol="C", price="9")], marks, {}) is None


def test_without_an_order_what_it_filled_is_not_held():
    bought = Order(new_order=a_pair(Side.BUY, 10), ord_status=OrdStatus.CANCELED, cum_qty=D(3))
    sold = Order(new_order=a_pair(Side.SELL, 10), ord_status=OrdStatus.CANCELED, cum_qty=D(3))

    assert held_without({"A": D(5), "C": D(1)}, bought) == {"A": 2, "B": 6, "C": 1}
    assert held_without({"A": D(5)}, sold) == {"A": 8, "B": -6}
    assert held_without({"A": D(5)}, None) == {"A": 5}


def test_an_option_counts_with_its_hundred_units_where_nobody_has_told_its_multiplier():
    marks, bought = {CALL: D(4)}, an_order(Side.BUY, 2, symbol=CALL, price="5")

    assert exposure_of({CALL: 3}, [bought], marks).gross == 3 * 400 + 2 * 500
    assert exposure_of({CALL: 3}, (), marks, {CALL: D(10)}).gross == 3 * 40
    assert orders_notional([bought], marks, {}) == 1000
