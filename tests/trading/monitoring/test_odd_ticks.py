"""What is odd is counted, and makes no price."""

import numpy as np
import pytest

from tests.watch_builders import NAN, Quote, Trade, a_batch, a_session, at_us, told, watched
from trading.errors import InvalidValue
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric
from trading.monitoring.oddities import Oddity

INF = float("inf")


def counted(state: MarketState, symbol: int = 0) -> dict[Oddity, int]:
    return {oddity: count for oddity in Oddity if (count := int(state.oddities.of(oddity)[symbol]))}


def test_prices_that_are_none_make_no_trade_and_no_side():
    state = MarketState(a_session())

    metrics = watched(
        state,
        1,
        *(Trade(at=0.1, px=px) for px in (10.0, 0.0, -1.0, NAN, INF, -INF)),
        *(Quote(at=0.1, bid=bid, ask=12.0) for bid in (0.0, -1.0, INF, -INF)),
    )

    assert told(metrics, Metric.LAST, Metric.VOLUME, Metric.ASK) == [10.0, 100.0, 12.0]
    assert np.isnan(told(metrics, Metric.BID, Metric.MID)).all()
    assert counted(state) == {Oddity.BAD_PRICE: 5 + 4, Oddity.ONE_SIDED: 4}


def test_sizes_that_are_none_make_no_volume():
    state = MarketState(a_session())
    sizes = (100.0, NAN, 0.0, -5.0, INF)

    metrics = watched(
        state,
        1,
        *(Trade(at=n / 10, px=10.0 + n, size=size) for n, size in enumerate(sizes)),
        Quote(at=0.5, bid=10, ask=10.01, bid_size=-1, ask_size=5),
    )

    # an unknown size and a size of 0 tell a price all the same
    assert told(metrics, Metric.LAST, Metric.VOLUME, Metric.DAY_HIGH) == [12.0, 100.0, 12.0]
    assert counted(state) == {Oddity.BAD_SIZE: 3}
    assert told(metrics, Metric.LIQUIDITY) == pytest.approx([1 / (1 + 100 * (0.01 / 10.005) / 0.1)])


def test_a_trade_out_of_sequence_is_volume_and_high_and_not_the_last():
    state = MarketState(a_session())

    metrics = watched(
        state,
        2,
        Trade(at=0.5, px=10, traded=0.4),
        Trade(at=0.6, px=12, traded=0.3),
        Trade(at=1.5, px=11, traded=0.3),
    )

    # condition Z of the consolidated tape: volume and high yes, last no
    assert told(metrics, Metric.LAST, Metric.VOLUME, Metric.DAY_HIGH, Metric.TRADE_AGE_SECONDS) == [10, 300, 12, 1.5]
    assert counted(state) == {Oddity.OUT_OF_SEQUENCE: 2}


def test_a_quote_out_of_sequence_is_not_taken():
    state = MarketState(a_session("A", "B"))

    metrics = watched(
        state,
        1,
        Quote(at=0.5, bid=10, ask=11, quoted=0.4),
        Quote(at=0.6, bid=12, ask=13, quoted=0.3),
        Quote(at=0.7, bid=20, ask=21, quoted=0.3, symbol=1),
    )

    assert told(metrics, Metric.BID, Metric.QUOTE_AGE_SECONDS) == [10, 0.5]
    assert told(metrics, Metric.BID, symbol=1) == [20]
    assert (counted(state), counted(state, 1)) == ({Oddity.OUT_OF_SEQUENCE: 1}, {})


def test_a_provider_whose_clock_runs_ahead_does_not_silence_what_follows():
    state = MarketState(a_session())

    metrics = watched(state, 2, Quote(at=0.5, bid=10, ask=11, quoted=86_400), Quote(at=1.5, bid=20, ask=21, quoted=1.4))

    assert told(metrics, Metric.BID) == [20]


def test_equal_prints_count_in_full_and_are_noted():
    state = MarketState(a_session("A", "B"))
    prints = [Trade(at=at, px=10, traded=0.2, symbol=symbol) for at, symbol in ((0.3, 0), (0.4, 1), (0.5, 0), (1.5, 0))]

    metrics = watched(state, 2, *prints)

    assert told(metrics, Metric.VOLUME) == [300]
    assert (counted(state), counted(state, 1)) == ({Oddity.REPEATED: 2}, {})


def test_crossed_and_locked_quotes_are_counted_as_they_were():
    state = MarketState(a_session())

    watched(state, 1, *(Quote(at=0.1, bid=bid, ask=11) for bid in (10, 11, 12)))

    assert counted(state) == {Oddity.LOCKED: 1, Oddity.CROSSED: 1}


def test_a_row_that_tells_one_side_leaves_the_other_as_it_was():
    state = MarketState(a_session("A", "B"))
    rows = (Quote(at=0.1, bid=10, ask=NAN, ask_size=0), Quote(at=0.1, bid=NAN, ask=50, symbol=1))

    first = watched(state, 1, *rows, one_sided_rows=True)
    both = watched(state, 2, Quote(at=1.1, bid=0, ask=11, bid_size=0, ask_size=7), one_sided_rows=True)
    whole = watched(state, 3, Quote(at=2.1, bid=NAN, ask=12))

    assert told(first, Metric.BID) == [10]
    np.testing.assert_array_equal(told(first, Metric.BID, Metric.ASK, symbol=1), [NAN, 50])
    assert told(both, Metric.BID, Metric.ASK, Metric.MID) == [10, 11, 10.5]
    assert np.isnan(told(whole, Metric.BID)).all()
    assert counted(state) == {Oddity.ONE_SIDED: 2}


def test_a_tick_that_comes_when_its_second_is_over_counts_in_the_one_under_way():
    state = MarketState(a_session())
    watched(state, 10, Trade(at=9.9, px=10))

    metrics = watched(state, 11, Trade(at=10.5, px=11), Trade(at=9.8, px=12, traded=10.6), Trade(at=10.7, px=13))

    assert told(metrics, Metric.LAST, Metric.VOLUME) == [13, 400]
    assert counted(state) == {Oddity.LATE_CLOCK: 1}


def test_a_tick_that_was_handed_on_too_late_counts_as_received_when_the_second_under_way_began():
    state = MarketState(a_session())
    watched(state, 10)

    metrics = watched(state, 11, Trade(at=5.0, px=10))

    assert told(metrics, Metric.LAST, Metric.TRADE_AGE_SECONDS) == [10, 1.0]
    assert counted(state) == {Oddity.LATE_CLOCK: 1}


def test_a_tick_received_later_waits_for_its_second():
    state = MarketState(a_session())

    before = watched(state, 1, Trade(at=0.999999, px=10), Trade(at=1.0, px=11))
    after = watched(state, 2)

    assert told(before, Metric.LAST) == [10]
    assert told(after, Metric.LAST) == [11]


def test_a_symbol_outside_the_watch_list_is_named_and_nothing_of_the_batch_is_taken():
    state = MarketState(a_session("A", "B"))

    for wrong in (2, -1):
        with pytest.raises(
            InvalidValue, match=rf"trade_symbol is {wrong}, but must be a place in .* 2 symbols, 0 to 1"
        ):
            state.apply(a_batch(Quote(at=0.1, bid=1, ask=2), Trade(at=0.1, px=10, symbol=wrong)))

    assert np.isnan(watched(state, 1).of(Metric.BID)).all()


def test_no_second_is_left_out_or_comes_again():
    state = MarketState(a_session())
    state.step(at_us(5))

    for wrong in (5, 7, 4, 6.5):
        with pytest.raises(InvalidValue, match="at_us"):
            state.step(at_us(wrong))
    assert state.step(at_us(6)).at_us == at_us(6)
