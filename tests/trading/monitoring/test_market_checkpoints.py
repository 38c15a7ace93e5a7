"""What is measured hangs on the ticks alone: not on how they came in batches, nor on a kill in between."""

import io
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watch_builders import NAN, Quote, Trade, a_batch, a_session, at_us
from trading.errors import InvalidValue
from trading.monitoring import arrivals
from trading.monitoring.market_state import MarketState
from trading.monitoring.watched_session import WatchedSession

SECONDS = 75  # beyond a minute, so that the sums are summed anew once
SYMBOLS = ("A", "B", "C")

prices = st.sampled_from([99.7, 100.0, 100.1, 100.3, 104.9, 0.0, -3.0, NAN, float("inf")])
sizes = st.sampled_from([0.1, 0.7, 1.3, 300.0, 0.0, -1.0, NAN])
# mostly a little after the tick before, at times before it or far after it
steps = st.sampled_from([0.0, 0.001, 0.4, 0.9, 2.3, 3.1, -0.2, -2.5])
places = st.integers(0, len(SYMBOLS) - 1)
trades = st.tuples(steps, steps, places, prices, sizes)
quotes = st.tuples(steps, steps, places, prices, prices, sizes)


def ticks_of(rows: list[tuple[float, ...]]) -> list[Trade | Quote]:
    """Return a tick for each row, its time counted from the one before it of its kind."""
    ticks: list[Trade | Quote] = []
    at = {Trade: 0.0, Quote: 0.0}
    for step, ago, symbol, *values in rows:
        kind = Trade if len(values) == 2 else Quote
        at[kind] += step
        if kind is Trade:
            ticks.append(Trade(at=at[kind], traded=at[kind] - ago, symbol=int(symbol), px=values[0], size=values[1]))
        else:
            bid, ask, size = values
            ticks.append(Quote(at=at[kind], quoted=at[kind] - ago, symbol=int(symbol), bid=bid, ask=ask, bid_size=size))
    return ticks


def states(state: MarketState, seconds: range) -> list[npt.NDArray[np.float64]]:
    """Step through the seconds and return all that was measured."""
    return [state.step(at_us(second)).values for second in seconds]


def saved_and_loaded(session: WatchedSession, state: MarketState) -> MarketState:
    file = io.BytesIO()
    np.savez(file, **state.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return MarketState.from_arrays(session, dict(arrays))


@given(st.lists(st.one_of(trades, quotes), max_size=60), st.lists(st.integers(0, 60), max_size=8), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_the_same_ticks_in_other_batches_measure_the_same_to_the_last_bit(
    rows: list[tuple[float, ...]], cuts: list[int], chunk: int
):
    ticks, whole, cut = ticks_of(rows), MarketState(a_session(*SYMBOLS)), MarketState(a_session(*SYMBOLS))
    places = [0, *sorted(cuts), len(ticks)]

    whole.apply(a_batch(*ticks))
    expected = states(whole, range(1, SECONDS))
    for start, end in pairwise(places):
        cut.apply(a_batch(*ticks[start:end]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrivals, "_CHUNK", chunk)  # many thousand ticks would be needed to fill a real one
        found = states(cut, range(1, SECONDS))

    np.testing.assert_array_equal(np.stack(found), np.stack(expected))
    np.testing.assert_array_equal(cut.oddities.values, whole.oddities.values)


def test_sums_of_fractions_do_not_show_how_many_trades_were_taken_at_once(monkeypatch: pytest.MonkeyPatch):
    ticks = [Trade(at=n / 30, px=10.1 + n / 7, size=0.1 * n) for n in range(1, 90)]
    at_once, one_by_one = MarketState(a_session()), MarketState(a_session())

    for state in (at_once, one_by_one):
        state.apply(a_batch(*ticks))
    expected = states(at_once, range(1, 4))
    monkeypatch.setattr(arrivals, "_CHUNK", 1)
    found = states(one_by_one, range(1, 4))

    np.testing.assert_array_equal(np.stack(found), np.stack(expected))


@given(st.lists(st.one_of(trades, quotes), max_size=60), st.integers(1, SECONDS - 2), st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_a_watch_that_was_killed_goes_on_to_the_last_bit(rows: list[tuple[float, ...]], killed: int, heard: int):
    session, ticks = a_session(*SYMBOLS), ticks_of(rows)
    state = MarketState(session)

    state.apply(a_batch(*ticks[:heard]))
    states(state, range(1, killed))
    resumed = saved_and_loaded(session, state)
    for each in (state, resumed):
        each.apply(a_batch(*ticks[heard:]))
    expected, found = (states(each, range(killed, SECONDS)) for each in (state, resumed))

    np.testing.assert_array_equal(np.stack(found), np.stack(expected))
    np.testing.assert_array_equal(resumed.oddities.values, state.oddities.values)


def test_a_held_sample_and_a_tick_that_waits_outlive_a_kill():
    session = a_session()
    state = MarketState(session)
    state.apply(a_batch(Quote(at=0.5, bid=100, ask=101), Quote(at=1.5, bid=NAN, ask=101), Trade(at=5.5, px=90)))
    states(state, range(1, 4))

    resumed = saved_and_loaded(session, state)
    for each in (state, resumed):
        each.apply(a_batch(Trade(at=4.0, px=95)))  # by our clock before the one that waits
    expected, found = (states(each, range(4, 40)) for each in (state, resumed))

    np.testing.assert_array_equal(np.stack(found), np.stack(expected))
    np.testing.assert_array_equal(resumed.oddities.values, state.oddities.values)


def test_windows_go_on_after_a_kill_when_their_ring_has_gone_round():
    session = a_session()
    straight = MarketState(session)
    straight.apply(a_batch(*(Quote(at=n * 1.7, bid=100 + n % 13, ask=100.5 + n % 13) for n in range(700))))
    states(straight, range(1, 1000))

    resumed = saved_and_loaded(session, straight)

    seconds = range(1000, 1065)
    np.testing.assert_array_equal(np.stack(states(resumed, seconds)), np.stack(states(straight, seconds)))


def test_a_checkpoint_is_a_copy_and_holds_no_objects():
    state = MarketState(a_session())
    arrays = state.to_arrays()

    state.apply(a_batch(Quote(at=0.1, bid=10, ask=11), Quote(at=5.0, bid=10, ask=11)))
    state.step(at_us(1))

    assert np.isnan(arrays["quotes.bid"]).all()
    assert not len(arrays["quotes_waiting.bid"])
    assert all(array.dtype.kind in "bifuU" for array in arrays.values())


def test_a_checkpoint_of_something_else_is_refused():
    arrays = MarketState(a_session("A", "B")).to_arrays()
    shorter = {name: array for name, array in arrays.items() if name != "trades.last"}
    later = {**arrays, "clock": arrays["clock"] + [0, 1, 0, 0]}
    damaged = {**arrays, "trades.last": arrays["trades.last"][:1]}
    torn = {**arrays, "trades_waiting.px": np.array([1.0])}
    session = a_session("A", "B")

    with pytest.raises(InvalidValue, match=r"trades\.last.*start anew from the record"):
        MarketState.from_arrays(session, shorter)
    with pytest.raises(InvalidValue, match="another watch list"):
        MarketState.from_arrays(a_session("B", "A"), arrays)
    with pytest.raises(InvalidValue, match="version and session"):
        MarketState.from_arrays(session, later)
    with pytest.raises(InvalidValue, match=r"checkpoint, trades\.last"):
        MarketState.from_arrays(session, damaged)
    with pytest.raises(InvalidValue, match=r"checkpoint, trades_waiting\.px"):
        MarketState.from_arrays(session, torn)
