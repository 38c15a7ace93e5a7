"""What becomes of lots, and of what is owed, when a share is renamed, bought for cash or delisted."""

from datetime import date
from decimal import Decimal

from tests.builders import a_dividend, a_movement, a_split, at, trades
from trading.broker import CashMovementType
from trading.market.corporate_actions import CashMerger, CorporateAction, Delisting, EffectiveAction, Rename
from trading.positions.books import equity, expected_payments, fold_books


def an_action(action: CorporateAction) -> EffectiveAction:
    return EffectiveAction(action=action, effective_at=at(0, action.ex_date))


def test_a_rename_takes_the_lots_along_at_their_cost_and_their_age():
    """Facebook became Meta on 2022-06-09; what it had earned stays where it was earned."""
    bought = trades((10, 190), (-2, 200), (5, 180), symbol="FB", day=date(2022, 6, 1))
    renamed = an_action(Rename(symbol="FB", ex_date=date(2022, 6, 9), new_symbol="META"))

    books = fold_books(bought, [], [renamed])

    assert books.held() == {"META": 13}
    assert [(lot.qty, lot.px) for lot in books.positions["META"].lots] == [(8, 190), (5, 180)]
    assert (books.positions["FB"].realized_pnl, books.positions["META"].realized_pnl) == (20, 0)


def test_what_happens_to_the_new_symbol_on_the_day_of_the_rename_comes_after_it():
    day = date(2022, 6, 9)
    bought = trades((10, 190), symbol="FB", day=date(2022, 6, 1))
    renamed = an_action(Rename(symbol="FB", ex_date=day, new_symbol="META"))

    of_the_new = fold_books(bought, [], [a_split(2, day, "META"), renamed]).held()
    of_the_old = fold_books(bought, [], [renamed, a_split(2, day, "FB")]).held()
    (paid,) = expected_payments(bought, [a_dividend("1", day, "META"), a_split(2, day, "META"), renamed])

    assert of_the_new == of_the_old == {"META": 20}
    assert (paid.symbol, paid.qty) == ("META", 10)


def test_a_merger_for_cash_closes_the_position_at_what_it_pays():
    """Twitter was bought for 54.20 a share, and traded last on 2022-10-27."""
    bought = trades((100, 50), (20, 60), symbol="TWTR", day=date(2022, 10, 3))
    bid = CashMerger(symbol="TWTR", ex_date=date(2022, 10, 28), amount_per_share=Decimal("54.20"))

    books, (payment,) = fold_books(bought, [], [an_action(bid)]), expected_payments(bought, [an_action(bid)])

    assert books.held() == {}
    assert books.positions["TWTR"].realized_pnl == 420 - 116
    assert books.cash == -6200  # until the broker books it
    assert (payment.movement_type, payment.amount.amount) == (CashMovementType.MERGER, 6504)


def test_what_a_merger_owes_is_part_of_the_equity_until_the_broker_has_booked_it():
    bought = trades((100, 50), symbol="TWTR", day=date(2022, 10, 3))
    bid = an_action(CashMerger(symbol="TWTR", ex_date=date(2022, 10, 28), amount_per_share=Decimal("54.20")))
    paid = a_movement("5420", CashMovementType.MERGER, "m", symbol="TWTR", value_time=at(0, date(2022, 10, 31)))
    by_hand = a_movement("5420", CashMovementType.ADJUSTMENT, "a", value_time=at(0, date(2022, 10, 31)))

    worth = [fold_books(bought, [a_movement(5000), *more], [bid]) for more in ([], [paid], [by_hand])]

    assert [(books.cash, books.due) for books in worth] == [(0, 5420), (5420, 0), (5420, 0)]
    assert [equity(books, {}) for books in worth] == [5420] * 3


def test_long_and_short_shares_that_come_under_one_symbol_close_each_other():
    long = trades((10, 100), symbol="OLD", day=date(2022, 6, 1))
    short = trades((-4, 110), symbol="NEW", day=date(2022, 6, 2))

    books = fold_books(
        [*long, *short], [], [an_action(Rename(symbol="OLD", ex_date=date(2022, 6, 9), new_symbol="NEW"))]
    )

    assert [(lot.qty, lot.px) for lot in books.positions["NEW"].lots] == [(6, 100)]
    assert books.positions["NEW"].realized_pnl == 40  # sold at 110 what had cost 100


def test_shares_that_became_worthless_are_a_loss_and_nothing_is_due():
    bought = trades((100, 17), symbol="LEH", day=date(2008, 9, 2))
    nothing = an_action(CashMerger(symbol="LEH", ex_date=date(2012, 3, 7), amount_per_share=Decimal(0)))

    assert fold_books(bought, [], [nothing]).positions["LEH"].realized_pnl == -1700
    assert expected_payments(bought, [nothing]) == ()


def test_a_delisted_share_is_held_on():
    bought = trades((100, 17), symbol="LEH", day=date(2008, 9, 2))

    assert fold_books(bought, [], [an_action(Delisting(symbol="LEH", ex_date=date(2008, 9, 18)))]).held() == {
        "LEH": 100
    }
