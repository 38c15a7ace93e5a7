"""What an order must say before it may exist."""

import hashlib
from datetime import datetime
from decimal import Decimal

import pytest

from tests.builders import SESSION, a_new_order, an_order, at
from trading.errors import InvalidValue, OrderNotOpen
from trading.orders.orders import OrdStatus, OrdType, Side, make_cl_ord_id

PURPOSE = {"account": "DU100", "session": SESSION, "book": "main", "symbol": "AAPL", "purpose": "rebalance"}


def test_the_same_purpose_always_has_the_same_id():
    made = make_cl_ord_id(**PURPOSE)

    # SHA-256 of the five parts with the unit separator between them, so that no two purposes run together.
    digest = hashlib.sha256(b"DU100\x1f2024-03-15\x1fmain\x1fAAPL\x1frebalance").hexdigest()
    assert made == f"ob-20240315-{digest[:20]}"
    assert len(made) == 32


@pytest.mark.parametrize("part", ["account", "book", "symbol", "purpose"])
def test_another_purpose_has_another_id(part):
    assert make_cl_ord_id(**PURPOSE) != make_cl_ord_id(**(PURPOSE | {part: "other"}))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"order_qty": Decimal(0)}, "order_qty of order t-1 is Decimal\\('0'\\), but must be finite and greater"),
        ({"order_qty": Decimal("NaN")}, "finite"),
        (
            {"ord_type": OrdType.LIMIT},
            "price of order t-1 is None, but must be finite and greater than 0 for a limit order",
        ),
        ({"price": Decimal(5)}, "price of order t-1 is .*, but must be absent for a market order"),
        ({"ord_type": OrdType.STOP, "stop_px": Decimal(-1)}, "stop_px of order t-1"),
        ({"expire_time": datetime(2024, 3, 15)}, "expire_time of order t-1 .* aware"),  # noqa: DTZ001 - the test
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(fields, told):
    with pytest.raises(InvalidValue, match=told):
        a_new_order(**fields)


def test_a_sale_has_a_negative_quantity():
    assert a_new_order(side=Side.SELL).signed_qty == -100


def test_asking_twice_to_cancel_is_one_request():
    first, second = (an_order().cancel_request(at(0)) for _ in range(2))

    assert first == second
    assert (first.cl_ord_id, first.orig_cl_ord_id) == ("t-1-x", "t-1")


OVER = {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED}


@pytest.mark.parametrize("ord_status", OrdStatus)
def test_only_an_open_order_can_be_canceled(ord_status):
    order = an_order(ord_status=ord_status)

    if ord_status in OVER:
        with pytest.raises(OrderNotOpen, match=f"order t-1 is {ord_status.name}"):
            order.cancel_request(at(0))
    else:
        assert order.cancel_request(at(0)).orig_cl_ord_id == "t-1"
