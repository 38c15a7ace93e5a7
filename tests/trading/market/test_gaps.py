"""What the calendar finds missing, and how requests for it are put together."""

from datetime import date

import pandas as pd

from trading.market.backfills import BackfillRequest, Why, asked_requests, by_range, gap_requests
from trading.market.bars import bars_frame
from trading.market.calendars import TradingCalendar
from trading.market.gaps import Gap, Listing, missing_ranges

NYSE = TradingCalendar("XNYS")
# Sessions around Good Friday, 2 April 2021, which the exchange had closed.
MON, TUE, WED, THU, NEXT_MON, NEXT_TUE = (
    date(2021, 3, 29), date(2021, 3, 30), date(2021, 3, 31), date(2021, 4, 1), date(2021, 4, 5), date(2021, 4, 6),
)  # fmt: skip


def bars(**days: list[date]) -> pd.DataFrame:
    rows = [{"symbol": symbol, "session": day, "close": 10.0} for symbol, sessions in days.items() for day in sessions]
    return bars_frame(pd.DataFrame(rows, columns=["symbol", "session", "close"]))


def gaps(frame: pd.DataFrame, **listed: Listing) -> list[tuple[str, date, date]]:
    return [(g.symbol, g.first, g.last) for g in missing_ranges(frame, calendar=NYSE, listed=listed)]


def test_a_holiday_is_no_gap_and_sessions_in_a_row_are_one():
    frame = bars(HELD=[MON, NEXT_TUE], WHOLE=[THU, NEXT_MON], TWICE=[MON, WED, NEXT_MON])

    found = gaps(frame, HELD=Listing(), WHOLE=Listing(), TWICE=Listing())

    assert found == [("HELD", TUE, NEXT_MON), ("TWICE", TUE, TUE), ("TWICE", THU, THU)]


def test_nothing_is_missing_before_the_first_bar_or_after_the_last_unless_it_is_known_to_be_listed():
    frame = bars(NEW=[WED, THU])

    assert gaps(frame, NEW=Listing(), UNSEEN=Listing()) == []
    assert gaps(frame, NEW=Listing(first=MON)) == [("NEW", MON, TUE)]
    assert gaps(frame, NEW=Listing(last=NEXT_TUE)) == [("NEW", NEXT_MON, NEXT_TUE)]
    assert gaps(frame, UNSEEN=Listing(first=MON, last=TUE)) == [("UNSEEN", MON, TUE)]


def test_a_symbol_that_left_is_wanted_up_to_its_last_session_and_one_that_left_before_not_at_all():
    left_on = {"GONE": date(2021, 4, 4), "BEFORE": date(2021, 3, 26)}  # a Sunday after Good Friday

    wanted = asked_requests("us", ["GONE", "HERE", "BEFORE"], MON, NEXT_TUE, left_on, NYSE)

    assert [(r.symbol, r.first, r.last) for r in wanted] == [("GONE", MON, THU), ("HERE", MON, NEXT_TUE)]


def test_gaps_of_a_month_are_asked_for_together_with_the_session_on_either_side():
    june = date(2021, 6, 15)
    found = [Gap(symbol="A", first=TUE, last=TUE), Gap(symbol="B", first=THU, last=THU)]
    far = Gap(symbol="A", first=june, last=june)

    together, alone = by_range(gap_requests("us", [far, *found]), NYSE)

    assert (together.first, together.last) == (MON, NEXT_MON)
    assert [r.symbol for r in together.requests] == ["A", "B"]
    assert (alone.first, alone.last) == (date(2021, 6, 14), date(2021, 6, 16))


def test_a_gap_is_given_up_after_three_attempts_and_what_a_person_asked_for_never():
    request = BackfillRequest(source="us", symbol="A", first=MON, last=MON, why=Why.GAP, attempts=2)
    asked = BackfillRequest(source="us", symbol="A", first=MON, last=MON, why=Why.ASKED, attempts=2)

    assert (request.given_up, request.tried("halted").given_up) == (False, True)
    assert asked.tried("halted").given_up is False
