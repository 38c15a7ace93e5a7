import gzip
from datetime import date
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pydantic
import pytest

from tests.trading.risk.risk_builders import a_history
from trading.errors import InvalidValue
from trading.market.instruments import SecurityType
from trading.risk.risk_model import RiskModel, SymbolFacts
from trading.risk.stress import StressScenario, StressTraits, built_in_scenarios, replayed, shock_of

CRISIS = StressScenario(
    name="crisis",
    market_pct=-40,
    symbol_pct={"BANK": -90},
    sector_pct={"banks": -60, "gold": 20},
    security_type_pct={SecurityType.EXCHANGE_TRADED_FUND: -35},
    rate_points=2,
)


def traits(symbol="X", beta=1.5, **more) -> StressTraits:
    return StressTraits(symbol=symbol, beta=beta, **more)


@pytest.mark.parametrize(
    ("of", "shock"),
    [
        (traits("BANK", sector="banks"), -0.90),  # its own
        (traits("OTHER", sector="banks", security_type=SecurityType.EXCHANGE_TRADED_FUND), -0.60),  # its sector's
        (traits(security_type=SecurityType.EXCHANGE_TRADED_FUND, duration_years=7), -0.35),  # its type's
        (traits(duration_years=7), -0.14),  # 7 years by 2 points
        (traits(), -0.60),  # 1.5 times 40 %
        (traits(beta=3), -1.0),  # nothing loses more than all
        (traits(beta=-0.5), 0.20),
    ],
)
def test_the_most_exact_move_that_is_given_counts(of, shock):
    assert shock_of(CRISIS, of) == pytest.approx(shock)


def test_the_built_in_crises_are_the_moves_of_the_index():
    packed = Path(distribution("skfolio").locate_file("skfolio/datasets/data/sp500_index.csv.gz")).read_bytes()
    index = {day: float(px) for day, px in (x.split(",") for x in gzip.decompress(packed).decode().splitlines()[1:])}
    ends = [
        ("2007-10-09", "2009-03-09"),
        ("2020-02-19", "2020-03-23"),
        ("2022-01-03", "2022-10-12"),
        ("2018-02-02", "2018-02-05"),
    ]

    moves = [scenario.market_pct for scenario in built_in_scenarios()]

    assert moves == pytest.approx([100 * (index[last] / index[first] - 1) for first, last in ends], abs=0.05)


def test_a_window_of_history_is_replayed_as_a_scenario():
    days = pd.to_datetime(["2008-09-12", "2008-09-15", "2008-09-16"])
    closes = pd.DataFrame(
        {"SPY": [125.0, 119.0, 120.0], "AIG": [12.14, 4.76, 3.75], "KO": [50.0, 51, 50.2], "NEW": [np.nan, 5, 6]}, days
    )

    scenario = replayed(closes, date(2008, 9, 12), date(2008, 9, 16), "SPY")

    assert scenario.name == "replay 2008-09-12 to 2008-09-16"
    assert scenario.market_pct == pytest.approx(-4)
    assert scenario.symbol_pct == pytest.approx({"SPY": -4, "AIG": 100 * (3.75 / 12.14 - 1), "KO": 0}, abs=1e-3)


def test_a_window_that_the_history_does_not_cover_cannot_be_replayed():
    closes = pd.DataFrame({"SPY": [1.0, 2.0]}, pd.to_datetime(["2020-01-02", "2020-01-03"]))

    with pytest.raises(InvalidValue, match=r"two sessions of the history \(2020-01-02 to 2020-01-03\)"):
        replayed(closes, date(2008, 9, 12), date(2008, 9, 16), "SPY")


@pytest.mark.parametrize(
    "wrong",
    [
        {"market_pct": -0.3},
        {"market_pct": -130},
        {"volatility_pct": 0.5},
        {"sector_pct": {"banks": -0.5}},
        {"marked": 1},
    ],
)
def test_a_fraction_given_for_a_percentage_is_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        StressScenario(name="mine", **wrong)


def test_a_sector_that_no_symbol_has_is_refused():
    history = a_history({"SPY": [0.01, -0.01, 0.0]})
    facts = {"SPY": SymbolFacts(sector="index")}

    with pytest.raises(InvalidValue, match="sector of scenario crisis is 'banks', but must be one of: index"):
        RiskModel.of(history, benchmark="SPY", facts=facts, scenarios=[CRISIS])
