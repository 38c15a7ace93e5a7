"""What every bar store must do, whatever it keeps its bars in."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trading.errors import BarsInvalid, InvalidValue
from trading.market.bars import BarStore, DailyBars, PriceBasis, UpsertCount, bars_frame
from trading.market.corporate_actions import CashDividend, Split

DECEMBER = [date(2023, 12, 28), date(2023, 12, 29)]
JANUARY = [date(2024, 1, 2), date(2024, 1, 3)]
SESSIONS = [*DECEMBER, *JANUARY]
ALWAYS = (date(1990, 1, 1), date(2035, 12, 31))
NOW = datetime(2024, 1, 3, 21, 30, tzinfo=UTC)
TOMORROW, IN_A_WEEK = NOW + timedelta(days=1), NOW + timedelta(days=7)
JUST_BEFORE = timedelta(microseconds=-1)

KO_SPLIT = Split(symbol="KO", ex_date=date(2024, 1, 3), new_per_old=Decimal(1) / Decimal(3))
KO_PAID = CashDividend(symbol="KO", ex_date=date(2024, 1, 3), amount_per_share=Decimal("0.46"))
KO_CORRECTED = CashDividend(symbol="KO", ex_date=date(2024, 1, 3), amount_per_share=Decimal("0.485"))
IBM_PAID = CashDividend(symbol="IBM", ex_date=date(2024, 1, 2), amount_per_share=Decimal("1.66"), currency="EUR")


def some_bars(
    symbols: tuple[str, ...] = ("IBM", "KO"),
    sessions: list[date] = SESSIONS,
    close: float = 10.0,
    source: str = "files",
    price_basis: PriceBasis = PriceBasis.RAW,
) -> DailyBars:
    rows = [
        {"symbol": s, "session": d, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 100}
        for s in symbols
        for d in sessions
    ]
    return DailyBars(frame=bars_frame(pd.DataFrame(rows)), source=source, price_basis=price_basis)


def closes(bars: DailyBars) -> dict[tuple[str, date], float]:
    return {(row.symbol, row.session.date()): row.close for row in bars.frame.itertuples()}


def bars_of(rows: Mapping[tuple[str, int], tuple[float, ...]]) -> DailyBars:
    frame = pd.DataFrame(
        [(s, date(2023, 12, 20) + timedelta(days=n), *values) for (s, n), values in rows.items()],
        columns=["symbol", "session", "open", "high", "low", "close", "volume"],
    )
    return DailyBars(frame=bars_frame(frame), source="files", price_basis=PriceBasis.RAW)


PRICES = st.one_of(st.just(float("nan")), st.sampled_from([1.0, 2.0]), st.floats(0.01, 1e6))
ROWS = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "BRK.B", "ÄÖ", "NA"]), st.integers(0, 20)),
    st.tuples(PRICES, PRICES, PRICES, PRICES, st.floats(0, 1e12)),
    max_size=8,
)
NewStore = Callable[[], BarStore]


class BarStoreBattery:
    """Subclass it with a fixture `new_store` that makes empty stores."""

    @pytest.fixture
    def new_store(self) -> NewStore:
        raise pytest.UsageError("a store's tests give a fixture new_store")

    @pytest.fixture
    def store(self, new_store: NewStore) -> BarStore:
        return new_store()

    def test_bars_come_back_as_they_went_in(self, store: BarStore):
        bars = some_bars()

        store.upsert(bars, NOW)

        assert store.read("files", None, *ALWAYS).content_hash() == bars.content_hash()

    def test_an_upsert_counts_what_it_added_changed_and_found_equal(self, store: BarStore):
        store.upsert(some_bars(sessions=JANUARY), NOW)

        count = store.upsert(some_bars(symbols=("KO", "PEP"), sessions=JANUARY, close=11.0), TOMORROW)
        again = store.upsert(some_bars(symbols=("KO", "PEP"), sessions=JANUARY, close=11.0), IN_A_WEEK)

        assert count == UpsertCount(added=2, changed=2, unchanged=0)
        assert again == UpsertCount(added=0, changed=0, unchanged=4)
        assert store.read("files", ["KO"], *ALWAYS).frame["close"].to_list() == [11.0, 11.0]
        assert store.read("files", ["IBM"], *ALWAYS).frame["close"].to_list() == [10.0, 10.0]

    def test_a_missing_price_equals_a_missing_price(self, store: BarStore):
        bars = some_bars()
        bars.frame["open"] = float("nan")
        store.upsert(bars, NOW)

        assert store.upsert(bars, NOW) == UpsertCount(added=0, changed=0, unchanged=8)
        assert store.read("files", None, *ALWAYS).content_hash() == bars.content_hash()

    def test_a_source_never_stored_has_no_rows(self, store: BarStore):
        assert store.read("files", None, *ALWAYS).frame.empty
        assert store.read("files", None, *ALWAYS, as_of=NOW).frame.empty
        assert store.actions("files", *ALWAYS) == ()
        assert store.versions("files", "KO", JANUARY[0]) == ()
        assert store.withdraw("files", [KO_PAID], NOW) == 0

    def test_reading_no_symbols_is_not_reading_all(self, store: BarStore):
        store.upsert(some_bars(), NOW)

        assert store.read("files", [], *ALWAYS).frame.empty

    def test_sources_do_not_see_each_other(self, store: BarStore):
        store.upsert(some_bars(source="files", close=10.0), NOW)
        store.upsert(some_bars(source="yahoo", close=11.0, price_basis=PriceBasis.ADJUSTED), NOW)

        assert set(store.read("files", None, *ALWAYS).frame["close"]) == {10.0}
        assert store.read("yahoo", None, *ALWAYS).price_basis is PriceBasis.ADJUSTED

    def test_one_source_keeps_one_price_basis(self, store: BarStore):
        store.upsert(some_bars(sessions=DECEMBER), NOW)

        with pytest.raises(
            InvalidValue, match="price_basis is 'adjusted', but must be raw, as all that is stored of files"
        ):
            store.upsert(some_bars(sessions=JANUARY, price_basis=PriceBasis.ADJUSTED), NOW)

        assert len(store.read("files", None, *ALWAYS).frame) == 4

    @pytest.mark.parametrize("source", ["../files", "", ".hidden", "a/b", "x" * 65])
    def test_a_source_name_that_could_leave_the_folder_is_refused(self, store: BarStore, source: str):
        with pytest.raises(InvalidValue, match="names a folder"):
            store.upsert(some_bars(source=source), NOW)

    def test_two_bars_of_a_symbol_for_one_session_are_not_stored(self, store: BarStore):
        bars = some_bars()
        frame = pd.concat([bars.frame, bars.frame], ignore_index=True)

        with pytest.raises(BarsInvalid, match="two bars for one session"):
            store.upsert(DailyBars(frame=frame, source="files", price_basis=PriceBasis.RAW), NOW)

    def test_a_corrected_bar_is_read_as_it_was_known_at_the_time(self, store: BarStore):
        store.upsert(some_bars(symbols=("KO",), sessions=JANUARY, close=60.0), NOW)
        store.upsert(some_bars(symbols=("KO",), sessions=JANUARY[1:], close=59.0), TOMORROW)

        def known(as_of: datetime | None) -> dict[tuple[str, date], float]:
            return closes(store.read("files", ["KO"], *ALWAYS, as_of=as_of))

        assert known(NOW + JUST_BEFORE) == {}
        assert known(NOW) == {("KO", JANUARY[0]): 60.0, ("KO", JANUARY[1]): 60.0}
        assert known(TOMORROW + JUST_BEFORE) == known(NOW)
        assert known(TOMORROW) == known(None) == {("KO", JANUARY[0]): 60.0, ("KO", JANUARY[1]): 59.0}

    def test_all_that_was_believed_of_a_bar_is_told_with_its_times(self, store: BarStore):
        store.upsert(some_bars(close=60.0), NOW)
        store.upsert(some_bars(close=59.0), TOMORROW)
        store.upsert(some_bars(close=60.0), IN_A_WEEK)

        told = store.versions("files", "KO", JANUARY[0])

        assert [(v.close, v.known_at, v.superseded_at) for v in told] == [
            (60.0, NOW, TOMORROW),
            (59.0, TOMORROW, IN_A_WEEK),
            (60.0, IN_A_WEEK, None),
        ]
        assert {(v.symbol, v.session, v.high, v.volume) for v in told} == {
            ("KO", JANUARY[0], 61.0, 100.0),
            ("KO", JANUARY[0], 60.0, 100.0),
        }

    def test_a_bar_that_is_told_again_is_known_since_the_first_time(self, store: BarStore):
        store.upsert(some_bars(), NOW)
        store.upsert(some_bars(), TOMORROW)

        assert [v.known_at for v in store.versions("files", "KO", JANUARY[0])] == [NOW]

    def test_a_clock_set_back_turns_no_history_round(self, store: BarStore):
        store.upsert(some_bars(close=60.0), TOMORROW)
        store.upsert(some_bars(close=59.0), NOW)

        assert set(closes(store.read("files", None, *ALWAYS)).values()) == {59.0}
        assert [v.close for v in store.versions("files", "KO", JANUARY[0])] == [60.0, 59.0]
        assert store.read("files", None, *ALWAYS, as_of=NOW).frame.empty

    def test_times_in_other_zones_are_the_same_times(self, store: BarStore):
        new_york = datetime.fromisoformat("2024-01-03T16:30-05:00")
        store.upsert(some_bars(), new_york)

        assert len(store.read("files", None, *ALWAYS, as_of=NOW).frame) == 8
        assert store.versions("files", "KO", JANUARY[0])[0].known_at == NOW

    def test_a_time_without_a_zone_is_refused(self, store: BarStore):
        naive = NOW.replace(tzinfo=None)
        store.upsert(some_bars(), NOW)

        with pytest.raises(InvalidValue, match="known_at is '2024-01-03T21:30:00', but must be a time with its time"):
            store.upsert(some_bars(), naive)
        with pytest.raises(InvalidValue, match="as_of"):
            store.read("files", None, *ALWAYS, as_of=naive)

    def test_an_action_that_never_was_is_withdrawn_and_still_told_of_the_time_before(self, store: BarStore):
        store.upsert_actions("files", [KO_PAID, IBM_PAID], NOW)

        gone = store.withdraw("files", [KO_CORRECTED], TOMORROW)  # whatever its terms
        again = store.withdraw("files", [KO_CORRECTED], IN_A_WEEK)

        assert (gone, again) == (1, 0)
        assert store.actions("files", *ALWAYS) == (IBM_PAID,)
        assert store.actions("files", *ALWAYS, as_of=NOW) == (IBM_PAID, KO_PAID)

    def test_a_withdrawn_action_may_come_back(self, store: BarStore):
        store.upsert_actions("files", [KO_PAID], NOW)
        store.withdraw("files", [KO_PAID], TOMORROW)

        store.upsert_actions("files", [KO_PAID], IN_A_WEEK)

        assert store.actions("files", *ALWAYS) == (KO_PAID,)
        assert store.actions("files", *ALWAYS, as_of=TOMORROW) == ()

    def test_corporate_actions_come_back_exactly_by_ex_date_and_symbol(self, store: BarStore):
        store.upsert_actions("files", [KO_SPLIT, KO_PAID], NOW)
        store.upsert_actions("files", [IBM_PAID], NOW)
        store.upsert_actions("files", [], NOW)

        assert store.actions("files", *ALWAYS) == (IBM_PAID, KO_PAID, KO_SPLIT)
        assert store.actions("files", date(2024, 1, 3), date(2024, 1, 3)) == (KO_PAID, KO_SPLIT)

    def test_a_corrected_dividend_takes_the_place_of_the_old_one_and_the_old_one_is_kept(self, store: BarStore):
        store.upsert_actions("files", [KO_PAID, KO_SPLIT], NOW)
        store.upsert_actions("files", [KO_CORRECTED], TOMORROW)

        assert store.actions("files", *ALWAYS) == (KO_CORRECTED, KO_SPLIT)
        assert store.actions("files", *ALWAYS, as_of=TOMORROW + JUST_BEFORE) == (KO_PAID, KO_SPLIT)
        assert store.actions("files", *ALWAYS, as_of=NOW + JUST_BEFORE) == ()

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(writes=st.lists(st.tuples(ROWS, st.integers(0, 2)), min_size=1, max_size=5))
    def test_every_moment_is_read_as_a_plain_table_of_that_moment_has_it(
        self, new_store: NewStore, writes: list[tuple[dict[tuple[str, int], tuple[float, ...]], int]]
    ):
        store, table, moment = new_store(), {}, NOW
        tables: dict[datetime, Mapping[tuple[str, int], tuple[float, ...]]] = {NOW + JUST_BEFORE: {}}

        for rows, hours in writes:  # some at the same moment as the write before
            moment += timedelta(hours=hours)
            count = store.upsert(bars_of(rows), moment)
            assert count.added == len(rows.keys() - table.keys())
            table = table | rows
            tables[moment] = table

        for then, wanted in tables.items():
            assert store.read("files", None, *ALWAYS, as_of=then).content_hash() == bars_of(wanted).content_hash()
        assert store.read("files", None, *ALWAYS).content_hash() == bars_of(table).content_hash()
