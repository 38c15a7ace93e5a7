import hashlib
import inspect
import math
import sys
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest

from trading.errors import InvalidValue, StrategyFailed
from trading.strategies.catalogue import BUILT_IN, check_weights, make_strategy, run_strategy, source_hash
from trading.strategies.equal_weight import EqualWeight
from trading.strategies.moving_average_crossover import MovingAverageCrossover
from trading.strategies.strategy import PointInTimeBars


@dataclass(frozen=True, slots=True, kw_only=True)
class AllInOne:
    """A user's strategy: all in one symbol."""

    symbol: str
    lookback_sessions: int = 1

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("symbol is empty")

    def target_weights(self, bars):
        return {self.symbol: 1.0}


class Faulty:
    lookback_sessions = 2

    def target_weights(self, bars):
        return 1 / 0


class Meddling:
    """Spoils the bars it is given, and tells what it could see."""

    lookback_sessions = 2

    def __init__(self) -> None:
        self.seen = None

    def target_weights(self, bars):
        self.seen = bars.closes.copy()
        bars.closes.iloc[:] = 0.0
        bars.closes["NEW"] = 1.0
        return {"A": 1.0}


def three_bars() -> PointInTimeBars:
    closes = pd.DataFrame({"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}, index=pd.bdate_range("2024-03-26", periods=3))
    return PointInTimeBars(closes=closes, session=date(2024, 4, 1), last_session=date(2024, 3, 28))


def test_every_built_in_strategy_can_be_made_without_parameters():
    assert sorted(BUILT_IN) == ["EqualWeight", "MomentumRotation", "MovingAverageCrossover"]
    for name, cls in BUILT_IN.items():
        assert isinstance(make_strategy(name, {}), cls)
        assert make_strategy(name, {}).lookback_sessions > 0


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        BUILT_IN["Mine"] = AllInOne  # type: ignore[index]  # the point of the test


def test_parameters_are_checked_and_converted_as_a_form_sends_them():
    strategy = make_strategy("MovingAverageCrossover", {"fast_sessions": "20", "slow_sessions": 100})

    assert strategy == MovingAverageCrossover(fast_sessions=20, slow_sessions=100)


def test_a_strategy_of_ones_own_is_found_by_module_and_class():
    strategy = make_strategy(f"{__name__}:AllInOne", {"symbol": "A"})

    assert strategy == AllInOne(symbol="A")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("Mommentum", {}, "strategy is 'Mommentum', but must be one of EqualWeight, MomentumRotation, MovingAverage"),
        ("no_such_package.x:Y", {}, "No module named 'no_such_package'"),
        ("decimal:Decimal", {}, "a class with target_weights in module decimal"),
        ("decimal:Nothing", {}, "a class with target_weights in module decimal"),
        ("EqualWeight", {"top": 1}, "parameter of EqualWeight is 'top', but must be left out: it has no parameters"),
        ("MomentumRotation", {"tpo": 1}, "is 'tpo', but must be one of top, lookback_sessions, skip_sessions"),
        ("MomentumRotation", {"top": 0}, "top of MomentumRotation is 0, but must be greater than 0"),
        ("MomentumRotation", {"top": "many"}, "top of MomentumRotation is 'many', but must be a valid integer"),
        ("MovingAverageCrossover", {"fast_sessions": 200, "slow_sessions": 50}, "fast_sessions is 200, but must be"),
        (f"{__name__}:AllInOne", {}, "missing 1 required keyword-only argument: 'symbol'"),
        (f"{__name__}:AllInOne", {"symbol": ""}, "symbol is empty"),
    ],
)
def test_a_strategy_that_cannot_be_made_is_refused_with_what_there_is(name, parameters, message):
    with pytest.raises(InvalidValue, match=message):
        make_strategy(name, parameters)


def test_a_module_that_does_not_parse_is_refused(tmp_path, monkeypatch):
    (tmp_path / "broken_rule.py").write_text("class Broken(:\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(InvalidValue, match="that can be imported"):
        make_strategy("broken_rule:Broken", {})


def test_the_source_hash_is_that_of_the_class_as_it_stands_in_its_file():
    expected = hashlib.sha256(inspect.getsource(sys.modules[__name__].AllInOne).encode()).hexdigest()

    assert source_hash(AllInOne(symbol="A")) == source_hash(AllInOne(symbol="B")) == expected
    assert source_hash(EqualWeight()) != expected


def test_a_strategy_without_source_is_refused_because_its_orders_could_not_be_traced():
    cls = type("Typed", (), {"target_weights": lambda self, bars: {}})

    with pytest.raises(InvalidValue, match=r"Typed.*a class in a file"):
        source_hash(cls())


def test_whatever_a_strategy_raises_is_told_as_its_failure():
    with pytest.raises(StrategyFailed, match="strategy Faulty failed: it raised ZeroDivisionError: division") as caught:
        run_strategy(Faulty(), three_bars())

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_strategy_sees_the_sessions_it_asked_for_and_cannot_change_them_for_others():
    bars, strategy = three_bars(), Meddling()

    weights = run_strategy(strategy, bars)

    assert weights == {"A": 1.0}
    assert strategy.seen["A"].tolist() == [2.0, 3.0]
    pd.testing.assert_frame_equal(bars.closes, three_bars().closes)


def test_a_strategy_may_not_weigh_more_than_it_was_allowed():
    with pytest.raises(StrategyFailed, match=r"add up to 1, but may be 0\.5 at most; divide them by their sum"):
        run_strategy(AllInOne(symbol="A"), three_bars(), max_gross=0.5)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf"), None, "0.5", True, np.float64("nan")])
def test_a_weight_that_is_no_finite_number_is_refused(weight):
    with pytest.raises(StrategyFailed, match=r"the weight of A is .*, but must be a finite number; leave out"):
        check_weights("Mine", {"A": weight}, ["A"], 1.0)


def test_a_weight_for_an_unknown_symbol_is_refused():
    with pytest.raises(
        StrategyFailed, match="it weighs 'X', which is not one of the 2 symbols in its bars; weigh only"
    ):
        check_weights("Mine", {"X": 0.1}, ["A", "B"], 1.0)


@pytest.mark.parametrize("weights", [[0.5], None, pd.Series({"A": 1.0})])
def test_weights_must_be_a_mapping(weights):
    with pytest.raises(StrategyFailed, match="but must return a dict of symbol to weight"):
        check_weights("Mine", weights, ["A"], 1.0)


def test_the_limit_counts_short_weights_as_much_as_long_ones():
    assert check_weights("Mine", {"B": -0.5, "A": 0.5}, ["A", "B"], 1.0) == {"A": 0.5, "B": -0.5}
    with pytest.raises(StrategyFailed, match=r"add up to 1\.02"):
        check_weights("Mine", {"A": 0.51, "B": -0.51}, ["A", "B"], 1.0)


def test_weights_divided_by_their_sum_are_not_over_the_limit():
    parts = np.array([0.1, 0.1, 0.7, 0.1])
    weights = dict(zip("ABCD", parts / parts.sum(), strict=True))

    checked = check_weights("Mine", weights, "ABCD", 1.0)

    assert math.fsum(checked.values()) > 1  # by the last bit of a float


def test_weights_of_any_real_type_become_floats():
    weights = check_weights("Mine", {"A": np.float32(0.5), "B": 0, "C": np.int64(0)}, ["A", "B", "C"], 1.0)

    assert weights == {"A": 0.5, "B": 0.0, "C": 0.0}
    assert {type(w) for w in weights.values()} == {float}
