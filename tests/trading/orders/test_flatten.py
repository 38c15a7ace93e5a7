"""What is closed, in whose name, and what goes first. Expected values are worked by hand."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tests.builders import ACCOUNT, CLOSE, DECIDED, SESSION, an_order
from trading.market.instruments import Equity
from trading.market.option_symbols import is_option
from trading.orders.flatten import UNATTRIBUTED, FlattenRules, Holdings, flatten_orders, shares_of_books
from trading.orders.orders import NewOrderSingle, OrderPurpose, OrdStatus, Side
from trading.risk.gate import RiskState, check_orders
from trading.risk.limits import RiskLimits

FLATTEN = OrderPurpose.FLATTEN


def holdings(positions: Mapping[str, int], **given: Any) -> Holdings:
    held = {symbol: Decimal(qty) for symbol, qty in positions.items()}
    return Holdings(**{"positions": held, "books": {"main": held}, "working": (), "prices": {}} | given)


def closing(held: Holdings, band: str | None = None) -> tuple[NewOrderSingle, ...]:
    return flatten_orders(
        held,
        FlattenRules(limit_band_pct=Decimal(band) if band else None),
        account=ACCOUNT,
        session=SESSION,
        decision="flatten 1",
        instruments={s: Equity(symbol=s, mic="XNYS") for s in held.positions if not is_option(s)},
        expire_time=CLOSE,
        transact_time=DECIDED,
    )


def test_the_largest_exposure_goes_first_whether_long_or_short_and_what_has_no_price_last():
    prices = {"A": Decimal(10), "B": Decimal(100), "C": Decimal(1)}

    orders = closing(holdings({"A": 50, "B": -20, "C": 700, "D": 9}, prices=prices))

    assert [(o.symbol, o.side, o.order_qty) for o in orders] == [
        ("B", Side.BUY, 20),  # 2,000
        ("C", Side.SELL, 700),  # 700
        ("A", Side.SELL, 50),  # 500
        ("D", Side.SELL, 9),
    ]
    assert {(o.purpose, o.book) for o in orders} == {(FLATTEN, "main")}


def test_contracts_are_as_large_as_the_hundred_units_they_are_on():
    call = "AAPL  240621C00200000"

    orders = closing(holdings({"A": 50, call: 2}, prices={"A": Decimal(10), call: Decimal(4)}))

    assert [o.symbol for o in orders] == [call, "A"]  # 800 before 500


def test_a_limit_lies_a_band_beyond_the_last_price_on_the_tick_grid():
    orders = closing(holdings({"A": 50, "B": -20, "D": 9}, prices={"A": Decimal("10.01"), "B": Decimal(100)}), "2")

    assert {o.symbol: o.price for o in orders} == {"A": Decimal("9.81"), "B": Decimal("102.00"), "D": None}


def test_a_limit_of_a_whole_band_passes_the_gate_wherever_the_grid_lies():
    prices = {"A": Decimal("10.06"), "B": Decimal("10.06")}  # the band ends at 9.054 and 11.066
    held = holdings({"A": 50, "B": -20}, prices=prices)

    orders = closing(held, "10")

    state = RiskState(equity=Decimal(-1), cash=Decimal(0), held=held.positions, marks=prices)
    assert {o.symbol: o.price for o in orders} == {"A": Decimal("9.06"), "B": Decimal("11.06")}
    assert all(d.accepted for d in check_orders(orders, state, RiskLimits(price_band_pct=Decimal(10))))


def test_where_no_step_of_the_grid_lies_in_the_band_the_order_is_to_the_market():
    (order,) = closing(holdings({"A": 50}, prices={"A": Decimal("0.012")}), "10")

    assert order.price is None


@pytest.mark.parametrize(
    ("qty", "books", "shares"),
    [
        (100, {"a": 60, "b": 30}, {"a": 60, "b": 30, UNATTRIBUTED: 10}),
        (50, {"a": 60, "b": 30}, {"a": 50}),
        (60, {"a": 100, "b": -40}, {"a": 60}),
        (-70, {"a": -30, "b": 40}, {"a": -30, UNATTRIBUTED: -40}),
    ],
)
def test_books_give_up_what_they_hold_and_the_account_never_more_than_it_has(
    qty: int, books: dict[str, int], shares: dict[str, int]
):
    assert shares_of_books(Decimal(qty), {b: Decimal(q) for b, q in books.items()}) == shares


def test_what_works_to_close_a_position_is_not_closed_again_and_any_other_order_keeps_its_symbol_locked():
    working = (
        an_order(symbol="A", side=Side.SELL, order_qty=Decimal(30), purpose=FLATTEN),
        an_order(symbol="B", side=Side.SELL, order_qty=Decimal(20), purpose=FLATTEN, ord_status=OrdStatus.UNKNOWN),
        an_order(symbol="C", side=Side.SELL, order_qty=Decimal(1)),
    )

    assert holdings({"A": 50, "B": 20, "C": 9}, working=working).left() == {"A": 20}


@pytest.mark.parametrize("band", [0, -1, 100])
def test_a_band_is_a_percentage(band: int):
    with pytest.raises(ValidationError, match="limit_band_pct"):
        FlattenRules(limit_band_pct=Decimal(band))
