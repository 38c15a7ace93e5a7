"""Bars of past sessions are filled in: once each, whatever is killed, broken or asked twice; and gaps are found."""

import signal
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yfinance
from prefect.artifacts import Artifact
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL
from pytest_httpserver import HTTPServer

from adapters.parquet_files import locked_if_free
from adapters.staged_bars import staged_symbols
from blocks.bar_source import BarSource
from blocks.desk import Market, load, wall_clock
from blocks.desk_storage import DeskStorage
from flows.backfill_bars import backfill_bars
from tasks.fill import CHUNK, backfill_folder, batches, fetch_batch
from tasks.publish import Progress
from tasks.want import wanted
from tests.flows.desk_process import Moment, StopAt, run_flow
from tests.flows.desks import FRIDAY, TUESDAY, Copy, DeskFolder
from tests.flows.test_ingest_bars import damage, files, sample_folder
from tests.flows.yahoo_markets import YahooMarket
from trading.errors import TradingError
from trading.market.backfills import BackfillRequest, Why
from trading.market.bars import DailyBars
from trading.market.calendars import TradingCalendar

FIRST, LAST = date(2021, 1, 4), date(2021, 2, 26)
SYMBOLS = [f"S{number:02}" for number in range(25)]
FLOW = "flows.backfill_bars:backfill_bars"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path) -> None:
    yfinance.set_tz_cache_location(str(tmp_path / "yfinance"))


@pytest.fixture
def market(httpserver: HTTPServer) -> YahooMarket:
    return YahooMarket(httpserver, SYMBOLS, FIRST, LAST)


def yahoo(market: YahooMarket, symbols: list[str] = SYMBOLS) -> dict[str, object]:
    return {"name": "us", "provider": "yahoo", "symbols": symbols, "base_url": market.url}


async def backfill(desk: DeskFolder, first: date | None = FIRST, last: date | None = LAST, **more: object) -> State:
    given = {"source": desk.source, "storage": desk.storage} | more
    return await backfill_bars(first, last, **given, return_state=True)


def stored(desk: DeskFolder, source: str = "us") -> DailyBars:
    return DeskStorage(home=desk.home).store().read(source, None, date(1990, 1, 1), date(2030, 1, 1))


def staged(desk: DeskFolder) -> list[Path]:
    return sorted(backfill_folder(DeskStorage(home=desk.home), "us").rglob("*.parquet"))


# -- once and no more


async def test_a_range_is_filled_in_and_asking_again_fetches_and_changes_nothing(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket
):
    desk = await copy_of(empty_desk, source=yahoo(market))

    done = await backfill(desk)
    bars, asked = stored(desk).content_hash(), Counter(market.asked)
    again = await backfill(desk)

    sessions = (
        38  # of the NYSE: 19 in January 2021 without Martin Luther King's day, 19 in February without Presidents'
    )
    assert done.message == f"us: 25 of 25 requests filled, {25 * sessions} bars added, 0 changed"
    assert again.message == "us: nothing to fill in"
    assert (asked, market.asked) == (Counter(SYMBOLS), Counter(SYMBOLS))
    assert stored(desk).content_hash() == bars
    assert staged(desk) == []
    assert desk.ledger.facts.quality("us", LAST) is None  # a session asks for another verdict than that of a backfill
    assert desk.ledger.facts.quality("us backfill", LAST) is not None
    artifact = await Artifact.get("backfill-progress")
    assert artifact is not None


def kills() -> list[StopAt]:
    """Return moments from the first fetch to the end; the steps are the queue, two chunks, two months, the verdict."""
    return [
        StopAt(step=2, moment=Moment.BEFORE),  # the first chunk has come, and is not kept
        StopAt(step=3, moment=Moment.AFTER),  # both are kept, and nothing is checked
        StopAt(step="commit quality_report", moment=Moment.AFTER),
    ]


@pytest.mark.slow
async def test_after_a_kill_at_any_moment_only_what_was_in_flight_is_fetched_again(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket
):
    whole = await copy_of(empty_desk, source=yahoo(market))
    assert (await backfill(whole)).is_completed()
    wanted = stored(whole).content_hash()

    for stop, in_flight in zip(kills(), (CHUNK, 0, 0), strict=True):
        market.asked.clear()
        desk = await copy_of(empty_desk, source=yahoo(market))
        parameters = {"first": FIRST, "last": LAST, "source": desk.source, "storage": desk.storage}
        killed = run_flow(PREFECT_API_URL.value(), FLOW, parameters, desk.home, stop)
        again = await backfill(desk)

        assert killed.exit_code == -signal.SIGKILL, killed.message
        assert again.is_completed()
        assert stored(desk).content_hash() == wanted, stop
        assert Counter(market.asked.values()) == Counter({2: in_flight, 1: 25 - in_flight}) - Counter(), stop
        assert staged(desk) == []


@pytest.mark.slow
async def test_sixty_symbols_over_two_years_survive_a_kill_in_the_middle(
    empty_desk: DeskFolder, copy_of: Copy, httpserver: HTTPServer
):
    symbols = [f"T{number:02}" for number in range(60)]
    market = YahooMarket(httpserver, symbols, date(2019, 1, 2), date(2020, 12, 31))
    desk = await copy_of(empty_desk, source=yahoo(market, symbols))
    parameters = {"first": market.days[0], "last": market.days[-1], "source": desk.source, "storage": desk.storage}

    killed = run_flow(
        PREFECT_API_URL.value(), FLOW, parameters, desk.home, StopAt(step=3, moment=Moment.BEFORE)
    )  # the second chunk has come, and is not kept
    again = await backfill(desk, market.days[0], market.days[-1])

    assert killed.exit_code == -signal.SIGKILL
    assert again.message == f"us: 60 of 60 requests filled, {60 * 505} bars added, 0 changed"  # 252 and 253 sessions
    assert market.asked == Counter({symbol: 2 if "T20" <= symbol < "T40" else 1 for symbol in symbols})


async def stage(desk: DeskFolder) -> list[Path]:
    """Fetch as a run does that is stopped before it checks anything."""
    places = DeskStorage(home=desk.home)
    market = Market.of(await load(BarSource, desk.source), places)
    requests = wanted(market, FIRST, LAST, wall_clock())
    desk.ledger.backfills.queue(requests, wall_clock())
    for batch in batches(market, places, desk.ledger, requests):
        await fetch_batch.fn(market, batch, Progress("none", "none", 1))
    return staged(desk)


async def test_a_staged_file_that_is_damaged_is_fetched_again_and_the_others_are_not(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket
):
    desk = await copy_of(empty_desk, source=yahoo(market))
    (damaged, whole) = await stage(desk)
    content, lost = damaged.read_bytes(), staged_symbols(damaged)
    damaged.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])

    again = await backfill(desk)

    assert again.message == f"us: 25 of 25 requests filled, {25 * 38} bars added, 0 changed"
    assert market.asked == Counter(SYMBOLS) + Counter(lost)
    assert not whole.exists()


async def test_a_second_run_beside_the_first_leaves_and_says_so(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket
):
    desk = await copy_of(empty_desk, source=yahoo(market))

    with locked_if_free(backfill_folder(DeskStorage(home=desk.home), "us"), "run") as free:
        beside = await backfill(desk)
    after = await backfill(desk, None, None)

    assert free
    assert (beside.name, beside.message) == ("Skipped", "another run fills in bars of us; what was asked is queued")
    assert after.message == f"us: 25 of 25 requests filled, {25 * 38} bars added, 0 changed"


# -- what does not come


async def test_symbols_that_fail_do_not_keep_the_others_and_are_tried_again_by_the_next_run(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket
):
    desk = await copy_of(empty_desk, source=yahoo(market))
    market.broken = {"S03", "S04", "S05", "S24"}  # three in a row make the adapter give up

    some = await backfill(desk)
    market.broken = {"S24"}
    market.asked.clear()
    more = await backfill(desk)

    assert some.name == "Incomplete"
    assert some.message.startswith(f"us: 21 of 25 requests filled, {21 * 38} bars added, 0 changed; not filled: S03")
    assert set(stored(desk).frame["symbol"]) == set(SYMBOLS) - {"S24"}
    assert more.message.startswith(f"us: 3 of 4 requests filled, {3 * 38} bars added, 0 changed; not filled: S24")
    assert set(market.asked) == {"S03", "S04", "S05", "S24"}


async def test_a_provider_that_is_down_fails_the_run_and_what_came_before_is_stored(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetch_batch, "retry_delay_seconds", [0, 0])
    desk = await copy_of(empty_desk, source=yahoo(market))
    market.broken = set(SYMBOLS[CHUNK:])

    state = await backfill(desk)

    assert state.is_failed()
    assert set(stored(desk).frame["symbol"]) == set(SYMBOLS[:CHUNK])
    assert {request.symbol for request in desk.ledger.backfills.open("us")} == market.broken


async def test_bars_that_do_not_pass_are_put_aside_with_a_report_and_their_symbol_stays_wanted(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    damage(folder, "BBY", last=FRIDAY, factor=100)
    damage(folder, "KO", last=FRIDAY)
    desk = await copy_of(empty_desk, source=files(folder))

    state = await backfill(desk, date(2022, 11, 1), FRIDAY)

    report = desk.ledger.facts.quality("own backfill", FRIDAY)
    assert state.message.startswith("own: 19 of 20 requests filled")
    assert "BBY on 2022-12-23: UNIT_ERROR" in state.message
    assert list(report.quarantined()) == ["BBY"]
    (aside,) = (desk.home / "quarantine").glob("own backfill-*.parquet")
    assert set(pd.read_parquet(aside)["symbol"]) == {"BBY"}


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (date(2021, 1, 4), None, "given by both its first and its last day, or by neither"),
        (date(2021, 1, 4), date(2020, 1, 2), "must be one with a session of XNYS"),
        (date(2021, 1, 4), date(2035, 12, 28), "has not come yet"),
    ],
)
async def test_a_range_that_cannot_be_filled_in_is_refused(
    empty_desk: DeskFolder, copy_of: Copy, first: date, last: date | None, told: str
):
    state = await backfill(await copy_of(empty_desk), first, last)

    with pytest.raises(TradingError, match=told):
        await state.aresult()


# -- gaps


async def test_a_gap_found_by_an_ingestion_is_queued_and_filled_when_the_source_has_it(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    whole = (folder / "KO.csv").read_bytes()
    damage(folder, "KO", without=date(2022, 12, 1))
    desk = await copy_of(empty_desk, source=files(folder))
    assert (await desk.ingest(TUESDAY)).is_completed()
    wanted_bars = desk.ledger.backfills.open("own")
    (folder / "KO.csv").write_bytes(whole)

    state = await backfill(desk, None, None)

    day = date(2022, 12, 1)
    assert wanted_bars == (BackfillRequest(source="own", symbol="KO", first=day, last=day, why=Why.GAP),)
    assert state.message == "own: 1 of 1 requests filled, 1 bars added, 0 changed"
    assert len(stored(desk, "own").on(day)) == 20


async def test_a_gap_that_three_attempts_do_not_fill_is_given_up_and_a_person_is_told(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    damage(folder, "KO", without=date(2022, 12, 1))
    desk = await copy_of(empty_desk, source=files(folder))
    await desk.ingest(TUESDAY)

    said = [(await backfill(desk, None, None)).message for _ in range(4)]

    assert ["0 of 1" in message for message in said] == [True, True, True, False]
    assert desk.ledger.backfills.open("own") == ()
    (alert,) = [alert for alert in desk.alerts() if alert.fingerprint.startswith("backfill")]
    assert alert.title == "No bars of KO from 2022-12-01 to 2022-12-01 at own"
    assert "Was trading halted?" in alert.text


async def test_a_gap_in_what_is_stored_is_found_without_being_asked_for(
    empty_desk: DeskFolder, copy_of: Copy, httpserver: HTTPServer
):
    today = TradingCalendar("XNYS").local_date(wall_clock())
    days = TradingCalendar("XNYS").sessions(today - timedelta(days=60), today - timedelta(days=5))
    market = YahooMarket(httpserver, ["AAA", "BBB"], days[0], days[-1])
    market.missing["AAA"] = set(days[7:9])
    desk = await copy_of(empty_desk, source=yahoo(market, ["AAA", "BBB"]))
    assert (await backfill(desk, days[0], days[-1])).is_completed()
    market.missing.clear()

    state = await backfill(desk, None, None)

    assert state.message == "us: 1 of 1 requests filled, 2 bars added, 0 changed"
    assert market.asked == {"AAA": 2, "BBB": 1}


# -- universes


async def test_a_universe_is_filled_in_for_its_members_of_the_range_up_to_the_day_they_left(
    empty_desk: DeskFolder, copy_of: Copy, market: YahooMarket, tmp_path: Path
):
    universe = tmp_path / "index.csv"
    universe.write_text("symbol,first,last\nS00,2019-01-02,\nS01,2019-01-02,2021-01-29\nS02,2021-03-01,\n")
    market.missing["S01"] = {day for day in market.days if day > date(2021, 1, 29)}  # no bars, and it is not late
    desk = await copy_of(empty_desk, source=yahoo(market))

    state = await backfill(desk, universe=universe)

    frame = stored(desk).frame
    assert state.message == "us: 2 of 2 requests filled, 57 bars added, 0 changed"
    assert frame.groupby("symbol").size().to_dict() == {"S00": 38, "S01": 19}
    assert market.asked == {"S00": 1, "S01": 1}
