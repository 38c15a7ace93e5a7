"""Silence of a feed and of its symbols, against what they did before."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.errors import InvalidValue
from trading.monitoring.feed_health import FeedHealth, FeedPolicy
from trading.monitoring.tick_batch import SymbolArray, TickBatch

SECOND = 1_000_000
OPEN = 1_381_152_600 * SECOND  # 2013-10-07 09:30 in New York
SHARED = Path(os.environ.get("OPENBELL_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
TICKS = SHARED / "ticks"


def quotes(*told: tuple[int, float]) -> TickBatch:
    """Return quotes: place and second after the open."""
    places, at = [place for place, _ in told], [OPEN + round(second * SECOND) for _, second in told]
    values = np.ones(len(told))
    return TickBatch(
        quote_symbol=np.array(places, dtype=np.int32),
        bid=values,
        ask=values,
        bid_size=values,
        ask_size=values,
        quoted_at=np.array(at, dtype=np.int64),
        quote_received_at=np.array(at, dtype=np.int64),
    )


def places(*numbers: int) -> SymbolArray:
    return np.array(numbers, dtype=np.int32)


def fed(seconds: int, every: dict[int, int]) -> FeedHealth:
    """Return the health of a feed that has told each place every so many seconds."""
    health = FeedHealth(OPEN)
    health.want(places(*every), OPEN)
    for second in range(seconds):
        health.take(quotes(*((place, second) for place, step in every.items() if second % step == 0)))
    return health


def test_a_feed_that_tells_every_second_is_dead_two_expected_intervals_after_its_last_tick():
    """The longest pause is 1 s, of which the expected interval is 1.5 times: dead after 3 s."""
    health = fed(60, {0: 1, 1: 7})

    assert health.feed_expected_seconds() == pytest.approx(1.5, rel=0.01)
    assert not health.is_dead(OPEN + round(61.9 * SECOND))
    assert health.is_dead(OPEN + 62 * SECOND)
    assert health.feed_silence(OPEN + 62 * SECOND) == pytest.approx(2, rel=0.01)


def test_a_busy_feed_is_found_dead_two_seconds_after_its_last_tick():
    health = FeedHealth(OPEN)
    for second in range(60):
        health.take(quotes(*((n, second + n / 100) for n in range(100))))

    assert health.feed_expected_seconds() == 1
    assert [health.is_dead(OPEN + s * SECOND) for s in (60, 61, 62)] == [False, False, True]


def test_silence_after_the_close_is_no_fault_and_one_from_before_it_stays():
    quiet, dead = FeedHealth(OPEN, until_us=OPEN + 60 * SECOND), FeedHealth(OPEN, until_us=OPEN + 65 * SECOND)
    for second in range(60):
        for health in (quiet, dead):
            health.take(quotes((0, float(second))))

    assert [quiet.is_dead(OPEN + s * SECOND) for s in (60, 180)] == [False, False]
    assert [dead.is_dead(OPEN + s * SECOND) for s in (60, 65, 180)] == [False, True, True]
    dead.take(quotes((0, 170.0)))
    assert dead.feed_silence(OPEN + 180 * SECOND) == 0


def test_a_feed_that_never_tells_is_dead_after_twenty_seconds():
    health = FeedHealth(OPEN)

    assert [health.is_dead(OPEN + s * SECOND) for s in (19, 20)] == [False, True]


def test_a_symbol_that_is_halted_is_silent_only_while_others_are_told():
    health = fed(300, {0: 1, 1: 2, 2: 1})
    for second in range(300, 320):
        health.take(quotes((0, second), (1, second)))

    with_others = health.silent(OPEN + 320 * SECOND).tolist()
    without = health.silent(OPEN + 330 * SECOND).tolist()

    assert with_others == [2]
    assert without == []


def test_a_quiet_symbol_is_expected_to_be_quiet_and_one_of_few_ticks_is_not_judged():
    health = fed(1300, {0: 1, 1: 60, 2: 100})

    assert health.expected_seconds()[:2] == pytest.approx([1.5, 90], rel=0.01)
    assert np.isnan(health.silence(OPEN + 1400 * SECOND)[2])
    assert health.silent(OPEN + 1300 * SECOND).tolist() == []


def test_a_symbol_never_heard_of_is_subscribed_anew_ever_less_often_and_one_unsubscribed_never():
    health = fed(10, {0: 1})
    health.want(places(1, 2), OPEN)
    health.want_no_more(places(2))
    renewed = []

    for second in range(10, 400):
        health.take(quotes((0, second)))
        renewed += [(second, place) for place in health.renewals(OPEN + (second + 1) * SECOND).tolist()]

    assert renewed == [(59, 1), (89, 1), (149, 1), (269, 1)]


def test_an_outage_is_not_learned_and_slower_times_are():
    health = fed(60, {0: 1})

    health.take(quotes((0, 360)))
    after_outage = health.feed_expected_seconds()
    for second in range(370, 1000, 10):
        health.take(quotes((0, second)))

    assert after_outage == pytest.approx(4.5, rel=0.01), "two expected intervals at most, times 1.5"
    assert health.feed_expected_seconds() == pytest.approx(15, rel=0.01)
    assert not health.is_dead(OPEN + 1010 * SECOND)


def test_a_snapshot_goes_on_as_if_it_had_never_stopped():
    whole, half = fed(200, {0: 1, 1: 3}), fed(100, {0: 1, 1: 3})

    again = FeedHealth.from_arrays(half.to_arrays())
    for second in range(100, 200):
        again.take(quotes(*((place, second) for place, step in {0: 1, 1: 3}.items() if second % step == 0)))

    assert all((again.to_arrays()[name] == array).all() for name, array in whole.to_arrays().items())
    with pytest.raises(InvalidValue, match="checkpoint, longest is None, but must be of this version"):
        FeedHealth.from_arrays({n: a for n, a in whole.to_arrays().items() if n != "longest"})


@pytest.mark.skipif(not TICKS.exists(), reason="the recorded ticks are not beside the project")
def test_over_a_real_day_with_its_lunch_no_symbol_is_called_silent_and_the_feed_never_dead():
    """IBM and BAC on 2013-10-07, and IBM's trades thinned to one in fifty as a symbol that hardly trades."""
    health = FeedHealth(OPEN)
    health.want(places(0, 1, 2), OPEN)
    ibm, bac = _seconds("ibm_trades"), _seconds("bac_quotes")
    told = np.concatenate([ibm, bac, ibm[::50]])
    place = np.repeat(places(0, 1, 2), [len(ibm), len(bac), len(ibm[::50])])
    order = np.argsort(told, kind="stable")
    at, place, ones = OPEN + (told[order] * SECOND).astype(np.int64), place[order], np.ones(len(told))
    names = ("bid", "ask", "bid_size", "ask_size")
    cries, dead = 0, 0

    for second in range(1, 23_401):
        now = OPEN + second * SECOND
        due = slice(*np.searchsorted(at, [now - SECOND, now]))
        sides = dict.fromkeys(names, ones[due])
        health.take(TickBatch(quote_symbol=place[due], quoted_at=at[due], quote_received_at=at[due], **sides))
        dead += health.is_dead(now)
        cries += len(health.silent(now))

    assert (cries, dead) == (0, 0)


def _seconds(name: str) -> np.ndarray:
    at = pd.read_parquet(TICKS / f"{name}_20131007.parquet", columns=["ts"])["ts"]
    seconds = (at - pd.Timestamp("2013-10-07 09:30", tz="America/New_York")).dt.total_seconds().to_numpy()
    return np.sort(seconds[(seconds >= 0) & (seconds < 23_400)])


def test_no_interval_is_shorter_than_the_policys():
    with pytest.raises(ValueError, match="greater than 0"):
        FeedPolicy(shortest_seconds=0)
