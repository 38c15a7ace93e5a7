"""What every store of minute bars and of ticks must do, whatever it keeps them in."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from trading.errors import BarsInvalid, InvalidValue
from trading.market.bars import UpsertCount
from trading.market.minute_bars import MinuteBars, MinuteStore, minute_frame
from trading.market.ticks import TickKind, Ticks, TickStore, ticks_frame

OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
LAST_HOUR = datetime(2024, 1, 2, 23, 58, tzinfo=UTC)
MIDNIGHT = datetime(2024, 1, 3, tzinfo=UTC)
LATER = OPEN + timedelta(days=3)
ALWAYS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
DAY = 86_400


def some_minutes(
    symbols: tuple[str, ...] = ("IBM", "KO"),
    minutes: int = 4,
    close: float = 59.0,
    start: datetime = LAST_HOUR,
    source: str = "feed",
) -> MinuteBars:
    rows = [
        {"symbol": s, "bar_start": start + timedelta(minutes=n), "close": close + n, "volume": 100.0}
        for s in symbols
        for n in range(minutes)
    ]
    return MinuteBars(frame=minute_frame(pd.DataFrame(rows)), source=source)


def some_trades(seconds: Sequence[float], price: float = 59.0, symbol: str = "KO", source: str = "feed") -> Ticks:
    rows = pd.DataFrame({"traded_at": [OPEN + timedelta(seconds=s) for s in seconds]})
    rows = rows.assign(symbol=symbol, received_at=OPEN, price=price, size=100.0, exchange="N", conditions="@,T")
    return Ticks(frame=ticks_frame(rows, TickKind.TRADES), kind=TickKind.TRADES, source=source)


def prices(store: TickStore, symbols: Sequence[str] | None = None, source: str = "feed") -> list[float]:
    return store.read(source, TickKind.TRADES, symbols, *ALWAYS).frame["price"].to_list()


class MinuteStoreBattery:
    """Subclass it, and give the fixture `new_store`."""

    def test_minutes_of_two_days_come_back_as_they_went_in(self, new_store: Callable[[], MinuteStore]):
        store, bars = new_store(), some_minutes()

        store.upsert(bars)

        pd.testing.assert_frame_equal(store.read("feed", None, *ALWAYS).frame, bars.frame)

    def test_what_is_left_of_a_frame_keeps_each_minute_in_its_day(self, new_store: Callable[[], MinuteStore]):
        store, frame = new_store(), some_minutes().frame
        rest = frame[frame["symbol"] == "KO"].iloc[::-1]

        added = store.upsert(MinuteBars(frame=rest, source="feed")).added
        none = store.upsert(MinuteBars(frame=rest.head(0), source="feed"))

        assert (added, none) == (4, UpsertCount(added=0, changed=0, unchanged=0))
        assert store.read("feed", None, LAST_HOUR, MIDNIGHT).frame["close"].to_list() == [59.0, 60.0]

    def test_a_corrected_minute_replaces_the_old_one_and_the_same_again_changes_nothing(
        self, new_store: Callable[[], MinuteStore]
    ):
        store = new_store()
        store.upsert(some_minutes(minutes=3))

        count = store.upsert(some_minutes(symbols=("KO", "PEP"), minutes=3, close=60.0))
        again = store.upsert(some_minutes(symbols=("KO", "PEP"), minutes=3, close=60.0))
        back = store.upsert(some_minutes(symbols=("PEP",), minutes=3))

        assert count == UpsertCount(added=3, changed=3, unchanged=0)
        assert again == UpsertCount(added=0, changed=0, unchanged=6)
        assert back == UpsertCount(added=0, changed=3, unchanged=0)
        assert store.read("feed", ["KO"], *ALWAYS).frame["close"].to_list() == [60.0, 61.0, 62.0]
        assert store.read("feed", ["IBM"], *ALWAYS).frame["close"].to_list() == [59.0, 60.0, 61.0]
        assert store.read("feed", ["PEP"], *ALWAYS).frame["close"].to_list() == [59.0, 60.0, 61.0]

    def test_minutes_are_cut_by_source_symbol_and_time_the_end_left_out(self, new_store: Callable[[], MinuteStore]):
        store = new_store()
        store.upsert(some_minutes())

        before = store.read("feed", ["KO"], LAST_HOUR, MIDNIGHT).frame
        after = store.read("feed", ["KO"], MIDNIGHT, MIDNIGHT + timedelta(minutes=1)).frame

        assert before["close"].to_list() == [59.0, 60.0]
        assert after["close"].to_list() == [61.0]
        assert store.read("feed", [], *ALWAYS).frame.empty
        assert store.read("other", None, *ALWAYS).frame.empty
        assert new_store().read("feed", None, *ALWAYS).frame.empty

    def test_old_days_of_every_source_are_forgotten(self, new_store: Callable[[], MinuteStore]):
        store = new_store()
        store.upsert(some_minutes())
        store.upsert(some_minutes(source="my other feed"))

        forgotten = store.forget_before(date(2024, 1, 3)), store.forget_before(date(2024, 1, 3))

        assert forgotten == (2, 0)
        assert store.read("feed", None, *ALWAYS).frame["bar_start"].min() == pd.Timestamp(MIDNIGHT)
        assert len(store.read("my other feed", None, *ALWAYS).frame) == 4
        assert store.upsert(some_minutes()) == UpsertCount(added=4, changed=0, unchanged=4)
        assert new_store().forget_before(date(2024, 1, 3)) == 0

    def test_minutes_that_cannot_be_stored_are_refused(self, new_store: Callable[[], MinuteStore]):
        store, bars = new_store(), some_minutes()
        twice = MinuteBars(frame=pd.concat([bars.frame, bars.frame], ignore_index=True), source="feed")

        with pytest.raises(BarsInvalid, match="two bars for one minute"):
            store.upsert(twice)
        with pytest.raises(InvalidValue, match="names a folder"):
            store.upsert(some_minutes(source="../feed"))
        with pytest.raises(InvalidValue, match="start is '2024-01-01T00:00:00'"):
            store.read("feed", None, datetime(2024, 1, 1), ALWAYS[1])  # noqa: DTZ001 - that is the fault


class TickStoreBattery:
    """Subclass it, and give the fixture `new_store`."""

    def test_ticks_come_back_as_they_went_in_and_in_that_order(self, new_store: Callable[[], TickStore]):
        store, trades = new_store(), some_trades([2, 0.000001, 1])

        added = store.append(trades)

        assert added == 3
        pd.testing.assert_frame_equal(store.read("feed", TickKind.TRADES, None, *ALWAYS).frame, trades.frame)

    def test_quotes_and_trades_lie_apart_and_an_absent_side_stays_absent(self, new_store: Callable[[], TickStore]):
        store = new_store()
        rows = pd.DataFrame({"symbol": ["KO"], "quoted_at": [OPEN], "received_at": [OPEN], "bid": [59.0]})
        quotes = Ticks(frame=ticks_frame(rows, TickKind.QUOTES), kind=TickKind.QUOTES, source="feed")

        store.append(quotes)
        store.append(some_trades([1]))

        pd.testing.assert_frame_equal(store.read("feed", TickKind.QUOTES, ["KO"], *ALWAYS).frame, quotes.frame)
        assert prices(store) == [59.0]

    def test_ticks_are_read_by_hour_and_in_it_as_they_arrived_before_and_after_joining(
        self, new_store: Callable[[], TickStore]
    ):
        store = new_store()
        for price, seconds in enumerate([[1900, 5], [4], [3, 1801], [2], [1]]):
            store.append(some_trades(seconds, price=float(price)))

        seen, joined, again = prices(store), store.compact(LATER), store.compact(LATER)

        assert seen == prices(store) == [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 2.0]
        assert joined > 0
        assert again == 0

    def test_appending_the_same_ticks_again_adds_none_even_after_they_were_joined(
        self, new_store: Callable[[], TickStore]
    ):
        store = new_store()
        store.append(some_trades([1, 2, 1900]))
        store.append(some_trades([3]))

        again = store.append(some_trades([1, 2, 1900]))
        store.compact(LATER)
        once_more, half_new = store.append(some_trades([1, 2, 1900])), store.append(some_trades([1, 2, 1901]))

        assert (again, once_more, half_new) == (0, 0, 1)
        assert len(prices(store)) == 5

    def test_ticks_are_cut_by_symbol_and_by_time_the_end_left_out(self, new_store: Callable[[], TickStore]):
        store = new_store()
        store.append(some_trades([0, 1800, 3600], price=59.0))
        store.append(some_trades([0, 1800], price=161.0, symbol="IBM"))

        def read(symbols: Sequence[str] | None, start: float, end: float) -> list[float]:
            times = OPEN + timedelta(seconds=start), OPEN + timedelta(seconds=end)
            return store.read("feed", TickKind.TRADES, symbols, *times).frame["price"].to_list()

        assert read(None, 0, 1800) == [59.0, 161.0]
        assert read(["IBM"], 0, 1801) == [161.0, 161.0]
        assert read(["KO"], 1, 3600) == [59.0]
        assert read([], 0, 3600) == []
        assert prices(store, source="other") == prices(new_store()) == []

    def test_old_days_are_forgotten_as_a_whole(self, new_store: Callable[[], TickStore]):
        store = new_store()
        store.append(some_trades([0, DAY, 2 * DAY]))
        store.append(some_trades([0], source="my other feed"))

        forgotten = store.forget_before(date(2024, 1, 3)), store.forget_before(date(2024, 1, 3))

        assert forgotten == (2, 0)
        kept = store.read("feed", TickKind.TRADES, None, *ALWAYS).frame["traded_at"]
        assert [t.date() for t in kept] == [date(2024, 1, 3), date(2024, 1, 4)]
        assert store.append(some_trades([0])) == 1
        assert (new_store().forget_before(date(2024, 1, 3)), new_store().compact(LATER)) == (0, 0)

    def test_a_source_name_that_could_leave_the_folder_is_refused(self, new_store: Callable[[], TickStore]):
        with pytest.raises(InvalidValue, match="names a folder"):
            new_store().append(some_trades([1], source="../feed"))
