"""A trading day, and all the days on which nothing may be traded."""

import asyncio
import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from itertools import count

import pytest
import sqlalchemy as sa
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from adapters.sql.engine import writing
from blocks.broker_account import Mode
from tests.flows.desks import FRIDAY, HOLIDAY, SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder, cents, sample_closes
from trading.market.timetable import MissedRun
from trading.orders.orders import OrdStatus

SEVEN_AM = datetime(2022, 12, 28, 12, 0, tzinfo=UTC)
NINE_AM = datetime(2022, 12, 28, 14, 0, tzinfo=UTC)  # half an hour before the open in New York
LATE = datetime(2022, 12, 28, 14, 45, tzinfo=UTC)
TOO_LATE = datetime(2022, 12, 28, 15, 1, tzinfo=UTC)
EVENING = datetime(2022, 12, 28, 22, 15, tzinfo=UTC)


def scheduled(patch: pytest.MonkeyPatch, now: datetime, *, step: timedelta = timedelta(0)) -> None:
    """Let the run be one that was scheduled for that time; each look at the clock takes a step."""
    looks = count()
    patch.setitem(vars(flow_run), "scheduled_start_time", now)
    patch.setattr("flows.guard.wall_clock", lambda: now + next(looks) * step)


def error_of(state: State) -> str:
    assert state.is_failed()
    return state.message


# -- a day


async def test_a_day_from_the_decision_to_the_reconciliation_ends_without_a_break(
    fresh_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(fresh_desk)

    traded = await desk.trade(WEDNESDAY)
    await desk.ingest(WEDNESDAY)
    reconciled = await desk.reconcile(WEDNESDAY)

    assert traded.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"
    assert reconciled.name == "Completed"
    assert reconciled.message.startswith("2022-12-28: 0 breaks, equity ")
    # By hand: half of 2 basis points of spread and 1 of slippage on the close, up to the tick; 0.005 a share.
    fills = [row for row in desk.rows("paper_report") if row.exec_type == "trade"]
    for row in fills:
        close = sample_closes(WEDNESDAY)[row.symbol]
        assert Decimal(row.last_px) == (cents(close) * Decimal("1.0002")).quantize(Decimal("0.01"), ROUND_UP)
        assert Decimal(row.commission) == max(cents(Decimal(row.last_qty) * Decimal("0.005")), Decimal(1))
    (worth,) = [r for r in desk.ledger.facts.reconciliations(desk.account) if r.session == WEDNESDAY]
    held = sum(Decimal(row.last_qty) * sample_closes(WEDNESDAY)[row.symbol] for row in fills)
    paid = sum(Decimal(row.last_qty) * Decimal(row.last_px) + Decimal(row.commission) for row in fills)
    assert cents(worth.equity) == cents(1_000_000 - paid + held)


async def test_a_second_run_of_a_session_places_nothing_and_says_why(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)

    state = await desk.trade(WEDNESDAY)

    assert state.message == (
        "2022-12-28: 0 orders sent, 20 of 20 filled, 0 working; "
        "it had been decided before, so nothing was decided again"
    )
    assert desk.at_broker() == list(SYMBOLS)


async def test_a_scheduled_day_is_traded_before_the_open_and_filled_after_the_close(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    monkeypatch.setattr("tasks.follow.POLL_SECONDS", 0)

    scheduled(monkeypatch, NINE_AM, step=timedelta(seconds=20))
    traded = await desk.trade(session=None)
    scheduled(monkeypatch, EVENING)
    await desk.ingest(None)
    reconciled = await desk.reconcile(None)

    # The sample has closes only, so at 09:45 nothing is filled yet.
    assert traded.message == "2022-12-28: 20 orders sent, 0 of 20 filled, 20 working"
    assert reconciled.message.startswith("2022-12-28: 0 breaks")
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.FILLED}


async def test_the_number_of_task_runs_does_not_grow_with_the_universe(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    small = await copy_of(fresh_desk, account="small", source={"symbols": ["CVX", "KO", "MRK", "PEP", "PG"]})

    runs = [(await d.trade(WEDNESDAY)).state_details.flow_run_id for d in (desk, small)]

    assert len(desk.orders()) == 20
    assert len(small.orders()) == 5
    many, few = [await _task_runs(run) for run in runs]
    assert many == few
    assert len(many) == 9


async def _task_runs(flow_run_id: object) -> list[str]:
    """Return the names of the run's tasks; the server writes them down about a second late."""
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    async with get_client() as client, asyncio.timeout(30):
        while True:
            found = [run.name.rsplit("-", 1)[0] for run in await client.read_task_runs(flow_run_filter=chosen)]
            if "deliver_alerts" in found:  # the last one
                return sorted(found)
            await asyncio.sleep(0.1)


# -- days without a trade


async def test_a_scheduled_run_on_a_holiday_is_skipped(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    scheduled(monkeypatch, datetime(2022, 12, 26, 14, 0, tzinfo=UTC))

    state = await desk.trade(session=None)

    assert (state.type, state.name, state.message) == ("COMPLETED", "Skipped", "2022-12-26 is no session")
    assert desk.at_broker() == []


async def test_a_run_after_the_deadline_never_trades(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    scheduled(monkeypatch, TOO_LATE)

    state = await desk.trade(session=None, missed_run=MissedRun.CATCH_UP)

    assert state.name == "Skipped"
    assert state.message == "too late for 2022-12-28: orders had to be placed by 15:00 UTC"
    assert desk.at_broker() == []


@pytest.mark.parametrize(
    ("missed_run", "sent"), [(MissedRun.SKIP, 0), (MissedRun.CATCH_UP, 20)], ids=["skip", "catch up"]
)
async def test_a_run_that_is_late_does_what_it_was_told_to(
    missed_run: MissedRun, sent: int, fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    scheduled(monkeypatch, LATE)

    await desk.trade(session=None, missed_run=missed_run)

    assert len(desk.at_broker()) == sent


async def test_a_late_run_that_nobody_answers_for_ends_as_skipped(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    scheduled(monkeypatch, LATE)
    monkeypatch.setattr("flows.guard.ASK_SECONDS", 1)
    monkeypatch.setattr("flows.pausing.LOOK_SECONDS", 0.1)

    state = await desk.trade(session=None, missed_run=MissedRun.ASK)

    assert (state.type, state.name) == ("COMPLETED", "Skipped"), state.message
    assert desk.at_broker() == []


async def test_a_session_in_the_future_is_refused(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)

    message = error_of(await desk.trade(date(2035, 3, 15)))

    assert "SessionNotReached: session 2035-03-15 has not come yet" in message
    assert "name a session that has" in message


async def test_a_day_that_is_no_session_is_refused_with_the_sessions_around_it(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)

    message = error_of(await desk.trade(HOLIDAY))

    assert "2022-12-26 is not a session of XNYS; the sessions around it are 2022-12-23 and 2022-12-27" in message


async def test_a_session_before_the_last_one_decided_is_refused(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)

    message = error_of(await desk.trade(TUESDAY))

    assert "session is '2022-12-27', but must be 2022-12-28 or later" in message
    assert desk.at_broker() == list(SYMBOLS)


async def test_a_session_decided_before_is_left_alone_once_a_later_one_is(invested_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(invested_desk)
    assert (await desk.trade(WEDNESDAY)).is_completed()
    before = desk.at_broker()

    state = await desk.trade(TUESDAY)

    assert state.name == "Skipped"
    assert desk.at_broker() == before


async def test_shadow_mode_decides_and_sends_nothing(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk, mode=Mode.SHADOW)

    state = await desk.trade(WEDNESDAY)

    assert state.message.endswith("; shadow, so nothing was sent")
    assert desk.at_broker() == []
    assert desk.orders() == {}
    decision = desk.ledger.journal.decision(desk.account, WEDNESDAY, "main")
    assert len(desk.ledger.journal.risk_decisions(decision["decision_id"])) == 20


# -- stopped


async def test_a_stop_file_stops_all_orders_until_a_person_resumes(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    stop_file = desk.home / "STOP"
    stop_file.touch()

    stopped = error_of(await desk.trade(WEDNESDAY))
    stop_file.unlink()
    still_stopped = error_of(await desk.trade(WEDNESDAY))
    desk.ledger.halts.resume("desk", "the feed is right again", "Ann", NINE_AM)
    resumed = await desk.trade(WEDNESDAY)

    assert f"DeskHalted: desk is halted: the file {stop_file} is there" in stopped
    assert "DeskHalted" in still_stopped
    assert "openbell resume" in still_stopped
    assert resumed.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"


async def test_a_halt_between_the_decision_and_the_sending_holds_the_orders_back(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)

    def halt_first(*_: object) -> bool:
        desk.ledger.halts.halt("paper", "loss limit", "Bob", SEVEN_AM)
        return True

    monkeypatch.setattr("adapters.sql.leases.SqlLeases.renew", halt_first)
    stopped = error_of(await desk.trade(WEDNESDAY))
    monkeypatch.undo()
    desk.ledger.halts.resume("paper", "looked at", "Bob", SEVEN_AM)
    resumed = await desk.trade(WEDNESDAY)

    assert "DeskHalted: paper is halted: loss limit (Bob" in stopped
    assert resumed.message.startswith("2022-12-28: 20 orders sent, 20 of 20 filled")


# -- what the decision stands on


async def test_bars_that_were_never_checked_are_not_traded_on(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk)

    message = error_of(await desk.trade(WEDNESDAY))

    assert "BarsNotPassed: bars of sample for 2022-12-27 are not passed: they were never checked" in message
    assert "run ingest_bars for 2022-12-27 first" in message
    assert desk.at_broker() == []


async def test_a_strategy_that_looks_further_back_than_the_store_decides_nothing(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    choice = {"name": "MomentumRotation", "parameters": {"lookback_sessions": 400}}

    message = error_of(await desk.trade(WEDNESDAY, strategy=choice))

    assert "BarsNotPassed" in message
    assert "run ingest_bars with history_sessions=400" in message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Raises", "it raised ZeroDivisionError: division by zero"),
        ("NotANumber", "the weight of KO is nan, but must be a finite number"),
        ("TooMuch", "its absolute weights add up to 2.5, but may be 2 at most"),
        ("Unlisted", "it weighs 'TSLA', which is not one of the 20 symbols in its bars"),
    ],
)
async def test_a_strategy_that_fails_makes_no_order_and_a_person_is_told(
    name: str, why: str, fresh_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(fresh_desk)

    message = error_of(await desk.trade(WEDNESDAY, strategy={"name": f"tests.flows.bad_strategies:{name}"}))

    assert f"StrategyFailed: strategy {name} failed: {why}" in message
    assert desk.rows("decision") == []
    assert desk.at_broker() == []
    (alert,) = desk.alerts()
    assert alert.title == "trade-session Failed"
    assert why in alert.text


async def test_cash_that_disagrees_with_the_broker_is_not_sized_by_until_it_is_cleared(
    traded_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(traded_desk)
    with writing(desk.ledger.engine) as connection:
        cash = Decimal(connection.execute(sa.text("SELECT cash FROM paper_account")).scalar_one())
        connection.execute(sa.text("UPDATE paper_account SET cash = :cash"), {"cash": str(cash + 5)})

    message = error_of(await desk.trade(date(2022, 12, 29)))
    desk.ledger.clearances.clear(desk.account, "USD", actor="Ada", reason="interest", now=datetime.now(UTC))
    again = await desk.trade(date(2022, 12, 29))

    assert "BooksDisagree: account paper does not agree with its broker: cash is" in message
    assert "transfer of +5.00" in message
    assert "BooksDisagree" not in (again.message or "")


async def test_a_position_that_differs_from_the_broker_locks_its_symbol_and_the_others_trade(
    traded_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(traded_desk)
    with writing(desk.ledger.engine) as connection:
        connection.execute(sa.text("UPDATE paper_position SET qty = '1' WHERE symbol = 'KO'"))

    await desk.trade(date(2022, 12, 29))

    decision = desk.ledger.journal.decision(desk.account, date(2022, 12, 29), "main")
    reasons = {t["symbol"]: t["reason"] for t in decision["targets"]}
    assert reasons["KO"].startswith("locked by a break: KO: ")
    assert not [symbol for symbol, reason in reasons.items() if "locked" in reason and symbol != "KO"]


async def test_a_damaged_file_of_bars_is_named_and_mended_by_ingesting_again(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    december = desk.home / "bars" / "sample" / "2022-12.parquet"
    damaged = bytearray(december.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    december.write_bytes(damaged)

    refused = error_of(await desk.trade(WEDNESDAY))
    december.rename(desk.home / "damaged.parquet")
    for session in (FRIDAY, TUESDAY):
        assert (await desk.ingest(session)).is_completed()
    mended = await desk.trade(WEDNESDAY)

    assert f"StoreCorrupt: {december} cannot be read" in refused
    assert "move it away and ingest its sessions again" in refused
    assert mended.message.startswith("2022-12-28: 20 orders sent, 20 of 20 filled")


async def test_a_ledger_of_another_version_is_not_written_to(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    with writing(desk.ledger.engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    before = hashlib.sha256((desk.home / "ledger.db").read_bytes()).digest()

    message = error_of(await desk.trade(WEDNESDAY))

    assert "SchemaMismatch: the ledger's schema is 0000, this version needs " in message
    assert "back it up and run `openbell init`" in message
    assert hashlib.sha256((desk.home / "ledger.db").read_bytes()).digest() == before


async def test_a_block_that_is_not_there_is_named_with_the_way_to_make_it(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)

    message = error_of(await desk.trade(WEDNESDAY, storage="nowhere"))

    assert "openbell-desk-storage name is 'nowhere', but must be a saved block; `openbell init` makes" in message
