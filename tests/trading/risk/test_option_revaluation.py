import sys

import numpy as np
import pytest

from tests.trading.risk.risk_builders import a_history
from trading.errors import InvalidValue
from trading.options.chains import ExerciseStyle
from trading.options.vanilla import VanillaOptions
from trading.risk.option_revaluation import OptionPosition, shock_grid
from trading.risk.risk_model import BETA, DELTA, GAMMA, STRESS, VEGA, RiskModel, SymbolFacts
from trading.risk.stress import StressScenario

# Hull, 19: a call at 49 on a strike of 50, 0.3846 years, 5 %, 20 %: price 2.40, delta 0.522, gamma 0.066, vega 0.121.
CALL = VanillaOptions.of("C", spot=49, strike=50, years=0.3846, rate=0.05)
HELD = OptionPosition(underlying="SPY", option=CALL, volatility=0.20, style=ExerciseStyle.EUROPEAN)
SPY = [-0.30, -0.02, 0.0, 0.01, 0.05]


def a_model(position: OptionPosition, *scenarios: StressScenario) -> RiskModel:
    facts = {"CALL": SymbolFacts(option=position)}
    return RiskModel.of(a_history({"SPY": SPY}), benchmark="SPY", facts=facts, scenarios=scenarios)


def test_greeks_of_a_position_are_those_of_the_textbook_times_its_size():
    contracts = 10 * 100 * 2.40  # value of ten contracts

    found = contracts * a_model(HELD).linear[1]

    assert found[DELTA] == pytest.approx(1000 * 0.522 * 49, rel=2e-3)
    assert found[GAMMA] == pytest.approx(1000 * 0.066 * 49 * 49 * 0.01, rel=1e-2)
    assert found[VEGA] == pytest.approx(1000 * 0.121, rel=5e-3)


def test_an_option_is_priced_anew_in_each_scenario_of_its_underlying():
    found = a_model(HELD).returns[1]

    assert found[2] == 0
    assert found[0] == pytest.approx(-1, abs=2e-3)  # a call 30 % lower is worth next to nothing, and never less
    assert found[3] == pytest.approx((0.522 * 0.49 + 0.066 * 0.49**2 / 2) / 2.40, rel=1e-2)  # by delta and gamma


def test_a_stress_moves_spot_volatility_and_rate_of_an_option_together():
    crash = StressScenario(name="crash", market_pct=-10, volatility_pct=100, rate_points=1)

    model = a_model(HELD, crash)

    anew = OptionPosition(
        underlying="SPY",
        option=VanillaOptions.of("C", spot=44.1, strike=50, years=0.3846, rate=0.06),
        volatility=0.40,
        style=ExerciseStyle.EUROPEAN,
    )
    assert model.linear[1, STRESS] == pytest.approx(anew.price()[0] / HELD.price()[0] - 1)
    assert model.linear[0, STRESS] == pytest.approx(-0.10)


def test_a_call_has_a_larger_beta_than_its_underlying():
    model = a_model(HELD)

    assert model.linear[0, BETA] == pytest.approx(1)
    assert model.linear[1, BETA] > 1


def test_an_american_put_is_priced_with_early_exercise():
    put = VanillaOptions.of("P", spot=50, strike=50, years=5 / 12, rate=0.10)
    american, european = (
        OptionPosition(underlying="SPY", option=put, volatility=0.40, style=s)
        for s in (ExerciseStyle.AMERICAN, ExerciseStyle.EUROPEAN)
    )

    assert (american.price()[0], european.price()[0]) == pytest.approx((4.28, 4.08), abs=0.01)  # Hull, 21.1


def test_the_grid_of_shocks_is_zero_where_nothing_moves():
    grid = shock_grid(HELD, np.array([-0.1, 0.0, 0.1]), np.array([0.0, 0.5]), units=1000)

    assert grid[1, 0] == 0
    assert (np.diff(grid, axis=0) > 0).all()  # a call gains with its underlying
    assert (np.diff(grid, axis=1) > 0).all()  # and with volatility


@pytest.mark.parametrize(
    ("position", "why"),
    [
        (OptionPosition(underlying="QQQ", option=CALL, volatility=0.2), "its underlying QQQ has no history"),
        (
            OptionPosition(
                underlying="SPY",
                option=VanillaOptions.of("C", spot=49, strike=50, years=0, rate=0.05),
                volatility=0.2,
                style=ExerciseStyle.EUROPEAN,
            ),
            "its model has no price for it in some scenario",
        ),
    ],
)
def test_an_option_that_cannot_be_priced_is_not_measured(position, why):
    assert a_model(position).unmeasured == {"CALL": why}


def test_without_quantlib_a_stress_of_the_rate_leaves_an_american_put_unmeasured(monkeypatch: pytest.MonkeyPatch):
    put = VanillaOptions.of("P", spot=49, strike=50, years=0.3846, rate=0.0)  # nobody exercises it early, but at 1 %
    monkeypatch.setitem(sys.modules, "QuantLib", None)

    model = a_model(
        OptionPosition(underlying="SPY", option=put, volatility=0.2), StressScenario(name="up", rate_points=1)
    )

    assert "install openbell with its extra `options`" in model.unmeasured["CALL"]
    assert model.unbounded == {"CALL"}


def test_two_options_are_not_one():
    two = VanillaOptions.of(["C", "P"], spot=49, strike=50, years=1, rate=0.05)

    with pytest.raises(InvalidValue, match="exactly one"):
        OptionPosition(underlying="SPY", option=two, volatility=0.2)
