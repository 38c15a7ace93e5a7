"""Metrics of the market, with numbers worked by hand."""

import math

import numpy as np
import pytest

from tests.watch_builders import NAN, Quote, Trade, a_session, at_us, told, watched
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric


def test_a_quote_tells_mid_spread_and_how_liquid_the_symbol_is():
    state = MarketState(a_session())

    metrics = watched(state, 1, Quote(at=0.2, bid=99.95, ask=100.05, bid_size=100, ask_size=200))

    # spread 0.10 of 100 = 0.1 %, which halves its part; thinner side 99.95 x 100 = 9995, 9995 / 19995 = 0.499875;
    # no profile of volume, so sqrt(0.5 x 0.499875)
    assert told(metrics, Metric.MID, Metric.SPREAD, Metric.SPREAD_PCT) == pytest.approx([100.0, 0.1, 0.1])
    assert told(metrics, Metric.LIQUIDITY) == pytest.approx([math.sqrt(0.5 * 9995 / 19995)])
    assert told(metrics, Metric.QUOTE_AGE_SECONDS) == [0.8]


def test_trades_since_the_open_make_volume_average_price_range_and_change():
    state = MarketState(a_session(previous_closes=[8.0]))

    metrics = watched(state, 2, Trade(at=0.1, px=10.0, size=100), Trade(at=1.5, px=11.0, size=300))

    # (10 x 100 + 11 x 300) / 400 = 10.75; 11 / 10 = +10 %; 11 / 8 = +37.5 %
    names = (Metric.VOLUME, Metric.VWAP, Metric.DAY_HIGH, Metric.DAY_LOW, Metric.TRADE_AGE_SECONDS)
    assert told(metrics, *names) == [400.0, 10.75, 11.0, 10.0, 0.5]
    assert told(metrics, Metric.DAY_RANGE_PCT, Metric.CHANGE_PCT) == pytest.approx([10.0, 37.5])


def test_a_trade_before_the_open_is_the_last_one_and_no_part_of_the_session():
    state = MarketState(a_session())

    metrics = watched(state, 1, Trade(at=-5.0, px=10.0, size=100))

    assert told(metrics, Metric.LAST, Metric.TRADE_AGE_SECONDS, Metric.VOLUME) == [10.0, 6.0, 0.0]
    assert np.isnan(told(metrics, Metric.VWAP, Metric.DAY_HIGH, Metric.DAY_LOW, Metric.DAY_RANGE_PCT)).all()


def test_a_desk_that_comes_late_counts_only_trades_received_since_the_open():
    state = MarketState(a_session())

    metrics = watched(state, 1, Trade(at=-5.0, px=10.0, size=100), Trade(at=0.5, px=11.0, size=7))

    assert told(metrics, Metric.LAST, Metric.VOLUME, Metric.DAY_LOW) == [11.0, 7.0, 11.0]


def test_a_jump_is_in_return_and_volatility_until_it_leaves_the_window():
    state = MarketState(a_session())
    quiet = watched(state, 61, Quote(at=0.5, bid=100, ask=100))

    jumped = watched(state, 121, Quote(at=61.5, bid=110, ask=110))
    after = watched(state, 180)

    # ln 1.1 = 0.0953101798; the jump is sampled at 62 s and leaves the window of 60 changes at 122 s
    assert told(quiet, Metric.RETURN_1M_PCT, Metric.VOLATILITY_1M_PCT) == [0.0, 0.0]
    assert told(jumped, Metric.RETURN_1M_PCT, Metric.VOLATILITY_1M_PCT) == pytest.approx([10.0, 9.53101798])
    assert told(after, Metric.RETURN_1M_PCT, Metric.VOLATILITY_1M_PCT) == [0.0, 0.0]
    assert told(after, Metric.RETURN_5M_PCT, Metric.VOLATILITY_5M_PCT) == pytest.approx([10.0, 9.53101798])


def test_a_window_is_told_from_half_its_length_on():
    state = MarketState(a_session())
    before = watched(state, 30, Quote(at=0.5, bid=100, ask=100), Quote(at=20.5, bid=101, ask=101))

    told_from_now_on = watched(state, 31)

    # the first sample is that of second 1, so 30 s of the minute have been sampled at second 31
    assert np.isnan(told(before, Metric.RETURN_1M_PCT, Metric.VOLATILITY_1M_PCT)).all()
    assert told(told_from_now_on, Metric.RETURN_1M_PCT) == pytest.approx([1.0])
    assert np.isnan(told(told_from_now_on, Metric.RETURN_5M_PCT, Metric.VOLATILITY_5M_PCT, Metric.TREND)).all()


def test_a_trend_is_the_net_way_by_the_whole_way():
    state = MarketState(a_session("UP", "STILL"))
    path = [Quote(at=at + 0.5, bid=px, ask=px) for at, px in ((0, 100), (50, 200), (100, 400), (150, 800), (200, 400))]

    metrics = watched(state, 460, Quote(at=0.5, bid=5, ask=5, symbol=1), *path)

    # three doublings and a halving: net two of four steps of ln 2
    assert told(metrics, Metric.TREND) == pytest.approx([0.5])
    assert told(metrics, Metric.TREND, symbol=1) == [0.0]


def test_a_halted_symbol_grows_old_and_calm():
    state = MarketState(a_session())
    ticks = [Quote(at=n + 0.5, bid=100 + n % 2, ask=100 + n % 2) for n in range(300)]
    wild = watched(state, 300, *ticks, Trade(at=299.5, px=100))

    halted = watched(state, 1201)

    # from 300 to 1201 s nothing moved, so all 900 changes are 0
    assert told(wild, Metric.VOLATILITY_5M_PCT)[0] > 10
    assert told(halted, Metric.QUOTE_AGE_SECONDS, Metric.TRADE_AGE_SECONDS) == [901.5, 901.5]
    volatilities = (Metric.VOLATILITY_1M_PCT, Metric.VOLATILITY_5M_PCT, Metric.VOLATILITY_15M_PCT)
    assert told(halted, *volatilities) == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    assert told(halted, Metric.RETURN_15M_PCT, Metric.TREND) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_side_that_is_gone_for_a_moment_and_an_old_trade_make_no_move():
    state = MarketState(a_session())
    ticks = (
        Trade(at=0.1, px=90),
        Quote(at=0.5, bid=100, ask=100),
        Quote(at=40.5, bid=NAN, ask=101),  # nobody bids
        Quote(at=45.5, bid=102, ask=101),  # crossed
    )

    gone = watched(state, 42, *ticks)
    crossed = watched(state, 50)
    traded = watched(state, 55, Trade(at=52.5, px=105))

    assert np.isnan(told(gone, Metric.MID, Metric.SPREAD, Metric.SPREAD_PCT, Metric.BID)).all()
    assert told(gone, Metric.LIQUIDITY, Metric.ASK, Metric.RETURN_1M_PCT) == [0.0, 101.0, 0.0]
    assert np.isnan(told(crossed, Metric.MID, Metric.SPREAD, Metric.LIQUIDITY)).all()
    assert told(crossed, Metric.BID, Metric.ASK, Metric.VOLATILITY_1M_PCT) == [102.0, 101.0, 0.0]
    assert told(traded, Metric.RETURN_1M_PCT) == pytest.approx([5.0])


def test_volume_is_held_against_what_is_usual_at_the_time_of_day():
    usual = np.array([1000.0, 2000.0, 6000.0])[:, None]
    state = MarketState(a_session(usual_volumes=usual, minutes=3))

    early = watched(state, 59, Trade(at=1.0, px=10, size=3000))
    later = watched(state, 90)
    closed = watched(state, 240)

    # half way from 1,000 to 2,000 is 1,500; after the close it is that of the close
    assert np.isnan(told(early, Metric.VOLUME_RATIO)).all()
    assert told(later, Metric.VOLUME_RATIO) == [2.0]
    assert told(closed, Metric.VOLUME_RATIO) == [0.5]


def test_volume_of_a_desk_that_comes_late_is_held_against_what_is_usual_since_then():
    usual = np.array([[1000.0, 1000.0], [2000.0, 2000.0], [6000.0, 6000.0], [6600.0, 6600.0], [7000.0, 7000.0]])
    state = MarketState(a_session("IBM", usual_volumes=usual[:, :1], minutes=5))
    state.step(at_us(91))

    early = watched(state, 149, Trade(at=95.0, px=10, size=4500))
    later = watched(state, 180)
    state = state.with_symbols(a_session("IBM", "BAC", usual_volumes=usual, minutes=5))
    both = watched(state, 240, Trade(at=200.0, px=10, size=60, symbol=1))

    # watched from 90 s on, by when 1,500 are usual; 6,000 by 180 s, and 600 more in the minute after
    assert np.isnan(told(early, Metric.VOLUME_RATIO)).all()
    assert told(later, Metric.VOLUME_RATIO) == [1.0]
    assert both.of(Metric.VOLUME_RATIO) == pytest.approx([4500 / 5100, 0.1])


def test_one_symbol_does_not_touch_another():
    both, alone = MarketState(a_session("A", "B")), MarketState(a_session("B"))
    ticks = [Trade(at=n / 3, px=50 + n % 7, symbol=1) for n in range(300)]

    together = watched(both, 100, *[Quote(at=n / 5, bid=9, ask=9.5) for n in range(400)], *ticks)
    apart = watched(alone, 100, *[Trade(at=each.at, px=each.px) for each in ticks])

    np.testing.assert_array_equal(together.values[:, 1], apart.values[:, 0])


def test_steps_within_a_second_measure_what_came_and_leave_the_samples_as_they_were():
    ticks = (
        Quote(at=0.5, bid=100, ask=100),
        *(Quote(at=n + 0.3, bid=100 + n % 3, ask=100 + n % 3) for n in range(1, 90)),
        Trade(at=89.7, px=50),
    )
    by_second, by_fifth = MarketState(a_session()), MarketState(a_session())
    for state in (by_second, by_fifth):
        watched(state, 1, *ticks)

    whole = watched(by_second, 90)
    within = [by_fifth.step(at_us(1 + n / 5)) for n in range(1, 5 * 89 + 1)]

    # the quote of 89.3 s, 102, is in the step that ends at 89.4 s; the trade of 89.7 s is not in that of 89.6 s
    assert told(within[-4], Metric.MID, Metric.TRADE_AGE_SECONDS)[0] == 102.0
    assert np.isnan(told(within[-3], Metric.LAST)).all()
    assert told(within[-2], Metric.LAST, Metric.TRADE_AGE_SECONDS) == pytest.approx([50.0, 0.1])
    np.testing.assert_array_equal(within[-1].values, whole.values)


def test_a_step_within_a_second_without_a_tick_measures_nothing():
    state = MarketState(a_session())
    first = watched(state, 1, Quote(at=0.5, bid=100, ask=100))

    still, whole = state.step(at_us(1.2)), [state.step(at_us(at)) for at in (1.8, 2.0)][1]

    assert still is first
    assert told(whole, Metric.QUOTE_AGE_SECONDS) == [1.5]
