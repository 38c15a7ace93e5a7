"""What is seen of an account, worked out by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest

from tests.builders import a_trade
from trading.breaks import Break, BreakType
from trading.market.bars import BAR_COLUMNS, DailyBars, PriceBasis
from trading.market.calendars import TradingCalendar
from trading.risk.observations import fill_costs, market_returns, sessions_behind, worse_closes, worst_break

D = Decimal
NAN = D("NaN")
CALL = "AAPL  240621C00200000"
MONDAY, TUESDAY = date(2024, 3, 11), date(2024, 3, 12)


def a_break(break_type: BreakType, subject: str, ours: str, theirs: str, *, expected: bool = False) -> Break:
    return Break(break_type=break_type, subject=subject, ours=ours, theirs=theirs, text="", expected=expected)


def bars(*rows: tuple[str, date, float, float]) -> DailyBars:
    """Return bars of (symbol, session, open, close)."""
    frame = pd.DataFrame(
        [(s, pd.Timestamp(day), o, c, c, c, 1.0) for s, day, o, c in rows],
        columns=["symbol", "session", "open", "high", "low", "close", "volume"],
    ).astype({"session": "datetime64[us]"})
    return DailyBars(frame=frame[list(BAR_COLUMNS)], source="files", price_basis=PriceBasis.RAW)


@pytest.mark.parametrize(
    ("held", "close", "is_worse"),
    [
        (10, D(9), True),
        (10, D(11), False),
        (10, D(10), False),
        (-10, D(11), True),  # short: what rises costs
        (-10, D(9), False),
        (10, None, False),
        (10, NAN, False),
        (10, D(0), False),
    ],
)
def test_a_doubtful_close_counts_only_where_it_is_a_loss(held, close, is_worse):
    assert worse_closes({"A": close}, {"A": D(held)}, {"A": D(10)}) == ({"A": close} if is_worse else {})


def test_a_doubtful_close_is_better_than_no_price():
    assert worse_closes({"A": D(9)}, {"A": D(10)}, {}) == {"A": 9}


@pytest.mark.parametrize(
    ("breaks", "worth"),
    [
        ([], D(0)),
        ([a_break(BreakType.POSITION, "A", "100", "90")], D(250)),  # 10 at 25.00
        ([a_break(BreakType.POSITION, "A", "-5", "")], D(125)),
        ([a_break(BreakType.CASH, "USD", "1000", "1300"), a_break(BreakType.POSITION, "A", "1", "2")], D(300)),
        ([a_break(BreakType.DIVIDEND, "A", "24", "")], D(24)),
        ([a_break(BreakType.MERGER, "A", "24", "30")], D(6)),
        ([a_break(BreakType.POSITION, "A", "100", "90", expected=True)], D(0)),
        ([a_break(BreakType.ORDER, "t-1", "NEW", "")], D(0)),
        ([a_break(BreakType.POSITION, CALL, "2", "3")], D(400)),  # a contract of 100 at 4.00
        ([a_break(BreakType.POSITION, "AAPL1 240621C00200000", "2", "2")], D(0)),  # to be looked at, and not priced
    ],
)
def test_the_worst_break_is_worth_its_quantity_at_the_last_price_or_its_money(breaks, worth):
    assert worst_break(breaks, {"A": D(25), CALL: D(4)}) == worth


def test_a_break_without_a_price_is_of_unknown_size_however_large_the_others():
    breaks = [a_break(BreakType.CASH, "USD", "0", "9999"), a_break(BreakType.POSITION, "NEW", "0", "1")]

    assert worst_break(breaks, {"A": D(25)}).is_nan()


# 2024-03-29 was Good Friday; what is expected on Monday morning is Thursday.
@pytest.mark.parametrize(
    ("newest", "behind"),
    [(date(2024, 3, 27), 1), (date(2024, 3, 28), 0), (date(2024, 4, 1), 0), (date(2024, 3, 21), 5)],
)
def test_bars_are_as_many_sessions_behind_as_the_exchange_had(newest, behind):
    assert sessions_behind(TradingCalendar("XNYS"), newest, datetime(2024, 4, 1, 12, tzinfo=UTC)) == behind


def test_a_fill_costs_what_it_was_worse_than_the_open_or_the_close_it_was_for():
    trades = [
        a_trade(100, "10.02", "e-1", symbol="A", cl_ord_id="at-open"),
        a_trade(-100, "10.02", "e-2", symbol="A", cl_ord_id="sold"),
        a_trade(100, "10.02", "e-3", symbol="A", cl_ord_id="at-close"),
        a_trade(10, "7.50", "e-4", symbol="B", cl_ord_id="no-open"),
        a_trade(10, "7.50", "e-5", symbol="C", cl_ord_id="no-bar"),
        a_trade(2, "3.10", "e-6", symbol=CALL, cl_ord_id="contracts"),
    ]
    known = bars(
        (CALL, MONDAY, 3.0, 3.0), ("A", MONDAY, 10.0, 11.0), ("B", MONDAY, float("nan"), 7.0), ("C", TUESDAY, 7.0, 7.0)
    )

    costs = fill_costs(trades, [MONDAY] * 6, known, {"at-close"})

    assert [(c.value, c.cost) for c in costs] == [(1000, 2), (1000, -2), (1100, -98), (70, 5), (600, 20)]


def test_the_market_returns_the_mean_of_the_symbols_that_have_one():
    closes = pd.DataFrame({"A": [100.0, 110.0, 99.0], "B": [10.0, 10.0, None], "C": [None, 4.0, 5.0]})

    assert market_returns(closes) == pytest.approx([0.05, 0.075])  # (10 % + 0) / 2; (-10 % + 25 %) / 2
