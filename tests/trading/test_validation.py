from decimal import Decimal

import pydantic
import pytest

from trading.positions.sizing import SizingRules
from trading.risk.limits import RiskLimits
from trading.validation import invalid_value_of


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"max_order_notional": Decimal(-5)},
            "max_order_notional of RiskLimits is Decimal('-5'), but must be greater than 0",
        ),
        ({"price_band_pct": 0}, "price_band_pct of RiskLimits is 0, but must be greater than 0"),
        ({"max_gross_leverage": float("nan")}, "max_gross_leverage of RiskLimits is nan, but must be a finite number"),
        (
            {"max_orders_per_day": "x", "max_position_pct": -1},
            "max_position_pct of RiskLimits is -1, but must be greater than 0; also wrong: max_orders_per_day",
        ),
        (
            {"max_order_notinal": 5},
            "max_order_notinal of RiskLimits is 5, but must be left out: there is no such field",
        ),
    ],
)
def test_a_limit_against_its_rule_is_refused_with_field_value_and_rule(values, message):
    with pytest.raises(pydantic.ValidationError) as caught:
        RiskLimits(**values)

    assert str(invalid_value_of(caught.value)) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"max_position_pct": Decimal("0.05")},
            "max_position_pct of RiskLimits is Decimal('0.05'), but must be greater than or equal to 0.1, for it is in "
            "per cent: write 5 for 5 %, not 0.05",
        ),
        (
            {"max_order_qty": 201, "max_position_qty": 100},
            "max_order_qty of RiskLimits is Decimal('201'), but must be at most 2 x max_position_qty, which is 100: "
            "an order can turn a position round, and do no more",
        ),
        (
            {"allowed_symbols": ("A", "B"), "blocked_symbols": ("B",)},
            "blocked_symbols of RiskLimits is 'B', but must be left out of allowed_symbols, or not blocked",
        ),
        (
            {
                "scopes": ({"scope": "sector", "subject": "Enrgy"},),
                "sectors": ({"name": "Energy", "symbols": ("XOM",)},),
            },
            "scopes of RiskLimits is 'sector Enrgy', but must be a sector of `sectors` (Energy)",
        ),
        (
            {"sectors": ({"name": "Energy", "symbols": ("XOM",)}, {"name": "Oil", "symbols": ("XOM",)})},
            "sector of XOM of RiskLimits is 'Energy and Oil', but must be one",
        ),
        (
            {"scopes": ({"scope": "asset_class", "subject": "stock"},)},
            "subject of an asset class of RiskLimits is 'stock', but must be one of CS, ETF, OPT, FUT, FXSPOT",
        ),
        (
            {"scopes": ({"scope": "strategy", "subject": "main"}, {"scope": "strategy", "subject": "main"})},
            "scopes of RiskLimits is 'strategy main', but must be there once; put its limits into one entry",
        ),
        (
            {"scopes": ({"scope": "instrument", "subject": "A", "max_pct": 26},)},
            "max_pct of instrument A of RiskLimits is Decimal('26'), but must be at most the account's 25: a part "
            "cannot have more than the whole",
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused_with_the_way_out(values, message):
    with pytest.raises(pydantic.ValidationError) as caught:
        RiskLimits(**values)

    assert str(invalid_value_of(caught.value)) == message


def test_sizing_rules_keep_a_part_of_the_capital_at_least():
    with pytest.raises(pydantic.ValidationError) as caught:
        SizingRules(cash_buffer_pct=Decimal(100))

    assert str(invalid_value_of(caught.value)).endswith("but must be less than 100")


def test_a_missing_field_is_told_as_missing():
    class Settings(pydantic.BaseModel):
        account: str

    with pytest.raises(pydantic.ValidationError) as caught:
        Settings.model_validate({})

    assert str(invalid_value_of(caught.value)) == "account of Settings is {}, but must be given"


def test_limits_survive_json_digit_for_digit():
    adapter = pydantic.TypeAdapter(RiskLimits)
    limits = RiskLimits(price_band_pct=Decimal("0.1"), max_order_notional=Decimal("123456.78"))

    assert adapter.validate_json(adapter.dump_json(limits)) == limits


def test_every_limit_explains_itself_in_the_form():
    for settings in (RiskLimits, SizingRules):
        properties = pydantic.TypeAdapter(settings).json_schema()["properties"]

        assert all(field["description"].endswith(".") for field in properties.values())
