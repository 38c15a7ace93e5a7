from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from tasks.model import portfolio_risk
from tests.builders import a_new_order, an_order
from trading.market.instruments import Future
from trading.orders.orders import Side
from trading.risk.gate import check_orders
from trading.risk.limits import RiskLimits
from trading.risk.measure_limits import MeasureLimits
from trading.risk.risk_model import RiskModel
from trading.risk.risk_state import RiskState
from trading.risk.trading_facts import TradingFacts

D = Decimal
ES = Future(symbol="ES", mic="XCME", maturity_date=date(2024, 6, 21), multiplier=D(50))
# 2,000,000 of futures are usually traded in a day, of which a tenth may be ours.
MODEL = RiskModel(
    index={}, returns=np.empty((0, 2)), linear=np.empty((0, 4)), daily_values={"ES": 2_000_000.0}, scenarios=()
)
LIMITS = MeasureLimits(max_liquidity_days=D(6))


def a_state(**changes) -> RiskState:
    """Hold 4 contracts at 5,000 points of 50 USD: a million; one more is asked for."""
    given = {
        "equity": D(10_000_000),
        "cash": D(10_000_000),
        "held": {"ES": D(4)},
        "marks": {"ES": D(5000)},
        "working": [an_order(cl_ord_id="w", symbol="ES", order_qty=D(1))],
        "facts": {"ES": TradingFacts(instrument=ES)},
    }
    return RiskState(**(given | changes))


def test_a_contract_is_worth_its_multiplier_held_working_and_asked_for_alike():
    state = a_state()

    portfolio = portfolio_risk(state, MODEL, LIMITS, 0.0)

    (use,) = portfolio.before()
    assert use.value == pytest.approx(6.25)  # 5 x 250,000 by 200,000 a day
    wide = RiskLimits(max_order_notional=D(10**7), max_position_notional=D(10**7), max_position_pct=D(100))
    held = a_state(working=(), portfolio=portfolio_risk(a_state(working=()), MODEL, LIMITS, 0.0))
    one = a_new_order(symbol="ES", order_qty=D(1))
    assert check_orders([one], held, wide)[0].code == "MAX_LIQUIDITY_DAYS"
    sell = a_new_order(symbol="ES", side=Side.SELL, order_qty=D(4))
    assert check_orders([sell], held, wide)[0].accepted


@pytest.mark.parametrize("px", ["NaN", "0"])
def test_what_has_no_price_is_left_out_and_nothing_may_be_added(px: str):
    state = a_state(working=(), held={"ES": D(4), "X": D(1)}, marks={"ES": D(5000), "X": D(px)})

    portfolio = portfolio_risk(state, MODEL, LIMITS, 0.0)

    assert [use.value for use in portfolio.before()] == [5.0]
