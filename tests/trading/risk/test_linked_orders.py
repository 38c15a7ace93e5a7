"""Orders that never both fill count once, against a count that tries every way in which they could."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.orders.order_types import ContingencyType
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, OrdStatus, OrdType, Side, TimeInForce
from trading.risk.exposure import AccountExposure
from trading.risk.gate import RiskState, check_orders
from trading.risk.limits import RiskLimits

D = Decimal
OCO, OTO = ContingencyType.OCO, ContingencyType.OTO


def an_order(cl_ord_id: str, side: Side, qty: int, list_id: str | None = None, **fields: object) -> NewOrderSingle:
    given = {
        "account": "DU1",
        "session": date(2024, 4, 1),
        "book": "main",
        "symbol": "A",
        "ord_type": OrdType.MARKET,
        "time_in_force": TimeInForce.GTC,
        "expire_time": datetime(2024, 4, 1, 20, tzinfo=UTC),
        "transact_time": datetime(2024, 4, 1, 12, tzinfo=UTC),
        "contingency_type": OCO if list_id else None,
    }
    return NewOrderSingle(cl_ord_id=cl_ord_id, side=side, order_qty=D(qty), list_id=list_id, **(given | fields))


def a_pair(qty: int = 100, book: str = "main") -> list[NewOrderSingle]:
    link = {"list_id": f"l-{book}", "purpose": OrderPurpose.PROTECT, "book": book}
    stop = an_order(f"s-{book}", Side.SELL, qty, **link, ord_type=OrdType.STOP, stop_px=D(9))
    return [stop, an_order(f"t-{book}", Side.SELL, qty, **link, ord_type=OrdType.LIMIT, price=D(12))]


def a_child(qty: int) -> NewOrderSingle:
    return an_order("c", Side.SELL, qty, "l", contingency_type=OTO, parent_cl_ord_id="p")


PARENT = an_order("p", Side.BUY, 100, "l", contingency_type=OTO)


def short_of(held: int, working: Sequence[NewOrderSingle]) -> Decimal:
    """Return by how many units the orders could make the account short, by its value at 1 each."""
    orders = [Order(new_order=o, ord_status=OrdStatus.NEW) for o in working]
    exposure = AccountExposure({"A": D(held)}, orders, {"A": D(1)}, {})
    side = exposure.before(an_order("x", Side.SELL, 1))
    return max(side.working - side.closable, D(0))


@pytest.mark.parametrize(
    ("held", "working", "short"),
    [
        (100, a_pair(), 0),  # not 100: one cancels the other
        (100, [*a_pair(), an_order("r", Side.SELL, 40)], 0),  # the pair is canceled before the sale is sent
        (100, [*a_pair(), an_order("r", Side.SELL, 140)], 40),
        (100, [an_order("r", Side.SELL, 40), *a_pair()], 40),  # nothing cancels the sale for the pair
        (100, [*a_pair(), an_order("r", Side.SELL, 40, book="other")], 40),  # another book cancels nothing of ours
        (150, [*a_pair(), *a_pair(50, "other")], 0),
        (0, [PARENT, a_child(100)], 0),
        (0, [PARENT, a_child(130)], 30),
        (0, [a_child(100)], 100),  # its parent has ended, and nothing is held of what it bought
    ],
)
def test_what_could_be_sold_short(held: int, working: list[NewOrderSingle], short: int):
    assert short_of(held, working) == short


def test_a_protective_pair_over_a_position_passes_though_every_limit_is_reached():
    state = RiskState(equity=D(1000), cash=D(0), held={"A": D(100)}, marks={"A": D(10)}, orders_today=1)
    limits = RiskLimits(max_order_notional=D(1), max_orders_per_day=1, max_notional_per_day=D(1), price_band_pct=D(1))

    pair, beyond, plain = (
        check_orders(orders, state, limits)
        for orders in (a_pair(), a_pair(101), [replace(o, purpose=OrderPurpose.REBALANCE) for o in a_pair()])
    )

    assert [v.accepted for v in pair] == [True, True]
    assert [v.accepted for v in beyond] == [False, False]
    assert [v.accepted for v in plain] == [False, False]


@st.composite
def books_of_orders(draw: st.DrawFn) -> list[NewOrderSingle]:
    """Draw single orders and OCO lists of two books, protective or not."""
    made: list[NewOrderSingle] = []
    for number in range(draw(st.integers(1, 4))):
        side, book = draw(st.sampled_from(Side)), draw(st.sampled_from(["main", "other"]))
        purpose = draw(st.sampled_from([OrderPurpose.REBALANCE, OrderPurpose.PROTECT]))
        sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
        list_id = f"l{number}" if len(sizes) > 1 else None
        made += [an_order(f"{number}-{i}", side, n, list_id, book=book, purpose=purpose) for i, n in enumerate(sizes)]
    return made


def ways(orders: Sequence[NewOrderSingle]) -> Iterator[list[NewOrderSingle]]:
    """Yield every set of orders that may all be filled: one of a list, and none that others have canceled.

    The others of a book cancel its protective orders that were there before the first of them.
    """
    for chosen in product([True, False], repeat=len(orders)):
        filled = [o for o, taken in zip(orders, chosen, strict=True) if taken]
        lists = [o.list_id for o in filled if o.list_id]
        if len(lists) == len(set(lists)) and not any(canceled(o, filled, orders) for o in filled):
            yield filled


def canceled(order: NewOrderSingle, filled: Sequence[NewOrderSingle], orders: Sequence[NewOrderSingle]) -> bool:
    """Tell whether the order is a protective one that an order which filled has taken away."""
    rivals = [o for o in orders if (o.book, o.side) == (order.book, order.side) and o.purpose is not order.purpose]
    if order.purpose is not OrderPurpose.PROTECT or not rivals:
        return False
    return orders.index(order) < orders.index(rivals[0]) and any(o in filled for o in rivals)


@given(books_of_orders(), st.integers(-10, 10))
def test_the_worst_of_all_ways_to_fill_is_what_counts(orders: list[NewOrderSingle], held: int):
    working = [Order(new_order=o, ord_status=OrdStatus.NEW) for o in orders]
    exposure = AccountExposure({"A": D(held)}, working, {"A": D(1)}, {})

    for side in Side:
        most = max(sum((o.order_qty for o in way if o.side is side), D(0)) for way in ways(orders))
        assert exposure.before(an_order("x", side, 1)).working == most
