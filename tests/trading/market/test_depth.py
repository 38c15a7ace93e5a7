"""An order book by price level."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.errors import InvalidValue
from trading.market.depth import BookSide, OrderBook, PriceLevel

AT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)

changes = st.lists(st.tuples(st.sampled_from(BookSide), st.integers(-5, 5), st.integers(0, 3)), max_size=40)


@given(changes)
def test_a_book_applied_change_by_change_holds_what_was_said_last_of_each_price(
    said: list[tuple[BookSide, int, int]],
):
    book, last = OrderBook(symbol="@ES#"), {}
    for side, price, size in said:
        last[side, price] = size
        if size:
            book = book.with_level(side, PriceLevel(price=price, size=size), AT)
        else:
            book = book.without_level(side, price, AT)

    for side, levels, worse in ((BookSide.BID, book.bids, -1), (BookSide.ASK, book.asks, 1)):
        expected = sorted((price for (each, price), size in last.items() if each is side and size), key=worse.__mul__)
        assert [(level.price, level.size) for level in levels] == [(price, last[side, price]) for price in expected]


def test_a_side_is_cleared_and_an_error_ends_with_the_next_change():
    book = OrderBook(symbol="@ES#", error="lost").with_level(BookSide.ASK, PriceLevel(price=3, size=1), AT)

    assert (book.error, book.at) == ("", AT)
    assert book.without_side(BookSide.ASK, AT).asks == ()


def test_levels_without_size_and_books_out_of_order_are_refused():
    one, two = PriceLevel(price=1, size=1), PriceLevel(price=2, size=1)

    for wrong in (
        lambda: PriceLevel(price=float("nan"), size=1),
        lambda: PriceLevel(price=1, size=0),
        lambda: PriceLevel(price=1, size=float("inf")),
        lambda: OrderBook(symbol="X", bids=(one, two)),
        lambda: OrderBook(symbol="X", asks=(two, one)),
        lambda: OrderBook(symbol="X", asks=(one, one)),
    ):
        with pytest.raises(InvalidValue):
            wrong()
