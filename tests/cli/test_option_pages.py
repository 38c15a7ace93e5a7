"""What the terminal shows of an account that holds contracts."""

from decimal import Decimal

from cli.pages import position_rows
from tests.builders import a_movement, trades
from trading.positions.books import fold_books

CALL = "AAPL  240621C00200000"


def test_a_position_in_contracts_is_shown_at_what_it_is_worth_and_cost():
    books = fold_books(trades((2, "3.10"), symbol=CALL), [a_movement(1000)], [])

    (row,) = position_rows(books, {CALL: Decimal("4.00")})

    assert (row["quantity"], row["price"], row["value"], row["cost"]) == (2, 4, 800, 620)
