"""What is measured of order books."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watch_builders import NAN, a_session, at_us
from trading.market.depth import OrderBook, PriceLevel
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric
from trading.monitoring.oddities import Oddity
from trading.monitoring.tick_batch import TickBatch

AT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
DEPTHS = (Metric.DEPTH_BID, Metric.DEPTH_ASK, Metric.BOOK_IMBALANCE, Metric.IMPACT_PCT)
NOT_KNOWN = pytest.approx([NAN] * 4, nan_ok=True)
Side = list[tuple[float, float]]


def a_book(bids: Side, asks: Side) -> OrderBook:
    """Return a book of prices and sizes, best first."""
    bid, ask = (tuple(PriceLevel(price=px, size=size) for px, size in side) for side in (bids, asks))
    return OrderBook(symbol="IBM", bids=bid, asks=ask, at=AT, since=AT)


def told(*books: tuple[float, int, OrderBook]) -> TickBatch:
    """Return books, each with the second at which it was received and the place of its symbol."""
    return TickBatch(
        book_symbol=np.array([place for _, place, _ in books], dtype=np.int32),
        book_levels=np.array([book.best_levels() for _, _, book in books], dtype=np.float64),
        book_received_at=np.array([at_us(at) for at, _, _ in books], dtype=np.int64),
    )


def measured(state: MarketState, second: int, place: int = 0) -> list[float]:
    metrics = state.step(at_us(second))
    return [float(metrics.of(metric)[place]) for metric in DEPTHS]


def test_the_best_five_prices_of_each_side_count_and_no_more():
    bids = [(100.0, 100), (99.9, 200), (99.8, 300), (99.7, 400), (99.6, 500), (99.5, 9999)]
    asks = [(100.1, 50), (100.2, 50), (100.3, 100)]
    state = MarketState(a_session())

    state.apply(told((0.5, 0, a_book(bids, asks))))

    # 10,000 buys 50 at 100.10 and 49.85 at 100.20: 5,005 and 4,995. 10,000 raised sells all at 100. The mid is 100.05.
    paid = 10_000 / (50 + 4_995 / 100.2)
    assert measured(state, 1) == pytest.approx([1500, 200, 1300 / 1700, 100 * (paid / 100.05 - 1)], rel=1e-12)


def test_a_book_is_known_in_the_second_in_which_it_was_told_and_in_no_other():
    one, two = a_book([(10.0, 100)], [(10.1, 100)]), a_book([(10.0, 300)], [(10.1, 100)])
    state = MarketState(a_session("A", "B"))

    state.apply(told((0.1, 0, one), (0.2, 1, one), (0.9, 0, two), (2.5, 0, one)))
    seconds = [measured(state, second)[0] for second in (1, 2, 3)]

    assert seconds == pytest.approx([300, NAN, 100], nan_ok=True)


def test_a_book_of_before_the_first_second_is_not_taken_for_one_of_it():
    state = MarketState(a_session())

    state.apply(told((-5.0, 0, a_book([(10.0, 100)], [(10.1, 100)]))))

    assert measured(state, 1) == NOT_KNOWN


def test_a_crossed_book_is_counted_and_nothing_is_made_of_it_nor_of_the_one_before():
    state = MarketState(a_session())

    state.apply(told((0.1, 0, a_book([(10.0, 100)], [(10.1, 100)])), (0.2, 0, a_book([(10.2, 100)], [(10.1, 100)]))))

    assert measured(state, 1) == NOT_KNOWN
    assert state.oddities.of(Oddity.CROSSED_BOOK).tolist() == [1]


def test_a_side_in_which_nobody_stands_has_none_and_a_thin_one_tells_no_impact():
    empty, thin = a_book([(10.0, 5000)], []), a_book([(10.0, 5000)], [(10.1, 900)])
    state = MarketState(a_session("A", "B", "C"))

    state.apply(told((0.5, 0, empty), (0.5, 1, thin), (0.5, 2, a_book([], []))))
    metrics = state.step(at_us(1))

    assert metrics.of(Metric.DEPTH_ASK).tolist() == [0, 900, 0]
    assert metrics.of(Metric.BOOK_IMBALANCE) == pytest.approx([1, 4100 / 5900, NAN], nan_ok=True)
    assert np.isnan(metrics.of(Metric.IMPACT_PCT)).all()


levels = st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3000)), max_size=7)


@given(levels, levels, st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_the_numbers_are_those_of_taking_the_book_unit_by_unit(bids: Side, asks: Side, spread: int):
    bids = sorted({px: (5000 - px, size) for px, size in bids}.values(), reverse=True)
    asks = sorted({px: (5000 + spread + px, size) for px, size in asks}.values())
    state = MarketState(a_session())

    state.apply(told((0.5, 0, a_book(bids, asks))))
    found = measured(state, 1)

    bid, ask = (sum(size for _, size in side[:5]) for side in (bids, asks))
    assert found[:2] == [bid, ask]
    assert found[2] == pytest.approx((bid - ask) / (bid + ask) if bid + ask else NAN, nan_ok=True)
    assert found[3] == pytest.approx(worse_by_hand(bids[:5], asks[:5]), nan_ok=True, abs=1e-9)


def worse_by_hand(bids: Side, asks: Side) -> float:
    """Return the impact of 10,000, of the worse side, in per cent."""
    if not (bids and asks):
        return NAN
    mid = (bids[0][0] + asks[0][0]) / 2
    costs = []
    for side in (bids, asks):
        left, units = 10_000.0, 0.0
        for px, size in side:
            here = min(left, px * size)
            left, units = left - here, units + here / px
        if left > 0:
            return NAN
        costs.append(100 * math.fabs(10_000 / units / mid - 1))
    return max(costs)
