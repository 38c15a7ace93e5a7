"""The queue of bars that are wanted: each request once, and what became of it."""

from dataclasses import replace
from datetime import UTC, date, datetime

from adapters.sql.backfills import SqlBackfills
from trading.market.backfills import ATTEMPTS, BackfillRequest, Why

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)
DAY = date(2024, 3, 1)
GAP = BackfillRequest(source="us", symbol="KO", first=DAY, last=DAY, why=Why.GAP)
ASKED = replace(GAP, symbol="AAPL", why=Why.ASKED)


def test_a_request_is_queued_once_and_is_open_until_it_is_filled(engine):
    backfills = SqlBackfills(engine)

    assert backfills.queue([GAP, ASKED], NOON) == 2
    assert backfills.queue([GAP, ASKED], NOON) == 0
    assert backfills.open("us") == (ASKED, GAP)
    assert backfills.open("other") == ()
    backfills.record([ASKED], [GAP.tried("halted")], NOON)

    assert backfills.open("us") == (replace(GAP, attempts=1, said="halted"),)
    assert backfills.queue([ASKED], NOON) == 0
    assert backfills.open("us", among=[ASKED]) == ()


def test_what_was_tried_least_comes_first(engine):
    backfills = SqlBackfills(engine)
    backfills.queue([GAP, ASKED], NOON)

    backfills.record([], [ASKED.tried("HTTP 500")], NOON)

    assert [request.symbol for request in backfills.open("us")] == ["KO", "AAPL"]


def test_a_gap_that_was_given_up_is_open_again_when_a_person_asks_for_it(engine):
    backfills = SqlBackfills(engine)
    backfills.queue([GAP], NOON)
    backfills.record([], [replace(GAP, attempts=ATTEMPTS, said="halted")], NOON)
    assert backfills.open("us") == ()

    backfills.queue([replace(GAP, why=Why.ASKED)], NOON)

    assert [(r.symbol, r.why) for r in backfills.open("us")] == [("KO", Why.ASKED)]
