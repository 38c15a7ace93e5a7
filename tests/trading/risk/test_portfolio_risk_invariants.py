"""The measures kept order by order against the same ones counted anew, and against every way that orders may fill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.risk.risk_builders import a_model, a_portfolio
from trading.risk.contributions import normal_var_contributions, shortfall_contributions
from trading.risk.measure_limits import MeasureLimits
from trading.risk.risk_model import SymbolFacts
from trading.risk.stress import built_in_scenarios
from trading.risk.tail_measures import TailMethod, historical_tail, normal_tail

SYMBOLS = ("SPY", "A", "B", "C", "NEW")
RETURNS = np.clip(np.random.default_rng(9).standard_t(4, (120, 4)) * 0.02, -0.9, None)
MODEL = a_model(dict(zip(SYMBOLS, RETURNS.T, strict=False)), {s: SymbolFacts() for s in SYMBOLS}, built_in_scenarios())

values = st.integers(-500, 500).map(float)
books = st.dictionaries(st.sampled_from(SYMBOLS), values)
orders = st.lists(st.tuples(st.sampled_from(SYMBOLS), values.filter(bool)), min_size=1, max_size=8)


def limits(method: TailMethod, pct: int = 100) -> MeasureLimits:
    return MeasureLimits(
        max_var_pct=pct,
        max_expected_shortfall_pct=100,
        max_stress_loss_pct=100,
        max_beta=100,
        max_delta=10**9,
        method=method,
        level=0.95,
        history_sessions=120,
    )


@given(books, orders, st.sampled_from(TailMethod))
def test_measures_kept_order_by_order_are_those_counted_anew(held, working, method):
    kept = a_portfolio(MODEL, limits(method), held)
    for symbol, value in working:
        kept.breach(symbol, value)
        kept.reserve(symbol, value)

    anew = a_portfolio(MODEL, limits(method), held, working=working)

    assert [u.value for u in kept.before()] == pytest.approx([u.value for u in anew.before()], rel=1e-9, abs=1e-9)


@given(books, orders, st.data())
def test_no_choice_of_fills_measures_more_than_the_worst_that_counts(held, working, data):
    portfolio = a_portfolio(MODEL, limits(TailMethod.HISTORICAL), held, working=working)

    filled = dict(held)
    for symbol, value in working:
        filled[symbol] = filled.get(symbol, 0.0) + value * data.draw(st.sampled_from([0, 0.25, 1]))

    worst, came = portfolio.before(), a_portfolio(MODEL, limits(TailMethod.HISTORICAL), filled).before()
    assert all(c.value <= w.value + 1e-9 for c, w in zip(came, worst, strict=True))


@given(orders, st.integers(1, 20), st.data())
def test_from_nothing_held_no_choice_of_fills_of_accepted_orders_exceeds_a_limit(asked, pct, data):
    chosen = limits(TailMethod.HISTORICAL, pct)
    portfolio = a_portfolio(MODEL, chosen)
    filled: dict[str, float] = {}

    for symbol, value in asked:
        if portfolio.breach(symbol, value) is None:
            portfolio.reserve(symbol, value)
            filled[symbol] = filled.get(symbol, 0.0) + value * data.draw(st.sampled_from([0, 0.25, 1]))

    assert a_portfolio(MODEL, chosen, filled).before()[0].value <= pct + 1e-9


@given(books, orders)
def test_what_only_makes_a_single_position_smaller_is_never_refused(held, asked):
    for symbol, value in held.items():
        portfolio = a_portfolio(MODEL, limits(TailMethod.HISTORICAL, 1), {symbol: value})

        assert portfolio.breach(symbol, -value) is None
        assert portfolio.breach(symbol, -value / 2) is None


@given(books, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_parts_of_a_measure_add_up_to_it(held, level):
    pnl = MODEL.values(held) @ MODEL.returns
    parts = shortfall_contributions(MODEL, held, level)

    assert sum(p.amount for p in parts) == pytest.approx(historical_tail(pnl, level).expected_shortfall, abs=1e-6)
    if pnl.std() > 0:
        whole = normal_tail(float(pnl.std(ddof=1)), level).value_at_risk
        assert sum(p.amount for p in normal_var_contributions(MODEL, held, level)) == pytest.approx(whole, abs=1e-6)


def test_what_a_position_adds_at_the_margin_is_the_slope_of_the_measure():
    held, step = {"A": 100.0, "B": -50.0, "C": 70.0}, 1e-3
    parts = {p.symbol: p.marginal for p in normal_var_contributions(MODEL, held, 0.99)}

    def measure(symbol: str, more: float) -> float:
        pnl = MODEL.values(held | {symbol: held[symbol] + more}) @ MODEL.returns
        return normal_tail(float(pnl.std(ddof=1)), 0.99).value_at_risk

    slopes = {s: (measure(s, step) - measure(s, -step)) / (2 * step) for s in held}
    assert parts == pytest.approx(slopes, rel=1e-5)
