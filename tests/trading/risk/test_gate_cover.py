"""Short options and what covers them: the shares of a call, the cash of a put."""

import pytest

from tests.trading.risk.gate_accounts import MARKS, OPTIONS, D, a_state, an_order, decision_on, limits, working


@pytest.mark.parametrize(
    ("order", "held", "cash", "accepted"),
    [
        (an_order(-1, symbol="CALL"), {"A": 100}, 0, True),
        (an_order(-2, symbol="CALL"), {"A": 100}, 0, False),
        (an_order(-1, symbol="A"), {"A": 101, "CALL": -1}, 0, True),  # sells cover that is not needed
        (an_order(-1, symbol="A"), {"A": 100, "CALL": -1}, 0, False),
        (an_order(-1, symbol="CALL"), {"A": 100, "CALL": 1}, 0, True),  # only closes
        (an_order(1, symbol="CALL"), {"CALL": -1}, 0, True),  # closes what was uncovered
        (an_order(-1, symbol="PUT"), {}, 800, True),  # 100 at 8.00
        (an_order(-1, symbol="PUT"), {}, 799, False),
        (an_order(10, symbol="B"), {"PUT": -1}, 900, True),
        (an_order(11, symbol="B"), {"PUT": -1}, 900, False),  # spends what the put may need
    ],
)
def test_short_calls_need_their_shares_and_short_puts_their_cash(order, held, cash, accepted):
    state = a_state(held, cash=D(cash), marks=MARKS, facts=OPTIONS)

    decision = decision_on(order, state, limits(uncovered_shorts_allowed=False))

    assert decision.code == (None if accepted else "UNCOVERED_SHORT")
    assert decision_on(order, state, limits()).accepted


def test_shares_on_sale_cover_no_call():
    state = a_state({"A": 100}, marks=MARKS, facts=OPTIONS, working=working(an_order(-1, name="w")))

    covered = limits(uncovered_shorts_allowed=False)
    assert decision_on(an_order(-1, symbol="CALL"), state, covered).code == "UNCOVERED_SHORT"
