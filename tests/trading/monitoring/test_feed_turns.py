"""Which symbols a feed is to tell, and which of several feeds is listened to."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.errors import InvalidValue
from trading.monitoring.feed_health import FeedPolicy
from trading.monitoring.feeds import FeedActionKind, FeedTurns, SubscriptionList, WatchPriority

POSITIONS, ORDERS, UNIVERSE = WatchPriority
SECOND = 1_000_000


def test_positions_come_first_then_orders_and_who_is_left_out_is_told_by_name_and_reason():
    watch = SubscriptionList(3)
    watch.want("momentum", UNIVERSE, ["AAPL", "IBM", "KO"])
    first = watch.settle()

    watch.want("account", POSITIONS, ["MSFT"])
    watch.want("orders", ORDERS, ["KO"])
    second = watch.settle()

    assert (first.added, first.removed) == (("AAPL", "IBM", "KO"), ())
    assert (second.added, second.removed) == (("MSFT",), ("IBM",))
    assert watch.watched == ("MSFT", "KO", "AAPL")
    assert watch.left_out() == {"IBM": "the feed has room for 3 symbols, and others come first (universe: momentum)"}


def test_a_symbol_is_watched_as_long_as_anybody_wants_it():
    watch = SubscriptionList(None)
    watch.want("account", POSITIONS, ["AAPL", "IBM"])
    watch.want("momentum", UNIVERSE, ["AAPL"])
    watch.settle()

    watch.want("account", POSITIONS, [])
    change = watch.settle()

    assert (change.added, change.removed) == ((), ("IBM",))
    assert watch.wanters("AAPL") == ("momentum",)
    assert watch.left_out() == {}


@given(
    wants=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(WatchPriority), st.sets(st.sampled_from("STUVWXYZ"))),
        max_size=12,
    ),
    most=st.integers(1, 5),
)
def test_no_more_than_the_cap_no_one_unwanted_and_no_position_behind_another(
    wants: list[tuple[str, WatchPriority, set[str]]], most: int
):
    watch, held = SubscriptionList(most), set[str]()

    for wanter, priority, symbols in wants:
        watch.want(wanter, priority, sorted(symbols))
        change = watch.settle()
        held = (held - set(change.removed)) | set(change.added)

    latest = {wanter: (priority, symbols) for wanter, priority, symbols in wants}
    wanted = {s: min(p for p, names in latest.values() if s in names) for _, names in latest.values() for s in names}
    assert held == set(watch.watched)
    assert len(held) == min(most, len(wanted))
    assert set(watch.left_out()) == set(wanted) - held
    assert all(wanted[out] >= max(wanted[s] for s in held) for out in watch.left_out())


def test_a_feed_without_room_is_refused():
    with pytest.raises(InvalidValue, match="symbols at once is 0, but must be at least 1"):
        SubscriptionList(0)


def test_a_silent_feed_is_renewed_then_left_and_gets_its_turn_back_after_a_minute():
    """Renewed at 1.5 expected intervals, left at 2, and back when it has told for 60 s without a break."""
    turns, done = FeedTurns(3, FeedPolicy()), []
    course = [
        (0, [0.4, nan, nan]),
        (1, [1.6, nan, nan]),
        (2, [2.1, nan, nan]),
        (3, [2.6, 0.1, nan]),
        (33, [40.0, 0.1, nan]),
        (34, [0.5, 0.1, nan]),
        (60, [2.0, 0.1, nan]),
        (61, [0.1, 0.1, nan]),
        (120, [0.1, 0.1, nan]),
        (121, [0.1, 0.1, nan]),
        (122, [0.1, nan, nan]),
    ]

    for at, silences in course:
        done += [(at, action.kind.value, action.feed) for action in turns.rule(at * SECOND, silences)]

    assert done == [(1, "renew", 0), (2, "listen", 1), (33, "renew", 0), (121, "listen", 0)]


def test_when_all_are_dead_the_last_is_kept_and_the_first_that_returns_is_taken_at_once():
    turns = FeedTurns(2, FeedPolicy())
    turns.rule(0, [3.0, nan])

    dead = turns.rule(40 * SECOND, [20.0, 3.0])
    returned = turns.rule(41 * SECOND, [0.1, 3.1])

    assert [(a.kind, a.feed) for a in dead] == [(FeedActionKind.RENEW, 0), (FeedActionKind.RENEW, 1)]
    assert [(a.kind, a.feed) for a in returned] == [(FeedActionKind.LISTEN, 0)]
    assert "silent for 3.1 expected intervals" in returned[0].why
