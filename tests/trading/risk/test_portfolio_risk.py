from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from tests.trading.risk.risk_builders import a_history, a_model, a_portfolio
from trading.errors import InvalidValue
from trading.risk.measure_limits import MeasureLimits
from trading.risk.refusals import RefusalCode
from trading.risk.return_history import ReturnHistory
from trading.risk.risk_model import RiskModel, SymbolFacts, exposure_value
from trading.risk.stress import StressScenario
from trading.risk.tail_measures import TailMethod

D = Decimal
CRASH = StressScenario(name="crash", market_pct=-30)
# Of 100 sessions A loses 10 % in one and 5 % in another; B does so in two others, and gains where A loses; SPY is A.
A = [-0.10, -0.05, 0.02, 0.02, *[0.0] * 96]
B = [0.02, 0.02, -0.10, -0.05, *[0.0] * 96]
MODEL = a_model({"SPY": A, "A": A, "B": B}, {"A": SymbolFacts(daily_value=1000.0)}, [CRASH])


def limits(**given) -> MeasureLimits:
    return MeasureLimits(**{name: D(v) if isinstance(v, int) else v for name, v in given.items()}, history_sessions=100)


VAR = limits(max_var_pct=5)  # 50 of 1,000 of equity; at 99 % of 100 sessions the second worst: 5 % of A


def test_an_order_may_bring_value_at_risk_to_its_limit_and_not_beyond():
    portfolio = a_portfolio(MODEL, VAR)

    refused = portfolio.breach("A", 1001)

    assert portfolio.breach("A", 1000) is None
    assert refused is not None
    assert (refused.code, refused.limit) == (RefusalCode.MAX_VAR, "5.00 % of equity")


def test_a_refusal_tells_a_person_the_measure_the_limit_and_both_sides_of_the_order():
    refused = a_portfolio(MODEL, VAR, {"A": 400}).breach("A", 800)

    assert refused is not None
    assert refused.text == (
        "With this order in A the value at risk of one session (historical, 99 %) could reach 6.00 % of equity, but "
        "5.00 % of equity is the most; without it, it is 2.00 % of equity."
    )


def test_whoever_is_over_a_limit_can_get_out_and_not_further_in():
    portfolio = a_portfolio(MODEL, VAR, {"A": 3000})

    assert [portfolio.breach("A", value) is None for value in (-1, -3000, -4000, -20_000, 1)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_an_order_that_works_counts_as_filled_where_it_loses():
    bought = a_portfolio(MODEL, VAR, working=[("A", 600)])
    sold = a_portfolio(MODEL, VAR, {"A": 600}, working=[("A", -600)])

    assert [p.breach("A", 400) is None for p in (bought, sold)] == [True, True]
    assert [p.breach("A", 401) is None for p in (bought, sold)] == [False, False]


def test_a_hedge_that_only_works_makes_no_room():
    hedged = a_portfolio(MODEL, VAR, {"A": 1000, "SPY": -1000})
    hoping = a_portfolio(MODEL, VAR, {"A": 1000}, working=[("SPY", -1000)])

    assert hedged.breach("A", 100) is None
    assert hoping.breach("A", 100).code is RefusalCode.MAX_VAR


def test_an_accepted_order_counts_against_the_next_and_a_copy_goes_its_own_way():
    portfolio = a_portfolio(MODEL, VAR)
    twin = portfolio.copy()

    portfolio.reserve("A", 600)

    assert (portfolio.breach("A", 600) is None, twin.breach("A", 600) is None) == (False, True)


@pytest.mark.parametrize(
    ("given", "at", "over"),
    [
        ({"max_var_pct": 5}, 1000, 1001),  # 5 % of A
        ({"max_expected_shortfall_pct": 10}, 1000, 1001),  # the worst of 100: 10 % of A
        ({"max_stress_loss_pct": 30}, 1000, 1001),  # 30 % of A, whose beta is 1
        ({"max_beta": 2}, 2000, 2001),
        ({"max_delta": 2000}, -2000, -2001),
        ({"max_liquidity_days": 5}, 500, 501),  # a tenth of 1,000 a day
        ({"max_var_pct": 10, "horizon_sessions": 4}, 1000, 1001),  # twice the 5 % of one session
    ],
)
def test_each_limit_holds_at_its_value(given, at, over):
    chosen = {k: v for k, v in given.items() if k != "horizon_sessions"}
    portfolio = a_portfolio(
        MODEL,
        MeasureLimits(
            **{k: D(v) for k, v in chosen.items()},
            history_sessions=100,
            horizon_sessions=given.get("horizon_sessions", 1),
        ),
    )

    assert portfolio.breach("A", at) is None
    assert portfolio.breach("A", over).code.value.lower() in next(iter(given)).replace("_pct", "")


def test_the_worst_of_all_scenarios_is_named():
    model = a_model({"SPY": A}, scenarios=[CRASH, StressScenario(name="rally", market_pct=40)])
    portfolio = a_portfolio(model, limits(max_stress_loss_pct=30))

    refused, (use,) = portfolio.breach("SPY", -1000), portfolio.after("SPY", -500)

    assert "loss in the stress scenario 'rally' could reach 40.00 % of equity" in refused.text
    assert (use.scenario, use.value) == ("rally", pytest.approx(20))


def test_while_equity_is_too_far_below_its_peak_nothing_is_added():
    stopped = a_portfolio(MODEL, limits(max_drawdown_pct=15), {"A": 100}, drawdown=0.151)
    going = a_portfolio(MODEL, limits(max_drawdown_pct=15), {"A": 100}, drawdown=0.15)

    assert stopped.breach("A", 1).text == (
        "Equity is 15.10 % below its peak, and beyond 15 % nothing may be added to A."
    )
    assert (stopped.breach("A", -100), going.breach("A", 1)) == (None, None)


def test_nothing_is_added_to_what_has_no_history_and_it_may_be_closed():
    history = a_history({"SPY": A, "A": A}, unmeasured={"NEW": "20 of 100 sessions of history"})
    portfolio = a_portfolio(RiskModel.of(history, benchmark="SPY", scenarios=[CRASH]), VAR, {"NEW": 100})

    refused = portfolio.breach("NEW", 1)

    assert refused.code is RefusalCode.NOT_MEASURED
    assert "20 of 100 sessions of history" in refused.text
    assert portfolio.breach("NEW", -100) is None
    assert portfolio.breach("NEW", -201).code is RefusalCode.NOT_MEASURED
    assert portfolio.unmeasured == {"NEW": "20 of 100 sessions of history"}


@pytest.mark.parametrize("qty", [30, -30])
def test_what_has_no_history_counts_as_lost_whichever_way_it_stands(qty):
    portfolio = a_portfolio(MODEL, limits(max_var_pct=50, max_stress_loss_pct=50), {"NEW": qty, "A": 1000})

    assert [use.value for use in portfolio.before()] == pytest.approx([3 + 5, 3 + 30])


def test_a_history_of_no_session_measures_nothing_and_stops_nobody_from_closing():
    model = RiskModel.of(ReturnHistory.of_closes(pd.DataFrame({"A": [1.0]}), 100), benchmark="SPY")
    portfolio = a_portfolio(model, VAR, {"A": 100})

    assert portfolio.breach("A", 1).code is RefusalCode.NOT_MEASURED
    assert portfolio.breach("A", -100) is None


def test_a_model_of_another_history_than_the_limits_ask_for_is_refused():
    with pytest.raises(InvalidValue, match="sessions of the model is 100, but must be 250, as limits say"):
        a_portfolio(MODEL, MeasureLimits(max_var_pct=D(5), history_sessions=250))


def test_a_limit_on_liquidity_needs_a_volume_and_no_history():
    model = a_model({"SPY": A}, {"NEW": SymbolFacts(daily_value=1000.0)})
    portfolio = a_portfolio(model, limits(max_liquidity_days=5))

    assert portfolio.breach("NEW", 500) is None
    assert portfolio.breach("NEW", 501).code is RefusalCode.MAX_LIQUIDITY_DAYS


def test_without_the_benchmark_nothing_is_measured():
    model = a_model({"A": A}, benchmark="SPY")

    refused = a_portfolio(model, VAR).breach("A", 1)

    assert refused.code is RefusalCode.NOT_MEASURED
    assert "the benchmark SPY has no bars in store; store them, or name another benchmark" in refused.text


@pytest.mark.parametrize(
    ("given", "why"),
    [({"max_liquidity_days": 5}, "its usual volume is not known"), ({"max_drawdown_pct": 5}, "the peak is not known")],
)
def test_a_limit_on_what_is_not_known_lets_nothing_be_added(given, why):
    refused = a_portfolio(MODEL, limits(**given), {"B": 10}).breach("B", 1)

    assert (refused.code, refused.after) == (RefusalCode.NOT_MEASURED, why)


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_without_equity_every_share_of_it_is_exceeded_and_positions_may_be_closed(equity):
    portfolio = a_portfolio(MODEL, VAR, {"A": 10}, equity=equity)

    assert "there is no equity" in portfolio.breach("A", 1).text
    assert portfolio.breach("A", -10) is None


def test_without_limits_nothing_is_refused():
    assert a_portfolio(MODEL, limits(), {"NEW": 5}).breach("NEW", 1e12) is None


@pytest.mark.parametrize("method", [TailMethod.NORMAL, TailMethod.CORNISH_FISHER])
def test_by_the_other_methods_sales_that_work_make_no_room_either(method):
    chosen = MeasureLimits(max_var_pct=D(5), method=method, history_sessions=100)
    selling, holding = (a_portfolio(MODEL, chosen, {"A": 1000}, working) for working in ([("A", -1000)], []))

    assert [use.value for use in selling.before()] == [use.value for use in holding.before()]
    assert selling.breach("B", 5000).code is RefusalCode.MAX_VAR


@pytest.mark.parametrize("given", [{"equity": np.nan}, {"held": {"A": np.inf}}, {"working": [("A", np.nan)]}])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(InvalidValue, match="finite"):
        a_portfolio(MODEL, VAR, **given)


def test_the_value_of_a_position_is_quantity_times_price_times_multiplier():
    assert exposure_value("A", D(-10), D("12.50"), D(100)) == -12_500.0


@pytest.mark.parametrize(("qty", "mark"), [("NaN", "1"), ("1", "0"), ("1", "Infinity")])
def test_a_position_without_a_price_has_no_value(qty, mark):
    with pytest.raises(InvalidValue, match=r"of A is .* finite"):
        exposure_value("A", D(qty), D(mark))
