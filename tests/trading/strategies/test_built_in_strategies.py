import os
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.errors import InvalidValue
from trading.strategies.equal_weight import EqualWeight
from trading.strategies.momentum_rotation import MomentumRotation
from trading.strategies.moving_average_crossover import MovingAverageCrossover
from trading.strategies.strategy import MAX_GAP_SESSIONS, PointInTimeBars

DATA = Path(os.environ.get("OPENBELL_TEST_DATA", Path(__file__).resolve().parents[3] / ".." / "shared" / "data"))
NAN = float("nan")


def bars_of(**closes: list[float]) -> PointInTimeBars:
    length = max(len(values) for values in closes.values())
    index = pd.bdate_range(end="2024-03-28", periods=length, unit="us")
    return PointInTimeBars(
        closes=pd.DataFrame(closes, index=index, dtype=np.float64),
        session=date(2024, 4, 1),
        last_session=date(2024, 3, 28),
    )


def test_equal_weight_shares_equity_between_the_symbols_that_traded_in_the_last_session():
    bars = bars_of(B=[10.0, 11.0], A=[5.0, 5.0], HALTED=[7.0, NAN], DEAD=[NAN, NAN], C=[NAN, 1.0])

    weights = EqualWeight().target_weights(bars)

    assert weights == {"A": 1 / 3, "B": 1 / 3, "C": 1 / 3}


def test_equal_weight_of_nothing_is_nothing():
    assert EqualWeight().target_weights(bars_of(A=[NAN])) == {}


def test_a_crossover_holds_its_share_of_what_rises_and_leaves_the_rest_in_cash():
    crossover = MovingAverageCrossover(fast_sessions=2, slow_sessions=4)
    # Averages of 2 and of 4: UP 3.5 > 2.5, DOWN 1.5 < 2.5, and FLAT 2 = 2.
    bars = bars_of(UP=[1, 2, 3, 4], DOWN=[4, 3, 2, 1], FLAT=[2, 2, 2, 2], YOUNG=[NAN, NAN, NAN, NAN])

    weights = crossover.target_weights(bars)

    assert weights == {"UP": 0.25}


def test_equal_averages_do_not_cross_because_of_float_noise():
    crossover = MovingAverageCrossover(fast_sessions=3, slow_sessions=7)

    assert crossover.target_weights(bars_of(**{f"S{i}": [0.1 * i] * 7 for i in range(1, 50)})) == {}


@pytest.mark.parametrize(
    ("fast", "slow", "message"),
    [
        (200, 50, "fast_sessions is 200, but must be less than slow_sessions, which is 50"),
        (50, 50, "fast_sessions is 50, but must be less than slow_sessions, which is 50"),
    ],
)
def test_a_fast_average_must_be_faster_than_the_slow_one(fast, slow, message):
    with pytest.raises(InvalidValue, match=message):
        MovingAverageCrossover(fast_sessions=fast, slow_sessions=slow)


@pytest.mark.skipif(not DATA.is_dir(), reason="the sample data is not beside the repository")
@pytest.mark.parametrize(
    ("last_session", "above_before", "above_now"),
    [
        # nasdaq.com, "Some Historical Perspective on the S&P 500 Index Death Cross", 2020-04-06
        ("2018-12-07", True, False),
        ("2019-04-01", False, True),
        # fourdimensiontrading.com, 2023-01-29
        ("2020-07-09", False, True),
        ("2022-03-14", True, False),
    ],
)
def test_the_crossover_finds_the_crosses_of_the_sp_500_that_the_press_reported(last_session, above_before, above_now):
    index = pd.read_csv(DATA / "portfolio" / "sp500_index.csv.gz", index_col=0, parse_dates=True)
    known = index.loc[:last_session]

    held = [bool(MovingAverageCrossover().target_weights(_known_closes(closes))) for closes in (known.iloc[:-1], known)]

    assert held == [above_before, above_now]


def _known_closes(closes: pd.DataFrame) -> PointInTimeBars:
    last = closes.index[-1].date()
    return PointInTimeBars(closes=closes, session=date.fromordinal(last.toordinal() + 1), last_session=last)


def test_momentum_holds_the_winners_of_the_year_without_its_last_month():
    rotation = MomentumRotation(top=2, lookback_sessions=4, skip_sessions=1)
    # From the first close to the last but one: A +20 %, B +50 %, C -10 %, D +30 %. What B did last is left out.
    bars = bars_of(A=[10, 1, 12, 99], B=[10, 1, 15, 2], C=[10, 1, 9, 99], D=[10, 1, 13, 13])

    weights = rotation.target_weights(bars)

    assert weights == {"B": 0.5, "D": 0.5}


def test_momentum_of_equals_takes_the_first_by_name():
    rotation = MomentumRotation(top=2, lookback_sessions=3, skip_sessions=0)
    # All rise by 10 %, but for the last bits of a float.
    tied = {f"S{i:02}": [0.7 * i, 1.0, 0.77 * i] for i in range(60, 9, -1)}

    assert rotation.target_weights(bars_of(**tied)) == {"S10": 0.5, "S11": 0.5}


def test_momentum_leaves_cash_when_there_are_too_few_symbols():
    rotation = MomentumRotation(top=5, lookback_sessions=3, skip_sessions=0)

    assert rotation.target_weights(bars_of(A=[1, 2, 3], B=[NAN, NAN, NAN])) == {"A": 0.2}
    assert rotation.target_weights(bars_of(A=[1, 2])) == {}


def test_momentum_must_leave_a_formation_period():
    with pytest.raises(InvalidValue, match="skip_sessions is 3, but must be at least 2 less than lookback_sessions"):
        MomentumRotation(lookback_sessions=4, skip_sessions=3)


@pytest.mark.parametrize("gap_at", [0, 100, 194])
def test_a_bar_missing_for_a_few_sessions_does_not_close_a_position(gap_at):
    closes = list(np.linspace(10, 20, 200))
    closes[gap_at : gap_at + MAX_GAP_SESSIONS] = [NAN] * MAX_GAP_SESSIONS

    weights = MovingAverageCrossover().target_weights(bars_of(A=closes))

    assert weights == {"A": 1.0}


@pytest.mark.parametrize("gap_at", [0, 100, 193])
def test_a_symbol_without_enough_history_is_not_held(gap_at):
    closes = list(np.linspace(10, 20, 200))
    closes[gap_at : gap_at + MAX_GAP_SESSIONS + 1] = [NAN] * (MAX_GAP_SESSIONS + 1)

    assert MovingAverageCrossover().target_weights(bars_of(A=closes)) == {}


@pytest.mark.parametrize("strategy", [EqualWeight(), MovingAverageCrossover(), MomentumRotation()])
def test_a_strategy_decides_the_same_from_the_sessions_it_asked_for_as_from_more(strategy):
    rng = np.random.default_rng(7)
    walks = {s: list(50 * np.exp(np.cumsum(rng.normal(0, 0.02, 400)))) for s in "ABCDEFGH"}
    more = bars_of(**walks)
    asked = bars_of(**{s: v[-strategy.lookback_sessions :] for s, v in walks.items()})

    assert strategy.target_weights(more) == strategy.target_weights(asked) != {}


def test_bars_younger_than_the_last_known_session_are_refused():
    closes = pd.DataFrame({"A": [1.0, 2.0]}, index=pd.to_datetime(["2024-03-27", "2024-03-28"]))

    with pytest.raises(InvalidValue, match=r"youngest close is .*2024, 3, 28.* of 2024-03-27 or before"):
        PointInTimeBars(closes=closes, session=date(2024, 3, 28), last_session=date(2024, 3, 27))
    with pytest.raises(InvalidValue, match="ascending order"):
        PointInTimeBars(closes=closes[::-1], session=date(2024, 4, 1), last_session=date(2024, 3, 28))
    with pytest.raises(InvalidValue, match="before the session to be traded"):
        PointInTimeBars(closes=closes, session=date(2024, 3, 28), last_session=date(2024, 3, 28))
