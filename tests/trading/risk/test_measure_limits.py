from decimal import Decimal

import pydantic
import pytest

from trading.errors import InvalidValue
from trading.market.instruments import SecurityType
from trading.risk.measure_limits import MeasureLimits
from trading.risk.measure_texts import limit_of
from trading.risk.refusals import RefusalCode, explain
from trading.risk.stress import StressScenario
from trading.risk.tail_measures import TailMethod
from trading.validation import invalid_value_of


def refusal(**given) -> InvalidValue:
    with pytest.raises(pydantic.ValidationError) as refused:
        MeasureLimits(**given)
    return invalid_value_of(refused.value)


def test_a_desk_has_no_limit_on_measures_unless_it_sets_one():
    assert not MeasureLimits().any_set
    assert MeasureLimits(max_var_pct=5).any_set


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_var_pct", 0.05),
        ("max_expected_shortfall_pct", 0.08),
        ("max_stress_loss_pct", 0.3),
        ("max_drawdown_pct", 0.15),
        ("max_drawdown_pct", -15),
    ],
)
def test_a_fraction_given_for_a_percentage_is_refused_with_the_way_out(name, value):
    told = str(refusal(**{name: value}))

    assert f"{name} of MeasureLimits is {value}" in told
    assert "in per cent: write 5 for 5 %, not 0.05" in told


def test_more_than_all_is_no_percentage_of_a_loss():
    assert "max_var_pct of MeasureLimits is 500, but must be less than or equal to 100" in str(refusal(max_var_pct=500))


@pytest.mark.parametrize("level", [99, 95, 0.01, 1.0])
def test_a_percentage_given_for_a_fraction_is_refused_with_the_way_out(level):
    assert "write 0.99 for 99 %" in str(refusal(level=level))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"max_var_pct": 5, "max_expected_shortfall_pct": 3}, "expected shortfall is never smaller"),
        ({"level": 0.999, "history_sessions": 500}, "needs a history_sessions of 1000 at least"),
        ({"max_beta": 0}, "greater than 0"),
        ({"max_vega": "NaN"}, "finite"),
        ({"participation_pct": 0.1}, "greater than or equal to 1"),
        ({"max_vra_pct": 5}, "there is no such field"),
        ({"method": "MONTE_CARLO"}, "HISTORICAL"),
    ],
)
def test_limits_that_contradict_themselves_or_mean_nothing_are_refused(given, told):
    assert told in str(refusal(**given))


def test_each_limit_has_its_code():
    codes = {code for code in RefusalCode if explain(code).limit.startswith("measures: ")}
    names = {
        "MAX_VAR": "max_var_pct",
        "MAX_EXPECTED_SHORTFALL": "max_expected_shortfall_pct",
        "MAX_STRESS_LOSS": "max_stress_loss_pct",
        "MAX_DRAWDOWN": "max_drawdown_pct",
    }

    for code in codes:
        limits = MeasureLimits(**{names.get(code.value, code.value.lower()): Decimal(7)})

        assert {c: limit_of(limits, c) for c in codes if limit_of(limits, c) is not None} == {code: 7.0}


def test_limits_and_scenarios_are_kept_as_json_and_come_back_the_same():
    limits = MeasureLimits(max_var_pct=Decimal("2.5"), method=TailMethod.NORMAL)
    scenario = StressScenario(name="mine", security_type_pct={SecurityType.OPTION: -50}, volatility_pct=80)

    for value in (limits, scenario):
        adapter = pydantic.TypeAdapter(type(value))
        assert adapter.validate_json(adapter.dump_json(value)) == value
        assert adapter.json_schema()["additionalProperties"] is False
