from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from trading.errors import InvalidValue
from trading.ledger import Target
from trading.market.instruments import Equity
from trading.orders.orders import OrdType, Side, TimeInForce
from trading.orders.rebalance import orders_from_targets

INSTRUMENTS = {s: Equity(symbol=s, mic="XNYS", lot_size=Decimal(10)) for s in ("A", "B", "C", "D")}


def a_target(symbol: str, order_qty: int, held_qty: int = 0) -> Target:
    return Target(
        symbol=symbol,
        weight=0.1,
        reference_px=Decimal(10),
        held_qty=Decimal(held_qty),
        target_qty=Decimal(held_qty + order_qty),
        order_qty=Decimal(order_qty),
        reason="to target",
    )


def orders_of(*targets: Target):
    return orders_from_targets(
        targets,
        account="DU1",
        session=date(2024, 4, 1),
        book="main",
        instruments=INSTRUMENTS,
        time_in_force=TimeInForce.OPG,
        expire_time=datetime(2024, 4, 1, 13, 30, tzinfo=UTC),
        transact_time=datetime(2024, 4, 1, 12, 0, tzinfo=UTC),
    )


def test_sells_come_before_the_buys_they_pay_for_and_each_by_symbol():
    orders = orders_of(a_target("D", 10), a_target("B", -20), a_target("C", 0), a_target("A", 30))

    assert [(o.symbol, o.side, o.order_qty) for o in orders] == [
        ("B", Side.SELL, 20),
        ("A", Side.BUY, 30),
        ("D", Side.BUY, 10),
    ]


def test_an_order_says_all_that_it_was_told():
    (order,) = orders_of(a_target("A", 30))

    assert (order.account, order.book, order.session) == ("DU1", "main", date(2024, 4, 1))
    assert (order.ord_type, order.time_in_force, order.price, order.stop_px) == (
        OrdType.MARKET,
        TimeInForce.OPG,
        None,
        None,
    )
    assert order.expire_time == datetime(2024, 4, 1, 13, 30, tzinfo=UTC)


def test_the_same_targets_give_the_same_orders_in_any_order():
    targets = [a_target("A", 10), a_target("B", -10), a_target("C", 20)]

    assert orders_of(*targets) == orders_of(*reversed(targets))
    assert len({o.cl_ord_id for o in orders_of(*targets)}) == 3


def test_the_id_of_an_order_is_the_sha_256_of_its_purpose():
    # printf 'DU1\x1f2024-04-01\x1fmain\x1fA\x1frebalance' | sha256sum | cut -c1-20
    (order,) = orders_of(a_target("A", 30))

    assert order.cl_ord_id == "ob-20240401-d13645542c3b6030e07d"


def test_a_position_that_turns_from_long_to_short_is_one_order():
    (order,) = orders_of(a_target("A", -150, held_qty=100))

    assert (order.side, order.order_qty) == (Side.SELL, 150)


def test_no_targets_make_no_orders():
    assert orders_of() == ()


def test_a_target_off_the_lots_of_its_instrument_is_refused():
    with pytest.raises(InvalidValue, match=r"order_qty of A is .*15.*, but must be in whole lots of 10"):
        orders_of(a_target("A", 15))
    with pytest.raises(InvalidValue, match=r"order_qty of X is .*, but must be 0, because there is no such instrument"):
        orders_of(a_target("X", 10))
