"""Several providers behind one name: nothing is lost when one fails, nothing is mixed, and who gave what is told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from adapters.failover_bars import FailoverBars
from adapters.table_bars import TableBars
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import FetchedBars, FetchStatus, PriceBasis, bars_frame
from trading.market.corporate_actions import CorporateAction, Split
from trading.market.instruments import Equity, Instrument
from trading.market.providers import ProviderAnswer

DAYS = [date(2024, 3, 13), date(2024, 3, 14), date(2024, 3, 15)]
FIRST, LAST = DAYS[0], DAYS[-1]


class Listed:
    """A provider of some symbols at one price each; `down` says why it does not answer."""

    def __init__(
        self,
        name: str,
        px: float,
        *symbols: str,
        down: str = "",
        basis: PriceBasis = PriceBasis.RAW,
        actions: Sequence[CorporateAction] = (),
        lists: Sequence[str] = (),
    ) -> None:
        self.name, self.down, self._actions = name, down, actions
        self.asked: list[tuple[str, ...]] = []
        rows = [{"symbol": s, "session": day, "close": px} for s in symbols for day in DAYS]
        frame = bars_frame(pd.DataFrame(rows, columns=["symbol", "session", "close"]))
        self._bars = TableBars(frame, source=name, price_basis=basis)
        self._symbols = lists or symbols

    def instruments(self) -> Mapping[str, Instrument]:
        return {symbol: Equity(symbol=symbol, mic="XNYS", currency="USD") for symbol in self._symbols}

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        self.asked.append(tuple(symbols))
        if self.down:
            raise SourceUnavailable(self.name, self.down)
        return self._bars.fetch(symbols, first, last, self._actions)


def closes(fetched: FetchedBars) -> dict[str, set[float]]:
    return {str(s): set(rows) for s, rows in fetched.bars.frame.groupby("symbol")["close"]}


def providers(fetched: FetchedBars) -> dict[str, str]:
    return {outcome.symbol: outcome.provider for outcome in fetched.outcomes}


class MemoryTrail:
    """Answers in memory."""

    def __init__(self) -> None:
        self.answers: list[ProviderAnswer] = []

    def add(self, answer: ProviderAnswer) -> None:
        self.answers.append(answer)

    def lately(self, provider: str) -> tuple[ProviderAnswer, ...]:
        return tuple(a for a in self.answers if a.provider == provider)


NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)


def behind(*sources: Listed, trail: MemoryTrail | None = None, now: datetime = NOON) -> FailoverBars:
    return FailoverBars(sources, PriceBasis.RAW, trail or MemoryTrail(), now=lambda: now)


class TestFailoverBars(BarSourceBattery):
    @pytest.fixture
    def case(self) -> SourceCase:
        source = behind(Listed("one", 10, "A", lists=("A", "B")), Listed("two", 20, "A", "B"))
        return SourceCase(source=source, symbols=("A", "B"), first=FIRST, last=LAST, sessions=3, empty_year=2020)


def test_one_that_is_there_is_asked_alone():
    one, two = Listed("one", 10, "A", "B"), Listed("two", 20, "A", "B")

    fetched = behind(one, two).fetch(("A", "B"), FIRST, LAST)

    assert (closes(fetched), providers(fetched)) == ({"A": {10}, "B": {10}}, {"A": "", "B": ""})
    assert two.asked == []


def test_when_the_first_is_down_no_symbol_is_lost_and_each_says_who_gave_it_and_why():
    one, two = Listed("one", 10, "A", "B", down="503"), Listed("two", 20, "A", "B")

    fetched = behind(one, two).fetch(("A", "B"), FIRST, LAST)

    assert (closes(fetched), providers(fetched)) == ({"A": {20}, "B": {20}}, {"A": "two", "B": "two"})
    assert {o.text for o in fetched.outcomes} == {"one did not answer (503)"}
    assert fetched.bars.source == "one"


def test_a_symbol_that_the_first_has_not_comes_from_the_next_and_the_others_do_not():
    one, two, three = Listed("one", 10, "A"), Listed("two", 20, "A"), Listed("three", 30, "A", "B")

    fetched = behind(one, two, three).fetch(("A", "B"), FIRST, LAST)

    assert (closes(fetched), providers(fetched)) == ({"A": {10}, "B": {30}}, {"A": "", "B": "three"})
    assert [o.text for o in fetched.outcomes] == ["", "one does not offer B; two does not offer B"]
    assert (two.asked, three.asked) == ([("B",)], [("B",)])


@pytest.mark.parametrize(
    ("down", "status"), [("", FetchStatus.UNKNOWN_SYMBOL), ("503", FetchStatus.FAILED)], ids=["says so", "is down"]
)
def test_a_symbol_that_nobody_gives_has_the_first_ones_word_for_it(down: str, status: FetchStatus):
    fetched = behind(Listed("one", 10, "A", down=down), Listed("two", 20, "A")).fetch(("A", "B"), FIRST, LAST)

    assert statuses(fetched) == {"A": FetchStatus.OK, "B": status}
    assert fetched.outcomes[1].text.endswith("; two does not offer B")


def test_prices_on_another_basis_are_never_mixed_in():
    one, two = Listed("one", 10, "A"), Listed("two", 20, "A", "B", basis=PriceBasis.ADJUSTED)

    fetched = behind(one, two).fetch(("A", "B"), FIRST, LAST)

    assert closes(fetched) == {"A": {10}}
    assert "its prices are adjusted, wanted are raw ones" in fetched.outcomes[1].text


def test_actions_come_from_who_gave_the_bars():
    def split(symbol: str, ratio: int) -> Split:
        return Split(symbol=symbol, ex_date=LAST, new_per_old=Decimal(ratio))

    one = Listed("one", 10, "A", actions=[split("A", 2), split("B", 2)])
    two = Listed("two", 20, "A", "B", actions=[split("A", 3), split("B", 3)])

    fetched = behind(one, two).fetch(("A", "B"), FIRST, LAST)

    assert fetched.actions == (split("A", 2), split("B", 3))


def test_when_nobody_answers_each_says_why():
    with pytest.raises(SourceUnavailable, match=r"one is unavailable: one: 503; two: 429"):
        behind(Listed("one", 10, down="503"), Listed("two", 20, down="429")).fetch(("A",), FIRST, LAST)


def test_a_provider_stands_in_once():
    with pytest.raises(InvalidValue, match="each named once"):
        behind(Listed("one", 10), Listed("one", 20))


def test_what_became_of_each_request_is_kept():
    trail = MemoryTrail()
    one, two = Listed("one", 10, down="503"), Listed("two", 20, "A", "B")

    behind(one, two, trail=trail).fetch(("A", "B", "C"), FIRST, LAST)

    told = [(a.provider, a.answered_at, a.asked, a.given, a.failed, a.text) for a in trail.answers]
    assert told == [("one", NOON, 3, 0, 3, "503")] * 2 + [("two", NOON, 3, 2, 0, "")]
    assert all(a.seconds >= 0 for a in trail.answers)


def test_a_provider_that_is_down_again_and_again_is_asked_last_and_first_again_after_its_rest():
    trail = MemoryTrail()
    one, two = Listed("one", 10, "A", down="503"), Listed("two", 20, "A")
    for _ in range(2):  # each asks twice: four unanswered requests, so it rests half an hour
        behind(one, two, trail=trail).fetch(("A",), FIRST, LAST)
    one.down = ""

    resting = behind(one, two, trail=trail, now=NOON + timedelta(minutes=29)).fetch(("A",), FIRST, LAST)
    rested = behind(one, two, trail=trail, now=NOON + timedelta(minutes=30)).fetch(("A",), FIRST, LAST)

    assert (providers(resting), providers(rested)) == ({"A": "two"}, {"A": ""})
    assert resting.bars.source == "one"
    assert len(one.asked) == 5


def test_a_provider_that_rests_is_still_asked_for_what_nobody_else_has():
    trail = MemoryTrail()
    one, two = Listed("one", 10, "A", "B", down="503"), Listed("two", 20, "A")
    for _ in range(2):
        behind(one, two, trail=trail).fetch(("A",), FIRST, LAST)
    one.down = ""

    fetched = behind(one, two, trail=trail).fetch(("A", "B"), FIRST, LAST)

    assert providers(fetched) == {"A": "two", "B": ""}


def test_one_time_out_is_no_reason_to_change_the_provider():
    one, two = Listed("one", 10, "A", down="timed out"), Listed("two", 20, "A")
    fetch = one.fetch

    def once(symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        try:
            return fetch(symbols, first, last)
        finally:
            one.down = ""

    one.fetch = once  # type: ignore[method-assign]  # down for its first request only

    assert providers(behind(one, two).fetch(("A",), FIRST, LAST)) == {"A": ""}
    assert (len(one.asked), two.asked) == (2, [])
