"""What a person reads of orders before they are approved, worked out by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.risk.gate_accounts import an_order
from tests.trading.risk.risk_builders import a_model
from trading.orders.order_types import OrderLeg, combo_symbol
from trading.orders.orders import Side
from trading.risk.proposals import (
    MOST_LINES,
    Proposed,
    changed_targets,
    measure_lines,
    order_rows,
    risk_lines,
    table,
)
from trading.risk.stress import StressScenario

D = Decimal
PAIR = (OrderLeg(symbol="A", ratio=1, side=Side.BUY), OrderLeg(symbol="B", ratio=2, side=Side.SELL))
# 100 A at 10.00 are held; bought are 50 A, sold 3 contracts of C, each of
# 100 units at 20.00, and bought 7 D, which has no price.
PROPOSED = Proposed(
    orders=[an_order(50, name="a"), an_order(-3, symbol="C", name="c"), an_order(7, symbol="D", name="d")],
    held={"A": D(100)},
    prices={"A": D(10), "B": D(2), "C": D(20)},
    multipliers={"C": D(100)},
    equity=D(10_000),
)


def test_orders_are_shown_by_their_value_at_the_last_price_contracts_by_their_multiplier():
    assert [(row["symbol"], row["side"], row["value"]) for row in order_rows(PROPOSED)] == [
        ("C", "sell", "6,000.00"),
        ("A", "buy", "500.00"),
        ("D", "buy", "0.00"),
    ]


def test_an_order_in_legs_is_worth_all_of_them():
    pair = replace(an_order(10), symbol=combo_symbol(PAIR), legs=PAIR)
    proposed = replace(PROPOSED, orders=[pair])

    assert proposed.value(pair) == 10 * 10 + 20 * 2
    assert proposed.held_after() == {"A": 110, "B": -20}


def test_the_form_shows_exposure_before_the_orders_and_once_all_are_filled():
    assert risk_lines(PROPOSED) == [
        ("gross exposure", "1,000 (10.0%)", "7,500 (75.0%)"),
        ("net exposure", "1,000 (10.0%)", "-4,500 (-45.0%)"),
        ("largest position", "A 1,000 (10.0%)", "C -6,000 (-60.0%)"),
        ("not counted, for want of a price", "", "D"),
    ]


@pytest.mark.parametrize("equity", [D(0), D(-5)])
def test_no_share_of_an_equity_that_is_not_above_zero_is_shown(equity):
    nothing = replace(PROPOSED, orders=[], held={}, equity=equity)

    assert risk_lines(nothing) == [
        ("gross exposure", "0", "0"),
        ("net exposure", "0", "0"),
        ("largest position", "none", "none"),
    ]


def test_the_form_shows_what_a_session_may_lose_before_and_after():
    # The worst of ten sessions took 10 % of A and gave 5 % of C; every scenario is a fall of 20 % of all at once.
    model = a_model(
        {"A": [0.0] * 9 + [-0.1], "C": [0.0] * 9 + [0.05], "SPY": [0.01, -0.01] * 5},
        scenarios=[StressScenario(name="fall", symbol_pct={"A": -20, "C": -20})],
    )

    lines = {name: amounts for name, *amounts in measure_lines(PROPOSED, model, 0.9)}

    # -100 before; then -150 of 1,500 in A and -300 of -6,000 in C.
    assert lines["expected shortfall, 90%"] == ["100 (1.0%)", "450 (4.5%)"]
    # 200 before; then 300 lost with A and 1,200 won with C.
    assert lines["worst stress (fall)"] == ["200 (2.0%)", "-900 (-9.0%)"]


def test_nothing_held_may_lose_nothing_without_a_sign():
    model = a_model(
        {"A": [0.0] * 9 + [-0.1], "SPY": [0.01, -0.01] * 5},
        scenarios=[StressScenario(name="fall", symbol_pct={"A": -20})],
    )
    bought = replace(PROPOSED, held={}, orders=[an_order(50)])

    before = [first for _, first, _ in measure_lines(bought, model, 0.9)]

    assert before == ["0 (0.0%)"] * 3


def test_nothing_is_measured_without_history():
    assert measure_lines(PROPOSED, a_model({"A": [0.0, 0.1]}), 0.9) == []  # of the benchmark


def test_only_targets_that_moved_are_shown_a_symbol_that_left_too():
    def decision(**targets: str) -> dict[str, object]:
        return {"session": "2024-03-14", "targets": [{"symbol": s, "target_qty": q} for s, q in targets.items()]}

    told = changed_targets(decision(A="10", B="5.0", NEW="1"), decision(A="12", B="5", GONE="3"))

    assert told.splitlines() == [
        "Targets that differ from those of 2024-03-14:",
        "",
        "| symbol | before | now |",
        "| --- | --- | --- |",
        "| A | 12 | 10 |",
        "| GONE | 3 | 0 |",
        "| NEW | 0 | 1 |",
    ]
    assert changed_targets(decision(A="10"), None) == "There is no session before to compare with."


def test_a_long_table_says_how_much_more_there_is():
    rows = [(str(n),) for n in range(MOST_LINES + 2)]

    assert table(("n",), rows).endswith("| 49 |\n\nand 2 more; the run's artifact `approval` has every order.")
    assert table(("n",), []) == "None."
