"""Positions, cost and cash; expected values are published examples or worked by hand in the test."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_bust, a_correction, a_dividend, a_movement, a_report, a_split, a_trade, at, trades
from trading.broker import CashMovementType
from trading.errors import InvalidValue
from trading.money import Money
from trading.orders.executions import ExecType
from trading.positions.books import Books, CostBasis, equity, expected_payments, fold_books, unrealized_pnl

CALL = "AAPL  240621C00200000"


def lots(position):
    return [(lot.qty, lot.px) for lot in position.lots]


def aapl(reports, actions=(), movements=(), **options):
    return fold_books(reports, movements, actions, **options).positions["AAPL"]


# --- cost


def test_a_sale_closes_the_oldest_lots_first():
    """J. K. Lasser's Your Income Tax 2013, 30.2: 100 at 77, 200 at 84, 100 at 105; 100 are sold at 90."""
    position = aapl(trades((100, 77), (200, 84), (100, 105), (-100, 90)))

    assert position.realized_pnl == 1300  # the lot of 1998: 100 x (90 - 77)
    assert lots(position) == [(200, 84), (100, 105)]


def test_first_in_first_out_gives_the_published_gain():
    """fool.com, Identifying Stock Sold (2000): 1,000 at 15, 1,000 at 35, 1,000 sold at 32 is a gain of 17,000."""
    assert aapl(trades((1000, 15), (1000, 35), (-1000, 32))).realized_pnl == 17_000


def test_a_sale_may_close_a_part_of_a_lot():
    position = aapl(trades((100, "10.01"), (100, 12), (-150, 13)))

    assert position.realized_pnl == Decimal("349.00")  # 100 x 2.99 + 50 x 1
    assert lots(position) == [(50, 12)]


def test_average_cost_moves_with_every_purchase():
    """Perpetual weighted average, item WCS12: 310 at 9, 160 sold, 350 at 11, 400 sold: 10.40 a unit, 4,160 sold."""
    before = aapl(trades((310, 9), (-160, 15), (350, 11)), basis=CostBasis.AVERAGE)
    after = aapl(trades((310, 9), (-160, 15), (350, 11), (-400, 15)), basis=CostBasis.AVERAGE)

    assert lots(before) == [(500, Decimal("10.4"))]
    assert after.realized_pnl == 160 * (15 - 9) + 400 * 15 - 4160
    assert lots(after) == [(100, Decimal("10.4"))]


def test_a_short_sale_earns_when_it_is_bought_back_cheaper():
    position = aapl(trades((-100, 50), (60, 40)))

    assert position.realized_pnl == 600
    assert lots(position) == [(-40, 50)]


@pytest.mark.parametrize("basis", CostBasis)
def test_a_trade_through_zero_closes_everything_and_opens_the_rest(basis):
    position = aapl(trades((-60, 50), (-40, 52), (150, 40)), basis=basis)

    assert position.realized_pnl == 60 * 10 + 40 * 12
    assert lots(position) == [(50, 40)]
    assert position.lots[0].opened_at == at(2)


def test_a_flat_position_is_kept_for_what_it_earned():
    books = fold_books(trades((10, 5), (-10, 6)), [], [])

    assert books.held() == {}
    assert (books.positions["AAPL"].qty, books.positions["AAPL"].realized_pnl) == (0, 10)


# --- cash


def test_cash_pays_price_and_commission_to_the_last_digit():
    buy = a_trade(300, "185.123456", "a", commission=Decimal("1.0035"))
    sell = a_trade(-100, "186", "b", commission=Decimal("1.00"))

    books = fold_books([buy, sell], [a_movement(100_000)], [])

    # 100,000 - 55,537.0368 - 1.0035 + 18,600 - 1
    assert books.cash == Decimal("63060.9597")
    assert books.positions["AAPL"].commission == Decimal("2.0035")


def test_a_contract_counts_with_its_hundred_units_in_cash_and_profit_and_never_in_commission():
    bought = a_trade(2, "3.10", "a", symbol=CALL, commission=Decimal("1.30"))
    sold = a_trade(-1, "4.60", "b", symbol=CALL, commission=Decimal("0.65"), transact_time=at(1))

    before, after = (fold_books(reports, [a_movement(1000)], []) for reports in ([bought], [bought, sold]))

    assert before.cash == Decimal("378.70")  # 1,000 - 2 x 3.10 x 100 - 1.30
    assert equity(before, {CALL: Decimal("4.00")}) == Decimal("1178.70")  # and 2 x 4.00 x 100
    assert after.cash == Decimal("838.05")  # and 460 - 0.65
    assert (after.positions[CALL].realized_pnl, after.positions[CALL].qty) == (150, 1)  # (4.60 - 3.10) x 100
    assert lots(after.positions[CALL]) == [(1, Decimal("3.10"))]


def test_a_split_of_the_share_leaves_the_contracts_on_it_to_the_broker():
    held = [*trades((100, 200)), *trades((2, "3.10"), symbol=CALL)]

    books = fold_books(held, [], [a_split(4, date(2024, 3, 18))])

    assert books.held() == {"AAPL": 400, CALL: 2}


def test_a_dividend_is_cash_and_is_remembered_with_its_position():
    movements = [
        a_movement("24.00", CashMovementType.DIVIDEND, "d", symbol="AAPL"),
        a_movement("0.37", CashMovementType.CASH_IN_LIEU, "l", symbol="AAPL"),
        a_movement("-1.50", CashMovementType.FEE, "f", symbol="AAPL"),
        a_movement("2.00", CashMovementType.INTEREST, "i"),
    ]

    books = fold_books(trades((100, 1)), movements, [a_dividend("0.24")])

    assert books.cash == Decimal("-75.13")
    assert books.positions["AAPL"].dividends == Decimal("24.37")


def test_books_are_in_one_currency():
    euros = a_movement(1, movement_id="e", currency="EUR")

    with pytest.raises(InvalidValue, match="EUR, USD"):
        fold_books([], [a_movement(1), euros], [])


def test_what_is_told_twice_counts_once():
    reports, deposit, split = trades((10, 70)), a_movement(700), a_split(7)

    books = fold_books(reports * 2, [deposit] * 2, [split, split])

    assert books.cash == 0
    assert books.held() == {"AAPL": 10}
    assert fold_books(reports, [], [a_split(7, date(2024, 3, 18))] * 2).held() == {"AAPL": 70}


def test_a_busted_execution_never_was_and_a_corrected_one_was_as_corrected():
    reports = [
        *trades((10, 50), (10, 60), (-10, 70)),
        a_bust("AAPL-0", "bust", transact_time=at(100)),
        a_correction("AAPL-1", 10, 61, "fixed", transact_time=at(200)),
        a_report(ExecType.CANCELED, "x"),
    ]

    books = fold_books(reports, [], [])

    assert books.positions["AAPL"].realized_pnl == 90
    assert books.cash == 90


# --- splits


def test_a_split_keeps_the_cost_of_every_lot():
    """IRS, Frequently Asked Questions, stocks (options, splits, traders): 100 at 10 and 100 at 12, two for one."""
    position = aapl(trades((100, 10), (100, 12)), [a_split(2, date(2024, 3, 18))])

    assert lots(position) == [(200, 5), (200, 6)]
    assert position.realized_pnl == 0


def test_apple_shares_of_2014_are_28_times_as_many_after_both_splits():
    """Seven for one on 2014-06-09 (645.57 the close before), four for one on 2020-08-31."""
    bought = [a_trade(10, "645.57", "a", transact_time=at(0, date(2014, 6, 6)))]
    splits = [a_split(7, date(2014, 6, 9)), a_split(4, date(2020, 8, 31))]

    books = fold_books(bought, [], splits)

    assert books.held() == {"AAPL": 280}
    assert str(books.positions["AAPL"].qty) == "280"
    # 645.57 / 28 = 23.05607...; the cost is what was paid
    assert round(books.positions["AAPL"].lots[0].px, 4) == Decimal("23.0561")
    assert unrealized_pnl(books.positions["AAPL"], Decimal("129.04")).quantize(Decimal("1e-9")) == Decimal("29675.50")
    assert books.cash == Decimal("-6455.70")


def test_a_split_comes_before_the_executions_of_its_open():
    day = date(2014, 6, 9)

    position = aapl([*trades((10, 700), day=date(2014, 6, 6)), a_trade(5, 100, "n", transact_time=at(0, day))],
                    [a_split(7, day)])  # fmt: skip

    assert lots(position) == [(70, 100), (5, 100)]


def test_shares_that_make_no_whole_new_share_are_paid_out_with_their_cost():
    """Citigroup, one for ten on 2011-05-09: 105 at 4.52 are 10.5 new ones; half of one, of cost 22.60, is paid out."""
    paid_out = a_movement("22.08", CashMovementType.CASH_IN_LIEU, "l", symbol="AAPL")

    position = aapl(trades((105, "4.52")), [a_split("0.1", date(2024, 3, 18))], [paid_out])

    assert lots(position) == [(10, Decimal("45.2"))]
    assert position.realized_pnl + position.dividends == Decimal("22.08") - Decimal("22.60")


@pytest.mark.parametrize(
    ("held", "new_per_old", "left"),
    [
        (-105, Decimal("0.1"), -10),  # a short is rounded toward zero too
        (7, Decimal("0.1"), 0),
        (300, Decimal(1) / 3, 100),  # one for three, whose ratio no Decimal holds
        (301, Decimal(1) / 3, 100),
        (101, Decimal("1.5"), 151),
        ("10.5", Decimal(3), Decimal("31.5")),  # who holds fractions keeps them
    ],
)
def test_a_split_gives_whole_shares(held, new_per_old, left):
    books = fold_books(trades((held, 30)), [], [a_split(new_per_old, date(2024, 3, 18))])

    assert books.held() == ({"AAPL": left} if left else {})


def test_lots_of_a_third_add_up_to_whole_shares():
    position = aapl(trades((100, 30), (100, 30), (100, 30)), [a_split(Decimal(1) / 3, date(2024, 3, 18))])

    assert position.qty == 100


def test_a_split_of_what_is_not_held_changes_nothing():
    assert fold_books([], [], [a_split(7)]) == Books()


# --- dividends that should come


def test_apple_paid_the_same_before_and_after_its_split():
    """0.82 a share on 2020-08-07, 0.205 on 2020-11-06, four for one in between."""
    bought = [a_trade(70, 300, "a", transact_time=at(0, date(2020, 1, 2)))]
    actions = [
        a_dividend("0.205", date(2020, 11, 6)),
        a_split(4, date(2020, 8, 31)),
        a_dividend("0.82", date(2020, 8, 7)),
    ]

    first, second = expected_payments(bought, actions)

    assert (first.ex_date, first.qty, first.amount.amount) == (date(2020, 8, 7), 70, Decimal("57.40"))
    assert (second.ex_date, second.qty, second.amount.amount) == (date(2020, 11, 6), 280, Decimal("57.40"))


def test_shares_bought_on_the_ex_date_bear_no_dividend_and_shares_sold_on_it_do():
    bought_before = a_trade(100, 10, "a", transact_time=at(-1))
    sold_at_the_open = a_trade(-100, 10, "b", transact_time=at(0))
    bought_at_the_open = a_trade(30, 10, "c", transact_time=at(0))

    (dividend,) = expected_payments([bought_before, sold_at_the_open, bought_at_the_open], [a_dividend("0.24")])

    assert dividend.qty == 100
    assert dividend.amount == Money(amount=Decimal(24), currency="USD")


def test_a_dividend_with_a_split_on_the_same_day_is_paid_on_old_shares():
    (dividend,) = expected_payments(trades((10, 10), day=date(2024, 3, 14)), [a_split(7), a_dividend("1")])

    assert dividend.qty == 10


def test_a_short_position_owes_the_dividend_and_a_flat_one_nothing():
    sold = trades((-100, 10), day=date(2024, 3, 14))
    bought_back = a_trade(100, 10, "b", transact_time=at(0, date(2024, 3, 18)))

    dividends = expected_payments([*sold, bought_back], [a_dividend("0.24"), a_dividend("1", date(2024, 3, 19))])

    assert [d.amount.amount for d in dividends] == [-24]


# --- value


def test_equity_is_cash_and_positions_at_their_marks():
    reports = trades((10, 100)) + trades((-5, 40), symbol="MSFT") + trades((1, 3), symbol=CALL)

    books = fold_books(reports, [a_movement(2000)], [])

    # cash 2,000 - 1,000 + 200 - 300; positions 1,100 - 250 + 400
    assert equity(books, {"AAPL": Decimal(110), "MSFT": Decimal(50), CALL: Decimal(4)}) == 2150
    assert unrealized_pnl(books.positions["AAPL"], Decimal(110)) == 100
    assert unrealized_pnl(books.positions["MSFT"], Decimal(50)) == -50
    assert unrealized_pnl(books.positions[CALL], Decimal(4)) == 100


def test_equity_is_not_guessed_without_a_mark():
    with pytest.raises(InvalidValue, match="mark of AAPL is None, but must be a price, because it is held"):
        equity(fold_books(trades((10, 100)), [], []), {})


# --- whatever is traded

FILLS = st.lists(
    st.tuples(st.integers(-300, 300).filter(bool), st.integers(1, 99_999).map(lambda cents: str(Decimal(cents) / 100))),
    max_size=20,
)
SPLITS = st.lists(st.sampled_from(["7", "4", "0.1", "1.5", "0.05"]), max_size=3)


@given(FILLS, SPLITS, st.sampled_from(CostBasis))
def test_what_came_in_is_in_cash_in_lots_or_was_earned(fills, ratios, basis):
    """Cash + cost of the lots = deposits + realized P&L - commission."""
    reports = [
        a_trade(qty, px, f"e{n}", commission=Decimal("0.35"), transact_time=at(n * 1440))
        for n, (qty, px) in enumerate(fills)
    ]
    splits = [a_split(ratio, date(2024, 3, 18 + n * 3)) for n, ratio in enumerate(ratios)]

    books = fold_books(reports, [a_movement(1000)], splits, basis=basis)

    earned = sum((p.realized_pnl - p.commission for p in books.positions.values()), Decimal(0))
    cost = sum((lot.qty * lot.px for p in books.positions.values() for lot in p.lots), Decimal(0))
    assert abs(books.cash + cost - 1000 - earned) < Decimal("1e-15")  # a lot's price is a quotient


@given(FILLS)
def test_both_cost_bases_earn_the_same_once_all_is_sold(fills):
    left = sum(qty for qty, _ in fills)
    flat = trades(*fills, *([(-left, "50")] if left else []))

    fifo, average = (fold_books(flat, [], [], basis=basis) for basis in CostBasis)

    earned = [sum(p.realized_pnl for p in books.positions.values()) for books in (fifo, average)]
    assert earned[0] == earned[1] == fifo.cash == average.cash
    assert fifo.held() == average.held() == {}
